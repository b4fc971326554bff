// Selected jobs, and the bar of what can be done with all of them.

import { el, icon, keepFocus, speak, toast } from "./dom.js";
import * as Words from "./words.js";

const MOST = 100000;

// `bulk` does things to many jobs, see actions.js.
function createSelection(source, bulk, bar) {
  const picked = new Map(); // id: { state, held }
  const listeners = [];
  let last; // the position of the latest one
  let view = { total: 0, question: undefined };

  const changed = () => {
    show();
    for (const hear of listeners) hear();
  };

  function toggle(job, index) {
    if (!picked.delete(job.id)) picked.set(job.id, { state: job.state, held: job.held });
    last = index;
    changed();
  }

  async function addRange(question, at, most, index) {
    try {
      const { jobs } = await source.ids(question, at, Math.min(most, MOST));
      for (const [id, state, held] of jobs) picked.set(id, { state, held });
      if (index !== undefined) last = index;
    } catch (error) {
      toast(error.message, { wrong: true });
    }
    changed();
  }

  const selectAll = () => addRange(view.question(), 0, view.total);

  function clear() {
    if (!picked.size) return;
    picked.clear();
    last = undefined;
    changed();
  }

  function count(test) {
    let jobs = 0;
    for (const job of picked.values()) if (test(job)) jobs += 1;
    return jobs;
  }

  function show() {
    bar.hidden = !picked.size;
    document.body.classList.toggle("selecting", picked.size > 0);
    if (!picked.size) return;
    const ids = () => [...picked.keys()];
    const act = (text, sign, jobs, does, kind = "") =>
      jobs > 0 &&
      el("button", { type: "button", class: kind, onclick: does }, icon(sign), `${text} ${Words.number(jobs)}`);
    const isOver = ({ state }) => state === "failed" || state === "cancelled";
    const all = view.total > picked.size && view.total <= MOST;
    const parts = [
      el("strong", { role: "status" }, `${Words.number(picked.size)} selected`),
      all &&
        el(
          "button",
          { type: "button", class: "quiet", onclick: selectAll },
          `Select all ${Words.number(view.total)} that match`,
        ),
      el(
        "div",
        { class: "selection-do" },
        act("Retry", "again", count(isOver), () => bulk.retry(ids(), clear), "primary"),
        act(
          "Cancel",
          "ban",
          count(({ state }) => state === "pending"),
          () => bulk.cancel(ids(), clear),
        ),
        act(
          "Resolve",
          "question",
          count(({ held }) => held),
          () => bulk.resolve(ids(), clear),
        ),
        el("button", { type: "button", onclick: () => bulk.copyPaths(ids()) }, icon("copy"), "Copy paths"),
        el("button", { type: "button", onclick: () => bulk.saveList(ids()) }, icon("down"), "Save list"),
      ),
      el(
        "button",
        { type: "button", class: "quiet", title: "Clear (Esc)", onclick: clear },
        icon("cross"),
        "Clear",
      ),
    ];
    keepFocus(bar, () => bar.replaceChildren(...parts.filter(Boolean)));
    speak(`${Words.number(picked.size)} selected`);
  }

  return {
    has: (id) => picked.has(id),
    size: () => picked.size,
    anchor: () => last,
    toggle,
    addRange,
    clear,
    onChange: (hear) => listeners.push(hear),
    // Jobs that have moved: what can be done with them is another.
    follow: (moved) => {
      const known = moved.filter(({ id }) => picked.has(id));
      for (const { id, state, held } of known) picked.set(id, { state, held });
      if (known.length) show();
    },
    // How many jobs the gallery shows, and how they are asked for.
    sees: (now) => {
      view = now;
      show();
    },
  };
}

export { createSelection };
