// Takes of one prompt side by side: played in step, rated and picked by keys. Each act is a vote of a person.

import { ask } from "./ask.js";
import { el, icon, listKeys, openKeys, speak, toast } from "./dom.js";
import * as Money from "./money.js";
import { createPlayback } from "./playback.js";
import * as Words from "./words.js";

const PERSON = "batchveo-person";
const AXES = { prompt: "prompt", repeat: "repeats of a request", seed: "seed", model: "model" };
const SHOWN = ["duration_seconds", "black_seconds", "frozen_seconds", "silent_seconds", "cuts", "motion", "blur"];
const ALWAYS = new Set(["duration_seconds", "motion"]); // others are worth a word unless they are 0
const KEYS = [
  ["1 – 5", "Rate the clip in focus"],
  ["p", "Pick it; several of a group may be picked"],
  ["x", "Reject it"],
  ["← →", "Of two clips: the left, the right is better. Of more: the focus moves"],
  ["↑ ↓", "Move the focus"],
  ["b", "Of two clips: both are bad"],
  ["u", "Undo your latest vote"],
  ["Space", "Play, pause"],
  ["m", "Sound of the clip in focus, on and off"],
  ["n, Shift n", "Next group, previous group"],
  ["?", "Show these keys"],
];
const still = matchMedia("(prefers-reduced-motion: reduce)");
const LETTERS = "ABCDEF";

