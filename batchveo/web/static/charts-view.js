// The charts of the page: drawn when they are opened, and again now and then while a run goes on.

import { renderCharts } from "./charts.js";
import { el } from "./dom.js";

const EVERY = 10000; // milliseconds between two readings, at least
const SHARE = 10; // of a large database a reading takes long: between two there is so many times as long

function createChartsView(source, section) {
  let night; // the one that was chosen; without it the latest is shown
  let asked = 0;
  let waiting = false;
  let stale = false;
  let next = 0;
  const options = source.canAct
    ? {
        load: (key) => {
          night = key;
          asked += 1;
          return source.charts(key);
        },
      }
    : {};

  async function show() {
    asked += 1;
    const turn = asked;
    const begun = performance.now();
    waiting = true;
    stale = false;
    const data = await source.charts(night).catch((error) => failing(error, turn));
    waiting = false;
    next = performance.now() + Math.max(EVERY, SHARE * (performance.now() - begun));
    if (data && turn === asked) renderCharts(section, data, options);
  }

  // Charts that are there stay: they say as of when they are.
  function failing(error, turn) {
    stale = true;
    if (turn !== asked || section.charts) return;
    section.replaceChildren(el("p", { class: "empty", role: "alert" }, error.message));
  }

  // What the progress tells while the charts are looked at.
  function hear({ running, many, back, changed }) {
    stale ||= running || many || back || changed.length > 0;
    if (back && !section.charts) next = 0;
    if (stale && !waiting && performance.now() >= next) show();
  }

  return { show, hear };
}

export { createChartsView };
