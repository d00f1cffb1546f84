// Chooses jobs of the gallery: by their boxes, in ranges, and by keys. The boxes work without it.

const form = document.getElementById("selection");
const count = form.querySelector("[role=status]");
const all = form.elements.all;
const KEPT = "selection"; // what was starred stays selected on the page that comes then
const selected = new Set(); // ids: a live update replaces the boxes
let last = null; // where a range begins

const boxes = () => [...document.querySelectorAll(".select")];

function select(box, isSelected, isRange) {
  const every = boxes();
  const [from, to] = [every.findIndex((one) => one.value === last), every.indexOf(box)].sort((a, b) => a - b);
  for (const one of isRange && from >= 0 ? every.slice(from, to + 1) : [box]) {
    if (isSelected) selected.add(one.value);
    else selected.delete(one.value);
  }
  last = box.value;
  show();
}

function show() {
  const every = boxes();
  if (all?.checked) for (const box of every) selected.add(box.value);
  for (const id of selected) if (!every.some((box) => box.value === id)) selected.delete(id);
  for (const box of every) box.checked = selected.has(box.value);
  const text = all?.checked ? "All selected" : `${selected.size} selected`;
  if (count.textContent !== text) count.textContent = text;
}

function selectShown() {
  for (const box of boxes()) selected.add(box.value);
  show();
}

function clear() {
  selected.clear();
  if (all) all.checked = false;
  show();
}

document.addEventListener("click", (event) => {
  const card = event.target.closest?.(".card");
  const box = card?.querySelector(".select");
  if (event.target.closest?.("#clear-selection")) return clear();
  if (event.target.closest?.("#select-shown")) return selectShown();
  if (!box || (event.target !== box && !(event.shiftKey && selected.size))) return;
  if (event.target !== box) event.preventDefault(); // shift and a click on the picture
  if (all && !box.checked) all.checked = false;
  select(box, event.target === box ? box.checked : true, event.shiftKey);
});
all?.addEventListener("change", () => (all.checked ? show() : clear()));

document.addEventListener("keydown", (event) => {
  const box = event.target.closest?.(".card")?.querySelector(".select");
  const isOpen = document.querySelector("dialog[open], #filters[open]");
  if (event.ctrlKey || event.metaKey || event.altKey || isOpen) return;
  const isTyping = event.target.closest?.("input:not(.select), textarea, select");
  if (event.key === "Escape" && selected.size) clear();
  else if (event.key === "a" && !isTyping) selectShown();
  else if (box && ["x", "X", " "].includes(event.key)) {
    if (event.key === " " && event.target === box && !event.shiftKey) return; // the browser does it
    event.preventDefault();
    select(box, event.shiftKey || !selected.has(box.value), event.shiftKey);
  }
});

form.addEventListener("submit", (event) => {
  const isStar = ["star", "unstar"].includes(event.submitter?.value);
  if (isStar) sessionStorage.setItem(KEPT, JSON.stringify([location.href, ...selected]));
});
const [address, ...ids] = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
sessionStorage.removeItem(KEPT);
if (address === location.href) for (const id of ids) selected.add(id);
for (const box of boxes()) if (box.checked) selected.add(box.value);
new MutationObserver(show).observe(document.getElementById("page"), { childList: true, subtree: true });
show();
