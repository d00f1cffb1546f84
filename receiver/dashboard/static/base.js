// Entry point of every page: live updates, and times in the viewer's time zone.

import { watch } from "./live.js";
import { localizeTimes } from "./times.js";

const watched = document.body.dataset.live;
if (watched) watch(watched);
localizeTimes(document);
