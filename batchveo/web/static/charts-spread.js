// How long the generations of each model took: one strip a model, on one logarithmic axis.

import { equals, go, jobsWhere, within } from "./behind.js";
import { choose, figure, html, svg, text } from "./charts-frame.js";
import * as T from "./charts-time.js";
import * as Words from "./words.js";

const HINT =
  "Point at a strip, or focus the chart and use the arrow keys, to read its intervals; click or Enter shows their jobs.";
const ROUND = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400, 604800,
];

function summary({ models, others }) {
  if (!models.length) return "No video has been completed here yet.";
  if (models.length === 1) {
    const [{ model, median, p90 }] = models;
    return `Half of the ${Words.model(model)} videos took at most ${T.seconds(median)}, nine in ten at most ${T.seconds(p90)}.`;
  }
  const sorted = [...models].sort((a, b) => a.median - b.median);
  const [first, last] = [sorted[0], sorted.at(-1)];
  const more = others ? ` ${T.count(others, "model")} with fewer videos not shown.` : "";
  return `Half of the videos took at most ${T.seconds(first.median)} with ${Words.model(first.model)}, and ${T.seconds(last.median)} with ${Words.model(last.model)}.${more}`;
}

function rows({ models }) {
  return [
    [
      "Model",
      "Videos",
      "Median",
      "One in ten within",
      "Nine in ten within",
      "Quickest",
      "Slowest",
      "Beyond the axis",
    ],
    ...models.map((row) => [
      row.model,
      T.number(row.videos),
      ...[row.median, row.p10, row.p90, row.least, row.most].map(T.seconds),
      row.beyond,
    ]),
  ];
}

const behind = ({ night }, { model }, ...more) =>
  jobsWhere([equals("model", model), within("completed_at", [night.start, night.end]), ...more]);

function spread(data) {
  let told = data.durations;
  const words = () => ({
    summary: summary(told),
    table: () => rows(told),
    links: () => told.models.map((row) => behind(data, row)),
  });
  const frame = figure({ title: "Generation time by model", hint: HINT, ...words() });
  const fit = () => frame.node.classList.toggle("chart-without", !told.models.length);
  fit();
  return {
    node: frame.node,
    draw: (width) => {
      if (told.models.length) draw(frame, data, width);
    },
    update: (newer) => {
      data = newer;
      told = newer.durations;
      fit();
      frame.tell(words());
    },
  };
}

function draw(frame, data, width) {
  const { edges, models } = data.durations;
  const narrow = width < 620;
  const [labels, strip] = [narrow ? 36 : 20, 34];
  const [left, right] = [2, width - 8];
  const [low, high] = [Math.log(edges[0]), Math.log(edges.at(-1))];
  const x = (seconds) => left + ((Math.log(seconds) - low) / (high - low)) * (right - left);
  const height = models.length * (labels + strip + 14) + 24;
  const root = svg("svg", { width, height, "aria-hidden": "true", focusable: "false" });
  const marks = ROUND.filter((value) => value > edges[0] && value < edges.at(-1));
  const shown = (marks.length ? marks : [Math.sqrt(edges[0] * edges.at(-1))]).filter(
    (value, i, all) => !i || x(value) - x(all[i - 1]) > 44,
  );
  for (const value of shown) {
    root.append(
      svg("line", { x1: x(value), x2: x(value), y1: labels, y2: height - 22, class: "chart-grid" }),
      text(Math.min(right - 12, Math.max(14, x(value))), height - 6, T.seconds(value), {
        "text-anchor": "middle",
      }),
    );
  }
  for (const [i, row] of models.entries()) {
    strips(root, row, i * (labels + strip + 14), { labels, strip, narrow, edges, x, right });
  }
  const chosen = svg("rect", { class: "chart-chosen", visibility: "hidden", height: strip });
  root.append(chosen);
  const scale = html(
    "p",
    { class: "chart-label" },
    "The time is on a logarithmic scale; each model's bars have a height of their own.",
  );
  frame.plot.replaceChildren(root, scale);
  reading(frame, chosen, { data, edges, models, x, labels, strip });
}

function strips(root, row, top, { labels, strip, narrow, edges, x, right }) {
  const told =
    `${T.count(row.videos, "video")} · median ${T.seconds(row.median)} · ${narrow ? "p90" : "nine in ten within"} ${T.seconds(row.p90)}` +
    (row.beyond && !narrow ? ` · ${T.number(row.beyond)} beyond, up to ${T.seconds(row.most)} →` : "");
  root.append(
    text(0, top + 12, row.model, { class: "chart-strong" }),
    narrow ? text(0, top + 28, told) : text(right, top + 12, told, { "text-anchor": "end" }),
  );
  const floor = top + labels + strip;
  const tallest = Math.max(...row.bins);
  row.bins.forEach((number, bin) => {
    if (!number) return;
    const tall = Math.max(1.5, (number / tallest) * (strip - 4));
    root.append(
      svg("rect", {
        x: x(edges[bin]),
        width: Math.max(1, x(edges[bin + 1]) - x(edges[bin]) - 1),
        y: floor - tall,
        height: tall,
        class: "chart-bin",
      }),
    );
  });
  root.append(
    svg("line", {
      x1: x(row.least),
      x2: Math.min(right, x(row.most)),
      y1: floor + 0.5,
      y2: floor + 0.5,
      class: "chart-line",
    }),
    svg("line", {
      x1: x(row.median),
      x2: x(row.median),
      y1: floor - strip + 2,
      y2: floor + 5,
      class: "chart-median",
    }),
    svg("line", { x1: x(row.p90), x2: x(row.p90), y1: floor - 10, y2: floor + 5, class: "chart-ninety" }),
  );
}

// The items are the filled bins of all strips, model by model.
function reading(frame, chosen, { data, edges, models, x, labels, strip }) {
  const items = models.flatMap((row, model) =>
    row.bins.flatMap((number, bin) => (number ? [{ row, model, number, bin }] : [])),
  );
  const pitch = labels + strip + 14;
  const at = (px, py) =>
    items.findIndex(
      ({ model, bin }) => model === Math.floor(py / pitch) && x(edges[bin]) <= px && px < x(edges[bin + 1]),
    );
  const open = (index) => {
    const { row, bin } = items[index];
    const seconds = `generation_seconds >= ${edges[bin]} and generation_seconds < ${edges[bin + 1]}`;
    go(behind(data, row, seconds));
  };
  const read = (index) => {
    chosen.setAttribute("visibility", index < 0 ? "hidden" : "visible");
    if (index < 0) return frame.say("");
    const { row, model, number, bin } = items[index];
    chosen.setAttribute("x", x(edges[bin]) - 0.5);
    chosen.setAttribute("width", x(edges[bin + 1]) - x(edges[bin]));
    chosen.setAttribute("y", model * pitch + labels);
    return frame.say(
      `${row.model}: ${T.count(number, "video")} took ${T.seconds(edges[bin])} to ${T.seconds(edges[bin + 1])}`,
    );
  };
  choose(frame.plot, items.length, at, read, open);
}

export { spread };
