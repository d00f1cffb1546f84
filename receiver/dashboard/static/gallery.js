// Films show their first picture when they come into sight, and play under the pointer.

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    target.preload = "metadata";
    seen.unobserve(target);
  }
}, { rootMargin: "200px" });

const watch = () => document.querySelectorAll("[data-film]").forEach((film) => seen.observe(film));
new MutationObserver(watch).observe(document.getElementById("main"), { childList: true, subtree: true });
watch();

const film = (event) => event.target.closest?.(".card")?.querySelector("[data-film]");
addEventListener("pointerover", (event) => calm.matches || film(event)?.play().catch(() => {}));
addEventListener("pointerout", (event) => film(event)?.pause());

// Who filters sees by what.
const filters = document.getElementById("filters");
filters.open = sessionStorage.getItem("filters") === "open";
filters.addEventListener("toggle", () => sessionStorage.setItem("filters", filters.open ? "open" : ""));
