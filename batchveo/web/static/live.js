// What is in flight: each job with the time that it has taken and usually takes.

import { cut, el } from "./dom.js";
import * as Words from "./words.js";

const EVERY = 1000;

function createLive(section) {
  let flights = [];
  let ahead = 0; // seconds that the server's clock is ahead of the browser's
  let timer;
  const nodes = new Map();

  // `progress` is the server's answer.
  function hear({ running, counts, flights: found = [], now }) {
    ahead = now - Date.now() / 1000;
    flights = running ? found : [];
    section.hidden = !flights.length;
    clearInterval(timer);
    if (!flights.length) return;
    const all = counts.submitting + counts.generating + counts.downloading;
    const kept = new Set(flights.map(({ id }) => id));
    for (const [id, node] of nodes)
      if (!kept.has(id)) {
        node.remove();
        nodes.delete(id);
      }
    for (const [index, flight] of flights.entries()) {
      if (!nodes.has(flight.id)) nodes.set(flight.id, makeNode(flight));
      const node = nodes.get(flight.id);
      if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
    }
    title.textContent = `In flight: ${Words.number(all)}`;
    show();
    timer = setInterval(show, EVERY);
  }

  const title = el("h2", { class: "live-title" });
  const list = el("ul", { class: "live-list" });
  section.append(title, list);

  function makeNode({ id, name, model }) {
    const link = el("a", { href: `#/job/${encodeURIComponent(id)}`, title: name });
    cut(link, name);
    return el(
      "li",
      {},
      link,
      el("span", { class: "live-model", title: model }, Words.model(model)),
      el("span", { class: "live-time" }),
      el("span", { class: "live-bar", "aria-hidden": "true" }, el("i", {})),
    );
  }

  function show() {
    const now = Date.now() / 1000 + ahead;
    for (const { id, state, since, expected } of flights) {
      const node = nodes.get(id);
      const elapsed = Math.max(0, now - since);
      const isMade = state === "generating" && expected;
      node.querySelector(".live-time").textContent =
        state === "generating"
          ? `${Words.span(Math.floor(elapsed))}${expected ? ` · usually ${Words.span(expected)}` : ""}`
          : Words.STATES[state].word;
      node.classList.toggle("late", Boolean(isMade && elapsed > expected * 1.5));
      node.querySelector("i").style.width = `${isMade ? Math.min(100, (100 * elapsed) / expected) : 0}%`;
    }
  }

  return { hear };
}

export { createLive };
