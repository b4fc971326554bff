// The part of the night that the charts show, the same in all of them: zoom and movement. It begins where the work is:
// a run that waits for a doubt to be settled may be mostly empty.
const SHORTEST = 5; // seconds that can be looked at, at least
const MOSTLY = 0.8; // work that takes a larger part than this of a night is shown with all of it
const MARGIN = 0.02; // of the work, shown before and after it

// `axis` is one of `T.axis`; `from` and `to` are positions on it. `work` is the time of the first and the last work.
// Whoever calls `hear` is told of each change.
function createSpan(axis, work) {
  const heard = new Set();
  const span = { axis, from: 0, to: axis.length, isWhole, show, showWork, move, zoom, all, grow, press, hear };
  let isAtWork = true; // until somebody looks elsewhere

  function isWhole() {
    return span.from <= 0 && span.to >= span.axis.length;
  }

  function show(from, length = span.to - span.from) {
    isAtWork = false;
    const wide = Math.min(span.axis.length, Math.max(Math.min(SHORTEST, span.axis.length), length));
    span.from = Math.max(0, Math.min(span.axis.length - wide, from));
    span.to = span.from + wide;
    for (const tell of heard) tell();
  }

  function showWork() {
    const [from, to] = work.map((time) => span.axis.position(time));
    const margin = (to - from) * MARGIN;
    if (to - from > MOSTLY * span.axis.length) all();
    else show(from - margin, to - from + 2 * margin);
    isAtWork = true;
  }

  // By a share of what is shown.
  function move(share) {
    show(span.from + share * (span.to - span.from));
  }

  function zoom(factor, centre = (span.from + span.to) / 2) {
    const share = (centre - span.from) / (span.to - span.from);
    const length = Math.min(span.axis.length, (span.to - span.from) * factor);
    show(centre - share * length, length);
  }

  function all() {
    show(0, span.axis.length);
  }

  // A newer axis of the same night: who looks at a part continues to look at it.
  function grow(newer, later) {
    const whole = isWhole();
    span.axis = newer;
    work = later;
    if (isAtWork) showWork();
    else if (whole) all();
    else show(span.from);
  }

  // Whether a key was one of those that zoom or move.
  function press({ key, shiftKey }, centre) {
    const acts = {
      "+": () => zoom(0.5, centre),
      "=": () => zoom(0.5, centre),
      "-": () => zoom(2, centre),
      0: all,
    };
    const moves = { ArrowRight: () => move(1 / 3), ArrowLeft: () => move(-1 / 3) };
    const act = acts[key] ?? (shiftKey ? moves[key] : undefined);
    act?.();
    return act !== undefined;
  }

  function hear(tell) {
    heard.add(tell);
  }

  showWork();
  return span;
}

export { createSpan };
