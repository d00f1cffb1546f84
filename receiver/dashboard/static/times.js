// Times in the viewer's zone and words, exact on hover, and counted on as they pass.

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
// The server's own words (filters.py), so that nothing moves when this begins to count.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const LATELY = 10;

// Our own clock may be wrong: deadlines are counted by the server's.
const ahead = Number(document.body.dataset.now || Date.now() / 1000) - Date.now() / 1000;
const now = () => Date.now() / 1000 + ahead;

export function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!time.title || time.dataset.exact !== time.dateTime) time.title = EXACT.format(at);
    time.dataset.exact = time.dateTime;
  }
  tick(root);
}

function tick(root) {
  for (const time of root.querySelectorAll("time[data-as]")) {
    const seconds = new Date(time.dateTime) / 1000 - now();
    const text = WORDS[time.dataset.as](seconds, time);
    if (time.textContent !== text) time.textContent = text;
  }
}

const WORDS = {
  age: (seconds) => (seconds > -LATELY ? "now" : `${span(-seconds)} ago`),
  clock: (_, time) => CLOCK.format(new Date(time.dateTime)),
  exact: (_, time) => EXACT.format(new Date(time.dateTime)),
  left: (seconds) => (seconds < 1 ? "any moment" : seconds < 60 ? `in ${Math.floor(seconds)} s` : seconds < 7200 ? `in ${clock(seconds)}` : `in ${span(seconds)}`),
};

function span(seconds) {
  const [unit, length] = UNITS.find(([, one]) => seconds >= one) || UNITS.at(-1);
  return `${Math.floor(seconds / length)} ${unit}`;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  const pad = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

setInterval(() => document.hidden || tick(document), 1000);
document.addEventListener("visibilitychange", () => tick(document));
