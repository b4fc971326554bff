// A job's whole history, in a dialog with an address of its own.

import { byId, copy, cut, el, icon, keepFocus } from "./dom.js";
import * as Moments from "./moments.js";
import * as Money from "./money.js";
import { createPlayer } from "./player.js";
import { createStrip } from "./strip.js";
import * as Words from "./words.js";

// `lost(job)` hears of videos that do not play, `seen(job)` of each job as it is now.
function createPanel(source, actions, { beside, closed, lost, seen }) {
  const dialog = byId("job");
  let open;
  let unplayed;
  let shown; // the job as it was last
  const screen = el("div");
  const place = el("div");
  const strip = createStrip(source, {
    lost,
    // the film plays in the place of the job's own video
    filmed: (film) => {
      if (!open || !shown) return;
      fill(shown);
      if (!film) dialog.querySelector(".strip-play")?.focus({ preventScroll: true });
    },
  });

  async function show(id) {
    if (open !== id) strip.close();
    open = id;
    try {
      const job = await source.job(id);
      seen(job);
      if (open === id) fill(job);
    } catch (error) {
      if (open !== id) return;
      delete dialog.dataset.of;
      dialog.replaceChildren(
        top({ id, name: "This job cannot be shown" }),
        el("div", { class: "panel-in" }, el("p", { class: "empty" }, error.message)),
      );
    }
    if (open === id && !dialog.open) {
      dialog.showModal();
      dialog.scrollTop = 0;
    }
  }

  // The same job as it is now; a video that plays goes on playing.
  async function refresh() {
    if (!open || !dialog.open) return;
    const job = await source.job(open).catch(() => undefined);
    if (job && job.id === open) {
      seen(job);
      fill(job);
    }
  }

  function fill(job) {
    shown = job;
    const state = Words.state(job);
    const kept = dialog.querySelector(".player");
    const video = strip.film() ?? own(job, state, kept);
    const chain = strip.show(job);
    const cause = job.blocked_by ?? job.waiting_for;
    const top_ = dialog.dataset.of === job.id && dialog.querySelector(".panel-top");
    const about = el(
      "div",
      { class: "panel-about" },
      el(
        "div",
        { class: "panel-state" },
        el("span", { class: `state tone-${state.tone}` }, icon(state.icon), state.word),
        el(
          "p",
          {},
          job.problem && !job.video ? "" : state.says,
          cause && [" ", el("a", { href: `#/job/${encodeURIComponent(cause.id)}` }, "Open that job"), "."],
          job.unlinked && " This report does not link to it: it lies in another part of the disk.",
        ),
      ),
      job.error && el("p", { class: "panel-error" }, job.error),
      el(
        "div",
        { class: "panel-said" },
        el(
          "p",
          { class: "panel-prompt", tabindex: (job.prompt || "").length > 900 ? 0 : undefined },
          job.prompt || "(no prompt)",
        ),
        job.prompt && copier(job.prompt, "Prompt"),
      ),
      el("div", { class: "panel-do" }, actions.buttons(job), links(job)),
      section("Details", facts(job)),
      checks(job),
      section("History", life(job), job.attempts.map(attempt)),
      section(
        "Request",
        el("pre", { tabindex: 0, "aria-label": "Request" }, JSON.stringify(job.request, null, 2)),
        Object.keys(job.meta).length > 0 && [
          el("h4", {}, "Meta"),
          el("pre", { tabindex: 0, "aria-label": "Meta" }, JSON.stringify(job.meta, null, 2)),
        ],
      ),
    );
    // what plays, and what is scrolled, stays where it is
    keepFocus(dialog, () => {
      put(screen, video);
      put(place, chain);
      if (top_) dialog.querySelector(".panel-about").replaceWith(about);
      else dialog.replaceChildren(top(job), el("div", { class: "panel-in" }, screen, place, about));
    });
    dialog.dataset.of = job.id;
  }

  function put(slot, node) {
    if (slot.firstChild !== (node || null)) slot.replaceChildren(...(node ? [node] : []));
  }

  // The job's own video, or why it cannot be shown.
  function own(job, state, kept) {
    if (!job.video) return job.problem && missing(state);
    if (unplayed === videoKey(job)) return missing(Words.unplayed(job));
    return kept?.dataset.of === videoKey(job) ? kept : player(job);
  }

  function top(job) {
    const go = (step) => {
      const id = beside(job.id, step);
      if (id) location.replace(`#/job/${encodeURIComponent(id)}`);
    };
    const move = (step, name, sign) =>
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": name,
          title: name,
          "data-step": step,
          disabled: !beside(job.id, step),
          onclick: () => go(step),
        },
        icon(sign),
      );
    const title = el("h2", { id: "job-title", title: job.name });
    cut(title, job.name);
    return el(
      "div",
      { class: "panel-top" },
      title,
      move(-1, "Previous job", "left"),
      move(1, "Next job", "right"),
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": "Close",
          title: "Close (Esc)",
          onclick: () => dialog.close(),
          autofocus: true,
        },
        icon("cross"),
      ),
    );
  }

  const videoKey = (job) => `${job.id} ${job.sha256}`;
  function player(job) {
    const { node, video } = createPlayer(job, {
      src: source.whole(job) ?? source.preview(job),
      poster: source.poster(job),
      "aria-label": `Video of ${job.name}`,
    });
    node.dataset.of = videoKey(job);
    video.addEventListener("error", () => {
      if (open !== job.id || !video.isConnected) return;
      const preview = source.preview?.(job);
      if (preview && video.getAttribute("src") !== preview) {
        video.src = preview;
        video.after(el("p", { class: "panel-preview" }, "A small preview: the video is not beside this report."));
        return;
      }
      unplayed = videoKey(job); // it is not tried again and again
      node.replaceWith(missing(Words.unplayed(job)));
      lost(job);
    });
    return node;
  }

  // In the place of the player.
  const missing = ({ icon: sign, tone, word, says }) =>
    el("div", { class: `panel-missing tone-${tone}` }, icon(sign), el("strong", {}, word), el("p", {}, says));

  function links(job) {
    const whole = job.video && source.whole(job);
    if (!whole) return [];
    const link = (href, text) => el("a", { class: "button", href, target: "_blank", rel: "noopener" }, text);
    const sidecar = source.sidecar(job); // a report can only link to a file, and there may be none beside the video
    const download = el(
      "a",
      { class: "button", href: `${whole}${source.canAct ? "?download" : ""}`, download: "" },
      icon("down"),
      "Download",
    );
    return [download, link(whole, "Open the video"), ...(sidecar ? [link(sidecar, "Sidecar")] : [])];
  }

  function keydown(event) {
    if (
      event.target.closest("video, input, select, pre, .strip-list") ||
      event.altKey ||
      event.ctrlKey ||
      event.metaKey
    )
      return;
    const step = { ArrowRight: 1, ArrowLeft: -1, j: 1, k: -1 }[event.key];
    if (!step) return;
    const id = beside(open, step);
    if (id) location.replace(`#/job/${encodeURIComponent(id)}`);
  }

  dialog.addEventListener("keydown", keydown);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  }); // the veil beside it
  dialog.addEventListener("close", () => {
    const was = open;
    open = undefined;
    unplayed = undefined;
    shown = undefined;
    strip.close();
    for (const node of [dialog, screen, place]) node.replaceChildren();
    delete dialog.dataset.of;
    closed(was);
  });

  // More jobs have come: there may be a next one now.
  function retop() {
    const old = dialog.querySelector(".panel-top");
    if (open && old)
      old.querySelectorAll("[data-step]").forEach((button) => {
        button.disabled = !beside(open, Number(button.dataset.step));
      });
  }

  return {
    show,
    refresh,
    retop,
    showing: () => open,
    // Whether what it shows depends on a job.
    follows: (id) => open !== undefined && (open === id || strip.has(id)),
    close: () => {
      if (dialog.open) dialog.close();
    },
    // Whether the player uses this key.
    press: (key) => dialog.querySelector(".player")?.press(key) ?? false,
  };
}

