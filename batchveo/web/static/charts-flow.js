// Generations in flight, and below them the videos that were finished, with failures and submits turned back.

import { before, jobsWhere, since, within } from "./behind.js";
import { blocks, colour, faint, hatched, steps } from "./charts-plot.js";
import { series } from "./charts-series.js";
import * as T from "./charts-time.js";
import uPlot from "./vendor/uPlot.esm.js";

const { most, sum } = T;
const ended = ({ flow }) => flow.finished.map((finished, i) => finished + flow.failed[i]);

function summary({ flow }, facts) {
  const back = sum(flow.turned_back);
  const parts = [
    `${T.number(facts.perHour)} videos an hour`,
    `${flow.exact_peak ? "at most" : "about"} ${T.count(facts.peak, "generation")} in flight`,
    back ? `${T.count(back, "submit")} turned back` : "no submit turned back",
  ];
  return `${parts.join(", ")}.`;
}

function rows({ flow, buckets }) {
  return [
    ["Time", "In flight, at most", "Finished", "Failed", "Turned back"],
    ...buckets.map((bucket, i) => [
      T.when(bucket),
      flow.peak[i],
      flow.finished[i],
      flow.failed[i],
      flow.turned_back[i],
    ]),
  ];
}

const finishedIn = (times, states) => jobsWhere([within("finished_at", times)], states);
const behind = ({ buckets }, i) => finishedIn(buckets[i], ["succeeded", "failed"]);
const inFlight = ({ buckets }, i) => {
  const [start, end] = buckets[i];
  return jobsWhere([before("submitted_at", end), `(${since("finished_at", start)} or finished_at == null)`]);
};

const entries = ({ flow, night }) => [
  ["flying", "in flight", jobsWhere([within("submitted_at", [night.start, night.end])])],
  ["finished", "finished", finishedIn([night.start, night.end], ["succeeded"])],
  sum(flow.failed) && ["failed", "failed", finishedIn([night.start, night.end], ["failed"])],
  sum(flow.turned_back) && ["back", "submits turned back (429, or busy)"],
];

const lines = ({ flow }, i) =>
  [
    ["flying", `${flow.exact_peak ? "at most " : ""}${T.number(flow.peak[i])} in flight`],
    ["finished", `${T.number(flow.finished[i])} finished`],
    flow.failed[i] && ["failed", `${T.number(flow.failed[i])} failed`],
    flow.turned_back[i] && ["back", `${T.count(flow.turned_back[i], "submit")} turned back`],
  ].filter(Boolean);

const counted = {
  range: (_, high) => [0, Math.max(1, high)],
  marks: (_, high) => T.steps(high, 2).filter(Number.isInteger),
  write: T.number,
};

const plots = (now) => [
  {
    label: ({ flow }) => `generations in flight, ${flow.exact_peak ? "at most" : "at the ends of the intervals"}`,
    height: 112,
    behind: inFlight,
    columns: ({ middles, data }) => [middles, data.flow.peak],
    series: [
      {
        stroke: (u) => colour(u, "generating"),
        fill: (u) => faint(u, "generating"),
        width: 1.5,
        paths: steps(now),
      },
    ],
    ...counted,
  },
  {
    label: ({ step }) => `videos finished in each ${T.seconds(step)}`,
    height: 150,
    columns: ({ middles, data }) => [middles, ended(data), data.flow.finished],
    series: [
      { fill: (u) => hatched(u, "failed"), width: 0, paths: blocks(now, (i) => now().data.flow.finished[i]) },
      { fill: (u) => colour(u, "downloading"), width: 0, paths: blocks(now) },
    ],
    draw: (u) => turnedBack(u, now()),
    ...counted,
    range: (_, high) => [0, Math.max(1, high) * 1.2], // room for the marks of what was turned back
    marks: (_, high) => T.steps(high / 1.2, 2).filter(Number.isInteger),
  },
];

// Triangles at the upper edge, larger where more was turned back.
function turnedBack(u, { data, middles }) {
  const { ctx, bbox } = u;
  const back = data.flow.turned_back;
  const top = most(back);
  ctx.save();
  ctx.fillStyle = colour(u, "back");
  back.forEach((number, i) => {
    if (!number || u.scales.x.min > middles[i] || middles[i] > u.scales.x.max) return;
    const half = (2.5 + 3 * Math.sqrt(number / top)) * uPlot.pxRatio;
    const x = u.valToPos(middles[i], "x", true);
    ctx.beginPath();
    ctx.moveTo(x - half, bbox.top);
    ctx.lineTo(x + half, bbox.top);
    ctx.lineTo(x, bbox.top + 1.7 * half);
    ctx.fill();
  });
  ctx.restore();
}

const flow = (told, span, sync) =>
  series({ title: "In flight and finished", summary, rows, entries, lines, plots, behind }, told, span, sync);

export { flow };
