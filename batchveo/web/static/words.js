// States, sizes, spans and numbers in words; moments and money have files of their own.
const STATES = {
  pending: { word: "Pending", icon: "clock", tone: "waiting", says: "Waits for its turn to be submitted." },
  submitting: {
    word: "Submitting",
    icon: "up",
    tone: "active",
    says: "Its request is on the way; the outcome is not known yet.",
  },
  in_doubt: {
    word: "In doubt",
    icon: "question",
    tone: "doubt",
    says: "Its request may or may not have been accepted; the usage log will tell.",
  },
  generating: {
    word: "Generating",
    icon: "spark",
    tone: "active",
    says: "Accepted and paid for; the service is making the video.",
  },
  downloading: {
    word: "Downloading",
    icon: "down",
    tone: "active",
    says: "The video is finished and is being fetched.",
  },
  succeeded: { word: "Done", icon: "check", tone: "succeeded", says: "The video was stored and verified." },
  failed: {
    word: "Failed",
    icon: "cross",
    tone: "failed",
    says: "The service refused this job for good, or reported an error for it.",
  },
  cancelled: { word: "Cancelled", icon: "ban", tone: "gone", says: "Withdrawn before it was submitted." },
};
const HELD = {
  word: "Held in doubt",
  icon: "question",
  tone: "doubt",
  says: "The usage log stayed silent; a person decides what becomes of it.",
};
const CHOICES = {
  picked: {
    word: "Picked",
    icon: "star",
    tone: "succeeded",
    says: "More people picked this clip than rejected it.",
  },
  rejected: {
    word: "Rejected",
    icon: "cross",
    tone: "gone",
    says: "More people rejected this clip than picked it.",
  },
};
const gateFailed = ({ gate }) => ({
  word: "Gate failed",
  icon: "cross",
  tone: "failed",
  says: `The clip is kept, and left out of exports: ${gate} does not hold.`,
});
const CAUSES = { failed: "failed", cancelled: "was cancelled", rejected: "was rejected" };
// A pending job whose parent has no video to begin from.
const blocked = ({ blocked_by: { name, state } }) => ({
  word: "Blocked",
  icon: "unlink",
  tone: "doubt",
  why: `${name} ${CAUSES[state] ?? "has no video"}`,
  says: `Needs the video of ${name}, which ${CAUSES[state] ?? "is not there"}. It continues once that job is made again.`,
});
const waiting = ({ waiting_for: { name, state } }) => ({
  word: "Waiting",
  icon: "link",
  tone: "waiting",
  why: `needs ${name}`,
  says:
    state === "open"
      ? `Waits for ${name}, whose gates cannot decide yet: score the clip, or pick it.`
      : `Waits for the video of ${name}.`,
});
const PARTS = { first: "first frame", last: "last frame", video: "video", id: "generation id" };
const part = (name) => PARTS[name] ?? `frame at ${name} s`;
const ORDER = [
  "succeeded",
  "downloading",
  "generating",
  "submitting",
  "pending",
  "in_doubt",
  "failed",
  "cancelled",
];

// A finished job whose file is gone or damaged is no success to whoever looks for the video.
function state(job) {
  if (job.held) return HELD;
  if (job.blocked_by) return blocked(job);
  if (job.waiting_for) return waiting(job);
  if (job.state !== "succeeded") return STATES[job.state];
  if (!job.problem)
    return CHOICES[job.choice] ?? (job.verdict === "rejected" ? gateFailed(job) : STATES.succeeded);
  return { word: job.problem.word, icon: "question", tone: "doubt", says: job.problem.says };
}
const UNPLAYABLE = {
  word: "Cannot be played",
  icon: "question",
  tone: "doubt",
  says: "The browser cannot play this video.",
};

// What stands in the place of a video that did not play.
const unplayed = (job) => (job.problem ? state(job) : UNPLAYABLE);
const number = (value) => new Intl.NumberFormat("en-US").format(value);
const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

// Without its maker, as google/veo3, where there is little room. The rest of other names does not tell them apart:
// veo2/image-to-video, kling-video/v1.6/pro/image-to-video.
function model(name) {
  const [, rest] = /^[^/]+\/([^/]*\d[^/]*)$/.exec(name) ?? [];
  return rest ?? name;
}

// 8 s, 720p, 16:9: of a clip as it came, else as it was asked for.
function clip({ duration, resolution, aspect, size }) {
  const seconds = typeof duration === "number" ? `${duration} s` : duration;
  const picture = size ? `${size[0]}×${size[1]}` : resolution;
  return [seconds, picture, typeof aspect === "string" ? aspect : undefined].filter(Boolean);
}

function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["bytes", "kB", "MB", "GB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < 3) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

// black_seconds, and 0.5 s: a measure with its unit.
const field = (name) => {
  const words = name.replace(/_(seconds|lufs)$/, "").replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};
function measure({ name, value, unit }) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (unit === "bit/s") return `${Math.round(value / 1000).toLocaleString("en-US")} kbit/s`;
  const shown = Number.isInteger(value) ? number(value) : String(Math.round(value * 100) / 100);
  return unit && unit !== name ? `${shown} ${unit}` : shown; // cuts: 3, not 3 cuts
}

// The mean of people's ratings, beside a word.
const rated = (job) => (job.rating ? ` · ${Math.round(job.rating * 10) / 10} of 5` : "");

export { clip, counted, field, measure, model, number, ORDER, part, rated, STATES, size, span, state, unplayed };
