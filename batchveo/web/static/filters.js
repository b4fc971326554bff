// What to look at: words, states, model, manifest, split, order; all of it stands in the address too.

import { el, icon } from "./dom.js";
import * as Words from "./words.js";

const TYPING = 220;
const TEXTS = ["model", "manifest", "split", "q", "gate", "choice", "where"];
const NOTHING = {
  ...Object.fromEntries(TEXTS.map((key) => [key, ""])),
  states: [],
  order: "manifest",
  list: false,
};
// What gates and people say: one choice on the page, two parts of the address.
const SAID = {
  "": {},
  gate: { gate: "rejected" },
  picked: { choice: "picked" },
  rejected: { choice: "rejected" },
};

function parseFilter(query) {
  const params = new URLSearchParams(query);
  return {
    states: params.getAll("state").filter((state) => state in Words.STATES),
    ...Object.fromEntries(TEXTS.map((key) => [key, params.get(key) || ""])),
    gate: params.get("gate") === "rejected" ? "rejected" : "",
    choice: params.get("choice") in SAID ? params.get("choice") : "",
    order: params.get("order") === "newest" ? "newest" : "manifest",
    list: params.get("as") === "list",
  };
}

function queryOf(wanted) {
  const params = new URLSearchParams();
  for (const state of wanted.states) params.append("state", state);
  for (const key of TEXTS) if (wanted[key]) params.set(key, wanted[key]);
  if (wanted.order === "newest") params.set("order", "newest");
  if (wanted.list) params.set("as", "list");
  return params.toString();
}

function createFilters(form, chosen, { conditions }) {
  let wanted = { ...NOTHING };
  let timer;
  let all;
  let narrowed;
  const set = (changes) => {
    wanted = { ...wanted, ...changes };
    mark();
    chosen(wanted);
  };

  const search = el("input", {
    type: "search",
    placeholder: "Search prompts, names, errors, ids",
    "aria-label": "Search prompts, names, errors and ids",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 500,
  });
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => set({ q: search.value }), TYPING);
  });
  const model = choice("Model", "model");
  const manifest = choice("Manifest", "manifest");
  const split = choice("Split", "split");
  const said = el(
    "select",
    {
      "aria-label": "Verdict",
      onchange: () => set({ gate: "", choice: "", ...SAID[said.value] }),
    },
    el("option", { value: "" }, "Every verdict"),
    el("option", { value: "picked" }, "Picked"),
    el("option", { value: "rejected" }, "Rejected by people"),
    el("option", { value: "gate" }, "Rejected by a gate"),
  );
  const where = el("input", {
    type: "text",
    class: "condition",
    placeholder: "Condition, such as black_seconds < 0.5 and picked",
    "aria-label": "Condition",
    "aria-describedby": "where-wrong",
    autocomplete: "off",
    spellcheck: "false",
    hidden: !conditions,
    maxlength: 1000,
  });
  where.addEventListener("change", () => set({ where: where.value.trim() }));
  const wrong = el("p", { class: "wrong-text", id: "where-wrong", role: "alert", hidden: true });
  const order = el(
    "select",
    { "aria-label": "Order", onchange: () => set({ order: order.value }) },
    el("option", { value: "manifest" }, "In manifest order"),
    el("option", { value: "newest" }, "Last added first"),
  );
  const list = el(
    "button",
    { type: "button", "aria-pressed": "false", onclick: () => set({ list: !wanted.list }) },
    "List",
  );
  const chips = el("div", { class: "chips", role: "group", "aria-label": "States" });
  form.append(search, model, manifest, split, said, order, list, where, wrong, chips);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    set({ q: search.value, where: where.value.trim() });
  });
  const buttons = new Map(Words.ORDER.map((state) => [state, chip(state)]));
  chips.append(...buttons.values());

  function choice(label, key) {
    const select = el(
      "select",
      { "aria-label": label, hidden: true },
      el("option", { value: "" }, `Every ${label.toLowerCase()}`),
    );
    select.addEventListener("change", () => set({ [key]: select.value }));
    return select;
  }

  function chip(state) {
    const { word, icon: sign, tone } = Words.STATES[state];
    const button = el(
      "button",
      { type: "button", class: `chip tone-${tone}`, "aria-pressed": "false", hidden: true },
      icon(sign),
      word,
      el("span", {}),
    );
    button.addEventListener("click", () => {
      const others = wanted.states.filter((one) => one !== state);
      set({ states: others.length === wanted.states.length ? [...others, state] : others });
    });
    return button;
  }

  // A choice of one is none.
  function offer(choices) {
    const fill = (select, rows, name) => {
      const known = new Set([...select.options].map((one) => one.value));
      select.append(
        ...rows
          .filter((row) => !known.has(row.value))
          .map((row) => el("option", { value: row.value }, name(row.value))),
      );
      select.hidden = select.options.length < 3;
    };
    fill(model, choices.models, (name) => name);
    fill(manifest, choices.manifests, (path) => path.replace(/^.*[\\/]/, "") || "(none)");
    fill(split, choices.splits, (value) => value);
    mark();
  }

  // All jobs by state; while something is searched for, those that fit it.
  function count(counts, fitting) {
    if (counts) all = counts;
    if (fitting !== undefined) narrowed = fitting;
    if (all) tally(narrowed || all);
  }

  function tally(counts) {
    for (const [state, button] of buttons) {
      button.lastChild.textContent = Words.number(counts[state] || 0);
      button.hidden = !counts[state] && !wanted.states.includes(state);
    }
  }

  function mark() {
    for (const [state, button] of buttons) {
      const pressed = wanted.states.includes(state);
      button.setAttribute("aria-pressed", pressed);
      if (pressed) button.hidden = false;
    }
    if (document.activeElement !== search) search.value = wanted.q;
    if (document.activeElement !== where) where.value = wanted.where;
    said.value = wanted.choice || (wanted.gate && "gate");
    for (const [select, key] of [
      [model, "model"],
      [manifest, "manifest"],
      [split, "split"],
      [order, "order"],
    ])
      select.value = wanted[key];
    list.setAttribute("aria-pressed", wanted.list);
    list.textContent = wanted.list ? "Cards" : "List";
    list.setAttribute("aria-label", wanted.list ? "Show as cards" : "Show as a list");
    list.removeAttribute("aria-pressed");
  }

  // What is wrong with the condition, with the place in it; nothing if it is right.
  function explain(text) {
    wrong.hidden = !text;
    wrong.textContent = text || "";
    where.setAttribute("aria-invalid", Boolean(text));
  }

  return {
    offer,
    count,
    explain,
    show: (filter) => {
      wanted = filter;
      mark();
    },
  };
}

const isAll = (wanted) => !queryOf({ ...wanted, order: "manifest", list: false });

export { createFilters, isAll, parseFilter, queryOf };
