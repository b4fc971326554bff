// How far it is: one sentence, one bar, a few figures, the title and the icon of the tab; asked for again and again
// while the page is seen.
// `changed(progress)` hears each answer; `progress.back` is true for the first one after the server was away.

import { el, icon, keepFocus, speak } from "./dom.js";
import * as Moments from "./moments.js";
import * as Money from "./money.js";
import * as Words from "./words.js";

const EVERY = 2000;
const WHEN_STILL = 6000;

function createProgress(source, section, changed) {
  let { cursor } = source;
  let timer;
  let spoken = 0;
  let asked = 0;
  let away = false;
  const { title } = document;

  // Only the latest question counts: an earlier answer that comes late tells of the past, and would ask on its own.
  async function look() {
    asked += 1;
    const turn = asked;
    clearTimeout(timer);
    const progress = await source.progress(cursor).catch((error) => unreachable(error, turn));
    if (turn !== asked) return;
    if (source.canAct) timer = setTimeout(soon, progress?.running ? EVERY : WHEN_STILL);
    if (progress) hear(progress);
  }

  function unreachable(error, turn) {
    if (turn !== asked) return;
    away = true;
    section.replaceChildren(
      el("p", { class: "notice tone-doubt", role: "alert" }, icon("question"), error.message),
    );
  }

  // Outside of what catches the server's errors: one of the page's own is not the server's.
  function hear(progress) {
    const back = away;
    away = false;
    const other = progress.cursor < cursor; // another database stands there now
    cursor = progress.cursor;
    show(progress);
    changed({ ...progress, back, many: progress.many || other });
  }

  const soon = () => {
    if (!document.hidden) look();
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && source.canAct) look();
  });

  function show(progress) {
    const content = [headline(progress), bar(progress), figures(progress), ...notices(progress, source)];
    keepFocus(section, () => section.replaceChildren(...content));
    if (source.canAct) showInTab(progress, title);
    const { counts, total } = progress;
    if (Date.now() - spoken > 60000) {
      spoken = Date.now();
      speak(`${counts.succeeded} of ${total} videos are done, ${counts.failed} failed.`);
    }
  }

  return { look };
}

function headline({ counts, total, running, run }) {
  const done = `${Words.number(counts.succeeded)} of ${Words.counted(total, "video")} done`;
  const ended = run?.ended_at ? ["The last run ended ", Moments.moment(run.ended_at)] : "No run is going on";
  return el(
    "div",
    { class: "headline" },
    el("h1", {}, total ? done : "No jobs yet"),
    el("p", {}, running ? ["A run began ", Moments.moment(run?.started_at)] : ended),
  );
}

// The part that is settled as long as a run goes on, and a sign of what became of the jobs.
function showInTab({ counts, held, total, running }, title) {
  const settled = counts.succeeded + counts.failed + counts.cancelled;
  const part = running && total ? `${Math.floor((100 * settled) / total)}% · ` : "";
  document.title = `${part}${title}`;
  const signs = [
    [running, "-running"],
    [held, "-doubt"],
    [counts.failed, "-failed"],
    [total && counts.succeeded === total, "-done"],
  ];
  const sign = signs.find(([applies]) => applies)?.[1] ?? "";
  const link = document.querySelector('link[rel="icon"]');
  const href = `/static/icon${sign}.svg`;
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
}

function bar({ counts, total }) {
  const parts = Words.ORDER.filter((state) => counts[state] > 0);
  const words = parts
    .map((state) => `${Words.number(counts[state])} ${Words.STATES[state].word.toLowerCase()}`)
    .join(", ");
  return el(
    "div",
    { class: "bar", role: "img", "aria-label": total ? words : "no jobs" },
    parts.map((state) => {
      const piece = el("span", {
        class: `tone-${Words.STATES[state].tone}`,
        title: `${Words.number(counts[state])} ${Words.STATES[state].word.toLowerCase()}`,
      });
      piece.style.flexGrow = counts[state];
      return piece;
    }),
  );
}

// The figures that the terminal shows, in its words.
function figures(progress) {
  const { counts, running } = progress;
  const flying = counts.submitting + counts.generating;
  const perVideo = counts.succeeded ? progress.spend_usd / counts.succeeded : 0;
  const more = progress.committed_usd - progress.spend_usd;
  const budget = progress.budget_usd;
  const told = [
    running &&
      progress.videos_per_hour > 0 && [
        "Speed",
        `${Words.number(Math.round(progress.videos_per_hour))} videos/h`,
        `${Money.words(progress.usd_per_hour)}/h`,
      ],
    left(progress),
    ["Spent", Money.words(progress.spend_usd), budget === null ? "" : `of ${Money.words(budget)}`],
    more > 0.005 && ["Reserved", Money.words(more), "", "for what is in flight or in doubt"],
    running && flying > 0 && ["In flight", Words.number(flying), ""],
    counts.succeeded > 0 && ["Average cost", Money.words(perVideo), "", "of a video"],
    progress.price_unknown > 0 && [
      "Price not known",
      Words.number(progress.price_unknown),
      progress.price_unknown === 1 ? "video" : "videos",
    ],
  ].filter(Boolean);
  return el(
    "dl",
    { class: "figures" },
    told.map(([name, value, aside, meaning]) =>
      el(
        "div",
        { title: meaning },
        el("dt", {}, name, meaning && el("span", { class: "unseen" }, ` ${meaning}`)),
        el("dd", {}, value, aside && [" ", el("small", {}, aside)]),
      ),
    ),
  );
}

function left({ counts, total, running, ahead, now, eta_seconds: seconds }) {
  const jobs = total - counts.succeeded - counts.failed - counts.cancelled - counts.in_doubt;
  if (!jobs) return undefined;
  if (!running) return ["Left", Words.counted(jobs, "job"), ""];
  if (!ahead) return ["Left", "not known yet", ""];
  const [about, between] = ahead.replace(/\)$/, "").split(" (");
  const until = `until about ${Moments.hour(now + seconds, now)}`;
  return ["Left", about, between ? `${between} · ${until}` : until];
}

function notices({ counts, held, total }, source) {
  const notes = [];
  const doubts = counts.in_doubt - held;
  const note = (words, more) => [words, el("span", { class: "more" }, `: ${more}`), ". "];
  const told = [
    held && note(`${Words.counted(held, "job")} held in doubt`, "the usage log stayed silent, and you decide"),
    doubts &&
      note(
        `${Words.counted(doubts, "submit")} in doubt`,
        `the usage log is asked what became of ${doubts === 1 ? "it" : "them"}`,
      ),
  ].filter(Boolean);
  if (told.length) {
    notes.push(
      el(
        "p",
        { class: "notice tone-doubt" },
        icon("question"),
        el("span", {}, told, el("a", { href: "#/videos?state=in_doubt" }, "Show")),
      ),
    );
  }
  if (source.madeAt) {
    const part =
      source.shown < total
        ? ` It has the first ${Words.number(source.shown)} of ${Words.counted(total, "job")}.`
        : "";
    notes.push(
      el(
        "p",
        { class: "notice tone-waiting" },
        icon("clock"),
        el(
          "span",
          {},
          "A report, made ",
          Moments.moment(source.madeAt),
          "; nothing can be changed from here.",
          part,
        ),
      ),
    );
  }
  return notes;
}

export { createProgress };
