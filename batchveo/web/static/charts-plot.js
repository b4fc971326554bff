// A plot of the night's intervals by uPlot, with its colours, its axes and the shapes that it has.

import * as T from "./charts-time.js";
import uPlot from "./vendor/uPlot.esm.js";

const GUTTER = 56; // the same in all plots, so that one moment is below the other
const RIGHT = 14;
const CLICK = 4; // pixels that the pointer may move between press and release
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif';

const colour = (u, name) => getComputedStyle(u.root).getPropertyValue(`--chart-${name}`).trim();
const faint = (u, name) => `color-mix(in srgb, ${colour(u, name)} 18%, transparent)`;

// Where the intervals begin, end and have their middle, as positions on the axis.
function laid({ buckets }, axis) {
  const begins = buckets.map(([start]) => axis.position(start));
  const ends = buckets.map(([, end]) => axis.position(end));
  return { begins, ends, middles: begins.map((begin, i) => (begin + ends[i]) / 2) };
}

// The interval at a position; the one before where none is.
function intervalAt({ begins }, position) {
  return Math.max(
    0,
    begins.findLastIndex((begin) => begin <= position),
  );
}

// `series` and `draw` are uPlot's. `range(low, high)` makes the ends of the y axis, `marks(low, high)` its values in
// the words of `write`. `point` tells where a curve is read, `read(plot)` hears of the cursor, `open(position)` of a
// click. The last plot of a chart has the times below it.
function createPlot(
  place,
  { width, height, span, sync, data, series, range, marks, write, draw, point, read, open, isLast },
) {
  let isHeld = false;
  // without those whose label would be cut off at the right edge
  function ticks(u) {
    const wide = u.bbox.width / uPlot.pxRatio;
    const found = T.scale(span.axis, 0, wide, span.from, span.to).ticks();
    return found.filter(({ x, label }) => x <= wide + RIGHT - label.length * 3.5);
  }
  const plot = new uPlot(
    {
      width,
      height,
      padding: [8, RIGHT, isLast ? 0 : 6, 0],
      legend: { show: false },
      focus: { alpha: 1 },
      cursor: {
        y: false,
        points: { show: Boolean(point), size: 7 },
        dataIdx: point,
        drag: { x: true, y: false, setScale: false, dist: 6 },
        sync: { key: sync, scales: ["x", null] },
        bind: { dblclick: () => () => span.all() },
      },
      scales: {
        x: { time: false, range: () => [span.from, span.to] },
        y: { range: (_, low, high) => range(low, high) },
      },
      axes: [
        {
          show: isLast,
          size: 40,
          gap: 6,
          font: FONT,
          stroke: (u) => colour(u, "muted"),
          splits: (u) => ticks(u).map(({ time }) => span.axis.position(time)),
          values: (u) => ticks(u).map(({ label, day }) => [label, day].filter(Boolean).join("\n")),
          grid: { show: false },
          ticks: { stroke: (u) => colour(u, "line"), size: 4, width: 1 },
          border: { show: true, stroke: (u) => colour(u, "line"), width: 1 },
        },
        {
          size: GUTTER,
          gap: 6,
          font: FONT,
          stroke: (u) => colour(u, "muted"),
          splits: (_, __, low, high) => marks(low, high),
          values: (_, values) => values.map(write),
          grid: { stroke: (u) => colour(u, "line"), width: 1, dash: [1, 4] },
          ticks: { show: false },
        },
      ],
      series: [{}, ...series.map((one) => ({ points: { show: false }, ...one }))],
      hooks: {
        draw: [(u) => breaks(u, span), ...(draw ? [draw] : [])],
        setCursor: [read],
        setSelect: [choose],
      },
    },
    data,
    place,
  );

  // What was dragged over is shown; the other plots only let go of what they have marked meanwhile.
  function choose(u) {
    const { left, width: wide } = u.select;
    if (!wide) return;
    const [from, to] = [left, left + wide].map((x) => u.posToVal(x, "x"));
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (isHeld) span.show(from, to - from);
  }

  const letGo = () => {
    isHeld = false;
  };
  let pressedAt = 0;
  plot.over.addEventListener("click", ({ clientX }) => {
    if (Math.abs(clientX - pressedAt) < CLICK) open(plot.posToVal(plot.cursor.left, "x"));
  });
  plot.over.addEventListener("mousedown", ({ clientX }) => {
    isHeld = true;
    pressedAt = clientX;
    addEventListener("mouseup", letGo, { once: true }); // after uPlot, which listens at the document
  });
  plot.over.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls as everywhere
      event.preventDefault();
      span.zoom(event.deltaY < 0 ? 0.7 : 1.4, plot.posToVal(plot.cursor.left, "x"));
    },
    { passive: false },
  );
  const follow = () => plot.setScale("x", { min: span.from, max: span.to });
  span.hear(follow);

  return {
    plot,
    held: () => isHeld,
    fit: (wide) => {
      plot.setSize({ width: wide, height });
      plot.redraw(true, true); // the colours may be others
    },
    fill: (newer) => {
      plot.setData(newer, false);
      follow();
    },
  };
}

