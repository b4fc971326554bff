// The charts of one night. `renderCharts(container, data, {load})` draws what `charting.charts` made;
// `load(key)` resolves to the data of another night, and without it there is no choice of nights.
// Newer data of the night that is shown takes the place of the older where it stands: zoom, scroll, focus,
// an open table and what is being read stay. Another night replaces what was there.

import { flow } from "./charts-flow.js";
import { html } from "./charts-frame.js";
import { money } from "./charts-money.js";
import { createSpan } from "./charts-span.js";
import { spread } from "./charts-spread.js";
import * as T from "./charts-time.js";
import { timeline } from "./charts-timeline.js";

const SHORT_WAIT = 60; // seconds without work that are no wait
const SMALL_PART = 0.1; // nor are those that are a smaller part of the night than this
let rendered = 0;

// `seconds` are those of the work: without the time in which a run only `waited` for doubts to be settled.
function facts(data) {
  const whole = T.sum(data.night.stretches.map(([start, end]) => end - start));
  const isBusy = findBusy(data);
  const waited = sumWaits(data.buckets, isBusy, Math.max(SHORT_WAIT, whole * SMALL_PART));
  const seconds = whole - waited || whole;
  const worked = data.buckets.filter((_, i) => isBusy[i]);
  const videos = T.sum(data.flow.finished);
  return {
    seconds,
    waited,
    work: worked.length ? [worked[0][0], worked.at(-1)[1]] : [data.night.start, data.night.end],
    videos,
    failed: T.sum(data.flow.failed),
    perHour: videos / Math.max(seconds / 3600, 1 / 3600),
    peak: T.most(data.flow.peak),
  };
}

// Whether something was submitted, generated or fetched in each interval.
function findBusy({ buckets, flow }) {
  const kinds = ["peak", "finished", "failed", "submitting", "generating", "downloading"];
  return buckets.map((_, i) => kinds.some((kind) => flow[kind][i] > 0));
}

// The seconds of all waits that are longer than `least`.
function sumWaits(buckets, isBusy, least) {
  const waits = [0];
  buckets.forEach(([start, end], i) => {
    if (isBusy[i]) waits.push(0);
    else waits[waits.length - 1] += end - start;
  });
  return T.sum(waits.filter((seconds) => seconds > least));
}

function fromTo({ start, end }) {
  const sameDay = T.day(start) === T.day(end);
  return `${T.day(start)} ${T.clock(start)} – ${sameDay ? "" : `${T.day(end)} `}${T.clock(end)}`;
}

// As of 23:55:10, with the day unless that is today
function asOf({ now }) {
  const today = new Date(now * 1000).toDateString() === new Date().toDateString();
  return `As of ${today ? "" : `${T.day(now)} `}${T.clock(now, true)}`;
}

function choice(container, data, options) {
  const { nights, night } = data;
  const zone = html(
    "span",
    { class: "chart-zone" },
    html("span", { class: "chart-as-of" }, asOf(data)),
    ` · Times: ${T.zone()}`,
  );
  if (!options.load || nights.length < 2)
    return html("p", { class: "chart-choice" }, html("span", {}, fromTo(night)), zone);
  const entries = nights.map((one) =>
    html("option", { value: one.key, selected: one.key === night.key }, fromTo(one)),
  );
  entries.push(
    html("option", { value: "all", selected: night.key === "all" }, "All nights, the time between them left out"),
  );
  const select = html("select", {}, ...entries);
  select.addEventListener("change", async () => {
    select.disabled = true;
    try {
      render(container, await options.load(select.value), options);
      container.querySelector("select")?.focus();
    } catch (error) {
      select.disabled = false;
      zone.textContent = `That night could not be loaded: ${error.message}`;
    }
  });
  return html("p", { class: "chart-choice" }, html("label", {}, "Night ", select), zone);
}

function render(container, data, options = {}) {
  if (data.night !== null && container.charts?.key === data.night.key) return update(container, data, options);
  return renew(container, data, options);
}

function update(container, data, options) {
  const { drawn, span, fit } = container.charts;
  if (drawn.some(({ held }) => held?.())) return; // a part is being dragged: the next data will do
  const axis = T.axis(data.night.stretches);
  const told = facts(data);
  for (const one of drawn) one.update(data, axis, told);
  span.grow(axis, told.work);
  const head = container.querySelector(".chart-choice");
  if (head.contains(document.activeElement)) head.querySelector(".chart-as-of").textContent = asOf(data);
  else head.replaceWith(choice(container, data, options));
  fit();
}

function renew(container, data, options) {
  container.charts?.disconnect();
  container.charts = undefined;
  container.classList.add("charts");
  if (data.night === null) {
    container.replaceChildren(
      html("p", { class: "chart-nothing" }, "Nothing has run yet: the charts come with the first run."),
    );
    return;
  }
  const axis = T.axis(data.night.stretches);
  const told = [data, axis, facts(data)];
  const span = createSpan(axis, told[2].work);
  rendered += 1;
  const sync = `charts ${rendered}`; // a cursor of its own for each set of charts
  const drawn = [timeline(told, span), flow(told, span, sync), money(told, span, sync), spread(data)];
  container.replaceChildren(
    choice(container, data, options),
    html("div", { class: "charts-all" }, ...drawn.map(({ node }) => node)),
  );
  keepFitting(container, drawn);
  Object.assign(container.charts, { drawn, span, key: data.night.key });
}

// Drawn at the width there is, again when that or the light changes.
function keepFitting(container, drawn) {
  const draw = () => {
    for (const { node, draw: fit } of drawn) {
      const width = Math.floor(node.querySelector(".chart-plot").clientWidth);
      if (width > 0) fit(width);
    }
  };
  let known = 0;
  let asked = 0;
  const soon = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(draw);
  };
  const sizes = new ResizeObserver(() => {
    if (container.clientWidth !== known) {
      known = container.clientWidth;
      soon();
    }
  });
  const light = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = new MutationObserver(soon);
  sizes.observe(container);
  light.addEventListener("change", soon);
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme"] });
  container.charts = {
    fit: draw,
    disconnect() {
      sizes.disconnect();
      theme.disconnect();
      light.removeEventListener("change", soon);
    },
  };
}

export { render as renderCharts };
