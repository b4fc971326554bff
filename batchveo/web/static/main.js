// What the address names is what is shown: #/videos?…, #/choose?…, #/compare?…, #/failures, #/charts, #/job/ID.

import { createActions } from "./actions.js";
import { createChartsView } from "./charts-view.js";
import { createChoose } from "./choose.js";
import { createComparison } from "./compare.js";
import { byId, el } from "./dom.js";
import { createFailures } from "./failures.js";
import { createFilters, isAll, parseFilter, queryOf } from "./filters.js";
import { createGallery } from "./gallery.js";
import { createPanel } from "./panel.js";
import { createProgress } from "./progress.js";
import { openSource } from "./source.js";
import { createTheme } from "./theme.js";
import * as Words from "./words.js";

const source = openSource();
// A report has no server to ask for groups of takes, and to send votes to.
const VIEWS = ["videos", ...(source.canAct ? ["choose", "compare"] : []), "failures", "charts"];
let view; // none is shown yet
let wanted = parseFilter("");
let shown;

const actions = createActions(source, () => {
  progress.look();
  panel.refresh();
  if (view === "failures") failures.show();
});
const gallery = createGallery(source, byId("gallery"), { lost });
const filters = createFilters(byId("filters"), (filter) => location.replace(address("videos", filter)), {
  conditions: source.canAct,
});
const choose = createChoose(source, byId("choose"), {
  moved: () => location.replace(address("choose")),
  voted: () => {
    shown = undefined; // the cards of the gallery are asked for again
  },
});
const comparison = createComparison(source, byId("compare"), () => location.replace(address("compare")));
const failures = createFailures(source, actions, byId("failures"));
const charts = createChartsView(source, byId("charts"));
const panel = createPanel(source, actions, {
  beside: gallery.beside,
  lost,
  seen: (job) => {
    if (job.problem) gallery.change([job]);
  },
  closed: (id) => {
    if (location.hash.startsWith("#/job/")) location.replace(address(view, wanted));
    if (view === "videos") gallery.focusJob(id);
  },
});
const progress = createProgress(source, byId("progress"), (now) => {
  filters.count(now.counts);
  const badge = byId("failures-badge");
  badge.hidden = !now.counts.failed;
  badge.textContent = Words.number(now.counts.failed);
  const label = now.counts.failed ? `Failures, ${Words.number(now.counts.failed)} failed` : "Failures";
  byId("nav-failures").setAttribute("aria-label", label); // a label on the badge alone is not read out
  if (now.many) gallery.reload();
  else gallery.change(now.changed);
  if (now.back) {
    gallery.again();
    offerChoices();
  }
  const all = now.many || now.back;
  if (all || now.changed.some((job) => job.id === panel.showing())) panel.refresh();
  if (view === "failures" && (all || now.changed.length || failures.missed())) failures.show();
  if (view === "charts") charts.hear(now);
});
const offerChoices = () => source.choices().then(filters.offer, () => {}); // they come again with the server

// A video that does not play may be gone: what became of its file is asked for once more.
async function lost({ id }) {
  const job = await source.recheck(id).catch(() => undefined);
  if (!job?.problem) return;
  gallery.change([job]);
  if (panel.showing() === id) panel.refresh();
}

function address(name, filter) {
  const queries = { videos: () => queryOf(filter), choose: choose.query, compare: comparison.query };
  const query = queries[name]?.();
  return `#/${name}${query ? `?${query}` : ""}`;
}

gallery.onCount(({ total, loaded, byState, late, scanned, wrong }) => {
  filters.explain(wrong);
  if (wrong) return;
  if (late) {
    byId("found").textContent = isAll(wanted) ? "Loading…" : "Searching…";
    return;
  }
  filters.count(undefined, byState ?? null);
  panel.retop();
  const beyond = total > 10000 && !isAll(wanted) ? "more than 10,000 jobs" : Words.counted(total ?? loaded, "job");
  const part = scanned
    ? ` among the first ${Words.number(scanned.jobs)} of ${Words.counted(scanned.total, "job")}: scroll on for more`
    : "";
  byId("found").textContent = isAll(wanted) ? beyond : `${beyond} found${part}`;
  byId("nothing").hidden = loaded > 0;
  byId("nothing").replaceChildren(
    ...(isAll(wanted)
      ? ["No jobs yet: `batchveo run MANIFEST` adds them."]
      : [
          "Nothing fits. Fewer words, or another state, may find more. ",
          el(
            "button",
            {
              type: "button",
              onclick: () =>
                location.replace(
                  address("videos", { ...parseFilter(""), order: wanted.order, list: wanted.list }),
                ),
            },
            "Clear the filters",
          ),
        ]),
  );
});

function show(name, query) {
  view = name;
  byId("main").dataset.view = name;
  if (name !== "choose") choose.hide();
  for (const one of VIEWS) {
    byId(one).hidden = one !== name;
    if (one === name) byId(`nav-${one}`).setAttribute("aria-current", "page");
    else byId(`nav-${one}`).removeAttribute("aria-current");
  }
  if (name === "failures") failures.show();
  if (name === "charts") charts.show();
  if (name === "choose") choose.show(query);
  if (name === "compare") comparison.show(query);
  if (name !== "videos") return;
  wanted = parseFilter(query);
  filters.show(wanted);
  gallery.asList(wanted.list);
  byId("nav-videos").href = address("videos", wanted);
  const key = queryOf({ ...wanted, list: false });
  if (shown !== key) {
    shown = key;
    gallery.show(wanted);
  }
}

function follow() {
  const [, name, rest] = /^#\/(\w+)(?:[/?](.*))?$/.exec(location.hash) || [];
  if (name === "job" && rest) {
    if (view === undefined) show("videos", "");
    panel.show(decodeURIComponent(rest));
  } else {
    panel.close();
    show(VIEWS.includes(name) ? name : "videos", VIEWS.includes(name) ? rest || "" : "");
  }
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
for (const name of ["choose", "compare"]) byId(`nav-${name}`).hidden = !VIEWS.includes(name);
addEventListener("hashchange", follow);
createTheme(byId("theme"));
follow();
progress.look();
offerChoices();
