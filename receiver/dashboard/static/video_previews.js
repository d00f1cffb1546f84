// Videos in lists load their first frame when they scroll into view, and play under the pointer.

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const visible = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    target.preload = "metadata";
    visible.unobserve(target);
  }
}, { rootMargin: "200px" });

const observeVideos = () => document.querySelectorAll("[data-preview]").forEach((video) => visible.observe(video));
new MutationObserver(observeVideos).observe(document.getElementById("main"), { childList: true, subtree: true });
observeVideos();

const videoOf = (event) => event.target.closest?.("a")?.querySelector("[data-preview]");
addEventListener("pointerover", (event) => reducedMotion.matches || videoOf(event)?.play().catch(() => {}));
addEventListener("pointerout", (event) => videoOf(event)?.pause());
