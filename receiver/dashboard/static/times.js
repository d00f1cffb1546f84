// Times in the viewer's time zone; ages and countdowns are updated every second.

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
// The same words as filters.py, so that the text does not change when this script starts.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const NOW_SECONDS = 10;
const CLOCK_MAX_SECONDS = 7200;

// The browser's clock may be wrong: count by the server's.
const offset = Number(document.body.dataset.now || Date.now() / 1000) - Date.now() / 1000;
const serverNow = () => Date.now() / 1000 + offset;

export function localizeTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!time.title || time.dataset.localized !== time.dateTime) time.title = FULL.format(at);
    time.dataset.localized = time.dateTime;
  }
  updateTexts(root);
}

function updateTexts(root) {
  for (const time of root.querySelectorAll("time[data-format]")) {
    const seconds = new Date(time.dateTime) / 1000 - serverNow();
    const text = FORMATS[time.dataset.format](seconds, time);
    if (time.textContent !== text) time.textContent = text;
  }
}

const FORMATS = {
  age: (seconds) => (seconds > -NOW_SECONDS ? "now" : `${duration(-seconds)} ago`),
  short: (seconds) => (seconds > -NOW_SECONDS ? "now" : duration(-seconds)),
  time: (_, time) => TIME.format(new Date(time.dateTime)),
  remaining: (seconds) => {
    if (seconds < 1) return "any moment";
    const isClock = seconds >= 60 && seconds < CLOCK_MAX_SECONDS;
    return `in ${isClock ? clock(seconds) : duration(seconds)}`;
  },
};

function duration(seconds) {
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) || UNITS.at(-1);
  return `${Math.floor(seconds / length)} ${unit}`;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  const pad = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

setInterval(() => document.hidden || updateTexts(document), 1000);
document.addEventListener("visibilitychange", () => updateTexts(document));
