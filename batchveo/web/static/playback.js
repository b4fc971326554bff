// Clips that play in step: one clock, one seek, one that is heard. The longest clip is the clock; a shorter one waits
// at its end until all begin again.

const DRIFT = 0.09; // seconds that a clip may be off before it is moved: about two frames
const ENOUGH = 3; // readyState: what comes next is there

function createPlayback(changed) {
  let videos = [];
  let wanted = false; // whether a person wants them to play
  let held = false; // whether they wait for one that still loads
  let heard; // the index of the one with sound
  let frame;

  const works = () => videos.filter((video) => !video.error && video.isConnected);
  const length = () => Math.max(0, ...works().map((video) => video.duration || 0));
  const clock = () => works().reduce((a, b) => ((b.duration || 0) > (a?.duration || 0) ? b : a), undefined);
  const time = () => clock()?.currentTime ?? 0;

  function tick() {
    frame = undefined;
    if (!wanted) return;
    const master = clock();
    if (master) {
      const now = master.currentTime;
      const playing = works().filter((video) => now < (video.duration || 0));
      held = works().some((video) => video.readyState < 1) || playing.some((video) => video.readyState < ENOUGH);
      if (master.ended) seek(0);
      for (const video of works()) follow(video, video.currentTime, now, master);
    }
    changed();
    frame = requestAnimationFrame(tick);
  }

  function follow(video, at, now, master) {
    if (held || (video !== master && now >= video.duration)) {
      if (!video.paused) video.pause();
      return;
    }
    if (video !== master && !video.seeking && Math.abs(at - now) > DRIFT) video.currentTime = now;
    if (video.paused && !video.ended) video.play().catch(refused);
  }

  // The browser lets no sound begin by itself, say: then they stay as they are, and the button starts them.
  function refused(error) {
    if (error.name !== "NotAllowedError") return;
    wanted = false;
    changed();
  }

  function play() {
    wanted = true;
    if (frame === undefined) frame = requestAnimationFrame(tick);
  }

  function pause() {
    wanted = false;
    held = false;
    for (const video of videos) video.pause();
    align();
    changed();
  }

  // Stopped clips show the same moment.
  function align() {
    seek(time());
  }

  function seek(to) {
    for (const video of works()) {
      const end = video.duration || 0;
      const at = Math.min(Math.max(to, 0), Math.max(0, end - 0.001));
      if (Math.abs(video.currentTime - at) > 0.001) video.currentTime = at;
    }
    changed();
  }

  function hear(index) {
    heard = index;
    videos.forEach((video, at) => {
      video.muted = at !== heard;
    });
  }

  function load(others) {
    for (const video of videos) {
      video.removeAttribute("src");
      video.load(); // lets the connection go
    }
    videos = others;
    held = false;
    hear(heard);
  }

  return {
    load,
    play,
    pause,
    toggle: () => (wanted ? pause() : play()),
    seek,
    hear,
    state: () => ({ playing: wanted, held: wanted && held, time: time(), length: length() }),
  };
}

export { createPlayback };
