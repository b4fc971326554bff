// What to look at: words, states, model, manifest, split, conditions, order; all of it is in the address too.

import { quoted, utc } from "./conditions.js";
import { el, icon } from "./dom.js";
import * as Words from "./words.js";

const TYPING = 220;
const TEXTS = ["model", "manifest", "split", "q", "gate", "choice", "where", "waits", "chain"];
const NOTHING = {
  ...Object.fromEntries(TEXTS.map((key) => [key, ""])),
  states: [],
  order: "",
  list: false,
};
// What gates and people say: one choice on the page, two parts of the address.
const SAID = {
  "": {},
  gate: { gate: "rejected" },
  picked: { choice: "picked" },
  rejected: { choice: "rejected" },
};
// Without an order, the server chooses: newest finished first while a run is going on, else as in the manifest.
const ORDERS = {
  manifest: "Manifest order",
  newest: "Last added first",
  finished: "Newest finished first",
  name: "By name",
  cost: "Highest cost first",
  time: "Longest generation first",
  rating: "Best rated first",
  prompt: "Grouped by prompt",
  chain: "Grouped by chain",
};
// Pending jobs that need the video of another job.
const WAITS = {
  waiting: { word: "Waiting for a video", icon: "link", tone: "waiting" },
  blocked: { word: "Blocked", icon: "unlink", tone: "doubt" },
};
const OPERATORS = {
  "==": "is",
  "!=": "is not",
  in: "contains",
  ">=": "is at least",
  "<=": "is at most",
};

function parseFilter(query) {
  const params = new URLSearchParams(query);
  return {
    states: params.getAll("state").filter((state) => Object.hasOwn(Words.STATES, state)),
    ...Object.fromEntries(TEXTS.map((key) => [key, params.get(key) || ""])),
    gate: params.get("gate") === "rejected" ? "rejected" : "",
    choice: Object.hasOwn(SAID, params.get("choice")) ? params.get("choice") : "",
    waits: Object.hasOwn(WAITS, params.get("waits")) ? params.get("waits") : "",
    order: Object.hasOwn(ORDERS, params.get("order")) ? params.get("order") : "",
    list: params.get("as") === "list",
  };
}

function queryOf(wanted) {
  const params = new URLSearchParams();
  for (const state of wanted.states) params.append("state", state);
  for (const key of TEXTS) if (wanted[key]) params.set(key, wanted[key]);
  if (wanted.order) params.set("order", wanted.order);
  if (wanted.list) params.set("as", "list");
  return params.toString();
}

