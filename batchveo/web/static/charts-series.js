// A chart of values over the night's time: its plots, their cursor, tooltip and keys, its sentence and its table.

import { go } from "./behind.js";
import { figure, html, key } from "./charts-frame.js";
import { createPlot, intervalAt, laid } from "./charts-plot.js";
import * as T from "./charts-time.js";

const HINT =
  "Click an interval to see its jobs, drag to zoom in, double-click to see all. With the keyboard: arrows read " +
  "interval by interval, Enter shows the jobs, + and − zoom, Shift with an arrow moves, 0 shows all.";

// `plots(now, span)` makes what `createPlot` wants of each, with `label(data)` and `columns(now)`: uPlot's data. `now()` has
// the data and where their intervals are. `entries(data)` are those of the legend; `lines(data, i)` tell of interval
// `i`, each with the name of its swatch; `behind(data, i)` is the address of its jobs, unless a plot has one of its own.
// Plots of the same `span` and `sync` share zoom and cursor.
function series({ title, summary, rows, entries, lines, plots, behind }, [data, axis, facts], span, sync) {
  const words = () => ({
    summary: summary(data, facts),
    table: () => rows(data),
    links: () => data.buckets.map((_, i) => behind(data, i)),
  });
  const frame = figure({ title, hint: HINT, ...words() });
  const legend = key(entries(data));
  frame.room.after(legend);
  let now = { data, ...laid(data, axis) };
  let drawn = [];
  let chosen = -1; // the interval that the keyboard reads

  function make(width) {
    drawn = plots(() => now, span).map(({ label, columns, behind: own = behind, ...options }, i, all) => {
      const place = html("div", {});
      frame.plot.append(...(label ? [html("p", { class: "chart-label" }, label(now.data)), place] : [place]));
      const isLast = i === all.length - 1;
      return {
        columns,
        ...createPlot(place, {
          ...{ width, span, sync, isLast, read, data: columns(now), ...options },
          open: (position) => go(own(now.data, intervalAt(now, position))),
        }),
      };
    });
  }

  // Of several plots the one under the pointer speaks.
  function read(plot) {
    const lead = drawn.find((one) => one.plot.over.matches(":hover"))?.plot ?? drawn[0].plot;
    if (plot !== lead) return;
    const { left, top } = plot.cursor;
    if (left < 0) return frame.say("");
    const i = intervalAt(now, plot.posToVal(left, "x"));
    const isHere = frame.plot.matches(":hover, :focus");
    const told = [T.when(now.data.buckets[i]), ...lines(now.data, i)];
    const x = plot.over.offsetLeft + plot.root.offsetLeft + left;
    const y = plot.root.offsetTop + (isHere && plot.over.matches(":hover") ? top : 24);
    return frame.say(
      `${told[0]}: ${told
        .slice(1)
        .map(([, text]) => text)
        .join(", ")}`,
      { x, y, lines: told, isHere },
    );
  }

  function pick(i) {
    chosen = i;
    const { plot } = drawn[0];
    const left = i < 0 ? -10 : plot.valToPos(now.middles[i], "x");
    plot.setCursor({ left, top: i < 0 ? -10 : 0 }, true, true);
  }

  // uPlot takes over a new scale in a microtask.
  const pickAgain = () => queueMicrotask(() => chosen >= 0 && pick(Math.min(chosen, now.middles.length - 1)));

  frame.plot.addEventListener("pointermove", () => {
    chosen = -1;
  });
  frame.plot.addEventListener("blur", () => drawn.length && pick(-1));
  frame.plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = now.middles.length - 1;
    const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -last - 1, End: last + 1 }[
      event.key
    ];
    if (span.press(event, now.middles[chosen])) pickAgain();
    else if (event.key === "Escape") pick(-1);
    else if (event.key === "Enter" && chosen >= 0) go(behind(now.data, chosen));
    else if (by === undefined) return;
    else turnTo(Math.max(0, Math.min(last, (chosen < 0 && by < 0 ? last + 1 : chosen) + by)));
    event.preventDefault();
  });

  function turnTo(i) {
    chosen = i;
    const at = now.middles[i];
    if (at < span.from || at > span.to) span.show(at - (span.to - span.from) / 2);
    pickAgain();
  }

  return {
    node: frame.node,
    draw: (width) => {
      if (!drawn.length) make(width);
      else for (const { fit } of drawn) fit(width);
      pickAgain();
    },
    held: () => drawn.some(({ held }) => held()),
    update: (...newer) => {
      [data, axis, facts] = newer;
      now = { data, ...laid(data, axis) };
      for (const { fill, columns } of drawn) fill(columns(now));
      legend.replaceChildren(...key(entries(data)).children);
      frame.tell(words());
    },
  };
}

export { series };
