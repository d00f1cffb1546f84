// Says that the page may be out of date: the server does not answer, or this device is offline.

const element = document.getElementById("stale");
let isStale = false;

export function showStale(is = isStale) {
  isStale = is;
  const reason = navigator.onLine ? "The server does not answer." : "You are offline.";
  element.hidden = navigator.onLine && !isStale;
  if (!element.hidden) element.textContent = `${reason} This page may be out of date.`;
}

addEventListener("offline", () => showStale());
addEventListener("online", () => showStale());