const section = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);
const copier = (text, what) =>
  el(
    "button",
    {
      type: "button",
      class: "quiet copier",
      title: `Copy the ${what.toLowerCase()}`,
      "aria-label": `Copy the ${what.toLowerCase()}`,
      onclick: () => copy(text, what),
    },
    icon("copy"),
  );
const copied = (text, what) => text && el("span", { class: "copied" }, code(text), copier(text, what));
const code = (text) => (text === null || text === undefined ? undefined : el("code", {}, text));

function listOf(pairs) {
  const told = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "–" && value !== "");
  return el(
    "dl",
    { class: "facts" },
    told.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}

function facts(job) {
  const place = job.source && `${job.source}${job.line ? `, line ${job.line}` : ""}`;
  return listOf([
    ["Model", job.model],
    ["Made from", job.parents.length ? job.parents.map(madeFrom) : undefined],
    ["Seed", job.seed],
    ["Repeat", job.index > 0 ? `number ${job.index + 1} of the same request` : undefined],
    ["Cost", job.cost_usd === null ? undefined : Money.words(job.cost_usd)],
    ["Generation took", job.generation_seconds === null ? undefined : Words.span(job.generation_seconds)],
    ["Asked for in", place],
    ["Split", job.split],
    ["Catalogue of models", code(job.catalogue)],
    ["Not validated", job.unchecked.join(", ")],
    ["Clip", Words.clip(job).join(" · ")],
    ["Frames a second", job.fps === null ? undefined : Math.round(job.fps * 100) / 100],
    ["File", copied(job.file, "Path")],
    ["Size", job.bytes === null ? undefined : Words.size(job.bytes)],
    ["SHA-256", code(job.sha256)],
    ["Generation", copied(job.generation_id, "Generation id")],
    ["Job", copied(job.id, "Id")],
    ["Command", copied(job.command, "Command")],
    [
      "Next try",
      job.state === "pending" && job.not_before > Date.now() / 1000 ? Moments.when(job.not_before) : undefined,
    ],
  ]);
}

