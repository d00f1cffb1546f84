// A job's keys, its neighbours in the gallery that it was opened from, and its zoom.

const byId = (id) => document.getElementById(id);
const zoom = byId("zoom");
const { address, ids } = JSON.parse(sessionStorage.getItem("gallery") ?? '{"ids": []}');
const at = ids.indexOf(document.querySelector("article.job").dataset.id);

if (at >= 0) {
  byId("back").href = address;
  link(byId("newer"), ids[at - 1]);
  link(byId("older"), ids[at + 1]);
}

// Beyond the list of a gallery without filters the server's own neighbours go on.
function link(element, id) {
  if (id) element.href = `/jobs/${encodeURIComponent(id)}`;
  else if (address.includes("?")) element.removeAttribute("href");
  element.hidden = !element.hasAttribute("href");
}

function open(image) {
  const large = zoom.querySelector("img");
  large.src = image.src;
  large.alt = image.alt;
  zoom.showModal();
  large.decode().catch(() => {}).then(() => {
    zoom.scrollTo((zoom.scrollWidth - zoom.clientWidth) / 2, (zoom.scrollHeight - zoom.clientHeight) / 2);
  });
}

document.addEventListener("click", (event) => {
  const opened = event.target.closest?.("[data-zoom]");
  if (zoom.contains(event.target)) return zoom.close();
  if (!opened || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(opened.querySelector("img"));
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, select, video, pre");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const image = document.querySelector("[data-zoom] img");
  if (event.key === "ArrowLeft" && !zoom.open) byId("newer").click();
  else if (event.key === "ArrowRight" && !zoom.open) byId("older").click();
  else if (event.key === "z" && zoom.open) zoom.close();
  else if (event.key === "z" && image) open(image);
});
