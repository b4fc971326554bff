// One job in the gallery; cards are recycled, so filling one leaves nothing of the job before.

import { cut, el, icon } from "./dom.js";
import * as Money from "./money.js";
import * as Words from "./words.js";

const PLAY_AFTER = 140;
const PICTURE_AFTER = 60; // cards that only fly by ask for nothing
const still = matchMedia("(prefers-reduced-motion: reduce)");

// `lost(job)` hears of videos that do not play.
function createCard(source, lost) {
  const link = el("a", { class: "card-link", tabindex: -1 });
  const parts = {
    media: el("div", { class: "card-media" }),
    title: el("h3", { class: "card-title" }, link),
    prompt: el("p", { class: "card-prompt" }),
    facts: el("p", { class: "card-facts" }),
  };
  const node = el(
    "div",
    { class: "card", role: "listitem" },
    parts.media,
    el("div", { class: "card-body" }, parts.title, parts.prompt, parts.facts),
  );
  const card = { node, link, job: undefined, fill, place };
  let shown;
  let timer;
  let waiting;
  let player;

  function place(x, y, width, height, mediaWidth, mediaHeight) {
    node.style.transform = `translate(${x}px, ${y}px)`;
    node.style.width = `${width}px`;
    node.style.height = `${height}px`;
    parts.media.style.width = `${mediaWidth}px`;
    parts.media.style.height = `${mediaHeight}px`;
  }

  function fill(job, index, total) {
    node.setAttribute("aria-setsize", total);
    node.setAttribute("aria-posinset", index + 1);
    if (card.job === job) return;
    card.job = job;
    const state = Words.state(job);
    link.href = `#/job/${encodeURIComponent(job.id)}`;
    cut(link, job.name);
    link.title = job.name;
    parts.prompt.textContent = job.prompt || "";
    parts.facts.replaceChildren(
      el("span", { class: `state tone-${state.tone}` }, icon(state.icon), state.word, Words.rated(job)),
      el("span", { class: "card-model", title: job.model }, Words.model(job.model)),
      el("span", { class: "card-seed" }, job.seed === null ? "" : `seed ${job.seed}`),
      el(
        "span",
        { class: "card-copies", title: `Looks the same as ${Words.counted(job.copies ?? 0, "other clip")}` },
        job.copies ? `≈ ${Words.number(job.copies)}` : "",
      ),
      el("span", { class: "card-cost" }, job.cost_usd === null ? "" : Money.words(job.cost_usd)),
    );
    fillMedia(job, state);
  }

  function fillMedia(job, state) {
    const key = `${job.id} ${job.state} ${job.held} ${job.finished_at} ${job.error} ${job.problem?.says}`;
    if (shown === key) return;
    shown = key;
    stop();
    clearTimeout(waiting);
    if (!job.video) {
      parts.media.replaceChildren(notice(state, state.word, job.problem ? job.problem.says : job.error));
      return;
    }
    const poster = source.poster(job);
    parts.media.replaceChildren();
    waiting = setTimeout(
      () => parts.media.prepend(poster ? picture(job, poster) : firstFrame(job)),
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

  function picture(job, poster) {
    const image = el("img", { alt: `First frame of ${job.name}`, decoding: "async", draggable: "false" });
    image.addEventListener("error", () => {
      if (card.job?.id === job.id && image.isConnected) image.replaceWith(firstFrame(job));
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
    timer = setTimeout(() => {
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
    }, PLAY_AFTER);
  }

  function stop() {
    clearTimeout(timer);
    if (!player) return;
    player.removeAttribute("src");
    player.load(); // lets the connection go
    player.remove();
    player = undefined;
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
