// Renews what differs when a job changes: the server renders, nothing is built of text here.

import { localise } from "./times.js";

const PAUSE = 1500; // at most so often, in milliseconds
const SOON = 120; // changes come in flocks
const RETRY = 5000;

const sources = new WeakMap(); // elements as the server sent them
const parser = new DOMParser();
let stream = null;
let due = null;
let renewedAt = 0;

export function follow(watched) {
  for (const part of parts(document)) remember(part);
  const open = () => {
    if (document.hidden || stream) return;
    stream = new EventSource(watched === "all" ? "/live" : `/live/${encodeURIComponent(watched)}`);
    for (const name of ["job", "forgotten", "reset"]) stream.addEventListener(name, renewSoon);
    if (renewedAt) stream.addEventListener("open", renewSoon); // what happened meanwhile
    stream.addEventListener("error", lost);
  };
  const close = () => {
    stream?.close();
    stream = null;
  };
  const lost = () => {
    renewSoon(); // a session that is over leads to the login, a silent server is told of
    if (stream?.readyState !== EventSource.CLOSED) return; // it comes back by itself
    close();
    setTimeout(open, RETRY);
  };
  document.addEventListener("visibilitychange", () => {
    // A browser keeps six connections to us, for all of its tabs.
    if (document.hidden) return close();
    renewSoon();
    open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

export function renewSoon() {
  const wait = Math.max(SOON, renewedAt + PAUSE - Date.now());
  due ??= setTimeout(() => renew().catch(() => {}), wait);
}

async function renew() {
  renewedAt = Date.now();
  let current = false;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected && new URL(answer.url).pathname === "/login") return location.reload();
    if (answer.status === 404) return location.reload();
    const fresh = parser.parseFromString(await answer.text(), "text/html");
    current = answer.ok || (document.body.dataset.kind && same(fresh)); // some show a trouble themselves
    if (current) swap(fresh);
  } finally {
    due = null;
    document.getElementById("stale").hidden = Boolean(current);
    if (!current) setTimeout(renewSoon, RETRY);
  }
}

const same = (fresh) => fresh.body.dataset.kind === document.body.dataset.kind;

function swap(fresh) {
  if (!same(fresh)) return location.reload();
  for (const part of parts(fresh)) {
    const old = document.getElementById(part.id);
    if (!old || sources.get(old) === source(part)) continue;
    if (inner(part) && inner(part) === inner(old)) continue; // its parts are renewed on their own
    if ("keyed" in part.dataset && "keyed" in old.dataset) arrange(old, part);
    else put(part, old);
  }
}

const inner = (part) => Array.from(parts(part), (one) => one.id).join();

function arrange(old, fresh) {
  const known = new Map([...old.children].map((child) => [child.id, child]));
  const wanted = [...fresh.children].map((child) => {
    const here = known.get(child.id);
    if (here && sources.get(here) === source(child)) return here;
    if (!here) arrived(child);
    return adopt(child);
  });
  sources.set(old, source(fresh));
  for (const child of [...old.children]) if (!wanted.includes(child)) child.remove();
  // What stays is not moved: it would lose the focus, and a film its place.
  let at = old.firstElementChild;
  for (const child of wanted) {
    if (child === at) at = at.nextElementSibling;
    else old.insertBefore(child, at);
  }
  announce();
}

function put(part, old) {
  const focused = old.contains(document.activeElement) && document.activeElement.id;
  const open = new Set([...old.querySelectorAll("details[open][id]")].map((one) => one.id));
  const mine = adopt(part);
  old.replaceWith(mine);
  for (const one of mine.querySelectorAll("details[id]")) one.open ||= open.has(one.id);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function adopt(part) {
  const mine = document.importNode(part, true);
  for (const one of [mine, ...parts(mine)]) remember(one);
  localise(mine);
  return mine;
}

const parts = (root) => root.querySelectorAll("[data-live][id]:not(body)");

function remember(part) {
  sources.set(part, source(part));
  if ("keyed" in part.dataset) for (const child of part.children) sources.set(child, source(child));
}

// What a time says differs from second to second; that is no news.
function source(part) {
  const copy = part.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.textContent = time.title = "";
  return copy.outerHTML;
}

// What has come is said once, to who cannot see it.
let news = [];

function arrived(child) {
  if (child.dataset.said) news.push(child.dataset.said);
}

function announce() {
  const said = news.length > 3 ? `${news.length} new jobs` : news.map((one) => `New: ${one}`).join(". ");
  if (said) document.getElementById("news").textContent = said;
  news = [];
}
