// Looks again every few seconds, as long as anybody looks.

import { renewSoon } from "./live.js";

const EVERY = 3000;
const unknown = !document.querySelector(".panels");

setInterval(() => {
  if (document.hidden) return;
  if (unknown) location.reload();
  else renewSoon();
}, EVERY);
