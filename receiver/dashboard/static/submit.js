// Submits the form without leaving the page, and collects images; the server renders the rest.

import { refreshSoon } from "./live.js";
import { chosenModel, fillIn } from "./submit_pickers.js";

const PREVIEW_PIXELS = 192;
const parser = new DOMParser();
const files = new Map(); // the chosen files by the id of their list item
const typed = new Map(); // what was typed or chosen, by the name of its field
let spare = []; // controls with files that no control takes now
let count = 0;

const byId = (id) => document.getElementById(id);
const controls = () => [...document.querySelectorAll("[data-control]")]; // of files
const list = (control) => control.querySelector("ol");
const items = (control) => [...list(control).children];
const field = (root, name) => root.querySelector(`[name="${CSS.escape(name)}"]:not([type="file"])`);
const texts = (control) => field(control, control.dataset.control);
const isTimed = (control) => "timed" in control.dataset;

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.id !== "submit-form") return;
  event.preventDefault();
  const button = byId("submit");
  if (button.disabled) return;
  button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body: formData(form) });
    showResponse(response, parser.parseFromString(await response.text(), "text/html"), form);
  } catch {
    // The idempotency key makes a second attempt safe even if the first one arrived.
    byId("form-error").textContent = "No connection. Submit again; it makes at most one job.";
  } finally {
    button.disabled = false;
  }
});

// The text of a control has a line for each file: `file:<n>` is its n-th upload.
function formData(form) {
  const data = new FormData(form);
  for (const control of controls()) {
    const name = control.dataset.control;
    data.delete(name);
    let n = 0;
    const lines = items(control).map((item) => {
      const file = files.get(item.id);
      if (file) data.append(name, file);
      return `${item.querySelector(".seconds")?.value ?? ""} ${file ? `file:${n++}` : item.dataset.line}`;
    });
    data.append(name, [...lines, texts(control).value].map((line) => line.trim()).filter(Boolean).join("\n"));
  }
  return data;
}

function showResponse(response, page, form) {
  const newForm = page.getElementById("submit-form");
  if (!newForm) return byId("form-error").replaceChildren(reason(response, page));
  const imported = document.importNode(newForm, true);
  const repeats = form.elements.repeats;
  if (repeats && !imported.elements.repeats) imported.append(repeats.cloneNode());
  replace(form, imported);
  if (!response.ok) return imported.querySelector("[aria-invalid]")?.focus();
  byId("result").replaceWith(document.importNode(page.getElementById("result"), true));
  history.replaceState(null, "", response.url);
  byId("submit").focus({ preventScroll: true });
  byId("result").scrollIntoView({ block: "nearest" }); // on a phone it is below the form
  refreshSoon(); // the job may have ended before the page watched it
}

// What was typed and chosen stays, in the fields of the same names.
function replace(old, fresh) {
  for (const one of old.querySelectorAll("input, select, textarea")) {
    const isText = !["file", "checkbox", "radio"].includes(one.type);
    if (one.name && (isText || (one.type === "radio" && one.checked))) typed.set(one.name, one.value);
  }
  const lists = [...spare, ...old.querySelectorAll("[data-control]")];
  const active = old.contains(document.activeElement) ? document.activeElement : null;
  spare = [];
  old.replaceWith(fresh);
  for (const [name, value] of typed) {
    const choice = `[name="${CSS.escape(name)}"][value="${CSS.escape(value)}"]`;
    const found = fresh.querySelector(choice) ?? field(fresh, name);
    if (found?.type === "radio") found.checked = true;
    else if (found && !found.value) found.value = value;
  }
  const filled = new Set();
  for (const from of lists) {
    const same = controls().filter((one) => one.dataset.kind === from.dataset.kind);
    const to = same.find((one) => one.dataset.control === from.dataset.control) ?? same[0];
    if (!to) {
      if (items(from).length) spare.push(from);
      continue;
    }
    if (!filled.has(to)) list(to).replaceChildren();
    filled.add(to);
    if (to.dataset.control === from.dataset.control) texts(to).value = texts(from).value; // without those in the list
    list(to).append(...items(from));
  }
  prepare();
  const again = active?.name && field(fresh, active.name); // somebody may be typing
  again?.focus();
  if (again?.selectionStart != null) again.setSelectionRange(active.selectionStart, active.selectionEnd);
}

