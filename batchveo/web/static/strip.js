// The chain of a job: its links in order, each with its picture and state, and a player of all of them as one film.

import { el, icon } from "./dom.js";
import { ratioOf } from "./positions.js";
import { createSequence } from "./sequence.js";
import * as Words from "./words.js";

const HIGHEST = 58; // of a hundred parts of the window's height, as the player of one video

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// `lost(job)` hears of videos that do not play; `filmed(node)` gets the film when it is opened, nothing when it closes.
function createStrip(source, { lost, filmed }) {
  const title = el("h3", { class: "strip-title" });
  const play = el(
    "button",
    { type: "button", class: "strip-play", onclick: () => openFilm() },
    icon("play"),
    "Play the chain",
  );
  const all = el(
    "a",
    {
      class: "button quiet",
      "aria-label": "Show the chain in the gallery",
      title: "Show the chain in the gallery",
    },
    icon("grid"),
  );
  const list = el("ol", { class: "strip-list", "aria-label": "Links of the chain" });
  const beside = el("p", { class: "strip-beside" });
  const node = el(
    "section",
    { class: "strip", "aria-label": "Chain" },
    el("div", { class: "strip-top" }, title, play, all),
    list,
    beside,
  );
  const items = new Map();
  const seen = new IntersectionObserver(drawSeen, { root: list, rootMargin: "0px 300px" });
  let links = [];
  let current;
  let film;

  // -- the links

  // The job that the panel shows; nothing if it is in no chain.
  function show(job) {
    const strip = job.strip;
    if (!strip) return undefined;
    const isOther = current !== job.id;
    current = job.id;
    links = strip.links;
    const kept = new Set(links.map(({ id }) => id));
    for (const [id, item] of items)
      if (!kept.has(id)) {
        seen.unobserve(item.node);
        item.node.remove();
        items.delete(id);
      }
    links.forEach((link, index) => {
      if (!items.has(link.id)) items.set(link.id, createItem());
      const item = items.get(link.id);
      item.fill(link, link.id === job.id);
      if (list.children[index] !== item.node) list.insertBefore(item.node, list.children[index] ?? null);
    });
    const done = links.filter((link) => link.video).length;
    title.textContent = `Chain: link ${job.link} of ${links.at(-1).link}`;
    play.disabled = !done;
    const first = links.find((link) => link.chain)?.chain;
    all.href = `#/videos?${new URLSearchParams({ chain: first?.id ?? "", order: "chain" })}`;
    showBranches(strip.branches);
    film?.fill(links);
    if (isOther) requestAnimationFrame(() => items.has(current) && keepInSight(items.get(current).node));
    return node;
  }

  function showBranches(branches) {
    beside.hidden = !branches.length;
    beside.replaceChildren(
      ...branches.flatMap(({ id, name, parent }, index) => [
        index ? ", " : "Also made from it: ",
        el("a", { href: `#/job/${encodeURIComponent(id)}`, title: `From ${parent}` }, name),
      ]),
    );
  }

  function createItem() {
    const picture = el("span", { class: "strip-picture" });
    const word = el("span", { class: "strip-name" });
    const link = el(
      "a",
      { class: "strip-link" },
      picture,
      word,
      el("i", { class: "strip-part", "aria-hidden": "true" }),
    );
    const item = { node: el("li", {}, link), link, fill, draw };
    let job;
    let shown;

    function fill(other, isCurrent) {
      job = other;
      const state = Words.state(job);
      link.href = `#/job/${encodeURIComponent(job.id)}`;
      link.title = [job.name, job.prompt].filter(Boolean).join("\n");
      link.setAttribute(
        "aria-label",
        `Link ${job.link}: ${job.name}, ${state.word}${state.why ? `, ${state.why}` : ""}`,
      );
      if (isCurrent) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      link.tabIndex = isCurrent ? 0 : -1;
      word.replaceChildren(el("b", {}, job.link), " ", job.name);
      if (shown !== keyOf(job)) seen.observe(item.node);
    }

    function draw() {
      if (shown === keyOf(job)) return;
      shown = keyOf(job);
      const state = Words.state(job);
      picture.className = `strip-picture tone-${state.tone}`;
      picture.replaceChildren(job.video ? still(job) : sign(state));
    }

    return item;
  }

  const keyOf = (job) => `${job.id} ${job.finished_at} ${job.video} ${Words.state(job).word}`;
  const sign = (state) => el("span", { class: "strip-sign" }, icon(state.icon), state.word);

  function still(job) {
    const poster = source.poster(job);
    if (poster) {
      const image = el("img", { alt: "", src: poster, decoding: "async", draggable: "false" });
      image.addEventListener("error", () => image.replaceWith(firstFrame(job)));
      return image;
    }
    return firstFrame(job);
  }

  function firstFrame(job) {
    const attributes = {
      preload: "metadata",
      muted: true,
      playsinline: true,
      tabindex: -1,
      "aria-hidden": "true",
    };
    const video = el("video", { src: `${source.video(job)}#t=0.1`, ...attributes });
    video.addEventListener("error", () => {
      if (video.isConnected) video.replaceWith(sign(Words.unplayed(job)));
    });
    return video;
  }

  // Only what is in sight asks for its picture: a chain may have hundreds of links.
  function drawSeen(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      for (const item of items.values()) if (item.node === target) item.draw();
    }
  }

  list.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const order = links.map(({ id }) => items.get(id).link);
    const index = order.indexOf(document.activeElement);
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: order.length - 1 }[event.key];
    if (to === undefined || index < 0) return;
    event.preventDefault();
    order[to]?.focus();
  });

  // -- the film

  function openFilm() {
    film?.close();
    film = createFilm(source, { moved: mark, lost, closed: closeFilm });
    film.fill(links);
    play.hidden = true;
    filmed(film.node);
    film.begin();
  }

  function closeFilm() {
    if (!film) return;
    film.close();
    film = undefined;
    play.hidden = false;
    mark({ at: -1, part: 0 });
    filmed(undefined);
  }

  let marked;
  // Which link plays, and how far it is.
  function mark({ at, part }) {
    const item = items.get(links[at]?.id);
    if (marked !== item) {
      marked?.node.classList.remove("playing");
      item?.node.classList.add("playing");
      if (item) keepInSight(item.node);
      marked = item;
    }
    item?.link.style.setProperty("--part", part.toFixed(3));
  }

  // Without a move of the panel itself.
  function keepInSight(one) {
    const left = one.offsetLeft - list.offsetLeft;
    if (left < list.scrollLeft || left + one.offsetWidth > list.scrollLeft + list.clientWidth)
      list.scrollLeft = left - (list.clientWidth - one.offsetWidth) / 2;
  }

  return {
    show,
    film: () => film?.node,
    has: (id) => items.has(id) && node.isConnected,
    close: () => {
      closeFilm();
      current = undefined;
      links = [];
      for (const { node: one } of items.values()) one.remove();
      items.clear();
    },
  };
}