// `moved()` hears when `query()` has changed, `voted()` of each vote.
function createChoose(source, section, { moved, voted }) {
  let wanted; // the address: by, where, group, blind, rejected
  let person = remembered();
  let answer; // what the server said of the group on the screen
  let order = []; // its jobs, as they are shown
  let takes = []; // a node for each
  let active = 0;
  let isHeard = false;
  let asked = 0;
  let isBusy = false;
  const shuffles = new Map(); // so that a group in sight keeps its order
  const playback = createPlayback(showTime);
  const parts = makeParts();

  function makeParts() {
    const by = el("select", { "aria-label": "Group by", onchange: () => go({ by: by.value, group: "" }) });
    const where = el("input", {
      type: "text",
      class: "condition",
      placeholder: "Condition, such as motion > 2",
      "aria-label": "Condition",
      "aria-describedby": "choose-wrong",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 1000,
      onchange: () => go({ where: where.value.trim(), group: "" }),
    });
    const blind = el("input", { type: "checkbox", onchange: () => go({ blind: blind.checked ? "1" : "" }) });
    const rejected = el("input", {
      type: "checkbox",
      onchange: () => go({ rejected: rejected.checked ? "1" : "", group: "" }),
    });
    const who = el("button", { type: "button", class: "quiet who", onclick: () => name().then(reload) });
    const wrong = el("p", { class: "wrong-text", id: "choose-wrong", role: "alert", hidden: true });
    const seek = el("input", {
      type: "range",
      min: 0,
      max: 1,
      step: "any",
      value: 0,
      "aria-label": "Time",
      oninput: () => playback.seek(Number(seek.value)),
    });
    const clock = el("span", { class: "clock" });
    const play = el("button", { type: "button", onclick: playback.toggle });
    const sound = el("button", { type: "button", onclick: toggleSound });
    return { by, where, blind, rejected, who, wrong, seek, clock, play, sound, group: el("div", {}) };
  }

  const bar = el(
    "form",
    { class: "choose-bar", onsubmit: (event) => event.preventDefault() },
    el("label", {}, el("span", {}, "Group by"), parts.by),
    parts.where,
    el("label", { class: "check" }, parts.blind, "Blind"),
    el("label", { class: "check" }, parts.rejected, "With clips that gates rejected"),
    parts.who,
    parts.wrong,
  );

  // -- what is shown

  function show(text) {
    const params = new URLSearchParams(text);
    const before = wanted;
    wanted = {
      by: params.get("by") || "prompt",
      where: params.get("where") || "",
      group: params.get("group") || "",
      blind: params.get("blind") === "1" ? "1" : "",
      rejected: params.get("rejected") === "1" ? "1" : "",
    };
    if (!bar.isConnected)
      section.replaceChildren(el("h1", { class: "unseen" }, "Choose among takes"), bar, parts.group);
    parts.where.value = wanted.where;
    parts.blind.checked = Boolean(wanted.blind);
    parts.rejected.checked = Boolean(wanted.rejected);
    showPerson();
    const isShown = before && answer?.group && takes[0]?.isConnected && query(before) === query();
    if (!isShown) load();
  }

  function hide() {
    asked += 1;
    playback.pause();
    playback.load([]);
    takes = [];
    parts.group.replaceChildren();
  }

  function query(of = wanted) {
    const params = new URLSearchParams();
    for (const [key, value] of Object.entries(of ?? {}))
      if (value && !(key === "by" && value === "prompt")) params.set(key, value);
    return params.toString();
  }

  function go(changes) {
    wanted = { ...wanted, ...changes };
    answer = undefined;
    moved();
    load();
  }

  const reload = () => load({ again: true });

  async function load({ again = false } = {}) {
    asked += 1;
    const turn = asked;
    const { by, where, group, rejected } = wanted;
    try {
      const found = await source.group({ by, where, group, rejected, person });
      if (turn !== asked) return;
      parts.wrong.hidden = true;
      answer = found;
      if (found.group && wanted.group !== found.group.id) {
        wanted.group = found.group.id;
        moved();
      }
      offerAxes(found);
      if (again && takes.length) refresh();
      else fill();
    } catch (error) {
      if (turn !== asked) return;
      if (error.status === 422) {
        parts.wrong.textContent = error.message;
        parts.wrong.hidden = false;
      } else toast(error.message, { wrong: true });
    }
  }

  function offerAxes({ axes, by }) {
    const all = axes.includes(by) ? axes : [...axes, by];
    parts.by.replaceChildren(
      ...all.map((axis) => el("option", { value: axis }, AXES[axis] ?? axis.replace(/^(meta|request)\./, ""))),
    );
    parts.by.value = by;
  }

  function fill() {
    playback.load([]);
    takes = [];
    if (!answer.group) {
      parts.group.replaceChildren(el("p", { class: "empty" }, nothing()));
      return;
    }
    order = arrange(answer.group);
    active = Math.min(active, order.length - 1);
    takes = order.map(take);
    const grid = el("div", { class: "takes", "data-takes": takes.length, role: "list" }, takes);
    parts.group.replaceChildren(head(), grid, pairButtons(), transport());
    fillBodies();
    playback.load(takes.map((node) => node.querySelector("video")).filter(Boolean));
    mark();
    if (still.matches) playback.pause();
    else playback.play();
    const { at, groups } = answer;
    speak(`Group ${at + 1} of ${groups}, ${takes.length} clips`);
    showTime();
  }

  // The same clips after a vote; they go on playing.
  function refresh() {
    const fresh = new Map(answer.group.jobs.map((job) => [job.id, job]));
    order = order.map((job) => fresh.get(job.id) ?? job);
    parts.group.querySelector(".choose-head")?.replaceWith(head());
    fillBodies();
  }

  function nothing() {
    if (answer.clips < 2) return "There are fewer than two finished clips to choose among.";
    const axis = AXES[wanted.by] ?? wanted.by;
    return `No two clips differ in ${axis === "prompt" ? "anything but the prompt" : axis}${wanted.where ? " under this condition" : ""}: group them by something else.`;
  }

  // In blind mode the sides are shuffled, once for each group.
  function arrange(group) {
    if (!wanted.blind) return group.jobs;
    if (!shuffles.has(group.id)) shuffles.set(group.id, shuffled(group.jobs.map((job) => job.id)));
    const places = shuffles.get(group.id);
    return [...group.jobs].sort((a, b) => places.indexOf(a.id) - places.indexOf(b.id));
  }

  function head() {
    const { at, groups, chosen, clips, whole, previous, next, open, group } = answer;
    const step = (to, words, sign, first) =>
      el(
        "button",
        { type: "button", disabled: !to, onclick: () => go({ group: to }) },
        first && icon(sign),
        words,
        !first && icon(sign),
      );
    return el(
      "div",
      { class: "choose-head" },
      el(
        "div",
        { class: "choose-title" },
        el("h2", { title: group.prompt }, group.prompt || "(no prompt)"),
        el(
          "p",
          {},
          `Group ${Words.number(at + 1)} of ${Words.number(groups)} · `,
          el("strong", {}, `${Words.number(chosen)} of ${Words.number(groups)} chosen`),
          !whole && ` · groups of the first ${Words.number(clips)} clips; a condition narrows them`,
        ),
        el("progress", { max: groups, value: chosen, "aria-label": "Groups that you have chosen from" }),
      ),
      el(
        "div",
        { class: "choose-steps" },
        step(previous, "Previous", "left", true),
        step(next, "Next", "right"),
        open && open !== next && step(open, "Next to choose", "right"),
      ),
    );
  }

  function take(job, index) {
    const video = job.video
      ? el("video", {
          src: source.video(job),
          preload: "auto",
          playsinline: true,
          tabindex: -1,
          "aria-hidden": "true",
        })
      : el("p", { class: "take-missing" }, Words.state(job).word);
    if (job.video) {
      video.muted = true;
      video.addEventListener("loadedmetadata", fitShape);
      video.addEventListener("error", () => {
        if (video.getAttribute("src"))
          video.replaceWith(el("p", { class: "take-missing" }, Words.unplayed(job).word));
      });
    }
    const node = el(
      "div",
      { class: "take", role: "listitem", tabindex: 0, "aria-label": label(job, index) },
      el("div", { class: "take-media", onclick: playback.toggle }, video),
      el("div", { class: "take-body" }),
    );
    node.addEventListener("focusin", () => focus(index, { move: false }));
    node.addEventListener("pointerdown", () => focus(index, { move: false }));
    return node;
  }

  // Upright clips have an upright place.
  function fitShape() {
    const known = takes.map((node) => node.querySelector("video")).filter((video) => video?.videoWidth);
    const isUpright = known.every((video) => video.videoHeight > video.videoWidth);
    parts.group.querySelector(".takes")?.classList.toggle("upright", isUpright);
  }

  const label = (job, index) => (wanted.blind ? `Clip ${LETTERS[index]}` : `Clip ${index + 1}: ${job.name}`);

  // What a click would hit is made anew only after a vote, never between a press and its release.
  function fillBodies() {
    takes.forEach((node, index) => {
      const job = order[index];
      const controls = () => [...node.querySelectorAll("button, a")];
      const focused = controls().indexOf(document.activeElement);
      node.dataset.choice = job.mine.choice ?? "";
      node.querySelector(".take-body").replaceChildren(...body(job, index));
      controls()[focused]?.focus({ preventScroll: true });
    });
  }

  function mark() {
    takes.forEach((node, index) => {
      node.classList.toggle("active", index === active);
    });
    playback.hear(isHeard ? heardVideo() : undefined);
    parts.sound.replaceChildren(icon(isHeard ? "sound" : "mute"));
    parts.sound.setAttribute("aria-label", isHeard ? "Sound off" : "Sound on");
    parts.sound.title = isHeard ? `Sound of clip ${active + 1} (m)` : "No sound (m)";
  }

  // Clips that do not play have no place among the videos.
  const heardVideo = () => {
    const videos = takes.map((node) => node.querySelector("video")).filter(Boolean);
    return videos.indexOf(takes[active]?.querySelector("video"));
  };

  function body(job, index) {
    const { mine } = job;
    const act = (text, sign, kind, pressed) =>
      el(
        "button",
        { type: "button", "aria-pressed": String(pressed), onclick: () => vote({ kind }, index) },
        icon(sign),
        text,
      );
    const stars = el(
      "div",
      { class: "stars", role: "group", "aria-label": "Rating" },
      [1, 2, 3, 4, 5].map((rating) =>
        el(
          "button",
          {
            type: "button",
            class: mine.rating >= rating ? "on" : "",
            "aria-label": `${rating} of 5`,
            "aria-pressed": String(mine.rating === rating),
            onclick: () => vote({ kind: "rate", rating }, index),
          },
          icon("star"),
        ),
      ),
    );
    return [
      ...(wanted.blind ? [el("h3", {}, `Clip ${LETTERS[index]}`)] : about(job, index)),
      el(
        "div",
        { class: "take-do" },
        act("Pick", "check", "pick", mine.choice === "picked"),
        act("Reject", "cross", "reject", mine.choice === "rejected"),
        stars,
      ),
      el("p", { class: "take-mine" }, said(mine)),
    ];
  }

  function about(job, index) {
    const facts = [
      Words.model(job.model),
      job.seed === null ? "" : `seed ${job.seed}`,
      job.take > 1 ? `take ${job.take}` : "",
      job.cost_usd === null ? "" : Money.words(job.cost_usd),
    ].filter(Boolean);
    const measured = job.measures
      .filter(({ name, value }) => SHOWN.includes(name) && (ALWAYS.has(name) || value !== 0))
      .map((one) => `${Words.field(one.name).toLowerCase()} ${Words.measure(one)}`);
    const others = job.near.map((id) => `clip ${order.findIndex((one) => one.id === id) + 1}`);
    const { tone, word, icon: sign } = Words.state(job);
    return [
      el(
        "h3",
        {},
        el("a", { href: `#/job/${encodeURIComponent(job.id)}`, title: job.name }, `${index + 1} · ${job.name}`),
      ),
      el("p", {}, facts.join(" · ")),
      measured.length > 0 && el("p", {}, measured.join(" · ")),
      [...job.mismatches, ...job.problems].map((text) => el("p", { class: "odd" }, text)),
      others.length > 0 && el("p", { class: "odd" }, `Looks the same as ${others.join(" and ")}`),
      (word !== "Done" || job.rating) &&
        el(
          "p",
          { class: `state tone-${tone}` },
          icon(sign),
          word === "Gate failed" ? `Gate failed: ${job.gate}` : word,
          Words.rated(job),
        ),
    ]
      .flat()
      .filter(Boolean);
  }

  function pairButtons() {
    if (takes.length !== 2) return "";
    const button = (text, key, does) => el("button", { type: "button", onclick: does }, text, el("kbd", {}, key));
    return el(
      "div",
      { class: "pair", role: "group", "aria-label": "Which is better?" },
      button("Left is better", "←", () => prefer(0)),
      button("Both are bad", "b", bothBad),
      button("Right is better", "→", () => prefer(1)),
    );
  }

  function transport() {
    return el(
      "div",
      { class: "transport" },
      parts.play,
      parts.seek,
      parts.clock,
      parts.sound,
      el(
        "button",
        { type: "button", class: "quiet", onclick: undo, title: "Undo your latest vote (u)" },
        icon("again"),
        el("span", {}, "Undo"),
      ),
      el(
        "button",
        { type: "button", class: "quiet show-keys", onclick: showKeys, title: "Keys (?)" },
        "Keys",
        el("kbd", {}, "?"),
      ),
    );
  }

  function showTime() {
    const { playing, held, time, length } = playback.state();
    const sign = playing ? "pause" : "play";
    if (parts.play.dataset.sign !== sign) {
      parts.play.dataset.sign = sign;
      parts.play.replaceChildren(icon(sign));
      parts.play.setAttribute("aria-label", playing ? "Pause" : "Play");
      parts.play.title = playing ? "Pause (Space)" : "Play (Space)";
    }
    parts.seek.max = length || 1;
    if (!parts.seek.matches(":active")) parts.seek.value = time;
    parts.clock.textContent = held ? "Loading…" : `${time.toFixed(1)} / ${length.toFixed(1)} s`;
  }

  // -- what a person does

  function focus(index, { move = true } = {}) {
    active = (index + takes.length) % takes.length;
    mark();
    if (move) takes[active].focus({ preventScroll: false });
  }

  function toggleSound() {
    isHeard = !isHeard;
    mark();
  }

  const prefer = (side) => vote({ kind: "better", other: order[1 - side].id }, side, { leave: true });
  const bothBad = () => vote({ kind: "both_bad", other: order[1].id }, 0, { leave: true });

  // `leave`: the group is decided, and the next one is shown.
  async function vote(act, index, { leave = false } = {}) {
    if (isBusy || !takes.length || !(await named())) return;
    const job = order[index];
    const body = { ...act, job: job.id, shown: order.map((one) => one.id), blind: Boolean(wanted.blind), person };
    const recorded = await send("vote", body);
    if (!recorded) return;
    for (const note of recorded.notes) toast(note);
    speak(`${label(job, index)} ${spoken(act)}`);
    if (leave) {
      toast(
        `${act.kind === "both_bad" ? "Both are bad" : index ? "Right is better" : "Left is better"} · u undoes it`,
      );
      const next = answer.open ?? answer.next;
      if (next) return go({ group: next });
    }
    await reload();
  }

  async function undo() {
    if (isBusy || !(await named())) return;
    const undone = await send("unvote", { person });
    if (!undone) return;
    toast("Your latest vote is undone.");
    if (order.some((job) => job.id === undone.job)) await reload();
    else go({ group: undone.job });
  }

  async function send(verb, body) {
    isBusy = true;
    try {
      const done = await source.act(verb, body);
      voted();
      return done;
    } catch (error) {
      toast(error.message, { wrong: true });
      return undefined;
    } finally {
      isBusy = false;
    }
  }

  async function name() {
    const typed = await ask({
      title: "Who chooses?",
      text: ["Your votes are kept under this name, so that several people are told apart."],
      yes: "Continue",
      fields: [{ name: "person", label: "Your name" }],
    });
    if (!typed) return false;
    ({ person } = typed);
    remember(person);
    showPerson();
    return true;
  }

  const named = async () => Boolean(person) || name();

  function showPerson() {
    parts.who.textContent = person ? `You are ${person}` : "Say who you are";
    parts.who.title = "Votes are kept under this name";
  }

  function showKeys() {
    openKeys("Keys", listKeys(KEYS));
  }

  const ARROWS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
  function press(event) {
    const { key, target } = event;
    if (section.hidden || event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]"))
      return;
    if (target.closest("select, input:not([type=range], [type=checkbox])")) return;
    if (key === "?")
      showKeys(); // its own keys, instead of those of the whole page
    else if (!takes.length) return;
    else if (key in ARROWS) {
      if (target.closest("input")) return; // the slider and the boxes have their own use of them
      if (takes.length === 2 && (key === "ArrowLeft" || key === "ArrowRight")) prefer(key === "ArrowLeft" ? 0 : 1);
      else focus(active + ARROWS[key]);
    } else if (/^[1-5]$/.test(key)) vote({ kind: "rate", rating: Number(key) }, active);
    else if (key === "p") vote({ kind: "pick" }, active);
    else if (key === "x") vote({ kind: "reject" }, active);
    else if (key === "b" && takes.length === 2) bothBad();
    else if (key === "u") undo();
    else if (key === "m") toggleSound();
    else if (key === "n" && answer.next) go({ group: answer.next });
    else if (key === "N" && answer.previous) go({ group: answer.previous });
    else if (key === " " && !target.closest("button, a, input")) playback.toggle();
    else return;
    event.preventDefault();
  }
  document.addEventListener("keydown", press);

  return { show, hide, query: () => query() };
}

function said(mine) {
  const words = [
    { picked: "You picked it", rejected: "You rejected it" }[mine.choice],
    mine.rating && `you rated it ${mine.rating}`,
    { better: "you prefer it", worse: "you prefer the other one", bad: "you find both bad" }[mine.pair],
  ].filter(Boolean);
  const text = words.join(", ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const spoken = ({ kind, rating }) =>
  ({
    pick: "picked",
    reject: "rejected",
    rate: `rated ${rating}`,
    better: "is better",
    both_bad: "and the other are bad",
  })[kind];

function shuffled(items) {
  const places = [...items];
  for (let last = places.length - 1; last > 0; last -= 1) {
    const other = crypto.getRandomValues(new Uint32Array(1))[0] % (last + 1);
    [places[last], places[other]] = [places[other], places[last]];
  }
  return places;
}

function remembered() {
  try {
    return localStorage.getItem(PERSON) || "";
  } catch {
    return "";
  }
}

function remember(person) {
  try {
    localStorage.setItem(PERSON, person);
  } catch {
    /* asked again on the next page */
  }
}

export { createChoose };
