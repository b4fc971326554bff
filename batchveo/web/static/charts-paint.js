// How the timeline's bars look: by colour, and by shape too.

import { html } from "./charts-frame.js";

const COLOURS = ["generating", "downloading", "submitting", "in-doubt", "failed", "back", "muted", "ink", "paper"];

function look(node) {
  const style = getComputedStyle(node);
  const colours = Object.fromEntries(
    COLOURS.map((name) => [name.replace("-", "_"), style.getPropertyValue(`--chart-${name}`).trim()]),
  );
  return { ...colours, held: colours.in_doubt, font: style.fontFamily };
}

// Generating fills its lane, a download the lower half, a submit a line in the middle; doubt is an outline, hatched, and
// a doubt that is held is filled, with upright stripes.
function shape(phase, top, thick) {
  if (phase === "submitting") return [top + thick * 0.35, Math.max(1, thick * 0.3)];
  if (phase === "downloading") return [top + thick * 0.45, Math.max(1, thick * 0.55)];
  return [top, thick];
}

function bar(pen, look, phase, x, wide, top, thick) {
  const [y, tall] = shape(phase, top, thick);
  pen.fillStyle = look[phase];
  if (phase !== "in_doubt" && phase !== "held") return pen.fillRect(x, y, wide, tall);
  pen.globalAlpha = phase === "held" ? 1 : 0.2;
  pen.fillRect(x, y, wide, tall);
  pen.globalAlpha = 1;
  return phase === "held" ? stripe(pen, look, x, y, wide, tall) : hatch(pen, look[phase], x, y, wide, tall);
}

function stripe(pen, look, x, y, wide, tall) {
  pen.fillStyle = look.paper;
  const end = Math.min(x + wide - 1, 4000);
  for (let at = Math.max(x, -6) + 4; at < end; at += 6) pen.fillRect(at, y + 1, 1.5, tall - 2);
}

function hatch(pen, colour, x, y, wide, tall) {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, wide, tall);
  pen.clip();
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  const end = Math.min(x + wide, 4000);
  for (let at = Math.max(x, -tall) - tall; at < end; at += 5) {
    pen.moveTo(at, y + tall);
    pen.lineTo(at + tall, y);
  }
  pen.stroke();
  pen.strokeRect(x + 0.5, y + 0.5, Math.max(0, wide - 1), Math.max(0, tall - 1));
  pen.restore();
}

function mark(pen, look, name, x, top, thick) {
  const size = Math.min(4, thick / 2 - 0.5);
  const y = top + thick / 2;
  pen.strokeStyle = look[name === "failed" ? "failed" : "back"];
  pen.lineWidth = size < 2 ? 1.5 : 2;
  pen.beginPath();
  if (size < 1.5)
    [[0, -thick / 2, 0, thick / 2]].forEach(([a, b, c, d]) => {
      pen.moveTo(x + a, y + b);
      pen.lineTo(x + c, y + d);
    });
  else if (name === "failed") {
    pen.moveTo(x - size, y - size);
    pen.lineTo(x + size, y + size);
    pen.moveTo(x - size, y + size);
    pen.lineTo(x + size, y - size);
  } else if (name === "again") {
    pen.moveTo(x + size, y - size);
    pen.lineTo(x - size / 2, y);
    pen.lineTo(x + size, y + size);
  } else {
    pen.moveTo(x, y - size);
    pen.lineTo(x, y + size);
  }
  pen.stroke();
}

// Where in its lane a bar is: it fills it, or is below the job's name, or beside that.
function within({ each, thick }) {
  if (!each) return { bold: thick > 3 ? thick - 1 : thick, inset: 0 };
  return { bold: 12, inset: thick > 30 ? thick - 14 : (thick - 12) / 2 };
}

function bars(pen, view, look) {
  const { scale, thick } = view;
  const { bold, inset } = within(view);
  if (view.each) waits(pen, view, look, inset + bold / 2);
  const marked = [];
  for (const one of view.bars) {
    const x = scale.x(one.start);
    const wide = Math.max(0.8, scale.x(one.end) - x - (scale.x(one.end) - x > 4 ? 0.6 : 0));
    if (x + wide < scale.left || x > scale.right) continue;
    const top = one.lane * thick + inset;
    bar(pen, look, one.phase, x, wide, top, bold);
    if (one.mark && one.mark !== "open") marked.push([one.mark, x + wide, top]);
  }
  for (const [name, x, top] of marked) mark(pen, look, name, x, top, bold);
}

// A thin line where a job waited for its next try.
function waits(pen, view, look, below) {
  pen.strokeStyle = look.muted;
  pen.lineWidth = 1;
  pen.setLineDash([1, 3]);
  pen.beginPath();
  view.bars.forEach((one, i) => {
    const before = view.bars[i - 1];
    if (!before || before.job !== one.job) return;
    const y = Math.round(one.lane * view.thick + below) + 0.5;
    pen.moveTo(view.scale.x(before.end), y);
    pen.lineTo(view.scale.x(one.start), y);
  });
  pen.stroke();
  pen.setLineDash([]);
}

// Each job's name: left of its row where there is room, above it where there is not.
function names(pen, view, look) {
  pen.font = `12px ${look.font}`;
  pen.textBaseline = "middle";
  pen.fillStyle = look.ink;
  const beside = view.scale.left > 100;
  view.data.timeline.names.forEach((name, row) => {
    const y = row * view.thick + (beside ? view.thick / 2 : 8);
    pen.fillText(fitted(pen, name, beside ? view.scale.left - 12 : view.width - 16), 0, y);
  });
}

function fitted(pen, name, room) {
  const line = name.replace(/\s+/g, " ");
  if (pen.measureText(line).width <= room) return line;
  const letters = Array.from(line);
  const cut = (keep) =>
    `${letters.slice(0, Math.ceil(keep / 2)).join("")}…${letters.slice(letters.length - Math.floor(keep / 2)).join("")}`;
  let keep = letters.length - 1;
  while (keep > 1 && pen.measureText(cut(keep)).width > room) keep -= 1;
  return cut(keep); // in the middle: names of one batch differ at their ends
}

function swatch(name) {
  const canvas = html("canvas", { width: 28, height: 24, class: "chart-swatch", "aria-hidden": "true" });
  requestAnimationFrame(() => {
    const pen = canvas.getContext("2d");
    pen.setTransform(2, 0, 0, 2, 0, 0);
    const colours = look(canvas);
    if (["failed", "again", "trouble"].includes(name)) mark(pen, colours, name, 7, 1, 10);
    else bar(pen, colours, name, 1, 12, 1, 10);
  });
  return canvas;
}

export { bars, look, names, swatch, within };
