// Where the page gets what it shows: from the server it came from, or from the data within its own file.

import { isTrueOf } from "./behind.js";

const PAGE = 120;
const NOT_HERE = {
  gone: true,
  word: "Not on disk",
  says: "The video is not on disk where this report looks for it. It was stored and verified; keep the report where it was written, beside the videos, or look with `batchveo ui`.",
};

// Whether a card is among what is asked for; the server does the same for what it sends.
function matches(job, wanted) {
  if (wanted.states.length && !wanted.states.includes(job.state)) return false;
  for (const key of ["model", "manifest", "split", "choice"])
    if (wanted[key] && job[key] !== wanted[key]) return false;
  if (wanted.gate && job.verdict !== wanted.gate) return false;
  if (wanted.where && !isTrueOf(wanted.where, job)) return false;
  const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return true;
  const text = [job.name, job.prompt, job.error, job.id, job.generation_id]
    .filter((part) => typeof part === "string")
    .join("\n")
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content;

function live() {
  async function ask(path, options) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      throw new Error("The server does not answer. Is `batchveo ui` still running?");
    }
    const type = answer.headers.get("content-type") || "";
    const body = type.includes("json") ? await answer.json() : { error: (await answer.text()).trim() };
    if (!answer.ok)
      throw Object.assign(new Error(body.error || `The server said ${answer.status}.`), { status: answer.status });
    return body;
  }
  function query(wanted, after) {
    const params = new URLSearchParams({ most: PAGE, order: wanted.order });
    for (const state of wanted.states) params.append("state", state);
    for (const key of ["model", "manifest", "split", "q", "gate", "choice", "where"])
      if (wanted[key]) params.set(key, wanted[key]);
    if (after !== undefined) params.set("after", after);
    return params;
  }
  return {
    canAct: true,
    page: (wanted, after) => ask(`/api/jobs?${query(wanted, after)}`),
    job: (id) => ask(`/api/jobs/${encodeURIComponent(id)}`),
    progress: (since) => ask(since === undefined ? "/api/progress" : `/api/progress?since=${since}`),
    failures: () => ask("/api/failures"),
    choices: () => ask("/api/choices"),
    group: (wanted) => ask(`/api/groups?${new URLSearchParams(wanted)}`),
    compare: (by) => ask(`/api/compare?${new URLSearchParams({ by })}`),
    charts: (night) => ask(night ? `/api/charts?${new URLSearchParams({ night })}` : "/api/charts"),
    act: (verb, body) =>
      ask(`/api/${verb}`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", "x-batchveo-csrf": meta("csrf") },
      }),
    recheck: (id) => ask(`/api/jobs/${encodeURIComponent(id)}`),
    video: (job) => `/videos/${encodeURIComponent(job.id)}.mp4`,
    sidecar: (job) => `/sidecars/${encodeURIComponent(job.id)}.json`,
    poster: (job) =>
      meta("posters") === "yes" ? `/posters/${encodeURIComponent(job.id)}.jpg?of=${job.finished_at}` : undefined,
  };
}

function kept(data) {
  const byId = new Map(data.jobs.map((job) => [job.id, job]));
  function page(wanted, after) {
    const fitting = data.jobs.filter((job) => matches(job, { ...wanted, states: [] }));
    const found = fitting.filter((job) => matches(job, wanted));
    const isNarrowed = ["q", "model", "manifest", "split", "gate", "choice", "where"].some((key) => wanted[key]);
    const counts = {};
    for (const { state } of fitting) counts[state] = (counts[state] || 0) + 1;
    if (wanted.order === "newest") found.reverse();
    const start = after === undefined ? 0 : found.findIndex((job) => job.seq === after) + 1;
    return {
      jobs: found.slice(start, start + PAGE),
      more: found.length > start + PAGE,
      matching: found.length,
      by_state: isNarrowed ? counts : null,
    };
  }
  // The browser found no file that it can play where the report links to.
  async function recheck(id) {
    const known = byId.get(id);
    const job = { ...known, video: false, problem: known.problem || NOT_HERE };
    data.jobs[data.jobs.findIndex((one) => one.id === id)] = job;
    byId.set(id, job);
    return job;
  }
  return {
    recheck,
    canAct: false,
    madeAt: data.made_at,
    shown: data.shown,
    page: async (wanted, after) => page(wanted, after),
    job: async (id) => {
      if (!byId.has(id)) throw new Error("This job is not in the report.");
      return byId.get(id);
    },
    progress: async () => data.progress,
    failures: async () => ({ causes: data.failures }),
    choices: async () => data.choices,
    charts: async () => data.charts,
    video: (job) => job.href,
    sidecar: (job) => (job.sidecar ? job.href?.replace(/\.mp4$/, ".json") : undefined),
    poster: (job) => data.posters[job.id] && `data:image/jpeg;base64,${data.posters[job.id]}`,
  };
}

function openSource() {
  const within = document.getElementById("data");
  return within ? kept(JSON.parse(within.textContent)) : live();
}

export { matches, openSource };