function createFilm(source, { moved, lost, closed }) {
  let links = [];
  let ratio;
  const stage = el("div", { class: "film-stage" });
  const said = el("p", { class: "film-said", role: "status" });
  const button = el("button", { type: "button", class: "quiet", onclick: toggle });
  const range = el("input", { type: "range", min: 0, step: 0.1, "aria-label": "Position in the chain" });
  const time = el("span", { class: "film-time" });
  const sound = el("button", { type: "button", class: "quiet", onclick: () => hear(!isMuted) });
  let isMuted = false;
  const leave = el(
    "button",
    { type: "button", class: "quiet", "aria-label": "Close the film", title: "Close the film", onclick: closed },
    icon("cross"),
  );
  const node = el(
    "div",
    { class: "player film" },
    stage,
    said,
    el(
      "div",
      { class: "player-tools", role: "group", "aria-label": "Player of the chain" },
      button,
      range,
      time,
      sound,
      leave,
    ),
  );
  const sequence = createSequence({
    changed: draw,
    fit: (value) => {
      if (ratio) return;
      ratio = value;
      stage.style.aspectRatio = String(value);
      stage.style.width = `min(100%, ${Math.round(value * HIGHEST)}vh)`;
    },
    failed: (index) => lost(links[index]),
    stopped: (index) => {
      said.textContent = index >= links.length ? "The end of the chain." : whyNot(links[index]);
    },
  });
  stage.append(...sequence.nodes);
  range.addEventListener("input", () => {
    said.textContent = "";
    sequence.seek(Number(range.value));
  });

  function fill(others) {
    links = others;
    if (!ratio) stage.style.aspectRatio = String(ratioOf(links.find((link) => link.video)?.aspect) ?? 16 / 9);
    sequence.fill(
      links.map((link) => ({
        src: link.video ? (source.whole(link) ?? source.preview?.(link)) : undefined,
        seconds: Number.parseFloat(link.duration) || undefined,
        fps: link.fps,
        beginsWith: link.begins_with,
      })),
    );
    draw();
  }

  function whyNot(link) {
    const state = link.video ? Words.unplayed(link) : Words.state(link);
    return `The film stops before link ${link.link}, ${link.name}: ${state.word}. ${state.says}`;
  }

  function toggle() {
    said.textContent = "";
    if (sequence.state().playing) sequence.pause();
    else sequence.play();
  }

  function hear(yes) {
    isMuted = yes;
    sequence.mute(yes);
    sound.replaceChildren(icon(yes ? "mute" : "sound"));
    sound.setAttribute("aria-label", yes ? "Sound on" : "Sound off");
  }

  let isPlaying;
  function draw() {
    const state = sequence.state();
    if (isPlaying !== state.playing) {
      isPlaying = state.playing;
      button.replaceChildren(icon(isPlaying ? "pause" : "play"));
      const name = isPlaying ? "Pause" : "Play";
      button.setAttribute("aria-label", name);
      button.title = `${name} (Space)`;
    }
    range.max = Math.max(0.1, state.length).toFixed(1);
    if (document.activeElement !== range || isPlaying) range.value = state.time;
    time.textContent = `${clock(state.time)} / ${clock(state.length)}`;
    range.setAttribute(
      "aria-valuetext",
      `Link ${state.at + 1} of ${links.length}, ${clock(state.time)} of ${clock(state.length)}`,
    );
    moved(state);
  }

  hear(false);
  draw();
  // Whether the film uses this key.
  node.press = (key) => {
    if (key !== " ") return false;
    toggle();
    return true;
  };
  return {
    node,
    fill,
    begin: () => {
      sequence.play();
      button.focus({ preventScroll: true });
    },
    close: sequence.close,
  };
}

export { createStrip };