const madeFrom = ({ id, name, part }, index) => [
  index ? ", " : "",
  `${Words.part(part)} of `,
  el("a", { href: `#/job/${encodeURIComponent(id)}` }, name),
];

// What was measured, what gates and people say.
function checks(job) {
  const gates = job.verdicts.map(({ at, verdict, gate, values }) => {
    const found = Object.entries(values).map(([name, value]) => `${name} is ${value ?? "not known"}`);
    const says = { accepted: "Accepted", rejected: "Rejected", open: "Not decided" }[verdict];
    return [
      Moments.moment(at),
      [says, gate && ": ", code(gate || undefined), found.length > 0 && ` (${found.join(", ")})`],
    ];
  });
  const links = job.near.map(({ id, name }) =>
    el("li", {}, el("a", { href: `#/job/${encodeURIComponent(id)}` }, name)),
  );
  const scores = Object.entries(job.scores);
  return [
    (job.measures.length > 0 || scores.length > 0) &&
      section(
        "Measured",
        listOf([...job.measures.map((one) => [Words.field(one.name), Words.measure(one)]), ...scores]),
        [...job.mismatches, ...job.problems].map((text) => el("p", { class: "odd" }, text)),
      ),
    gates.length > 0 && section("Gates", listOf(gates)),
    job.votes.length > 0 && section("Votes", listOf(job.votes.map((one) => [one.person, vote(one)]))),
    links.length > 0 && section("Looks the same as", el("ul", { class: "near" }, links)),
  ];
}

function vote({ kind, rating, other, at }) {
  const says = {
    pick: "picked it",
    reject: "rejected it",
    rate: `rated it ${rating} of 5`,
    better: `prefers it to ${other}`,
    worse: `prefers ${other}`,
    both_bad: `finds it and ${other} bad`,
  }[kind];
  return [says, " ", el("span", { class: "when" }, Moments.moment(at))];
}

function life(job) {
  const steps = [
    [job.created_at, "pending", "Named by the manifest"],
    ...job.events.map((event) => [event.at, event.to_state, event.detail]),
  ];
  return el(
    "ol",
    { class: "life" },
    steps.map(([at, name, detail], index) => {
      const state = Words.STATES[name];
      const before = index > 0 ? steps[index - 1][0] : undefined;
      return el(
        "li",
        { class: `tone-${state.tone}` },
        el("strong", {}, state.word),
        " ",
        el(
          "span",
          { class: "when" },
          before === undefined ? Moments.moment(at) : Moments.moment(at, later(at - before)),
        ),
        detail && el("p", {}, detail),
      );
    }),
  );
}

// How long after the step before.
const later = (seconds) => (seconds < 0.05 ? "at once" : `+${Words.span(seconds)}`);

function attempt(one) {
  const outcome = Words.STATES[one.outcome];
  return el(
    "div",
    { class: "attempt" },
    el("p", {}, `Attempt ${one.number}`),
    listOf([
      ["Request id", code(one.client_request_id)],
      ["Begun", Moments.moment(one.started_at)],
      ["Sent", one.sent_at === null ? "not known to have left" : after(one, one.sent_at)],
      ["Answered", one.ended_at === null ? undefined : after(one, one.ended_at)],
      ["Became", outcome ? outcome.word.toLowerCase() : one.outcome],
      ["Because", one.detail],
      ["Generation", code(one.generation_id)],
      ["Price reserved", one.price_usd === null ? undefined : Money.words(one.price_usd)],
    ]),
  );
}

const after = (one, at) => Moments.moment(at, later(at - one.started_at));

export { createPanel };
