// What every page does once it is there: times in the viewer's zone, and news as they come.

import { follow } from "./live.js";
import { localise } from "./times.js";

const watched = document.body.dataset.live;
if (watched) follow(watched);
localise(document);
