// Buttons that copy; without a script the text stands beside them.

const show = () => {
  if (!navigator.clipboard) return; // only https has one
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
};
new MutationObserver(show).observe(document.getElementById("main"), { childList: true, subtree: true });
show();

addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const word = button.textContent;
  button.textContent = "Copied";
  document.getElementById("news").textContent = "Copied";
  setTimeout(() => (button.textContent = word), 1500);
});
