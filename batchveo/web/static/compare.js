// A table of models, or of any other field: what came of each, at which price, and which one people prefer.

import { equals, jobsWhere } from "./behind.js";
import { csv } from "./csv.js";
import { el, save } from "./dom.js";
import * as Money from "./money.js";
import * as Words from "./words.js";

const PLAIN = ["model", "seed", "resolution", "duration", "manifest"];
const FACTS = [
  ...["value", "clips", "failed", "success_rate", "rejected", "usd_per_clip", "usd_per_second", "median_seconds"],
  ...["p90_seconds", "picked", "rejected_by_people", "rating", "win_rate", "win_rate_low", "win_rate_high"],
];
const COLUMNS = [
  ["Clips", (row) => Words.number(row.clips)],
  [
    "Success",
    (row, only) => [
      percent(row.success_rate),
      row.failed > 0 &&
        small(el("a", { href: jobsWhere([only], ["failed"]) }, `${Words.number(row.failed)} failed`)),
    ],
  ],
  ["Rejected by gates", gates],
  ["Price of a clip", price],
  ["Time of a clip", time],
  [
    "Picked",
    (row) => [Words.number(row.picked), row.rating !== null && small(`rated ${row.rating.toFixed(1)} of 5`)],
  ],
  ["Win rate", rate],
];

function createComparison(source, section, moved) {
  let by = "model";
  let asked = 0;
  let axes = [];
  let shown = [];
  const choice = el("input", {
    type: "text",
    class: "condition",
    list: "compare-fields",
    "aria-label": "Compare by",
    "aria-describedby": "compare-wrong",
    autocomplete: "off",
    spellcheck: "false",
    onchange: () => {
      by = choice.value.trim() || "model";
      moved();
      load();
    },
  });
  const offers = el("datalist", { id: "compare-fields" });
  const wrong = el("p", { class: "wrong-text", id: "compare-wrong", role: "alert", hidden: true });
  const table = el("div", { class: "table-room", tabindex: 0, role: "region", "aria-label": "Comparison" });
  const notes = el("div", { class: "table-notes" });
  const bar = el(
    "form",
    { class: "choose-bar", onsubmit: (event) => event.preventDefault() },
    el("label", {}, el("span", {}, "Compare by"), choice, offers),
    el("button", { type: "button", onclick: () => save(`${by}.csv`, csv(FACTS, shown)) }, "Download CSV"),
    wrong,
  );

  function show(text) {
    const wanted = new URLSearchParams(text).get("by") || "model";
    if (bar.isConnected && wanted === by) return load();
    by = wanted;
    section.replaceChildren(el("h2", { class: "view-title" }, "Compare"), bar, table, notes);
    return load();
  }

  async function load() {
    choice.value = by;
    asked += 1;
    const turn = asked;
    try {
      const found = await source.compare(by);
      if (turn !== asked) return;
      wrong.hidden = true;
      axes = [...PLAIN, ...found.axes];
      offers.replaceChildren(...axes.map((axis) => el("option", { value: axis })));
      fill(found.rows);
    } catch (error) {
      if (turn !== asked) return;
      wrong.textContent = error.message;
      wrong.hidden = false;
    }
  }

  function fill(rows) {
    shown = rows;
    if (!rows.length) {
      table.replaceChildren(el("p", { class: "empty" }, "No job is finished yet."));
      notes.replaceChildren();
      return;
    }
    table.replaceChildren(
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, by.replace(/^meta\./, "")),
            COLUMNS.map(([title]) => el("th", { scope: "col" }, title)),
          ),
        ),
        el(
          "tbody",
          {},
          rows.map((row) => {
            const only = equals(by, row.value);
            const href = jobsWhere([only], ["succeeded", "failed"]);
            return el(
              "tr",
              {},
              el("th", { scope: "row" }, el("a", { href }, row.value === null ? "(none)" : String(row.value))),
              COLUMNS.map(([, cell]) => el("td", {}, cell(row, only))),
            );
          }),
        ),
      ),
    );
    const told = [
      el("p", {}, NOTE),
      rows.some((row) => row.win_rate !== null && !row.enough_votes) &&
        el("p", {}, "* Too few votes to tell: 10 comparisons on 5 prompts are needed."),
      rows.every((row) => row.win_rate === null) &&
        el(
          "p",
          {},
          "No win rate yet: people compare clips of different values under ",
          el("a", { href: "#/choose" }, "Choose"),
          ".",
        ),
    ];
    notes.replaceChildren(...told.filter(Boolean));
  }

  return { show, query: () => (by === "model" ? "" : new URLSearchParams({ by }).toString()) };
}

const NOTE =
  "Success: the part of finished jobs that became clips. Price of a second: of clips whose length is measured. Win rate: the chance that a clip is preferred to one of another row on the same prompt, with the interval that holds it in 95 of 100 cases.";
const small = (text) => el("small", {}, text);
const percent = (part) => `${Math.round(part * 100)}%`;

function gates(row) {
  if (!row.rejected) return "0";
  const causes = Object.entries(row.rejected_by).map(([gate, clips]) => `${Words.number(clips)} × ${gate || "?"}`);
  return [Words.number(row.rejected), small(causes.join(", "))];
}

function price(row) {
  return [
    Money.words(row.usd_per_clip),
    row.usd_per_second !== null && small(`$${row.usd_per_second.toFixed(3)} a second`),
  ];
}

function time(row) {
  return [
    Words.span(row.median_seconds),
    row.p90_seconds !== null && small(`90% within ${Words.span(row.p90_seconds)}`),
  ];
}

function rate(row) {
  if (row.win_rate === null) return "–";
  const range = row.win_rate_low === null ? "" : `${percent(row.win_rate_low)} – ${percent(row.win_rate_high)}`;
  const track = el("span", { class: "rate", "aria-hidden": "true" });
  if (row.win_rate_low !== null) {
    const span = el("span", {});
    span.style.left = `${row.win_rate_low * 100}%`;
    span.style.width = `${(row.win_rate_high - row.win_rate_low) * 100}%`;
    track.append(span);
  }
  const dot = el("i", {});
  dot.style.left = `${row.win_rate * 100}%`;
  track.append(dot);
  return [`${percent(row.win_rate)}${row.enough_votes ? "" : " *"}`, range && small(range), track];
}

export { createComparison };