function createFilters(form, source, chosen) {
  let wanted = { ...NOTHING };
  let timer;
  let known = {}; // the counts of all jobs
  let narrowed; // of those that the filters match
  let fields;
  let chain; // the first job of the chain that is looked at
  const set = (changes) => {
    wanted = { ...wanted, ...changes };
    mark();
    chosen(wanted);
  };

  const search = el("input", {
    type: "search",
    placeholder: "Search prompts, names, errors, ids",
    "aria-label": "Search prompts, names, errors and ids",
    title: "Search (/)",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 500,
  });
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => set({ q: search.value }), TYPING);
  });
  const selects = {
    model: choice("Model", "model", (name) => name),
    manifest: choice("Manifest", "manifest", (path) => path.replace(/^.*[\\/]/, "") || "(none)"),
    split: choice("Split", "split", (value) => value),
  };
  const said = el(
    "select",
    {
      "aria-label": "Verdict",
      onchange: () => set({ gate: "", choice: "", ...SAID[said.value] }),
    },
    el("option", { value: "" }, "All verdicts"),
    el("option", { value: "picked" }, "Picked"),
    el("option", { value: "rejected" }, "Rejected by people"),
    el("option", { value: "gate" }, "Rejected by a gate"),
  );
  const order = el(
    "select",
    { "aria-label": "Order", onchange: () => set({ order: order.value }) },
    Object.entries(ORDERS).map(([value, text]) => el("option", { value }, text)),
  );
  const views = el(
    "div",
    { class: "views", role: "group", "aria-label": "View" },
    [false, true].map((list) =>
      el(
        "button",
        { type: "button", title: list ? "List" : "Cards", onclick: () => set({ list }) },
        icon(list ? "list" : "grid"),
        el("span", { class: "unseen" }, list ? "Show as a list" : "Show as cards"),
      ),
    ),
  );
  const builder = createBuilder();
  const more = el(
    "button",
    { type: "button", class: "funnel", "aria-expanded": "false", "aria-controls": "more-filters" },
    icon("funnel"),
    "Filters",
    el("span", { class: "count", hidden: true }),
  );
  more.addEventListener("click", () => open(more.getAttribute("aria-expanded") !== "true"));
  const room = el(
    "div",
    { class: "more-filters", id: "more-filters", hidden: true },
    el("div", { class: "selects" }, ...Object.values(selects), said),
    source.canAct && builder.node,
  );
  const wrong = el("p", { class: "wrong-text", id: "where-wrong", role: "alert", hidden: true });
  const chips = el("div", { class: "chips", role: "group", "aria-label": "States" });
  const active = el("div", { class: "chips active", role: "group", "aria-label": "Filters in use", hidden: true });
  form.append(search, more, order, views, room, wrong, chips, active);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    set({ q: search.value, where: builder.condition.value.trim() });
  });
  const buttons = new Map(
    Words.ORDER.map((state) => [
      state,
      chip(Words.STATES[state], () => {
        const others = wanted.states.filter((one) => one !== state);
        set({ states: others.length === wanted.states.length ? [...others, state] : others });
      }),
    ]),
  );
  const waits = new Map(
    Object.entries(WAITS).map(([name, words]) => [
      name,
      chip(words, () => set({ waits: wanted.waits === name ? "" : name })),
    ]),
  );
  chips.append(...buttons.values(), ...waits.values());

  function open(yes) {
    more.setAttribute("aria-expanded", String(yes));
    room.hidden = !yes;
    if (yes && source.canAct && !fields) builder.load();
  }

  function choice(label, key, name) {
    const select = el("select", {
      "aria-label": label,
      hidden: true,
      onchange: () => set({ [key]: select.value }),
    });
    select.name_ = name;
    select.append(el("option", { value: "" }, `All ${label.toLowerCase()}s`));
    return select;
  }

  function chip({ word, icon: sign, tone }, onclick) {
    const attributes = { class: `chip tone-${tone}`, "aria-pressed": "false", hidden: true, onclick };
    return el("button", { type: "button", ...attributes }, icon(sign), word, el("span", {}));
  }

  // A condition is put together from a field, an operator and a value, or written.
  function createBuilder() {
    const field = el("select", { "aria-label": "Field", onchange: fit });
    const operator = el("select", { "aria-label": "Comparison" });
    const value = el("input", {
      type: "text",
      "aria-label": "Value",
      list: "filter-values",
      autocomplete: "off",
      maxlength: 200,
    });
    const values = el("datalist", { id: "filter-values" });
    const condition = el("input", {
      type: "text",
      class: "condition",
      placeholder: "Condition, such as black_seconds < 0.5 and picked",
      "aria-label": "Condition",
      "aria-describedby": "where-wrong",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 1000,
    });
    condition.addEventListener("change", () => set({ where: condition.value.trim() }));
    value.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      add();
    });
    const find = () => fields?.find((one) => one.name === field.value);

    async function load() {
      const found = await source.fields().catch(() => undefined);
      if (!found) return;
      fields = found.fields;
      const groups = [...new Set(fields.map((one) => one.group))];
      field.replaceChildren(
        el("option", { value: "" }, "Field …"),
        ...groups.map((group) =>
          el(
            "optgroup",
            { label: group },
            fields.filter((one) => one.group === group).map((one) => el("option", { value: one.name }, one.label)),
          ),
        ),
      );
      fit();
    }

    function fit() {
      const known = find();
      const words =
        known?.kind === "time"
          ? { ">=": "is from", "<": "is before" }
          : Object.fromEntries(
              Object.entries(OPERATORS).filter(
                ([key]) => !known?.kind || known.kind === "any" || fits(known.kind, key),
              ),
            );
      operator.replaceChildren(...Object.entries(words).map(([key, text]) => el("option", { value: key }, text)));
      value.type = known?.kind === "time" ? "datetime-local" : "text";
      value.value = "";
      value.placeholder = known?.unit ?? "";
      values.replaceChildren(...(known?.values ?? []).map((one) => el("option", { value: one })));
    }

    const fits = (kind, key) =>
      kind === "boolean"
        ? ["==", "!="].includes(key)
        : kind === "number"
          ? key !== "in"
          : !["<=", ">="].includes(key);

    function add() {
      const text = value.value.trim();
      if (!field.value || !text) return (field.value ? value : field).focus();
      value.value = "";
      const known = find();
      const literal = write(text, known.kind);
      const one =
        operator.value === "in"
          ? `${quoted(text)} in ${known.name}`
          : `${known.name} ${operator.value} ${literal}`;
      const where = wanted.where;
      set({ where: !where ? one : `${/\bor\b/i.test(where) ? `(${where})` : where} and ${one}` });
    }

    const node = el(
      "div",
      { class: "builder" },
      el(
        "div",
        { class: "builder-row", role: "group", "aria-label": "Add a filter" },
        field,
        operator,
        value,
        values,
        el("button", { type: "button", onclick: add }, "Add filter"),
      ),
      condition,
    );
    return { node, condition, load };
  }

  // The values to filter by, with the numbers of all jobs.
  function offer(choices) {
    for (const key of Object.keys(selects))
      known[key] = Object.fromEntries(choices[`${key}s`].map(({ value, jobs }) => [value, jobs]));
    tally();
    mark();
  }

  // All jobs by state and by what they wait for; while there is a filter, those that the others match.
  function count(all, fitting) {
    if (all) known = { ...known, ...all };
    if (fitting !== undefined) narrowed = fitting ?? undefined;
    tally();
  }

  function tally() {
    const counts = { ...known, ...narrowed };
    for (const [state, button] of buttons) tallyChip(button, counts.state?.[state], wanted.states.includes(state));
    for (const [name, button] of waits) tallyChip(button, counts.waits?.[name], wanted.waits === name);
    for (const [key, select] of Object.entries(selects)) tallySelect(select, key, counts[key] ?? {});
  }

  function tallyChip(button, jobs = 0, isUsed) {
    button.lastChild.textContent = Words.number(jobs);
    button.hidden = !jobs && !isUsed;
  }

  function tallySelect(select, key, counts) {
    const all = Object.keys({ ...known[key], ...(wanted[key] ? { [wanted[key]]: 0 } : {}) });
    const options = new Map([...select.options].map((one) => [one.value, one]));
    for (const value of all) {
      const option = options.get(value) ?? el("option", { value });
      const jobs = counts[value] ?? 0;
      option.textContent = `${select.name_(value)} (${Words.number(jobs)})`;
      option.hidden = !jobs && wanted[key] !== value;
      if (!options.has(value)) select.append(option);
    }
    select.hidden = select.options.length < 3; // a choice of one is none
    select.value = wanted[key];
  }

  function mark() {
    for (const [state, button] of buttons) press(button, wanted.states.includes(state));
    for (const [name, button] of waits) press(button, wanted.waits === name);
    if (document.activeElement !== search) search.value = wanted.q;
    if (document.activeElement !== builder.condition) builder.condition.value = wanted.where;
    said.value = wanted.choice || (wanted.gate && "gate");
    for (const [key, select] of Object.entries(selects)) select.value = wanted[key];
    if (wanted.order) order.value = wanted.order;
    for (const [at, button] of [...views.children].entries())
      button.setAttribute("aria-pressed", String(Boolean(at) === wanted.list));
    showActive();
  }

  function press(button, isPressed) {
    button.setAttribute("aria-pressed", isPressed);
    if (isPressed) button.hidden = false;
  }

  // What narrows the gallery without being seen elsewhere, each with a way to take it back.
  function showActive() {
    const used = [
      ...Object.keys(selects).map((key) => [wanted[key] && selects[key].name_(wanted[key]), { [key]: "" }]),
      [said.value && said.selectedOptions[0]?.textContent, { gate: "", choice: "" }],
      [wanted.chain && `Chain of ${chain?.name ?? "…"}`, { chain: "" }],
      [wanted.where, { where: "" }, "code"],
    ].filter(([text]) => text);
    active.hidden = !used.length;
    active.replaceChildren(
      ...used.map(([text, without, tag]) =>
        el(
          "button",
          {
            type: "button",
            class: "chip used",
            "aria-label": `Remove the filter ${text}`,
            onclick: () => set(without),
          },
          tag ? el(tag, {}, text) : text,
          icon("cross"),
        ),
      ),
    );
    const number = more.querySelector(".count");
    number.hidden = !used.length;
    number.textContent = used.length;
  }

  // What is wrong with the condition, with the place in it; nothing if it is right.
  function explain(text) {
    wrong.hidden = !text;
    wrong.textContent = text || "";
    builder.condition.setAttribute("aria-invalid", Boolean(text));
    if (text) open(true);
  }

  return {
    offer,
    count,
    explain,
    search,
    // The first job of the chain that is looked at, if it is known.
    nameChain: (first) => {
      if (!wanted.chain || first?.id !== wanted.chain || chain?.id === first.id) return;
      chain = first;
      showActive();
    },
    // The order that the server chose.
    ordered: (name) => {
      if (!wanted.order && name) order.value = name;
    },
    show: (filter) => {
      wanted = filter;
      mark();
      tally();
      if (filter.where) open(true);
    },
  };
}

// A literal of the language of conditions.
function write(text, kind) {
  if (kind === "time") return quoted(utc(new Date(text).getTime() / 1000));
  if (kind === "boolean") return /^(true|yes|1)$/i.test(text) ? "true" : "false";
  const isNumber = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?$/i.test(text);
  return isNumber && kind !== "text" ? text : quoted(text);
}

const isAll = (wanted) => !queryOf({ ...wanted, order: "", list: false });

export { createFilters, isAll, NOTHING, parseFilter, queryOf };
