// Entry point of every page: live updates, and times in the viewer's time zone.

import { watch } from "./live.js";
import { showStale } from "./stale.js";
import { localizeTimes } from "./times.js";

const watched = document.body.dataset.live;
if (watched) watch(watched);
localizeTimes(document);
showStale();

document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !event.target.closest?.("input, textarea, select")) {
    document.getElementById("shortcuts")?.showModal();
  }
});
