// What happened over time: generations in flight with the videos finished, and the money.

import { choose, figure, html, svg, text, timeAxis } from "./charts-frame.js";
import * as T from "./charts-time.js";

const HINT = "Point at the chart, or focus it and use the arrow keys, to read single values.";
const sum = (values) => values.reduce((total, value) => total + value, 0);
const most = (values) => values.reduce((top, value) => Math.max(top, value), 0);

const when = ([start, end]) =>
  `${T.day(start)} ${T.clock(start, end - start < 60)}–${T.clock(end, end - start < 60)}`;

// A chart whose `update(data, axis, facts)` shows newer ones from the next drawing on.
function chart(title, summary, rows, drawn, [data, axis, facts]) {
  const words = () => ({ summary: summary(data, facts), table: () => rows(data) });
  const frame = figure({ title, hint: HINT, ...words() });
  return {
    node: frame.node,
    draw: (width) => drawn(frame, data, axis, width),
    update: (...newer) => {
      [data, axis, facts] = newer;
      frame.tell(words());
    },
  };
}

// -- in flight, and finished

function flowSummary(data, facts) {
  const { flow } = data;
  const peak = facts.peak;
  const back = sum(flow.turned_back);
  const parts = [
    `${T.number(facts.perHour)} videos an hour`,
    `${flow.exact_peak ? "at most" : "about"} ${T.count(peak, "generation")} in flight`,
    back ? `${T.count(back, "submit")} turned back` : "no submit turned back",
  ];
  return `${parts.join(", ")}.`;
}

function flowRows(data) {
  const { flow } = data;
  return [
    ["Time", "In flight, at most", "Finished", "Failed", "Turned back"],
    ...data.buckets.map((bucket, i) => [
      when(bucket),
      flow.peak[i],
      flow.finished[i],
      flow.failed[i],
      flow.turned_back[i],
    ]),
  ];
}

function flow(data, axis, facts) {
  return chart("In flight and finished", flowSummary, flowRows, drawFlow, [data, axis, facts]);
}

function drawFlow(frame, data, axis, width) {
  const { flow, buckets, step } = data;
  const peak = Math.max(1, most(flow.peak));
  const done = Math.max(1, most(flow.finished.map((value, i) => value + flow.failed[i])));
  const scale = T.scale(axis, gutter([peak, done].map(T.number)), width - 8);
  const [top, middle, low, marks, bottom] = [22, 104, 142, 222, 236];
  const root = svg("svg", { width, height: bottom + 36, "aria-hidden": "true", focusable: "false" });
  const back = most(flow.turned_back);
  const upper = (value) => middle - (value / peak) * (middle - top);
  const lower = (value) => marks - 12 - (value / done) * (marks - 12 - low);
  root.append(
    text(0, 11, `generations in flight, ${flow.exact_peak ? "at most" : "at the ends of the intervals"}`, {
      class: "chart-label",
    }),
    text(0, low - 13, `videos finished in each ${T.seconds(step)}`, { class: "chart-label" }),
  );
  root.append(
    ...grid(T.steps(peak, 2).filter(Number.isInteger), upper, scale),
    ...grid(T.steps(done, 2).filter(Number.isInteger), lower, scale),
  );
  const path = buckets.map(
    ([start, end], i) => `M${scale.x(start)},${middle}V${upper(flow.peak[i])}H${scale.x(end)}V${middle}Z`,
  );
  root.append(svg("path", { d: path.join(""), class: "chart-area" }));
  root.append(svg("path", { d: stepLine(buckets, flow.peak, upper, scale), class: "chart-stroke" }));
  buckets.forEach(([start, end], i) => {
    const [x, wide] = [scale.x(start), Math.max(1, scale.x(end) - scale.x(start) - 1)];
    const base = lower(0);
    if (flow.finished[i])
      root.append(
        svg("rect", {
          x,
          width: wide,
          y: lower(flow.finished[i]),
          height: base - lower(flow.finished[i]),
          class: "chart-done",
        }),
      );
    if (flow.failed[i]) {
      const y = lower(flow.finished[i] + flow.failed[i]);
      root.append(svg("rect", { x, width: wide, y, height: lower(flow.finished[i]) - y, class: "chart-failed" }));
    }
    if (flow.turned_back[i]) {
      const [centre, half] = [x + wide / 2, 2.5 + 3 * Math.sqrt(flow.turned_back[i] / back)];
      root.append(
        svg("path", {
          d: `M${centre - half},${marks - 8}h${2 * half}l${-half},${1.7 * half}z`,
          class: "chart-back",
        }),
      );
    }
  });
  root.append(timeAxis(scale, bottom - 12, top));
  frame.plot.replaceChildren(
    root,
    key([
      ["chart-done", "finished"],
      sum(flow.failed) && ["chart-failed", "failed"],
      sum(flow.turned_back) && ["chart-back", "submits turned back (429, or busy)"],
    ]),
  );
  cursor(
    frame,
    root,
    scale,
    buckets,
    [top, bottom - 12],
    (i) =>
      `${when(buckets[i])}: at most ${flow.peak[i]} in flight, ${flow.finished[i]} finished, ${flow.failed[i]} failed, ${flow.turned_back[i]} turned back`,
  );
}

// -- money

