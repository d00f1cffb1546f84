// The filter form stays open from page to page.
const filters = document.getElementById("filters");
filters.open = sessionStorage.getItem("filters") === "open";
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.getElementById("q").select();
  document.getElementById("q").focus();
});
filters.addEventListener("toggle", () => sessionStorage.setItem("filters", filters.open ? "open" : ""));
