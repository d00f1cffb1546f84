// Submits the form without leaving the page; the server renders the result.

import { refreshSoon } from "./live.js";

const parser = new DOMParser();

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.id !== "submit-form") return;
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    showResponse(response, parser.parseFromString(await response.text(), "text/html"), form);
  } catch {
    // The idempotency key makes a second attempt safe even if the first one arrived.
    document.getElementById("form-error").textContent = "No connection. Submit again; it makes at most one job.";
  } finally {
    button.disabled = false;
  }
});

function showResponse(response, page, form) {
  const newForm = page.getElementById("submit-form");
  if (!newForm) return location.assign(response.url);
  const imported = document.importNode(newForm, true);
  if (response.ok) imported.querySelector("#prompt").value = form.querySelector("#prompt").value;
  form.replaceWith(imported);
  if (!response.ok) return imported.querySelector("[aria-invalid]")?.focus();
  document.getElementById("result").replaceWith(document.importNode(page.getElementById("result"), true));
  history.replaceState(null, "", response.url);
  imported.querySelector("button").focus({ preventScroll: true });
  refreshSoon(); // the job may have ended before the page watched it
}
