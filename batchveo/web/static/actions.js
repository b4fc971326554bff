// Retry, cancel, resolve: what can be done with a job, each with its question and its answer.

import { ask } from "./ask.js";
import { el, icon, toast } from "./dom.js";
import * as Words from "./words.js";

const PAID =
  "The current run, or the next `batchveo run` or `resume`, submits it again and pays for what it makes.";

function createActions(source, changed) {
  // Asks, acts, tells; `told` makes the sentence of how many jobs it was done to.
  async function act(question, verb, body, told) {
    const agreed = await ask(question);
    if (agreed === null) return;
    try {
      const { done } = await source.act(
        verb,
        typeof agreed === "string" ? { ...body, generation_id: agreed } : body,
      );
      toast(done ? told(done) : "Nothing was changed: the jobs have moved in the meantime.", { wrong: !done });
    } catch (error) {
      toast(error.message, { wrong: true });
    }
    changed();
  }

  const pendingAgain = (n) => `${Words.counted(n, "job")} ${n === 1 ? "is" : "are"} pending again.`;
  const retry = (job) =>
    act(
      { title: `Retry “${clip(job.name)}”?`, text: [PAID], yes: "Retry" },
      "retry",
      { jobs: [job.id] },
      pendingAgain,
    );
  const retryCause = (cause) =>
    act(
      {
        title: `Retry all ${Words.counted(cause.jobs, "job")} that failed so?`,
        text: [
          "Jobs that were refused for what they ask will be refused again.",
          PAID.replace("submits it", "submits them").replace("what it makes", "what they make"),
        ],
        yes: `Retry ${Words.number(cause.jobs)}`,
      },
      "retry",
      { cause: cause.cause },
      pendingAgain,
    );
  const cancel = (job) =>
    act(
      {
        title: `Cancel “${clip(job.name)}”?`,
        text: ["It is not submitted, and costs nothing. Retrying brings it back."],
        yes: "Cancel the job",
      },
      "cancel",
      { jobs: [job.id] },
      () => "The job is cancelled.",
    );
  const resubmit = (job) =>
    act(
      {
        title: `Submit “${clip(job.name)}” again?`,
        danger: true,
        yes: "It bought nothing: submit again",
        text: [
          "If its first request arrived after all, you pay twice. The provider’s site lists what your key has generated.",
          `Its request id is ${job.client_request_id || "not known"}.`,
        ],
      },
      "resolve",
      { ...seen(job), how: "resubmit" },
      pendingAgain,
    );
  const take = (job) =>
    act(
      {
        title: `Which generation did “${clip(job.name)}” buy?`,
        yes: "Fetch this generation",
        field: "Generation id",
        text: [
          "The provider’s site lists what your key has generated. The next run fetches its video; that costs nothing more.",
        ],
      },
      "resolve",
      { ...seen(job), how: "generation" },
      () => "The generation is taken; its video will be fetched.",
    );
  const giveUp = (job) =>
    act(
      {
        title: `Give “${clip(job.name)}” up?`,
        danger: true,
        yes: "Give it up",
        text: ["It counts as failed. What it may have cost stays counted against the budget."],
      },
      "resolve",
      { ...seen(job), how: "fail" },
      () => "The job is given up.",
    );

  const BUTTONS = {
    failed: [["Retry", "again", retry, "primary"]],
    cancelled: [["Retry", "again", retry, "primary"]],
    pending: [["Cancel the job", "ban", cancel, ""]],
    in_doubt: [
      ["It bought nothing: submit again", "again", resubmit, "danger"],
      ["It bought this generation …", "down", take, ""],
      ["Give up", "cross", giveUp, ""],
    ],
    generating: [["Give up", "cross", giveUp, "danger"]],
  };
  const buttons = (job) =>
    !source.canAct
      ? []
      : (BUTTONS[job.state] || []).map(([text, sign, does, kind]) =>
          el("button", { type: "button", class: kind, onclick: () => does(job) }, icon(sign), text),
        );

  return { buttons, retryCause };
}

// A question may stay open for hours: its answer is about the request that it showed.
const seen = (job) => ({ jobs: [job.id], seen: { state: job.state, request: job.client_request_id } });
const clip = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

export { createActions };
