// The night's timeline: each job's bars, packed into lanes, with an overview to choose a part of the night.

import { equals, go, jobAt, jobsWhere, within } from "./behind.js";
import { figure, hasNotMoved, html, link, svg, timeAxis } from "./charts-frame.js";
import { EACH, pack, unpack } from "./charts-lanes.js";
import * as Paint from "./charts-paint.js";
import * as T from "./charts-time.js";

const HINT =
  "Point at a bar to read it, click it to open its job. Drag or Shift + wheel moves, Ctrl + wheel zooms at the pointer. " +
  "With the keyboard: arrows go from bar to bar, Enter opens the job, + and − zoom, Shift with an arrow moves, 0 shows all.";
const CLICK = 4; // pixels that the pointer may move between press and release
const WORDS = {
  submitting: "being submitted",
  generating: "generating",
  downloading: "waiting for its download, and downloading",
  in_doubt: "in doubt",
  held: "held in doubt",
};
const ENDS = {
  failed: ", then failed",
  again: ", then back to wait for its turn",
  trouble: ", then the download had to be repeated",
  open: ", not over yet",
};
const STACK = ["generating", "downloading", "in_doubt"];

function summary(data, facts) {
  const parts = [
    `${T.count(facts.videos, "video")} in ${T.seconds(facts.seconds)}`,
    facts.waited && `besides ${T.seconds(facts.waited)} of waiting`,
    `${T.number(facts.perHour)} an hour`,
    `${data.flow.exact_peak ? "at most" : "about"} ${T.number(facts.peak)} in flight`,
  ];
  if (facts.failed) parts.push(`${T.number(facts.failed)} failed`);
  const doubts = data.flow.in_doubt.at(-1);
  if (doubts > 0) parts.push(`${T.number(doubts)} in doubt at the end`);
  const thinned = data.timeline.every > 1 ? ` Bars are drawn for 1 job in ${data.timeline.every}.` : "";
  return `${parts.filter(Boolean).join(", ")}.${thinned}`;
}

function rows(data) {
  const { flow, buckets } = data;
  return [
    ["Time", "Submitting", "Generating", "Downloading", "In doubt"],
    ...buckets.map((bucket, i) => [
      `at the end of ${T.when(bucket)}`,
      flow.submitting[i],
      flow.generating[i],
      flow.downloading[i],
      flow.in_doubt[i],
    ]),
  ];
}

function timeline([data, axis, facts], span) {
  const words = () => ({
    summary: summary(data, facts),
    table: () => rows(data),
    links: () => data.buckets.map((times) => jobsWhere([within("submitted_at", times)])),
  });
  const frame = figure({ title: "Timeline", hint: HINT, ...words() });
  frame.plot.classList.add("chart-timeline");
  frame.node.classList.add("chart-timeline-figure");
  const view = { ...laid(data, axis), span, frame, chosen: -1, width: 0, held: false };
  frame.node.insertBefore(buttons(view), frame.room);
  span.hear(() => follow(view));
  return {
    node: frame.node,
    draw: (width) => {
      view.width = width;
      drawAll(view);
    },
    held: () => view.held,
    update: (...newer) => {
      [data, axis, facts] = newer;
      grow(view, laid(data, axis));
      frame.tell(words());
    },
  };
}

function laid(data, axis) {
  const bars = unpack(data.timeline, data.night.start);
  const jobs = data.timeline.names.length;
  const lanes = pack(bars, jobs);
  const order = bars.map((_, i) => i).sort((a, b) => bars[a].start - bars[b].start || bars[a].lane - bars[b].lane);
  return { data, axis, bars, lanes, jobs, order };
}

// Newer bars: a bar that is being read stays chosen.
function grow(view, newer) {
  const read = view.bars[view.chosen];
  Object.assign(view, newer);
  view.chosen = !read
    ? -1
    : view.bars.findIndex((bar) => bar.name === read.name && bar.phase === read.phase && bar.start === read.start);
}

// -- drawing

