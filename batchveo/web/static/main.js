// What the address names is what is shown: #/videos?…, #/choose?…, #/compare?…, #/failures, #/charts, #/job/ID.

import { createActions } from "./actions.js";
import { createChartsView } from "./charts-view.js";
import { createChoose } from "./choose.js";
import { createComparison } from "./compare.js";
import { byId, el, icon } from "./dom.js";
import { createFailures } from "./failures.js";
import { createFilters, isAll, NOTHING, parseFilter, queryOf } from "./filters.js";
import { createGallery } from "./gallery.js";
import { createLive } from "./live.js";
import { createPanel } from "./panel.js";
import { createProgress } from "./progress.js";
import { createSelection } from "./selection.js";
import { createShortcuts } from "./shortcuts.js";
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
const picked = createSelection(source, actions.bulk, byId("selection"));
const gallery = createGallery(source, byId("gallery"), { lost, picked });
const filters = createFilters(byId("filters"), source, (filter) => location.replace(address("videos", filter)));
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
const live = createLive(byId("live"));
const progress = createProgress(source, byId("progress"), (now) => {
  live.hear(now);
  filters.count({ state: now.counts, waits: { waiting: now.waiting, blocked: now.blocked } });
  const badge = byId("failures-badge");
  badge.hidden = !now.counts.failed;
  badge.textContent = Words.number(now.counts.failed);
  const label = now.counts.failed ? `Failures, ${Words.number(now.counts.failed)} failed` : "Failures";
  byId("nav-failures").setAttribute("aria-label", label); // a label on the badge alone is not read out
  if (now.many) gallery.reload();
  else gallery.change(now.changed);
  picked.follow(now.changed);
  if (isAll(wanted)) gallery.grown(now.total);
  if (now.back) {
    gallery.again();
    offerChoices();
  }
  const all = now.many || now.back;
  if (all || now.changed.some((job) => panel.follows(job.id))) panel.refresh();
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

gallery.onCount(({ total = 0, order, counts, late, scanned, newer, wrong }) => {
  filters.explain(wrong);
  if (wrong) return;
  if (late) {
    byId("found").textContent = isAll(wanted) ? "Loading…" : "Searching…";
    return;
  }
  filters.count(undefined, isAll(wanted) ? null : counts);
  filters.ordered(order);
  filters.nameChain(gallery.first()?.chain);
  panel.retop();
  picked.sees({ total, question: gallery.question });
  const jobs = Words.counted(total, "job");
  const part = scanned
    ? ` among the first ${Words.number(scanned.jobs)} of ${Words.counted(scanned.total, "job")} …`
    : "";
  byId("found").textContent = isAll(wanted) ? jobs : `${jobs} found${part}`;
  byId("newer").hidden = !newer;
  byId("newer").replaceChildren(icon("up"), `${Words.number(newer)} new`);
  byId("nothing").hidden = total > 0 || Boolean(scanned);
  byId("nothing").replaceChildren(
    ...(isAll(wanted)
      ? ["No jobs yet: `batchveo run MANIFEST` adds them."]
      : [
          "Nothing matches. ",
          el(
            "button",
            {
              type: "button",
              onclick: () =>
                location.replace(address("videos", { ...NOTHING, order: wanted.order, list: wanted.list })),
            },
            "Clear the filters",
          ),
        ]),
  );
});

byId("newer").addEventListener("click", () => {
  gallery.advance();
  byId("videos").scrollIntoView();
});

// What a key of the whole page is for; whether there was something to do.
function press(key, { target }) {
  if (panel.showing())
    return !target.closest("button, a, video, select") || key !== " " ? panel.press(key) : false;
  if (document.querySelector("dialog[open]")) return false;
  if (key === "/") {
    if (view !== "videos") location.hash = address("videos", wanted);
    filters.search.focus();
    filters.search.select();
    return true;
  }
  if (view !== "videos") return false;
  const onCard = target.closest(".card-link");
  if (key === "j" || key === "k") gallery.move(key === "j" ? 1 : -1);
  else if (key === " " && onCard) gallery.activeCard()?.toggle();
  else if (key === "x" && onCard) gallery.pick();
  else if (key === "n" && !byId("newer").hidden) byId("newer").click();
  else if (key === "Escape" && picked.size()) picked.clear();
  else return false;
  return true;
}

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
  byId("nav-videos").href = address("videos", wanted);
  const key = queryOf({ ...wanted, list: false });
  if (shown !== key) {
    shown = key;
    gallery.show(wanted);
  }
  gallery.asList(wanted.list);
}

function follow() {
  const [, name, rest] = /^#\/(\w+)(?:[/?](.*))?$/.exec(location.hash) || [];
  if (name === "job" && rest) {
    if (view === undefined) show("videos", "");
    panel.show(decoded(rest));
  } else {
    panel.close();
    show(VIEWS.includes(name) ? name : "videos", VIEWS.includes(name) ? rest || "" : "");
  }
}

// An address that was cut in the middle of a letter names no job, and is shown as such.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
for (const name of ["choose", "compare"]) byId(`nav-${name}`).hidden = !VIEWS.includes(name);
addEventListener("hashchange", follow);
createTheme(byId("theme"));
byId("show-keys").append(icon("keyboard"));
createShortcuts(byId("show-keys"), press);
follow();
progress.look();
offerChoices();