// The time between two runs, which is left out.
function breaks(u, { axis }) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = colour(u, "paper");
  ctx.strokeStyle = colour(u, "line");
  ctx.lineWidth = uPlot.pxRatio;
  ctx.setLineDash([2 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
  for (const begin of axis.begins.slice(1)) {
    const [left, right] = [begin - axis.gap, begin].map((at) => Math.round(u.valToPos(at, "x", true)));
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.strokeRect(left + 0.5, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

// Shapes: one block an interval, from `base(i)` up to the value.
const blocks =
  (where, base = () => 0) =>
  (u, series, first, last) => {
    const fill = new Path2D();
    eachSeen(u, where(), first, last, (i, left, right) => {
      const [top, floor] = [u.data[series][i], base(i)].map((value) => Math.round(u.valToPos(value, "y", true)));
      if (u.data[series][i] > base(i))
        fill.rect(left, top, Math.max(1, right - left - uPlot.pxRatio), floor - top);
    });
    return { fill, stroke: null, flags: 0 };
  };

// A level an interval, as steps; broken where time is left out.
const steps = (where) => (u, series, first, last) => {
  const [fill, stroke] = [new Path2D(), new Path2D()];
  const floor = u.valToPos(0, "y", true);
  let before;
  eachSeen(u, where(), first, last, (i, left, right) => {
    const top = u.valToPos(u.data[series][i], "y", true);
    fill.rect(left, top, right - left, floor - top);
    if (before === left) stroke.lineTo(left, top);
    else stroke.moveTo(left, top);
    stroke.lineTo(right, top);
    before = right;
  });
  return { fill, stroke, flags: 0 };
};

// uPlot names the first and last whose middle is seen; one more on each side is seen in part.
function eachSeen(u, { begins, ends }, first, last, draw) {
  for (let i = Math.max(0, first - 1); i <= Math.min(begins.length - 1, last + 1); i += 1) {
    draw(i, ...[begins[i], ends[i]].map((at) => Math.round(u.valToPos(at, "x", true))));
  }
}

// Failures differ from successes by more than a colour.
function hatched(u, name) {
  const size = 5 * uPlot.pxRatio;
  const tile = document.createElement("canvas");
  Object.assign(tile, { width: size, height: size });
  const pen = tile.getContext("2d");
  pen.fillStyle = faint(u, name);
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = colour(u, name);
  pen.lineWidth = 1.5 * uPlot.pxRatio;
  pen.lineCap = "square";
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
  }
  pen.stroke();
  return u.ctx.createPattern(tile, "repeat");
}

export { blocks, colour, createPlot, faint, hatched, intervalAt, laid, steps };