function drawAll(view) {
  const { frame, width, axis } = view;
  const each = view.jobs <= EACH;
  const gutter = each && width >= 620 ? 180 : 2;
  view.thick = each ? (gutter > 2 ? 20 : 32) : Math.max(1, Math.min(14, 440 / view.lanes));
  view.each = each;
  view.scale = T.scale(axis, gutter, width - 8, view.span.from, view.span.to);
  view.height = Math.min(900, Math.max(24, Math.ceil(view.lanes * view.thick)));
  view.thick = view.height / view.lanes;
  const ratio = window.devicePixelRatio || 1;
  const canvas = html("canvas", {
    width: Math.round(width * ratio),
    height: Math.round(view.height * ratio),
    "aria-hidden": "true",
  });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${view.height}px`;
  const root = svg(
    "svg",
    { width, height: 38, "aria-hidden": "true", focusable: "false" },
    timeAxis(view.scale, 1, 0),
  );
  view.canvas = canvas;
  view.ring = html("div", { class: "chart-ring", hidden: true });
  frame.plot.replaceChildren(
    overview(view),
    html("div", { class: "chart-lanes" }, canvas, view.ring),
    root,
    legend(view),
  );
  paint(view, ratio);
  bind(view);
  if (view.chosen >= 0) choose(view, view.chosen);
}

// Another part is looked at. While it is dragged only the bars follow; the axis does when it is let go.
function follow(view) {
  if (!view.width) return;
  if (!view.held) {
    drawAll(view);
    return;
  }
  view.scale = T.scale(view.axis, view.scale.left, view.scale.right, view.span.from, view.span.to);
  frameWindow(view);
  view.ring.hidden = true;
  paint(view);
}

function paint(view, ratio = window.devicePixelRatio || 1) {
  const pen = view.canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, view.width, view.height);
  const look = Paint.look(view.frame.plot);
  if (view.each) Paint.names(pen, view, look);
  pen.save();
  pen.beginPath();
  pen.rect(view.scale.left, 0, view.scale.right - view.scale.left, view.height);
  pen.clip();
  Paint.bars(pen, view, look);
  pen.restore();
}

function overview(view) {
  const { data, axis, width } = view;
  const height = 46;
  const scale = T.scale(axis, view.scale.left, width - 8);
  const totals = data.buckets.map((_, i) =>
    STACK.reduce((total, phase) => total + Math.max(0, data.flow[phase][i]), 0),
  );
  const top = Math.max(1, ...totals);
  const root = svg("svg", { width, height, class: "chart-overview", "aria-hidden": "true", focusable: "false" });
  const below = data.buckets.map(() => 0);
  for (const phase of STACK) {
    const path = data.buckets.map(([start, end], i) => {
      const low = height - 2 - (below[i] / top) * (height - 6);
      below[i] += Math.max(0, data.flow[phase][i]);
      const high = height - 2 - (below[i] / top) * (height - 6);
      return low === high ? "" : `M${scale.x(start)},${low}V${high}H${scale.x(end)}V${low}Z`;
    });
    root.append(svg("path", { d: path.join(""), class: `chart-phase-${phase}` }));
  }
  root.append(
    svg("line", { x1: scale.left, x2: scale.right, y1: height - 1.5, y2: height - 1.5, class: "chart-line" }),
  );
  view.window = svg("rect", { y: 0.5, height: height - 1, class: "chart-window" });
  root.append(view.window);
  view.whole = scale;
  frameWindow(view);
  brush(view, root);
  return root;
}

function frameWindow(view, from = view.span.from, to = view.span.to) {
  const { whole } = view;
  view.window.setAttribute("x", whole.left + from * whole.factor);
  view.window.setAttribute("width", Math.max(1, (to - from) * whole.factor));
  view.window.setAttribute("visibility", from <= 0 && to >= view.axis.length ? "hidden" : "visible");
}

function legend(view) {
  const present = new Set(view.bars.flatMap(({ phase, mark }) => [phase, mark]));
  const { start, end } = view.data.night;
  const made = jobsWhere([within("submitted_at", [start, end])]);
  const entries = [
    ["generating", "generating", made],
    ["downloading", "download, its wait included", jobsWhere([within("completed_at", [start, end])])],
    ["submitting", "submitting", made],
    ["in_doubt", "in doubt", jobsWhere([], ["in_doubt"])],
    ["held", "held in doubt", jobsWhere([equals("held", true)], ["in_doubt"])],
    ["failed", "failed", jobsWhere([within("finished_at", [start, end])], ["failed"])],
    ["again", "turned back"],
    ["trouble", "download repeated"],
  ];
  const items = entries
    .filter(([name]) => present.has(name))
    .map(([name, words, href]) => html("li", {}, Paint.swatch(name), link(href, words)));
  return html("ul", { class: "chart-key" }, ...items);
}

// -- moving about

// Where the bars are that can be seen: the middle of what is shown may be empty.
function busiest({ span, bars, axis }) {
  const seen = bars
    .map(({ start, end }) => [axis.position(start), axis.position(end)])
    .filter(([from, to]) => to >= span.from && from <= span.to)
    .map(([from, to]) => (from + to) / 2)
    .sort((a, b) => a - b);
  return seen[Math.floor(seen.length / 2)];
}

// Of the bar that is read, else of most bars.
const centre = (view) => (view.chosen >= 0 ? view.axis.position(view.bars[view.chosen].start) : busiest(view));

function buttons(view) {
  const { span } = view;
  const button = (words, sign, act) => {
    const node = html("button", { type: "button", "aria-label": words, title: words }, sign);
    node.addEventListener("click", act);
    return node;
  };
  return html(
    "div",
    { class: "chart-buttons", role: "group", "aria-label": "Part that all charts show" },
    button("Zoom in", "+", () => span.zoom(0.5, centre(view))),
    button("Zoom out", "−", () => span.zoom(2)),
    button("Earlier", "←", () => span.move(-1 / 2)),
    button("Later", "→", () => span.move(1 / 2)),
    button("Show where the work is", "Work", span.showWork),
    button("Show all", "All", span.all),
  );
}

function brush(view, root) {
  const position = (event) => {
    const x = event.clientX - root.getBoundingClientRect().left;
    return Math.max(0, Math.min(view.axis.length, (x - view.whole.left) / view.whole.factor));
  };
  root.addEventListener("pointerdown", (event) => {
    const begin = position(event);
    view.held = true;
    root.setPointerCapture(event.pointerId);
    root.onpointercancel = () => {
      view.held = false;
    };
    root.onpointermove = (move) =>
      frameWindow(view, Math.min(begin, position(move)), Math.max(begin, position(move)));
    root.onpointerup = (up) => {
      root.onpointermove = root.onpointerup = null;
      view.held = false;
      const [from, to] = [begin, position(up)].sort((a, b) => a - b);
      if ((to - from) * view.whole.factor > 4) view.span.show(from, to - from);
      else view.span.show(from - (view.span.to - view.span.from) / 2);
    };
  });
}

function bind(view) {
  const { canvas, frame, span } = view;
  let held = null;
  const at = (event) =>
    span.from + (event.clientX - canvas.getBoundingClientRect().left - view.scale.left) / view.scale.factor;
  canvas.onpointerdown = (event) => {
    view.held = true;
    held = { x: event.clientX, from: span.from };
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointerup = (event) => {
    const isClick = held && Math.abs(event.clientX - held.x) < CLICK;
    letGo();
    const box = canvas.getBoundingClientRect();
    if (isClick) openJob(view, hit(view, event.clientX - box.left, event.clientY - box.top));
  };
  canvas.onpointercancel = letGo;
  function letGo() {
    view.held = false;
    if (held?.moved) drawAll(view);
    held = null;
  }
  canvas.onpointermove = (event) => {
    if (held && !span.isWhole()) {
      held.moved ||= Math.abs(event.clientX - held.x) >= CLICK;
      if (!held.moved) return;
      span.show(held.from - (event.clientX - held.x) / view.scale.factor);
    } else if (!hasNotMoved(event)) {
      const box = canvas.getBoundingClientRect();
      const spot = { x: event.clientX - box.left, y: event.clientY - box.top };
      choose(view, hit(view, spot.x, spot.y), spot);
    }
  };
  canvas.onpointerleave = () => {
    if (!held) choose(view, -1);
  };
  canvas.ondblclick = (event) => span.zoom(0.4, at(event));
  canvas.onwheel = (event) => {
    const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) span.zoom(event.deltaY < 0 ? 0.7 : 1.4, at(event));
    else if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) span.move(across / view.width);
    else return; // the page scrolls as everywhere
    event.preventDefault();
  };
  frame.plot.onkeydown = (event) => keys(view, event);
  frame.plot.onblur = () => choose(view, -1);
}

function keys(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const acts = {
    Home: view.span.all,
    Escape: () => choose(view, -1),
    Enter: () => openJob(view, view.chosen),
    ArrowRight: () => step(view, 1),
    ArrowLeft: () => step(view, -1),
    ArrowDown: () => step(view, 1),
    ArrowUp: () => step(view, -1),
  };
  if (!view.span.press(event, centre(view))) {
    if (!acts[event.key]) return;
    acts[event.key]();
  }
  event.preventDefault();
}

// To the next bar by time; from nowhere, to the first that can be seen.
function step(view, by) {
  const { order, bars, axis, span } = view;
  if (!order.length) return;
  const seen =
    view.chosen < 0
      ? order.findIndex((i) => axis.position(bars[i].end) >= span.from)
      : order.indexOf(view.chosen) + by;
  const next = order[Math.max(0, Math.min(order.length - 1, seen))];
  const at = axis.position(bars[next].start);
  if (at < span.from || at > span.to) span.show(at - (span.to - span.from) / 2);
  choose(view, next);
}

// `spot` is where the pointer is; without it the bar is read where it begins.
function choose(view, index, spot) {
  view.chosen = index;
  view.ring.hidden = index < 0;
  if (index < 0) {
    view.frame.say("");
    return;
  }
  const bar = view.bars[index];
  enclose(view, bar);
  const { x, y } = spot ?? {
    x: Math.max(view.scale.left, Math.min(view.scale.right, view.scale.x(bar.start))),
    y: bar.lane * view.thick,
  };
  const parts = words(bar);
  view.frame.say(parts.join(" · "), { x, y: y + view.canvas.parentNode.offsetTop, lines: parts });
}

function enclose({ ring, scale, ...view }, bar) {
  const { bold, inset } = Paint.within(view);
  const [left, right] = [scale.x(bar.start), scale.x(bar.end)].map((x) =>
    Math.max(scale.left - 4, Math.min(scale.right + 4, x)),
  );
  const box = {
    left: left - 2,
    top: bar.lane * view.thick + inset - 2,
    width: Math.max(1, right - left) + 4,
    height: bold + 4,
  };
  for (const [side, pixels] of Object.entries(box)) ring.style[side] = `${pixels}px`;
}

function words(bar) {
  const fine = bar.end - bar.start < 600;
  const time = `${T.day(bar.start)} ${T.clock(bar.start, fine)}–${T.clock(bar.end, fine)}`;
  const long = T.seconds(bar.end - bar.start);
  return [bar.name, bar.model, `${WORDS[bar.phase]} ${time} (${long})${ENDS[bar.mark] ?? ""}`];
}

const openJob = ({ bars }, index) => go(bars[index] && jobAt(bars[index].id));

function hit(view, x, y) {
  const lane = Math.floor(y / view.thick);
  let [nearest, distance] = [-1, 4];
  view.bars.forEach((bar, i) => {
    if (bar.lane !== lane) return;
    const away = Math.max(view.scale.x(bar.start) - x, x - view.scale.x(bar.end), 0);
    if (away < distance) [nearest, distance] = [i, away];
  });
  return nearest;
}

export { timeline };
