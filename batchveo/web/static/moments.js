// Moments in words: one form for the whole page, with charts and report. Times of day are those of this machine's
// zone, to 24 hours; a day of another year than this one has its year. What is near is told by its distance, with the
// moment itself under the pointer.

import { el } from "./dom.js";

const format = (options) => new Intl.DateTimeFormat("en-GB", options);
const MINUTE = format({ hour: "2-digit", minute: "2-digit" });
const SECOND = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = format({ weekday: "short", day: "numeric", month: "short" });
const WEEKDAY = format({ weekday: "short" });
const DAY_SECONDS = 86400;
const isSaid = (at) => at !== null && at !== undefined;

// 23:08, or 23:08:12
const clock = (at, seconds = false) => (seconds ? SECOND : MINUTE).format(at * 1000);

// Thu 26 Nov, as a label that stands among others
const date = (at) => DAY.format(at * 1000).replace(",", "");

// Thu 26 Nov, or Thu 26 Nov 2025
function day(at) {
  const year = new Date(at * 1000).getFullYear();
  return year === new Date().getFullYear() ? date(at) : `${date(at)} ${year}`;
}

// Thu 26 Nov 23:08:12
const when = (at) => (isSaid(at) ? `${day(at)} ${clock(at, true)}` : "–");

// To the minute, with its weekday unless that is the day of `now`.
function hour(at, now) {
  const isToday = new Date(at * 1000).toDateString() === new Date(now * 1000).toDateString();
  return isToday ? clock(at) : `${WEEKDAY.format(at * 1000)} ${clock(at)}`;
}

// just now, 12 min ago, 3 h ago; a longer time ago, the day and the minute
function ago(at, now = Date.now() / 1000) {
  const seconds = now - at;
  if (seconds >= DAY_SECONDS || seconds < -60) return `${day(at)} ${clock(at)}`;
  if (seconds < 60) return "just now";
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ago` : `${Math.floor(seconds / 3600)} h ago`;
}

// `words` with the moment that they mean.
const moment = (at, words = ago(at)) =>
  isSaid(at) ? el("time", { datetime: new Date(at * 1000).toISOString(), title: when(at) }, words) : "–";

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";

export { ago, clock, date, day, hour, moment, when, zone };
