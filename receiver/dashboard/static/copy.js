// Buttons that copy their `data-copy`, or the text before them.
// Without scripts they stay hidden, and the text can be selected.

const showButtons = () => {
  if (!navigator.clipboard) return; // browsers offer it over https only
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
};
new MutationObserver(showButtons).observe(document.getElementById("main"), { childList: true, subtree: true });
showButtons();

addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy || button.previousElementSibling.textContent.trim());
  document.getElementById("announcements").textContent = "Copied";
  if (button.dataset.isCopied) return;
  const label = [...button.childNodes];
  button.dataset.isCopied = "yes";
  button.replaceChildren(button.dataset.copied ?? "Copied");
  setTimeout(() => {
    button.replaceChildren(...label);
    delete button.dataset.isCopied;
  }, 1500);
});