function moneySummary(data, facts) {
  const { money } = data;
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

function moneyRows(data) {
  const { money } = data;
  return [
    ["Time", "Spent", "Committed"],
    ...data.buckets.map((bucket, i) => [when(bucket), T.dollars(money.spent[i]), T.dollars(money.committed[i])]),
  ];
}

function money(data, axis, facts) {
  return chart("Money", moneySummary, moneyRows, drawMoney, [data, axis, facts]);
}

// The budget is drawn to scale unless that would squeeze the curve into the lowest quarter.
function drawMoney(frame, data, axis, width) {
  const { money, buckets } = data;
  const before = money.spent.at(-1) - money.here;
  const top = Math.max(money.committed.at(-1), money.spent.at(-1), 0.01);
  const near = money.budget !== null && money.budget <= top * 4;
  const high = near ? Math.max(top, money.budget) * 1.04 : top * 1.12;
  const low = !near && before > 4 * (top - before) ? before - (top - before) * 0.15 : 0;
  const labels = T.steps(high - low, 4)
    .map((value) => low + value)
    .slice(0, 7);
  const scale = T.scale(axis, gutter(labels.map(brief)), width - 8);
  const [ceiling, floor] = [20, 190];
  const y = (value) => floor - ((value - low) / (high - low)) * (floor - ceiling);
  const root = svg("svg", { width, height: floor + 36, "aria-hidden": "true", focusable: "false" });
  root.append(...grid(labels, y, scale, brief));
  if (money.budget !== null) root.append(...budgetLine(money.budget, near ? y(money.budget) : 8, near, scale));
  root.append(
    svg("path", {
      d: curve(buckets, money.committed, money.committed[0], y, scale),
      class: "chart-stroke chart-committed",
    }),
    svg("path", { d: curve(buckets, money.spent, before, y, scale), class: "chart-stroke chart-spent" }),
  );
  root.append(timeAxis(scale, floor, ceiling));
  frame.plot.replaceChildren(
    root,
    key([
      ["chart-line-spent", "spent: charged when a video is complete"],
      ["chart-line-committed", "committed: reserved with the submit"],
    ]),
  );
  cursor(
    frame,
    root,
    scale,
    buckets,
    [ceiling, floor],
    (i) => `${when(buckets[i])}: ${T.dollars(money.spent[i])} spent, ${T.dollars(money.committed[i])} committed`,
  );
}

const brief = (value) => `$${value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : 0 })}`;

function budgetLine(budget, y, near, scale) {
  const words = `budget ${T.dollars(budget)}${near ? "" : " ↑"}`;
  return [
    svg("line", {
      x1: scale.left,
      x2: scale.right,
      y1: y + (near ? 0 : 4),
      y2: y + (near ? 0 : 4),
      class: near ? "chart-budget" : "chart-none",
    }),
    text(scale.left + 4, near ? y - 5 : y + 3, words, { class: "chart-label chart-budget-label" }),
  ];
}

// -- parts

const gutter = (labels) => Math.max(34, 12 + 6.8 * most(labels.map((label) => label.length)));

function grid(values, y, scale, words = T.number) {
  return values.flatMap((value) => [
    svg("line", {
      x1: scale.left,
      x2: scale.right,
      y1: y(value),
      y2: y(value),
      class: value ? "chart-grid" : "chart-line",
    }),
    text(scale.left - 6, y(value) + 4, words(value), { "text-anchor": "end" }),
  ]);
}

function stepLine(buckets, values, y, scale) {
  return buckets
    .map(([start, end], i) => {
      const joined = i && buckets[i - 1][1] === start;
      return `${joined ? "V" : `M${scale.x(start)},`}${y(values[i])}H${scale.x(end)}`;
    })
    .join("");
}

function curve(buckets, values, before, y, scale) {
  const first = `M${scale.x(buckets[0][0])},${y(before)}`;
  return first + buckets.map(([, end], i) => `L${scale.x(end)},${y(values[i])}`).join("");
}

function key(entries) {
  return html(
    "ul",
    { class: "chart-key" },
    ...entries.filter(Boolean).map(([name, words]) => html("li", {}, swatch(name), words)),
  );
}

function swatch(name) {
  const shape =
    name === "chart-back"
      ? svg("path", { d: "M3,3h8l-4,7z", class: name })
      : name.startsWith("chart-line-")
        ? svg("path", { d: "M0,6h14", class: `chart-stroke ${name.replace("line-", "")}` })
        : svg("rect", { x: 2, y: 1, width: 10, height: 10, class: name });
  return svg("svg", { width: 14, height: 12, "aria-hidden": "true", class: "chart-swatch" }, shape);
}

function cursor(frame, root, scale, buckets, [top, bottom], words) {
  const line = svg("line", { y1: top, y2: bottom, class: "chart-cursor", visibility: "hidden" });
  root.append(line);
  const at = (x) => {
    if (x < scale.left || x > scale.right) return -1;
    const time = scale.time(x);
    const index = buckets.findIndex(([, end]) => time < end);
    return index < 0 ? buckets.length - 1 : index;
  };
  choose(frame.plot, buckets.length, at, (index) => {
    line.setAttribute("visibility", index < 0 ? "hidden" : "visible");
    if (index < 0) return frame.say("");
    const x = (scale.x(buckets[index][0]) + scale.x(buckets[index][1])) / 2;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    return frame.say(words(index));
  });
}

export { flow, key, money, most, sum, when };
