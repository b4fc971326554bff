// Failures by cause, the commonest first: one look tells whether to edit, to retry, or to let be.

import { equals, jobsWhere } from "./behind.js";
import { el, icon } from "./dom.js";
import * as Words from "./words.js";

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
      section.replaceChildren(
        el("h2", { class: "view-title" }, causes.length ? title(causes) : "Failures"),
        ...(causes.length ? causes.map(cause) : [el("p", { class: "empty" }, "Nothing has failed.")]),
      );
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

  function cause(one) {
    const models = one.models.map(Words.model).join(", ");
    return el(
      "article",
      { class: "cause" },
      el("p", { class: "cause-count" }, Words.number(one.jobs), el("small", {}, one.jobs === 1 ? "job" : "jobs")),
      el(
        "div",
        {},
        el("h3", { title: one.text }, varying(one.cause)),
        el(
          "p",
          {},
          `${models} · for example `,
          el("a", { href: `#/job/${encodeURIComponent(one.example)}` }, one.example_name),
        ),
      ),
      el(
        "div",
        { class: "cause-do" },
        el(
          "a",
          {
            class: "button",
            href: jobsWhere([equals("cause", one.cause)], ["failed"]),
            "aria-label": `Show the jobs that failed so: ${one.cause}`,
          },
          "Show",
        ),
        source.canAct &&
          el(
            "button",
            { type: "button", onclick: () => actions.retryCause(one) },
            icon("again"),
            one.jobs === 1 ? "Retry" : `Retry all ${Words.number(one.jobs)}`,
          ),
      ),
    );
  }

  return { show, missed: () => missed };
}

// What differs from job to job stands out less than what they share.
const varying = (cause) =>
  cause.split(/\b(N|ID|URL)\b/).map((part, index) => (index % 2 ? el("em", {}, part) : part));

export { createFailures };
