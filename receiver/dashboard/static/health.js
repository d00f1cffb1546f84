// Refreshes the page every few seconds while it is visible.

import { refreshSoon } from "./live.js";

const INTERVAL_MS = 3000;
const hasNumbers = document.querySelector(".panels");

setInterval(() => {
  if (document.hidden) return;
  if (hasNumbers) refreshSoon();
  else location.reload();
}, INTERVAL_MS);
