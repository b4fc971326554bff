// Where the page gets what it shows: from the server it came from, or from the data within its own file.

import { isTrueOf } from "./behind.js";

const FILTERS = ["model", "manifest", "split", "q", "gate", "choice", "where", "waits", "chain"];
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
  if (wanted.chain && job.chain?.id !== wanted.chain) return false;
  if (wanted.waits && waitsOf(job) !== wanted.waits) return false;
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

const waitsOf = (job) => (job.blocked_by ? "blocked" : job.waiting_for ? "waiting" : null);

// The orders of the server, for the jobs of a report; what is not known comes last.
const falling = (value) => (jobs) =>
  jobs.sort((a, b) => (value(b) ?? -Infinity) - (value(a) ?? -Infinity) || a.seq - b.seq);
const SORTS = {
  newest: (jobs) => jobs.reverse(),
  finished: falling((job) => (["succeeded", "failed"].includes(job.state) ? job.finished_at : null)),
  name: (jobs) => jobs.sort((a, b) => a.name.localeCompare(b.name)),
  cost: falling((job) => job.cost_usd),
  time: falling((job) => (job.completed_at && job.submitted_at ? job.completed_at - job.submitted_at : null)),
  rating: falling((job) => job.rating),
};
const COUNTED = ["state", "model", "manifest", "split", "waits"];
const GROUPS = { prompt: (job) => job.prompt, chain: (job) => job.chain?.id };

// Puts the jobs of one prompt, or of one chain, together; the sizes of the groups.
function groupBy(order, jobs) {
  const keyOf = GROUPS[order];
  if (order === "chain") jobs.sort((a, b) => !a.chain - !b.chain || a.link - b.link || a.seq - b.seq);
  const groups = new Map();
  for (const job of jobs) {
    const key = keyOf(job);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(job);
  }
  jobs.splice(0, jobs.length, ...[...groups.values()].flat());
  return [...groups.values()].map((group) => group.length);
}

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content;

// `video` is what a card plays, `whole` the video itself; a report may hold a small `preview` too.
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
  function query(wanted) {
    const params = new URLSearchParams({ order: wanted.order || "auto" });
    for (const state of wanted.states) params.append("state", state);
    for (const key of FILTERS) if (wanted[key]) params.set(key, wanted[key]);
    if (wanted.upto !== undefined) params.set("upto", wanted.upto);
    return params;
  }
  const video = (job) => `/videos/${encodeURIComponent(job.id)}.mp4`;
  return {
    canAct: true,
    page: (wanted, at, most) => ask(`/api/jobs?${query(wanted)}&at=${at}&most=${most}`),
    ids: (wanted, at, most) => ask(`/api/ids?${query(wanted)}&at=${at}&most=${most}`),
    fields: () => ask("/api/fields"),
    job: (id) => ask(`/api/jobs/${encodeURIComponent(id)}`),
    // Events after this one are told to the page, the first cards of which are younger.
    cursor: Number(meta("cursor")),
    progress: (since) => ask(`/api/progress?since=${since}`),
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
    video,
    whole: video,
    sidecar: (job) => `/sidecars/${encodeURIComponent(job.id)}.json`,
    poster: (job) =>
      meta("posters") === "yes" ? `/posters/${encodeURIComponent(job.id)}.jpg?of=${job.finished_at}` : undefined,
  };
}

function kept(data) {
  const byId = new Map(data.jobs.map((job) => [job.id, job]));
  const hasChains = data.lines.length > 0;
  for (const job of data.jobs) job.waits = waitsOf(job);
  function page(wanted, at, most) {
    const found = data.jobs.filter((job) => matches(job, wanted));
    const order = wanted.order || (hasChains ? "chain" : "manifest");
    SORTS[order]?.(found);
    const groups = order in GROUPS ? groupBy(order, found) : undefined;
    return {
      jobs: found.slice(at, at + most),
      matching: found.length,
      order,
      counts: Object.fromEntries(COUNTED.map((key) => [key, count(wanted, key)])),
      groups,
    };
  }
  function count(wanted, key) {
    const any = { ...wanted, [key]: "", ...(key === "state" ? { states: [] } : {}) };
    const counts = {};
    for (const job of data.jobs)
      if (job[key] !== null && matches(job, any)) counts[job[key]] = (counts[job[key]] || 0) + 1;
    return counts;
  }
  const preview = (job) => data.previews[job.id] && `data:video/mp4;base64,${data.previews[job.id]}`;
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
    page: async (wanted, at, most) => page(wanted, at, most),
    job: async (id) => {
      if (!byId.has(id)) throw new Error("This job is not in the report.");
      const job = byId.get(id);
      const line = data.lines[job.chain_line];
      return { ...job, strip: line && { ...line, links: line.links.map((link) => byId.get(link)) } };
    },
    progress: async () => data.progress,
    failures: async () => ({ causes: data.failures }),
    choices: async () => data.choices,
    charts: async () => data.charts,
    video: (job) => preview(job) ?? job.href,
    whole: (job) => job.href,
    preview,
    sidecar: (job) => (job.sidecar ? job.href?.replace(/\.mp4$/, ".json") : undefined),
    poster: (job) => data.posters[job.id] && `data:image/jpeg;base64,${data.posters[job.id]}`,
  };
}

function openSource() {
  const within = document.getElementById("data");
  return within ? kept(JSON.parse(within.textContent)) : live();
}

export { matches, openSource };
