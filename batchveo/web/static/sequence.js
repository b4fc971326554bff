// Clips that play one after the other as one: while one plays, the next is loaded into a second element, and both change
// places at its end. What a clip repeats of the one before is left out: its last frame, or all of it.

import { el } from "./dom.js";

const USUAL_SECONDS = 8;
const USUAL_FPS = 24;
const SHOWABLE = 2; // readyState: the picture at the current time is there
const LONGER = 0.3; // seconds that a clip must have more than the one before to begin with all of it
const SIDE = 24; // pixels of the small pictures that are compared
const SAME = 12; // of 255: up to this average difference two pictures are the same

// A clip: { src, seconds, fps, beginsWith }; without `src` it is missing, and playing stops before it.
// `changed()` hears of each moment, `stopped(index)` of the clip that is missing, or of the end (the number of clips);
// `failed(index)` of a clip that does not play, `fit(ratio)` of the shape of the picture.
function createSequence({ changed, stopped, failed, fit }) {
  let clips = [];
  let at = 0;
  let playing = false;
  let frame;
  const indexes = new Map(); // what each element has loaded
  const create = () =>
    el("video", { class: "film-video", playsinline: true, preload: "auto", tabindex: -1, "aria-hidden": "true" });
  let front = create();
  let back = create();
  const videos = [front, back];

  // The seconds at its beginning that are left out.
  const skip = ({ skipped, beginsWith, fps }) =>
    skipped ?? (beginsWith === "last" ? 1 / (fps || USUAL_FPS) + 0.001 : 0);
  const lengthOf = (clip) => (clip.src ? Math.max(0.1, (clip.seconds || USUAL_SECONDS) - skip(clip)) : 0);
  const begin = (index) => clips.slice(0, index).reduce((sum, clip) => sum + lengthOf(clip), 0);

  function load(video, index, offset = 0) {
    if (indexes.get(video) !== index) {
      indexes.set(video, index);
      video.src = clips[index].src;
    }
    // before the length is known, this is where playing will begin
    const to = skip(clips[index]) + offset;
    if (Math.abs(video.currentTime - to) > 0.001) video.currentTime = to;
  }

  function unload(video) {
    indexes.delete(video);
    video.removeAttribute("src");
    video.load(); // lets the connection go
  }

  function loadNext() {
    const next = clips[at + 1];
    if (!next?.src) return;
    if (indexes.get(back) !== at + 1 || !isOpen(next)) load(back, at + 1);
    else if (isLonger(back)) back.currentTime = front.duration - 0.001;
  }

  // Brings a clip to the front; the picture of the one before stays until the new one is there.
  function bring(index, offset = 0) {
    if (indexes.get(front) !== index) {
      front.pause();
      [front, back] = [back, front];
    }
    load(front, index, offset);
    at = index;
    reveal(front);
    if (playing) start();
    changed();
  }

  function reveal(video) {
    if (video !== front || video.readyState < SHOWABLE || video.seeking) return;
    if (!video.classList.contains("front")) {
      for (const one of videos) one.classList.toggle("front", one === video);
      fit(video.videoWidth / video.videoHeight);
    }
    loadNext();
  }

  function start() {
    front.play().catch((error) => {
      if (error.name !== "NotAllowedError") return; // another clip came, or it is reported as an error
      playing = false;
      changed();
    });
    if (frame === undefined) frame = requestAnimationFrame(tick);
  }

  function tick() {
    frame = undefined;
    changed();
    if (playing) frame = requestAnimationFrame(tick);
  }

  function halt(index) {
    playing = false;
    for (const video of videos) video.pause();
    changed();
    stopped(index);
  }

  // An extended clip may begin with all of the one before, which ends now: then both show the same picture, since the
  // extended one was loaded at that moment.
  function compare(clip) {
    if (isOpen(clip) && isLonger(back))
      clip.skipped = back.readyState >= SHOWABLE && isSame(front, back) ? front.duration : 0;
  }

  const isOpen = (clip) => clip.beginsWith === "video" && clip.skipped === undefined;
  const isLonger = (video) => video.duration > front.duration + LONGER;

  function advance() {
    const next = at + 1;
    if (clips[next]?.src && indexes.get(back) === next) compare(clips[next]);
    if (clips[next]?.src) bring(next);
    else halt(next);
  }

  function play() {
    const isOver = front.ended || indexes.get(front) === undefined;
    playing = true;
    if (!isOver) return start();
    const next = clips[at + 1]?.src && front.ended ? at + 1 : clips.findIndex((clip) => clip.src);
    if (next < 0) halt(0);
    else bring(next);
  }

  function pause() {
    playing = false;
    front.pause();
    changed();
  }

  for (const video of videos) {
    video.addEventListener("ended", () => video === front && playing && advance());
    for (const event of ["loadeddata", "seeked"]) video.addEventListener(event, () => reveal(video));
    video.addEventListener("loadedmetadata", () => {
      const clip = clips[indexes.get(video)];
      if (!clip) return;
      clip.seconds = video.duration;
      if (video === back) loadNext();
      changed();
    });
    video.addEventListener("error", () => {
      const index = indexes.get(video);
      if (!video.getAttribute("src") || !clips[index]) return;
      clips[index].src = undefined;
      indexes.delete(video);
      failed(index);
      if (video === front) halt(index);
    });
  }

  return {
    nodes: videos,
    play,
    pause,
    // Other clips in the places of those before, or more: what plays goes on.
    fill: (others) => {
      clips = others.map((clip, index) => {
        const known = clips[index]?.src === clip.src ? clips[index] : undefined;
        return { ...clip, seconds: known?.seconds ?? clip.seconds, skipped: known?.skipped };
      });
      if (indexes.size) loadNext();
    },
    // To a moment of the whole.
    seek: (time) => {
      const last = clips.findLastIndex((clip) => clip.src);
      let index = clips.findIndex((clip, number) => clip.src && time < begin(number) + lengthOf(clip));
      if (index < 0) index = last;
      if (index >= 0) bring(index, Math.min(Math.max(0, time - begin(index)), lengthOf(clips[index]) - 0.05));
    },
    mute: (yes) => {
      for (const video of videos) video.muted = yes;
    },
    close: () => {
      playing = false;
      cancelAnimationFrame(frame);
      for (const video of videos) unload(video);
    },
    state: () => {
      const clip = clips[at];
      const inside = clip?.src ? Math.min(Math.max(0, front.currentTime - skip(clip)), lengthOf(clip)) : 0;
      return {
        at,
        playing,
        time: begin(at) + inside,
        length: begin(clips.length),
        part: clip?.src ? inside / lengthOf(clip) : 0,
      };
    },
  };
}

// Whether two videos show the same picture now.
function isSame(one, other) {
  try {
    const [a, b] = [shrink(one), shrink(other)];
    const sum = a.reduce((total, value, index) => total + Math.abs(value - b[index]), 0);
    return sum / a.length < SAME;
  } catch {
    return true; // a report may not look into the videos beside it: the longer one is taken for the whole
  }
}

function shrink(video) {
  const canvas = el("canvas", { width: SIDE, height: SIDE });
  const pen = canvas.getContext("2d");
  pen.drawImage(video, 0, 0, SIDE, SIDE);
  return pen.getImageData(0, 0, SIDE, SIDE).data;
}

export { createSequence };
