// The part of the night that the charts show, the same in all of them: zoom and movement.
const SHORTEST = 5; // seconds that can be looked at, at least

// `axis` is one of `T.axis`; `from` and `to` are positions on it. Whoever calls `hear` is told of each change.
function createSpan(axis) {
  const heard = new Set();
  const span = { axis, from: 0, to: axis.length, isWhole, show, move, zoom, all, grow, press, hear };

  function isWhole() {
    return span.from <= 0 && span.to >= span.axis.length;
  }

  function show(from, length = span.to - span.from) {
    const wide = Math.min(span.axis.length, Math.max(Math.min(SHORTEST, span.axis.length), length));
    span.from = Math.max(0, Math.min(span.axis.length - wide, from));
    span.to = span.from + wide;
    for (const tell of heard) tell();
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
  function grow(newer) {
    const whole = isWhole();
    span.axis = newer;
    if (whole) all();
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

  return span;
}

export { createSpan };
