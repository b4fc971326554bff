// Retry, cancel, resolve: what can be done with a job, each with its question and its answer.

import { ask } from "./ask.js";
import { csv } from "./csv.js";
import { copy, el, icon, save, toast } from "./dom.js";
import * as Money from "./money.js";
import * as Words from "./words.js";

const TAKES = 3;
const PAID =
  "The current run, or the next `batchveo run` or `resume`, submits it again and pays for what it makes.";

function createActions(source, changed) {
  // Asks, acts, tells; `told` makes the sentence of how many jobs it was done to.
  async function act(question, verb, body, told) {
    const agreed = await ask(question);
    if (agreed === null) return;
    try {
      const { done, notes = [] } = await source.act(verb, agreed === true ? body : { ...body, ...agreed });
      toast(done ? told(done) : "Nothing was changed: the jobs have moved in the meantime.", { wrong: !done });
      for (const note of notes) toast(note);
    } catch (error) {
      toast(error.message, { wrong: true });
    }
    changed();
  }

  const pendingAgain = (n) => `${Words.counted(n, "job")} ${n === 1 ? "is" : "are"} pending again.`;
  async function retry(job) {
    const found = await chainOf(job, "retry");
    if (found?.made) return retryOrAnew([job.id], found, () => {}, `Retry “${clip(job.name)}”?`);
    return act(
      {
        title: `Retry “${clip(job.name)}”?`,
        text: [PAID, found?.jobs ? price(found) : "", ...following(found)].filter(Boolean),
        yes: "Retry",
      },
      "retry",
      seen(job),
      pendingAgain,
    );
  }
  const cancel = async (job) =>
    act(
      {
        title: `Cancel “${clip(job.name)}”?`,
        text: [
          "It is not submitted, and costs nothing. Retrying brings it back.",
          ...blocking(await chainOf(job, "cancel")),
        ],
        yes: "Cancel the job",
      },
      "cancel",
      seen(job),
      () => "The job is cancelled.",
    );
  // What the rest of its chain is to the change of a job; a job of no chain has none.
  const chainOf = (job, verb) =>
    job.chain ? source.act("preview", { act: verb, jobs: [job.id] }).catch(() => undefined) : undefined;
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
        fields: [{ name: "generation_id", label: "Generation id" }],
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

  // -- many jobs: the server counts and prices them first, and checks the number again when it acts

  // `which` names the jobs: `jobs` (ids), or the `cause` of their failure
  async function actOnMany(act, which, after, question) {
    const found = await source.act("preview", { act, ...which }).catch((error) => {
      toast(error.message, { wrong: true });
    });
    if (!found) return;
    if (!found.jobs) return toast("None of these jobs can be changed so: they have moved.", { wrong: true });
    if (found.made && which.jobs && act === "retry")
      return retryOrAnew(which.jobs, found, after, `Retry ${Words.counted(found.jobs, "job")}?`);
    const agreed = await ask(question(found));
    if (agreed === null) return;
    await send(act, { ...which, expected: found.expected, ...(agreed === true ? {} : agreed) }, after);
  }

  async function send(act, body, after) {
    try {
      const { done } = await source.act(act, body);
      const became = body.how === "fail" ? "given up" : RESULT[act];
      toast(`${Words.counted(done, act === "anew" ? "video" : "job")} ${done === 1 ? "is" : "are"} ${became}.`);
      after();
    } catch (error) {
      toast(error.message, { wrong: true });
    }
    changed();
  }

  // Of jobs from whose videos others were made, these can be made anew as well.
  async function retryOrAnew(jobs, found, after, title) {
    const anew = await source.act("preview", { act: "anew", jobs }).catch((error) => {
      toast(error.message, { wrong: true });
    });
    if (!anew) return;
    const agreed = await ask({
      title,
      text: [plural(PAID, found.jobs), price(found), ...following(found)],
      fields: [
        {
          name: "how",
          label: `${Words.counted(found.made, "job")} ${found.made === 1 ? "was" : "were"} made from an earlier video:`,
          kind: "choice",
          options: [
            ["stay", `Leave ${found.made === 1 ? "it" : "them"} as ${found.made === 1 ? "it is" : "they are"}`],
            ["anew", `Make all that follows anew as well: ${Words.counted(anew.jobs, "video")}. ${price(anew)}`],
          ],
        },
      ],
      yes: "Retry",
    });
    if (agreed === null) return;
    await send(
      agreed.how === "anew" ? "anew" : "retry",
      { jobs, expected: (agreed.how === "anew" ? anew : found).expected },
      after,
    );
  }

  // A clip, and all that is made from it, once more.
  async function makeAnew(job) {
    await actOnMany(
      "anew",
      { jobs: [job.id] },
      () => {},
      (found) => ({
        title: `Make “${clip(job.name)}” and what follows anew?`,
        text: [
          "Each link gets another take, which begins with the new take of the one before. The clips that you have stay. The current run, or the next one, pays for the new ones.",
          price(found),
        ],
        yes: `Make ${Words.counted(found.jobs, "video")}`,
      }),
    );
  }

  const others = ({ others }) =>
    others
      ? [`${Words.counted(others, "other job")} of the selection ${others === 1 ? "is" : "are"} left alone.`]
      : [];
  const REFUSED = "Jobs that were refused for what they ask will be refused again.";
  const retryCause = ({ cause }) =>
    actOnMany(
      "retry",
      { cause },
      () => {},
      (found) => ({
        title: `Retry all ${Words.counted(found.jobs, "job")} that failed so?`,
        text: [REFUSED, plural(PAID, found.jobs), price(found), ...following(found)],
        yes: `Retry ${Words.number(found.jobs)}`,
      }),
    );
  const bulk = {
    retry: (jobs, after) =>
      actOnMany("retry", { jobs }, after, (found) => ({
        title: `Retry ${Words.counted(found.jobs, "job")}?`,
        text: [plural(PAID, found.jobs), price(found), ...following(found), REFUSED, ...others(found)],
        yes: `Retry ${Words.number(found.jobs)}`,
      })),
    cancel: (jobs, after) =>
      actOnMany("cancel", { jobs }, after, (found) => ({
        title: `Cancel ${Words.counted(found.jobs, "job")}?`,
        text: [
          "They are not submitted, and cost nothing. Retrying brings them back.",
          ...blocking(found),
          ...others(found),
        ],
        yes: `Cancel ${Words.number(found.jobs)}`,
      })),
    resolve: (jobs, after) =>
      actOnMany("resolve", { jobs }, after, (found) => ({
        title: `Resolve ${Words.counted(found.jobs, "job")} held in doubt?`,
        danger: true,
        fields: [
          {
            name: "how",
            label: "What became of their requests?",
            kind: "choice",
            options: [
              ["fail", "Give them up: they count as failed, and may have been charged"],
              ["resubmit", "They bought nothing: submit them again"],
            ],
          },
        ],
        text: [
          "The provider’s site lists what your key has generated. If a request arrived after all and you submit it again, you pay twice.",
          `Submitted again: ${price(found)}`,
          ...others(found),
        ],
        yes: `Resolve ${Words.number(found.jobs)}`,
      })),
    copyPaths: async (jobs) => {
      const rows = await list(jobs);
      const paths = rows?.map((row) => row.file).filter(Boolean);
      if (paths?.length) copy(`${paths.join("\n")}\n`, Words.counted(paths.length, "path"));
      else if (rows) toast("None of these jobs has a file.", { wrong: true });
    },
    saveList: async (jobs) => {
      const rows = await list(jobs);
      if (rows) save("jobs.csv", csv(COLUMNS, rows));
    },
  };

  async function list(jobs) {
    try {
      return (await source.act("list", { jobs })).jobs;
    } catch (error) {
      toast(error.message, { wrong: true });
      return undefined;
    }
  }

  // -- one job as another: with other words, or once more

  async function reprompt(job) {
    const found = await source.act("preview", { act: "retry", jobs: [job.id] }).catch(() => undefined);
    await act(
      {
        title: `Another prompt for “${clip(job.name)}”`,
        text: [
          "A new job takes its place; the current run, or `batchveo resume`, submits it. Write the prompt into the manifest too.",
          found?.jobs ? price(found) : "",
        ].filter(Boolean),
        fields: [{ name: "prompt", label: "Prompt", kind: "area", value: job.prompt }],
        yes: "Retry with this prompt",
      },
      "reprompt",
      { job: job.id, seen: seen(job).seen },
      () => "A job with the other prompt is pending.",
    );
  }

  async function moreTakes(job) {
    const body = { act: "takes", jobs: [job.id], takes: TAKES };
    const found = await source.act("preview", body).catch((error) => {
      toast(error.message, { wrong: true });
    });
    if (!found) return;
    await act(
      {
        title: `${Words.counted(found.jobs, "more take")} of “${clip(job.name)}”?`,
        text: [
          "Each is a job of its own, with another seed if the request has one. The current run, or the next one, pays for them.",
          price(found),
        ],
        yes: `Add ${Words.counted(found.jobs, "take")}`,
      },
      "takes",
      { jobs: [job.id], takes: TAKES, expected: found.expected },
      (n) => `${Words.counted(n, "take")} added.`,
    );
  }

  const edit = ["Edit the prompt", "pencil", reprompt, ""];
  const takes = [`${TAKES} more takes`, "plus", moreTakes, ""];
  const anew = ["Make anew from here", "again", makeAnew, "", hasMore];
  const BUTTONS = {
    failed: [["Retry", "again", retry, "primary"], edit, takes],
    cancelled: [["Retry", "again", retry, "primary"], edit],
    pending: [["Cancel the job", "ban", cancel, ""], edit, takes],
    succeeded: [takes, anew],
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
      : (BUTTONS[job.state] || [])
          .filter(([, , , , fits]) => fits === undefined || fits(job))
          .map(([text, sign, does, kind]) =>
            el("button", { type: "button", class: kind, onclick: () => does(job) }, icon(sign), text),
          );

  return { buttons, bulk, retryCause };
}

const COLUMNS = ["id", "name", "state", "model", "file"];
const RESULT = { retry: "pending again", cancel: "cancelled", resolve: "pending again", anew: "to be made anew" };
// Whether other jobs are made from its video.
const hasMore = ({ id, strip }) => Boolean(strip) && strip.links.at(-1).id !== id;
const plural = (text, jobs) =>
  jobs === 1 ? text : text.replace("submits it", "submits them").replace("what it makes", "what they make");

// What the jobs cost, by the latest list of prices or what their models have cost before.
function price({ jobs, usd, unpriced }, they = "This costs") {
  if (unpriced === jobs) return jobs === 1 ? "Its price is not known." : "Their price is not known.";
  const rest = unpriced ? `; ${Words.counted(unpriced, "job")} without a known price` : "";
  return `${they} up to ${Money.words(usd)}${rest}.`;
}

// The jobs that wait for the videos of others, and what becomes of them.
function following(found) {
  const { jobs } = found?.following ?? {};
  if (!jobs) return [];
  return [
    `${Words.counted(jobs, "job")} of the chain ${jobs === 1 ? "waits for this, and is" : "wait for this, and are"} made afterwards. ${price(found.following, jobs === 1 ? "It costs" : "They cost")}`,
  ];
}

function blocking(found) {
  const { jobs } = found?.following ?? {};
  return jobs
    ? [
        `${Words.counted(jobs, "job")} of the chain ${jobs === 1 ? "is" : "are"} blocked then, until it is made again.`,
      ]
    : [];
}

// A question may stay open for hours: its answer is about the request that it showed.
const seen = (job) => ({ jobs: [job.id], seen: { state: job.state, request: job.client_request_id } });
// Without the marks that turn the direction of the text around it.
function clip(name) {
  const text = name.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

export { createActions };