// Another page came, such as an error or the login: what was typed stays.
function reason(response, page) {
  if (new URL(response.url).pathname === "/login") {
    return "Your session has ended. Log in in another tab, copy your text, and load this page again.";
  }
  return `Not submitted: ${page.querySelector(".status-code ~ p")?.textContent ?? response.status}`;
}

// Files: chosen, dropped or pasted; moved and removed with buttons.

function add(control, chosen) {
  const mostBytes = Number(byId("submit-form").dataset.mostBytes);
  const { kind, most } = control.dataset;
  const problem = control.querySelector("[role=alert]");
  problem.textContent = "";
  for (const file of chosen) {
    if (kind !== "draft" && !file.type.startsWith(`${kind}/`)) {
      problem.textContent = `${file.name} is no ${kind}.`;
      continue;
    }
    if (file.size + chosenBytes() > mostBytes) {
      const mebibytes = Math.floor(mostBytes / 2 ** 20);
      problem.textContent = `${file.name} is too large: all files together may have ${mebibytes} MiB.`;
      continue;
    }
    if (most === "1") list(control).replaceChildren();
    const item = document.createElement("li");
    item.id = `file-${++count}`;
    files.set(item.id, file);
    item.append(kind === "image" ? preview(file, item, problem) : file.name);
    list(control).append(item);
  }
  number(control);
}

// Lines of a control's text become items, with the images of an earlier job; one URL stays.
function addLines(control) {
  const text = texts(control);
  const kept = new Map(items(control).filter((item) => !item.id).map((item) => [item.dataset.line, item]));
  const left = [];
  for (const line of text.value.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const image = kept.get(line);
    if (!image && control.dataset.most === "1") {
      left.push(line);
      continue;
    }
    const [, time, content] = line.match(isTimed(control) ? /^(?:([0-9.]+)\s+)?(.*)$/ : /^()(.*)$/);
    const item = image?.cloneNode(true) ?? document.createElement("li");
    item.dataset.line = content;
    item.id = `line-${++count}`;
    item.querySelector("code")?.remove();
    if (!image) item.append(content.length > 40 ? `${content.slice(0, 40)}…` : content);
    if (isTimed(control)) item.append(seconds(time ?? ""));
    list(control).append(item);
  }
  for (const item of kept.values()) item.remove();
  text.value = left.join("\n");
  number(control);
}

function preview(file, item, problem) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", file.name || "Pasted image");
  draw(canvas, file).catch(() => {
    const control = item.closest("[data-control]");
    item.remove();
    problem.textContent = `${file.name} is left out: it is no image that can be shown.`;
    if (control) number(control);
  });
  return canvas;
}

const chosenBytes = () => controls().flatMap(items).reduce((sum, item) => sum + (files.get(item.id)?.size ?? 0), 0);

// On a canvas: the Content-Security-Policy allows no images but the server's.
async function draw(canvas, file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, PREVIEW_PIXELS / Math.max(image.width, image.height));
  canvas.width = image.width * scale;
  canvas.height = image.height * scale;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
}

function number(control) {
  const { kind, most } = control.dataset;
  items(control).forEach((item, n) => {
    item.querySelector(".image-actions")?.remove();
    const actions = document.createElement("span");
    actions.className = "image-actions";
    const forward = () => item.previousElementSibling.before(item);
    if (n > 0) actions.append(button(control, "←", `Move ${kind} ${n + 1} forward`, forward));
    const remove = button(control, "×", `Remove ${kind} ${n + 1}`, () => item.remove());
    actions.append(most === "1" ? "" : `${n + 1}`, remove);
    item.append(actions);
    const time = item.querySelector(".seconds") ?? (isTimed(control) ? seconds() : null);
    if (!time) return;
    time.setAttribute("aria-label", `Seconds of keyframe ${n + 1}`);
    item.append(time);
  });
}

