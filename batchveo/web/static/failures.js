// Failures by cause, the commonest first, and by cause and model: one look tells whether to edit, to retry, or to let be.

import { equals, jobAt, jobsWhere } from "./behind.js";
import { el, icon, keepFocus } from "./dom.js";
import * as Words from "./words.js";

const MOST_MODELS = 8;
const MOST_CAUSES = 12;

function createFailures(source, actions, section) {
  let last;
  let asked = 0;
  let missed = false; // the last answer did not come: it is asked for again when the server is heard

  async function show() {
    asked += 1;
    const turn = asked;
    try {
      const { causes } = await source.failures();
      if (turn !== asked) return;
      missed = false;
      const text = JSON.stringify(causes);
      if (text === last) return;
      last = text;
      const open = new Set([...section.querySelectorAll("details[open]")].map(({ dataset }) => dataset.of));
      const content = causes.length
        ? [...causesByModel(causes, source.canAct), ...causes.map((one) => cause(one, open.has(one.cause)))]
        : [el("p", { class: "empty" }, "Nothing has failed.")];
      const heading = el("h2", { class: "view-title" }, causes.length ? title(causes) : "Failures");
      keepFocus(section, () => section.replaceChildren(heading, ...content));
    } catch (error) {
      if (turn !== asked) return;
      last = undefined;
      missed = true;
      section.replaceChildren(el("p", { class: "empty", role: "alert" }, error.message));
    }
  }

  function title(causes) {
    const jobs = causes.reduce((sum, one) => sum + one.jobs, 0);
    return `${Words.counted(jobs, "job")} failed, for ${Words.counted(causes.length, "cause")}`;
  }

  function cause(one, isOpen) {
    const retry = one.jobs === 1 ? "Retry" : `Retry all ${Words.number(one.jobs)}`;
    const models = Object.keys(one.models).map(Words.model).join(", ");
    return el(
      "article",
      { class: "cause" },
      el("p", { class: "cause-count" }, Words.number(one.jobs), el("small", {}, one.jobs === 1 ? "job" : "jobs")),
      el(
        "div",
        {},
        el("h3", { title: one.text }, varying(one.cause)),
        el("p", {}, `${models} · for example `, el("a", { href: jobAt(one.example) }, one.example_name)),
        one.text.trim() && answer(one, isOpen),
      ),
      el(
        "div",
        { class: "cause-do" },
        el(
          "a",
          {
            class: "button",
            href: failed(one.cause),
            "aria-label": `Show the jobs that failed so: ${one.cause}`,
          },
          "Show",
        ),
        source.canAct &&
          el(
            "button",
            {
              type: "button",
              "aria-label": `${retry} that failed so: ${one.cause}`,
              onclick: () => actions.retryCause(one),
            },
            icon("again"),
            retry,
          ),
      ),
    );
  }

  return { show, missed: () => missed };
}

const failed = (...terms) =>
  jobsWhere(
    ["cause", "model"].slice(0, terms.length).map((field, i) => equals(field, terms[i])),
    ["failed"],
  );

// How many jobs of each model failed for each cause, if there is anything to compare.
function causesByModel(causes, canCompare) {
  const sums = new Map();
  for (const { models } of causes)
    for (const [model, jobs] of Object.entries(models)) sums.set(model, (sums.get(model) ?? 0) + jobs);
  const models = [...sums].sort((a, b) => b[1] - a[1]).map(([model]) => model);
  if (causes.length < 2 || models.length < 2) return [];
  const shown = models.slice(0, MOST_MODELS);
  const left = [
    [causes.length - MOST_CAUSES, "cause"],
    [models.length - MOST_MODELS, "model"],
  ].filter(([number]) => number > 0);
  const number = (jobs, href, words) =>
    el(
      "td",
      {},
      jobs ? el("a", { href, "aria-label": `${Words.counted(jobs, "job")}: ${words}` }, Words.number(jobs)) : "",
    );
  const head = el(
    "tr",
    {},
    ["Cause", ...shown.map(Words.model), "All"].map((name) => el("th", { scope: "col" }, name)),
  );
  const rows = causes.slice(0, MOST_CAUSES).map((one) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", title: one.cause }, varying(one.cause)),
      shown.map((model) =>
        number(one.models[model], failed(one.cause, model), `${Words.model(model)}, ${one.cause}`),
      ),
      number(one.jobs, failed(one.cause), one.cause),
    ),
  );
  return [
    el(
      "div",
      { class: "table-room causes", tabindex: 0, role: "region", "aria-label": "Failed jobs by cause and model" },
      el("table", {}, el("thead", {}, head), el("tbody", {}, rows)),
    ),
    el(
      "p",
      { class: "causes-more" },
      left.length > 0 &&
        `${left.map(([number, noun]) => Words.counted(number, noun)).join(" and ")} not in the table. `,
      canCompare && [
        "How often each model succeeds, and at which price: ",
        el("a", { href: "#/compare" }, "Compare"),
      ],
    ),
  ];
}

// An error as the service sent it, of the job that is the example.
const answer = ({ text, cause }, open) =>
  el(
    "details",
    { class: "answer", open, "data-of": cause },
    el("summary", {}, "The answer in full"),
    el("pre", { tabindex: 0 }, text),
  );

// What differs from job to job stands out less than what they share.
const varying = (cause) =>
  cause.split(/\b(N|ID|URL)\b/).map((part, index) => (index % 2 ? el("em", {}, part) : part));

export { createFailures };
