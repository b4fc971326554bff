// The video of a job, with what the browser's own controls lack: frames, speed, repetition. Keys do the same.

import { el, icon } from "./dom.js";
import { ratioOf } from "./positions.js";

const USUAL_FPS = 24;
const HIGHEST = 58; // of a hundred parts of the window's height
const SPEEDS = [0.25, 0.5, 1, 1.5, 2];

// `fps` and `aspect` of the clip, if they are known.
function createPlayer({ fps, aspect }, attributes) {
  const video = el("video", { controls: true, loop: true, playsinline: true, preload: "metadata", ...attributes });
  fit(ratioOf(aspect) ?? 16 / 9);
  video.addEventListener("loadedmetadata", () => {
    if (video.videoWidth) fit(video.videoWidth / video.videoHeight);
  });
  const tool = (sign, name, key, does, more = {}) =>
    el(
      "button",
      { type: "button", class: "quiet", title: `${name} (${key})`, "aria-label": name, onclick: does, ...more },
      icon(sign),
    );
  const loop = tool("loop", "Repeat", "l", repeat, { "aria-pressed": "true" });
  const speed = el(
    "select",
    { "aria-label": "Speed", title: "Speed (< >)", onchange: () => rate(Number(speed.value)) },
    SPEEDS.map((value) => el("option", { value, selected: value === 1 }, `${value}×`)),
  );
  const node = el(
    "div",
    { class: "player" },
    video,
    el(
      "div",
      { class: "player-tools", role: "group", "aria-label": "Player" },
      tool("backward", "One frame back", ",", () => step(-1)),
      tool("forward", "One frame on", ".", () => step(1)),
      speed,
      loop,
    ),
  );

  // As large as there is room, without bars.
  function fit(ratio) {
    video.style.aspectRatio = String(ratio);
    video.style.width = `min(100%, ${Math.round(ratio * HIGHEST)}vh)`;
  }

  function step(frames) {
    video.pause();
    video.currentTime = Math.min(
      Math.max(video.currentTime + frames / (fps || USUAL_FPS), 0),
      video.duration || 0,
    );
  }

  function rate(value) {
    video.playbackRate = value;
    speed.value = value;
  }

  function faster(by) {
    const at = SPEEDS.indexOf(video.playbackRate) + by;
    if (SPEEDS[at]) rate(SPEEDS[at]);
  }

  function repeat() {
    video.loop = !video.loop;
    loop.setAttribute("aria-pressed", String(video.loop));
  }

  const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
  const KEYS = {
    " ": toggle,
    l: repeat,
    ",": () => step(-1),
    ".": () => step(1),
    "<": () => faster(-1),
    ">": () => faster(1),
  };
  // Whether the player uses this key.
  node.press = (key) => {
    if (!video.isConnected || !(key in KEYS)) return false;
    KEYS[key]();
    return true;
  };
  return { node, video };
}

export { createPlayer };
