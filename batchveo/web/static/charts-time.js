// Times and numbers in words, and the scale of a time axis that leaves out the breaks between runs.

import { clock, date, day, zone } from "./moments.js";
import * as Money from "./money.js";

function seconds(value) {
  if (value < 10) return `${Number(value.toFixed(1))} s`;
  const whole = Math.round(value);
  const [d, h, m, s] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const parts = [
    [d, "d"],
    [h, "h"],
    [m, "min"],
    [s, "s"],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  return parts
    .slice(first, first + 2)
    .filter(([number]) => number > 0)
    .map((part) => part.join(" "))
    .join(" ");
}

const number = (value) => Math.round(value).toLocaleString("en-US");
const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;
const dollars = Money.words;
const sum = (values) => values.reduce((total, value) => total + value, 0);
const most = (values) => values.reduce((top, value) => Math.max(top, value), 0);

// Thu 26 Nov 23:08–23:10
function when([start, end]) {
  const fine = end - start < 60;
  return `${day(start)} ${clock(start, fine)}–${clock(end, fine)}`;
}

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
  1209600, 2592000,
];

// `stretches`: [start, end] each. Positions count running time, and a little for each break.
function axis(stretches) {
  const running = stretches.reduce((sum, [start, end]) => sum + end - start, 0);
  const gap = stretches.length > 1 ? Math.min(0.02, 0.25 / stretches.length) * running : 0;
  const begins = [];
  let at = 0;
  for (const [start, end] of stretches) {
    begins.push(at);
    at += end - start + gap;
  }
  const length = running + gap * (stretches.length - 1);
  const lastBefore = (values, value) => {
    let index = 0;
    while (index + 1 < values.length && values[index + 1] <= value) index += 1;
    return index;
  };
  const starts = stretches.map(([start]) => start);
  function position(time) {
    const index = lastBefore(starts, time);
    const [start, end] = stretches[index];
    if (time <= end) return Math.max(0, begins[index] + time - start);
    const next = starts[index + 1];
    const share = next === undefined ? 0 : (time - end) / (next - end);
    return Math.min(length, begins[index] + end - start + gap * share);
  }
  function time(at) {
    const index = lastBefore(begins, at);
    const [start, end] = stretches[index];
    return Math.min(start + Math.max(0, at - begins[index]), end);
  }
  return { stretches, begins, gap, length, position, time };
}

// The part [from, to] of an axis (positions) drawn between `left` and `right` (pixels).
function scale(axis, left, right, from = 0, to = axis.length) {
  const factor = (right - left) / Math.max(to - from, 1e-9);
  return {
    axis,
    left,
    right,
    from,
    to,
    factor,
    x: (time) => left + (axis.position(time) - from) * factor,
    time: (x) => axis.time(from + (x - left) / factor),
    ticks: () => ticks(axis, left, right, from, factor),
  };
}

// [{x, time, label, day}], never closer than a label is wide; `day` where a new date begins.
function ticks(axis, left, right, from, factor) {
  const step = STEPS.find((one) => one * factor >= 72) ?? STEPS.at(-1);
  const wide = step < 60 ? 56 : 38;
  // At the edges of the plot a label begins or ends at its tick.
  const apart = (one, other) => other - one >= wide * (one < left + 24 || other > right - 24 ? 1.5 : 1) + 8;
  const found = [];
  let lastDay = "";
  let lastX = -Infinity;
  axis.stretches.forEach(([start, end], index) => {
    for (const time of rounded(start, end, step, left, right, from, factor, axis.begins[index])) {
      const x = left + (axis.begins[index] + time - start - from) * factor;
      if (x < left - 1 || x > right + 1 || !apart(lastX, x)) continue;
      const today = date(time);
      found.push({
        x,
        time,
        label: step < 86400 ? clock(time, step < 60) : "",
        day: today === lastDay ? "" : today,
      });
      [lastDay, lastX] = [today, x];
    }
  });
  return found;
}

function* rounded(start, end, step, left, right, from, factor, begin) {
  const midnight = new Date(start * 1000).setHours(0, 0, 0, 0) / 1000;
  const visible = start + Math.max(0, from - begin);
  const until = Math.min(end, start + from - begin + (right - left) / factor);
  const first = midnight + Math.ceil((visible - midnight) / step) * step;
  if (first > until) {
    if (until > visible) yield visible; // a stretch shorter than a step: where it begins
    return;
  }
  for (let time = first; time <= until; time += step) yield time;
}

// A few round values from 0 to `most`.
function steps(most, wanted = 3) {
  const rough = Math.max(most, 1e-9) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
}

export { axis, clock, count, day, dollars, most, number, scale, seconds, steps, sum, when, zone };
