// One job in the gallery; cards are recycled, so filling one leaves nothing of the job before.

import { cut, el, icon } from "./dom.js";
import * as Money from "./money.js";
import { shapeOf } from "./positions.js";
import * as Words from "./words.js";

const PLAY_AFTER = 140;
const PICTURE_AFTER = 60; // cards that only fly by ask for nothing
const still = matchMedia("(prefers-reduced-motion: reduce)");

// `lost(job)` hears of videos that do not play, `select(card, event)` of clicks on the check mark.
function createCard(source, { lost, picked, select }) {
  const link = el("a", { class: "card-link", tabindex: -1 });
  const check = el("input", {
    type: "checkbox",
    class: "card-check",
    tabindex: -1,
    hidden: !source.canAct,
    onclick: (event) => select(card, event),
  });
  const parts = {
    media: el("div", { class: "card-media" }),
    title: el("h3", { class: "card-title" }, link),
    prompt: el("p", { class: "card-prompt" }),
    clip: el("p", { class: "card-clip" }),
    facts: el("p", { class: "card-facts" }),
  };
  const node = el(
    "div",
    { class: "card", role: "listitem" },
    parts.media,
    el("div", { class: "card-body" }, parts.title, parts.prompt, parts.clip, parts.facts),
    check,
  );
  const card = { node, link, job: undefined, fill, place, toggle };
  let shown;
  let timer;
  let waiting;
  let player;
  let frame; // the shape of the picture's place

  function place(x, y, { width, height, media }) {
    node.style.transform = `translate(${x}px, ${y}px)`;
    node.style.width = `${width}px`;
    node.style.height = `${height}px`;
    parts.media.style.width = `${media[0]}px`;
    parts.media.style.height = `${media[1]}px`;
  }

  // Without a job: its page is on the way.
  function fill(job, index, total, { shape, list }) {
    node.setAttribute("aria-setsize", total);
    node.setAttribute("aria-posinset", index + 1);
    const isPicked = Boolean(job && picked.has(job.id));
    check.checked = isPicked;
    node.classList.toggle("picked", isPicked);
    const place = list ? "wide" : shape;
    if (card.job === job && frame === place && job) return;
    frame = place;
    card.job = job;
    node.classList.toggle("blank", !job);
    if (!job) return blank();
    const state = Words.state(job);
    link.href = `#/job/${encodeURIComponent(job.id)}`;
    cut(link, job.name);
    link.title = job.name;
    check.setAttribute("aria-label", `Select ${job.name}`);
    const why = state.why && el("strong", { class: "card-why" }, `${state.why} · `); // a card has it in its picture
    parts.prompt.replaceChildren(...[why, job.prompt].filter(Boolean));
    parts.clip.textContent = clip(job).join(" · ");
    parts.clip.title = Object.entries(job.labels)
      .map(([key, value]) => `${key}: ${value}`)
      .join("\n");
    parts.facts.replaceChildren(
      el("span", { class: `state tone-${state.tone}` }, icon(state.icon), state.word, Words.rated(job)),
      el("span", { class: "card-model", title: job.model }, Words.model(job.model)),
      el(
        "span",
        { class: "card-copies", title: `Looks the same as ${Words.counted(job.copies ?? 0, "other clip")}` },
        job.copies ? `≈ ${Words.number(job.copies)}` : "",
      ),
      el("span", { class: "card-cost" }, job.cost_usd === null ? "" : Money.words(job.cost_usd)),
    );
    fillMedia(job, state);
  }

  function blank() {
    shown = undefined;
    stop();
    clearTimeout(waiting);
    link.removeAttribute("href");
    link.removeAttribute("title");
    link.textContent = "";
    check.removeAttribute("aria-label");
    for (const part of [parts.media, parts.prompt, parts.clip, parts.facts]) part.replaceChildren();
  }

  // What tells one clip from others of its model.
  const clip = (job) =>
    [
      job.chain && `Link ${job.link}`,
      ...Words.clip(job),
      ...Object.values(job.labels),
      job.seed === null ? "" : `seed ${job.seed}`,
    ].filter(Boolean);

  function fillMedia(job, state) {
    const key = `${job.id} ${job.state} ${job.held} ${job.finished_at} ${job.error} ${job.problem?.says} ${state.word} ${state.why} ${frame}`;
    if (shown === key) return;
    shown = key;
    stop();
    clearTimeout(waiting);
    if (!job.video) {
      parts.media.replaceChildren(notice(state, state.word, job.problem?.says ?? job.error ?? state.why));
      return;
    }
    const poster = source.poster(job);
    parts.media.replaceChildren();
    waiting = setTimeout(
      () => parts.media.prepend(...(poster ? pictures(job, poster) : [firstFrame(job)])),
      PICTURE_AFTER,
    );
  }

  const notice = (state, word, why) =>
    el(
      "div",
      { class: `card-wait tone-${state.tone}` },
      icon(state.icon),
      el("span", {}, word),
      why && el("p", {}, why),
    );

  // A clip of another shape than its place stands before its own picture, blurred: no bars.
  function pictures(job, poster) {
    const isOther = (shapeOf(job.aspect) ?? frame) !== frame;
    const backdrop =
      isOther &&
      el("img", { alt: "", class: "card-backdrop", src: poster, decoding: "async", draggable: "false" });
    return [backdrop, picture(job, poster, backdrop)].filter(Boolean);
  }

  function picture(job, poster, backdrop) {
    const image = el("img", { alt: `First frame of ${job.name}`, decoding: "async", draggable: "false" });
    image.addEventListener("error", () => {
      if (card.job?.id !== job.id || !image.isConnected) return;
      if (backdrop) backdrop.remove();
      image.replaceWith(firstFrame(job));
    });
    image.src = poster;
    return image;
  }

  function firstFrame(job) {
    const video = el("video", {
      src: `${source.video(job)}#t=0.1`,
      preload: "metadata",
      muted: true,
      playsinline: true,
      tabindex: -1,
      "aria-label": `First frame of ${job.name}`,
    });
    video.addEventListener("error", () => {
      if (!video.isConnected) return;
      const what = Words.unplayed(job);
      video.replaceWith(notice(what, what.word, what.says));
      lost(job);
    });
    return video;
  }

  function play() {
    if (!card.job?.video || player || still.matches) return;
    clearTimeout(timer);
    timer = setTimeout(start, PLAY_AFTER);
  }

  function start() {
    player = el("video", {
      src: source.video(card.job),
      loop: true,
      playsinline: true,
      tabindex: -1,
      "aria-hidden": "true",
      class: "card-player",
    });
    player.muted = true;
    const { job } = card;
    player.addEventListener("error", () => {
      if (player?.getAttribute("src")) {
        stop();
        lost(job);
      }
    });
    parts.media.append(player);
    player.play().catch(stop);
  }

  function stop() {
    clearTimeout(timer);
    if (!player) return;
    player.removeAttribute("src");
    player.load(); // lets the connection go
    player.remove();
    player = undefined;
  }

  function toggle() {
    if (player) stop();
    else if (card.job?.video) start();
  }

  node.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse") play();
  });
  node.addEventListener("pointerleave", stop);
  node.addEventListener("focusin", play);
  node.addEventListener("focusout", stop);
  return card;
}

export { createCard };
