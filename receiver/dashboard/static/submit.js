// Submits the form without leaving the page, and collects images; the server renders the rest.

import { refreshSoon } from "./live.js";

const PREVIEW_PIXELS = 192;
const parser = new DOMParser();
const files = new Map(); // the chosen images by the id of their list item
let count = 0;

const byId = (id) => document.getElementById(id);
const items = () => [...byId("image-list").children];

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

function formData(form) {
  const data = new FormData(form);
  data.delete("files");
  const order = [];
  let n = 0;
  for (const item of items()) {
    const file = files.get(item.id);
    if (file) data.append("files", file);
    order.push(file ? `file-${n++}` : item.querySelector("input").name);
  }
  data.set("order", order.join(" "));
  return data;
}

function showResponse(response, page, form) {
  const newForm = page.getElementById("submit-form");
  if (!newForm) return byId("form-error").replaceChildren(reason(response, page));
  const imported = document.importNode(newForm, true);
  for (const name of response.ok ? ["prompt", "more", "metadata", "draft_cache"] : []) {
    if (imported.elements[name] && form.elements[name]) imported.elements[name].value = form.elements[name].value;
  }
  const repeats = form.elements.repeats;
  if (repeats && !imported.elements.repeats) imported.append(repeats.cloneNode());
  const list = byId("image-list");
  form.replaceWith(imported);
  byId("image-list").replaceWith(list);
  prepare();
  if (!response.ok) return imported.querySelector("[aria-invalid]")?.focus();
  byId("result").replaceWith(document.importNode(page.getElementById("result"), true));
  history.replaceState(null, "", response.url);
  byId("submit").focus({ preventScroll: true });
  refreshSoon(); // the job may have ended before the page watched it
}

// Another page came, such as an error or the login: what was typed stays.
function reason(response, page) {
  if (new URL(response.url).pathname === "/login") return "Your session has ended. Log in in another tab, copy your text, and load this page again.";
  return `Not submitted: ${page.querySelector(".status-code ~ p")?.textContent ?? response.status}`;
}

// Images: chosen, dropped or pasted; moved and removed with buttons.

function add(chosen) {
  const mostBytes = Number(byId("images").dataset.mostBytes);
  const problem = byId("images-problem");
  problem.textContent = "";
  const medium = byId("files").accept.split("/")[0];
  for (const file of chosen) {
    if (!file.type.startsWith(`${medium}/`)) {
      problem.textContent = `${file.name} is no ${medium}.`;
      continue;
    }
    if (file.size + chosenBytes() > mostBytes) {
      problem.textContent = `${file.name} is too large: all files together may have ${Math.floor(mostBytes / 2 ** 20)} MiB.`;
      continue;
    }
    const item = document.createElement("li");
    item.id = `image-${++count}`;
    files.set(item.id, file);
    item.append(medium === "image" ? preview(file, item) : file.name);
    byId("image-list").append(item);
  }
  number();
}

function preview(file, item) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", file.name || "Pasted image");
  draw(canvas, file).catch(() => {
    item.remove();
    byId("images-problem").textContent = `${file.name} is left out: it is no image that can be shown.`;
    number();
  });
  return canvas;
}

const chosenBytes = () => items().reduce((sum, item) => sum + (files.get(item.id)?.size ?? 0), 0);

// On a canvas: the Content-Security-Policy allows no images but the server's.
async function draw(canvas, file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, PREVIEW_PIXELS / Math.max(image.width, image.height));
  canvas.width = image.width * scale;
  canvas.height = image.height * scale;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
}

function number() {
  items().forEach((item, n) => {
    item.querySelector(".image-actions")?.remove();
    const actions = document.createElement("span");
    actions.className = "image-actions";
    if (n > 0) actions.append(button("←", `Move image ${n + 1} forward`, () => item.previousElementSibling.before(item)));
    actions.append(`${n + 1}`, button("×", `Remove image ${n + 1}`, () => item.remove()));
    item.append(actions);
  });
}

function button(text, label, act) {
  const found = document.createElement("button");
  found.type = "button";
  found.className = "subtle";
  found.textContent = text;
  found.setAttribute("aria-label", label);
  found.addEventListener("click", () => (act(), number()));
  return found;
}

document.addEventListener("paste", (event) => {
  const pasted = [...(event.clipboardData?.files ?? [])];
  if (!pasted.length || event.clipboardData.types.includes("text/plain")) return;
  event.preventDefault();
  add(pasted);
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  add(event.dataTransfer.files);
});

// Another model has other fields; what was typed into the same fields stays.

async function showModel() {
  const query = new URLSearchParams({ model: byId("model").value });
  const page = parser.parseFromString(await (await fetch(`/submit?${query}`)).text(), "text/html");
  const form = byId("submit-form");
  const typed = new FormData(form);
  for (const id of ["model-fields", "images-medium", "images-hint", "model-advice"]) byId(id).replaceWith(document.importNode(page.getElementById(id), true));
  byId("files").accept = page.getElementById("files").accept;
  for (const [name, value] of typed) {
    const field = form.elements[name];
    if (field && typeof value === "string" && byId("model-fields").querySelector(`[name="${CSS.escape(name)}"]`)) field.value = value;
  }
}

function prepare() {
  for (const label of document.querySelectorAll("#image-list label")) label.hidden = true;
  byId("files").addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = "";
  });
  byId("model").addEventListener("change", () => showModel().catch(() => {}));
  number();
}

prepare();
