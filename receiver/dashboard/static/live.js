// Live updates: when a job changes, fetch this page again and replace the elements that differ.
// Only the server renders; elements with an id and `data-live` are compared, and the children of
// `data-keyed` elements are matched by their ids.

import { showStale } from "./stale.js";
import { localizeTimes } from "./times.js";

const REFRESH_INTERVAL_MS = 1500; // at least, between two refreshes
const DEBOUNCE_MS = 120; // one job often changes several times in a row
const RETRY_MS = 5000;
const TIMEOUT_MS = 10_000;

const renderedHtml = new WeakMap(); // the HTML of an element as the server sent it
const parser = new DOMParser();
let stream = null;
let timer = null;
let refreshedAt = 0;
let isRefreshing = false;
let hasChanged = false; // since the refresh under way was asked for
let since = document.body.dataset.since; // the stream of a new page begins there

// `watched` is "all" or the id of a job.
export function watch(watched) {
  for (const element of liveElements(document)) rememberHtml(element);
  const open = () => {
    if (document.hidden || stream) return;
    const path = watched === "all" ? "/live" : `/live/${encodeURIComponent(watched)}`;
    stream = new EventSource(since ? `${path}?last_event_id=${since}` : path);
    for (const name of ["job", "deleted", "reset"]) stream.addEventListener(name, refreshSoon);
    if (!since) stream.addEventListener("open", refreshSoon); // for events that were missed
    since = "";
    stream.addEventListener("error", onError);
  };
  const close = () => {
    stream?.close();
    stream = null;
  };
  const onError = () => {
    refreshSoon(); // shows the login when the session has ended, or that the server is away
    if (stream?.readyState !== EventSource.CLOSED) return; // the browser reconnects by itself
    close();
    setTimeout(open, RETRY_MS);
  };
  document.addEventListener("visibilitychange", () => {
    // Browsers allow six connections to one origin, for all tabs together.
    if (document.hidden) return close();
    refreshSoon();
    open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

export function refreshSoon() {
  hasChanged = true;
  if (isRefreshing) return; // another refresh follows that one
  const wait = Math.max(DEBOUNCE_MS, refreshedAt + REFRESH_INTERVAL_MS - Date.now());
  timer ??= setTimeout(() => refresh().catch(() => {}), wait);
}

async function refresh() {
  refreshedAt = Date.now();
  timer = null;
  isRefreshing = true;
  hasChanged = false;
  const address = location.href;
  let isCurrent = false;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(address, { headers: { Accept: "text/html" }, signal });
    if (response.redirected && new URL(response.url).pathname === "/login") return location.reload();
    if (response.status === 404) return location.reload();
    const page = parser.parseFromString(await response.text(), "text/html");
    // The health page describes an outage itself, with status 503.
    isCurrent = response.ok || (document.body.dataset.page && isSamePage(page));
    // A form that was submitted meanwhile has given the page another address and a new result.
    if (isCurrent && address === location.href) update(page);
  } finally {
    isRefreshing = false;
    showStale(!isCurrent);
    if (!isCurrent) setTimeout(refreshSoon, RETRY_MS);
    else if (hasChanged) refreshSoon();
  }
}

const isSamePage = (page) => page.body.dataset.page === document.body.dataset.page;

function update(page) {
  if (!isSamePage(page)) return location.reload();
  for (const element of liveElements(page)) {
    const old = document.getElementById(element.id);
    if (!old || renderedHtml.get(old) === comparableHtml(element)) continue;
    if (nestedIds(element) && nestedIds(element) === nestedIds(old)) continue; // updated one by one
    if ("keyed" in element.dataset && "keyed" in old.dataset) updateChildren(old, element);
    else replace(old, element);
  }
}

const nestedIds = (element) => Array.from(liveElements(element), (nested) => nested.id).join();

function updateChildren(old, element) {
  const existing = new Map([...old.children].map((child) => [child.id, child]));
  const announcements = [];
  const children = [...element.children].map((child) => {
    const same = existing.get(child.id);
    if (same && renderedHtml.get(same) === comparableHtml(child)) return same;
    if (!same) announcements.push(child.dataset.announcement);
    return importLive(child);
  });
  renderedHtml.set(old, comparableHtml(element));
  const focusedChild = [...old.children].find((child) => child.contains(document.activeElement));
  const focusedIndex = focusedChild ? focusable(focusedChild).indexOf(document.activeElement) : -1;
  for (const child of [...old.children]) if (!children.includes(child)) child.remove();
  // Elements that stay are not moved: a move loses the focus and restarts a video.
  let next = old.firstElementChild;
  for (const child of children) {
    if (child === next) next = next.nextElementSibling;
    else old.insertBefore(child, next);
  }
  if (focusedIndex >= 0 && !focusedChild.isConnected) {
    const successor = document.getElementById(focusedChild.id);
    if (successor) focusable(successor)[focusedIndex]?.focus({ preventScroll: true });
  }
  announce(announcements);
}

const focusable = (element) => [...element.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];

function replace(old, element) {
  const focusedId = old.contains(document.activeElement) && document.activeElement.id;
  const openIds = new Set([...old.querySelectorAll("details[open][id]")].map((details) => details.id));
  const imported = importLive(element);
  old.replaceWith(imported);
  for (const details of imported.querySelectorAll("details[id]")) details.open ||= openIds.has(details.id);
  if (focusedId) document.getElementById(focusedId)?.focus({ preventScroll: true });
}

function importLive(element) {
  const imported = document.importNode(element, true);
  for (const live of [imported, ...liveElements(imported)]) rememberHtml(live);
  localizeTimes(imported);
  return imported;
}

const liveElements = (root) => root.querySelectorAll("[data-live][id]");

function rememberHtml(element) {
  renderedHtml.set(element, comparableHtml(element));
  if ("keyed" in element.dataset) for (const child of element.children) renderedHtml.set(child, comparableHtml(child));
}

// The HTML without the texts of times, which change every second.
function comparableHtml(element) {
  const copy = element.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.textContent = time.title = "";
  return copy.outerHTML;
}

// Screen readers announce new jobs once.
function announce(announcements) {
  const text = announcements.length > 3
    ? `${announcements.length} new jobs`
    : announcements.map((one) => `New: ${one}`).join(". ");
  if (text) document.getElementById("announcements").textContent = text;
}
