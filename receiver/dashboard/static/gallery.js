// The gallery's keys, its tabs and its filters.
const filters = document.getElementById("filters");
const current = document.querySelector(".tabs [aria-current]");
if (current) current.parentElement.scrollLeft = current.offsetLeft - current.parentElement.offsetLeft - 16;

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && filters.open) {
    filters.open = false;
    filters.querySelector("summary").focus();
  }
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.getElementById("q").select();
  document.getElementById("q").focus();
});
document.addEventListener("click", (event) => {
  if (!filters.contains(event.target)) filters.open = false;
});
// A job that is opened from here has its neighbours in this order.
document.addEventListener("click", (event) => {
  if (!event.target.closest(".card > a")) return;
  const ids = [...document.querySelectorAll(".card")].map((card) => card.id.replace("job-", ""));
  sessionStorage.setItem("gallery", JSON.stringify({ address: location.pathname + location.search, ids }));
});