function seconds(value = "") {
  const found = document.createElement("input");
  Object.assign(found, { type: "number", className: "seconds", min: 0, step: "any", placeholder: "s", value });
  return found;
}

function button(control, text, label, act) {
  const found = document.createElement("button");
  found.type = "button";
  found.className = "subtle";
  found.textContent = text;
  found.setAttribute("aria-label", label);
  found.addEventListener("click", () => (act(), number(control)));
  return found;
}

// What is dropped beside the controls, or pasted, goes to the first that takes such files.
function addAnywhere(chosen, target) {
  const kind = chosen[0].type.split("/")[0];
  const fits = controls().filter((one) => one.dataset.kind === kind || one.dataset.kind === "draft");
  const free = fits.find((one) => !(items(one).length >= Number(one.dataset.most)));
  const control = target?.closest?.("[data-control]") ?? free ?? fits[0] ?? controls()[0];
  if (control) add(control, chosen);
}

document.addEventListener("paste", (event) => {
  const pasted = [...(event.clipboardData?.files ?? [])];
  if (!pasted.length || event.clipboardData.types.includes("text/plain")) return;
  event.preventDefault();
  addAnywhere(pasted);
});
const markDropped = (target) => {
  for (const one of document.querySelectorAll(".drop")) one.classList.toggle("is-over", one.contains(target));
};
document.addEventListener("dragover", (event) => (event.preventDefault(), markDropped(event.target)));
document.addEventListener("dragleave", () => markDropped(null));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  markDropped(null);
  if (event.dataTransfer.files.length) addAnywhere([...event.dataTransfer.files], event.target);
});

// Another model, or mode, has other fields.

async function showModel(mode) {
  const query = new URLSearchParams({ model: chosenModel() });
  if (mode) query.set(mode.name, mode.value);
  const page = parser.parseFromString(await (await fetch(`/submit?${query}`)).text(), "text/html");
  byId("model-advice").replaceWith(document.importNode(page.getElementById("model-advice"), true));
  replace(byId("model-part"), document.importNode(page.getElementById("model-part"), true));
}

// What is typed, chosen or uploaded beside these fields stays out of the URL.
async function showPrice() {
  const given = ":is(select, input:not([type=radio]), :checked)";
  const fields = document.querySelectorAll(`#model-part > .model-fields ${given}`);
  const query = new URLSearchParams({ model: chosenModel() });
  for (const field of fields) if (field.name && field.value) query.set(field.name, field.value);
  const mode = document.querySelector("[data-selects]");
  if (mode) query.set(mode.name, mode.value);
  const page = parser.parseFromString(await (await fetch(`/submit?${query}`)).text(), "text/html");
  byId("model-advice").replaceWith(document.importNode(page.getElementById("model-advice"), true));
}

document.addEventListener("change", (event) => {
  const { target } = event;
  const control = target.closest("[data-control]");
  if (target.name === "model" && !target.value) byId("model").focus();
  else if (target.name === "model" || target.matches("[data-selects]")) {
    showModel(target.name === "model" ? null : target).catch(() => {});
  } else if (target.id === "model") {
    document.querySelector('[name="model"][value=""]').checked = true;
    showModel().catch(() => {});
  } else if (target.name === "aspect") fillIn(target);
  else if (["width", "height", "aspect_ratio"].includes(target.id)) {
    const typed = document.querySelector('[name="aspect"][value=""]');
    if (typed) typed.checked = true;
  } else if (control && target.type === "file") {
    add(control, [...target.files]);
    target.value = "";
  } else if (control && target === texts(control)) addLines(control);
  if (target.closest("#model-part > .model-fields")) showPrice().catch(() => {});
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("submit-form").requestSubmit();
});

function prepare() {
  controls().forEach(addLines);
}

prepare();
