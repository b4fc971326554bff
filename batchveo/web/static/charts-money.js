// The money: what was spent and what was committed, with the budget.

import { jobsWhere, within } from "./behind.js";
import { colour, intervalAt } from "./charts-plot.js";
import { series } from "./charts-series.js";
import * as T from "./charts-time.js";
import uPlot from "./vendor/uPlot.esm.js";

function summary({ money }, facts) {
  const spent = money.spent.at(-1);
  const hourly = facts.seconds > 0 ? money.here / (facts.seconds / 3600) : 0;
  const parts = [`${T.dollars(money.here)} spent in this time, ${T.dollars(hourly)} an hour`];
  if (Math.abs(spent - money.here) >= 0.005) parts.push(`${T.dollars(spent)} over the state's whole life`);
  if (money.budget !== null) {
    const left = money.budget - money.committed.at(-1);
    parts.push(
      left >= 0
        ? `${T.dollars(left)} of the budget of ${T.dollars(money.budget)} not committed`
        : `${T.dollars(-left)} above the budget of ${T.dollars(money.budget)}`,
    );
  } else parts.push("no budget was set");
  if (money.unpriced) parts.push(`${T.count(money.unpriced, "video")} without a known price`);
  return `${parts.join("; ")}.`;
}

function rows({ money, buckets }) {
  return [
    ["Time", "Spent", "Committed"],
    ...buckets.map((bucket, i) => [T.when(bucket), T.dollars(money.spent[i]), T.dollars(money.committed[i])]),
  ];
}

const behind = ({ buckets }, i) => jobsWhere([within("completed_at", buckets[i])]);

const entries = ({ night }) => [
  [
    "spent",
    "spent: charged when a video is complete",
    jobsWhere([within("completed_at", [night.start, night.end])]),
  ],
  [
    "committed",
    "committed: reserved with the submit",
    jobsWhere([within("submitted_at", [night.start, night.end])]),
  ],
];

const lines = ({ money }, i) => [
  ["spent", `${T.dollars(money.spent[i])} spent`],
  ["committed", `${T.dollars(money.committed[i])} committed`],
];

const brief = (value) => `$${value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : 0 })}`;
const before = ({ money }) => money.spent.at(-1) - money.here;
const peak = ({ money }) => Math.max(money.committed.at(-1), money.spent.at(-1), 0.01);

// The budget is drawn to scale unless that would squeeze the curve into the lowest quarter.
const isNear = (data) => data.money.budget !== null && data.money.budget <= peak(data) * 4;

function wholeRange(data) {
  const top = peak(data);
  if (isNear(data)) return [0, Math.max(top, data.money.budget) * 1.04];
  const spent = before(data);
  return [spent > 4 * (top - spent) ? spent - (top - spent) * 0.15 : 0, top * 1.12];
}

// Of a part of the night only what happened in it.
function partRange(low, high) {
  const room = Math.max((high - low) * 0.12, 0.05);
  return [Math.max(0, low - room), high + room];
}

const marks = (low, high) => {
  const step = T.steps(high - low, 4)[1] ?? high - low;
  const first = Math.ceil(low / step - 1e-9);
  const number = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: number }, (_, i) => (first + i) * step);
};

const curve = (name, options) => ({ stroke: (u) => colour(u, name), ...options });

const plots = (now, span) => [
  {
    height: 230,
    columns: ({ begins, ends, data }) => [
      [begins[0], ...ends],
      [data.money.committed[0], ...data.money.committed],
      [before(data), ...data.money.spent],
    ],
    series: [curve("muted", { width: 1.25, dash: [4, 3] }), curve("accent", { width: 2 })],
    range: (low, high) => (span.isWhole() ? wholeRange(now().data) : partRange(low, high)),
    marks,
    write: brief,
    point: (_, __, ___, position) => intervalAt(now(), position) + 1,
    draw: (u) => budget(u, now().data),
  },
];

function budget(u, data) {
  const usd = data.money.budget;
  if (usd === null) return;
  const { ctx, bbox } = u;
  const isSeen = usd <= u.scales.y.max && usd >= u.scales.y.min;
  const y = isSeen ? Math.round(u.valToPos(usd, "y", true)) : bbox.top + 14 * uPlot.pxRatio;
  ctx.save();
  ctx.fillStyle = colour(u, "failed");
  ctx.strokeStyle = colour(u, "failed");
  ctx.lineWidth = uPlot.pxRatio;
  ctx.setLineDash([8 * uPlot.pxRatio, 4 * uPlot.pxRatio]);
  ctx.beginPath();
  if (isSeen) {
    ctx.moveTo(bbox.left, y + 0.5);
    ctx.lineTo(bbox.left + bbox.width, y + 0.5);
  }
  ctx.stroke();
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  ctx.font = `${12 * uPlot.pxRatio}px system-ui, sans-serif`;
  const words = `budget ${T.dollars(usd)}${isSeen ? "" : usd > u.scales.y.max ? " ↑" : " ↓"}`;
  const isHigh = isSeen && y - bbox.top < 16 * uPlot.pxRatio;
  if (isHigh) ctx.textBaseline = "top";
  ctx.fillText(words, bbox.left + 4 * uPlot.pxRatio, y + (isHigh ? 4 : -3) * uPlot.pxRatio);
  ctx.restore();
}

const money = (told, span, sync) =>
  series({ title: "Money", summary, rows, entries, lines, plots, behind }, told, span, sync);

export { money };
