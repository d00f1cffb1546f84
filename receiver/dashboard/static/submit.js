// Sends the form without leaving the page; the server renders what comes of it.

import { renewSoon } from "./live.js";

const parser = new DOMParser();

document.addEventListener("submit", async (happening) => {
  const form = happening.target;
  if (form.id !== "order") return;
  happening.preventDefault();
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    show(answer, parser.parseFromString(await answer.text(), "text/html"), form);
  } catch {
    // Sent again it is the same submission, whether it has arrived or not.
    document.getElementById("trouble").textContent = "No connection. Submit again; at most one job comes of it.";
  } finally {
    button.disabled = false;
  }
});

function show(answer, page, form) {
  const fresh = page.getElementById("order");
  if (!fresh) return location.assign(answer.url);
  const mine = document.importNode(fresh, true);
  if (answer.ok) mine.querySelector("#prompt").value = form.querySelector("#prompt").value;
  form.replaceWith(mine);
  if (!answer.ok) return mine.querySelector("[aria-invalid]")?.focus();
  document.getElementById("result").replaceWith(document.importNode(page.getElementById("result"), true));
  history.replaceState(null, "", answer.url);
  mine.querySelector("button").focus({ preventScroll: true });
  renewSoon(); // it may have ended before we looked
}
