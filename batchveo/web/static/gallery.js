// Only what is in sight stands in the document: cards are placed by arithmetic, and used again.

import { createCard } from "./card.js";
import { toast } from "./dom.js";
import { matches } from "./source.js";

const GAP = 16;
const LEAST_WIDTH = 264;
const BODY = 116;
const ROW = 68;
const BEYOND = 2; // rows drawn above and below the window
const SOON = 400; // milliseconds: an answer that takes longer is announced

function createGallery(source, container, { lost }) {
  let wanted; // nothing is asked for until the gallery is shown: other views may be opened first
  let jobs = [];
  let more = false;
  let rest; // where the comparison with a condition goes on, if there was no time for all jobs
  let scanned; // how far it came
  let total;
  let byState; // how many fit the search in each state
  let loading;
  let asked = 0;
  let answered = 0; // the question whose first page is on the screen
  let failed = false;
  let late = false; // the answer to the latest question takes long
  let meanwhile = []; // cards that changed while a page was on its way: it may have them as they were before
  let active = 0;
  let list = false;
  let frame;
  let listener = () => {};
  const cards = new Map();
  const spare = [];

  function layout() {
    const width = container.clientWidth;
    if (list) return { columns: 1, width, row: ROW, height: ROW, media: [80, 45] };
    const columns = Math.max(1, Math.floor((width + GAP) / (LEAST_WIDTH + GAP)));
    const card = (width - GAP * (columns - 1)) / columns;
    const media = Math.round((card * 9) / 16);
    return { columns, width: card, row: media + BODY + GAP, height: media + BODY, media: [card, media] };
  }

  function render() {
    frame = undefined;
    if (!container.clientWidth) return; // not in sight
    const { columns, width, row, height, media } = layout();
    const rows = Math.ceil(jobs.length / columns);
    container.style.height = `${rows * row}px`;
    const top = -container.getBoundingClientRect().top;
    const first = Math.max(0, (Math.floor(top / row) - BEYOND) * columns);
    const last = Math.min(jobs.length, (Math.ceil((top + innerHeight) / row) + BEYOND) * columns);
    for (const [index, card] of cards) {
      const keeps = card.node.contains(document.activeElement) && index < jobs.length;
      if ((index < first || index >= last) && !keeps) put(index, card);
    }
    if (active < first || active >= last) {
      if (!container.contains(document.activeElement))
        active = Math.min(Math.max(first + BEYOND * columns, 0), Math.max(0, jobs.length - 1));
    }
    for (let index = first; index < last; index += 1) {
      const card = cards.get(index) || taken(index);
      card.fill(jobs[index], index, more ? -1 : jobs.length);
      card.place(
        (index % columns) * (width + GAP),
        Math.floor(index / columns) * row,
        width,
        height,
        media[0],
        media[1],
      );
      card.link.tabIndex = index === active ? 0 : -1;
    }
    if (more && last >= jobs.length - columns * 6) load();
  }

  function put(index, card) {
    cards.delete(index);
    card.node.remove();
    spare.push(card);
  }

  function taken(index) {
    const card = spare.pop() || createCard(source, lost);
    cards.set(index, card);
    container.append(card.node);
    return card;
  }

  const tell = (wrong) => listener({ total, loaded: jobs.length, byState, late, scanned, wrong });

  const draw = () => {
    if (frame === undefined) frame = requestAnimationFrame(render);
  };

  async function load() {
    if (loading === asked || failed || answered !== asked) return;
    const turn = asked;
    loading = turn;
    try {
      const page = await source.page(wanted, rest ?? (jobs.length ? jobs[jobs.length - 1].seq : undefined));
      if (turn !== asked) return;
      jobs = jobs.concat(page.jobs);
      ({ more } = page);
      take(page);
      total = page.matching ?? total;
      total = more ? Math.max(total, jobs.length) : jobs.length;
      catchUp();
      tell();
    } catch (error) {
      failing(error, turn);
    } finally {
      if (loading === turn) loading = undefined;
    }
    draw();
  }

  function show(filter) {
    wanted = filter;
    asked += 1;
    active = 0;
    return fresh();
  }

  // The first page anew; what is on the screen stays until it is there.
  async function fresh() {
    if (!wanted) return;
    asked += 1;
    const turn = asked;
    failed = false;
    meanwhile = [];
    const timer = setTimeout(() => {
      if (turn !== asked) return;
      late = true;
      tell();
    }, SOON);
    const page = await source.page(wanted).catch((error) => failing(error, turn));
    clearTimeout(timer);
    if (turn !== asked || !page) return;
    late = false;
    answered = turn;
    for (const [index, card] of cards) put(index, card);
    ({ jobs, more } = page);
    take(page);
    total = page.matching ?? page.jobs.length;
    byState = page.by_state;
    catchUp();
    tell();
    draw();
  }

  function take(page) {
    rest = page.rest ?? undefined;
    scanned = page.scanned ?? undefined;
  }

  // Nothing more is asked until the server is back: `again`.
  function failing(error, turn) {
    if (turn !== asked) return;
    failed = true;
    late = false;
    meanwhile = []; // they are in what is on the screen, or come with what is asked for next
    const slip = error.status === 422; // of the condition: what is on the screen stays
    if (slip || total !== undefined) tell(slip ? error.message : undefined);
    if (!slip) toast(error.message, { wrong: true });
  }

  // The server answers again: what it could not give is asked for once more.
  function again() {
    if (!failed) return;
    failed = false;
    if (answered === asked) draw();
    else fresh();
  }

  function catchUp() {
    const changed = meanwhile;
    meanwhile = [];
    apply(changed);
  }

  // Cards that changed while the page was open.
  function change(changed) {
    if (!wanted || !changed.length) return;
    if (loading === asked || answered !== asked) meanwhile.push(...changed);
    apply(changed);
    tell();
    draw();
  }

  function apply(changed) {
    for (const job of changed) {
      recount(job);
      const at = jobs.findIndex((one) => one.seq === job.seq);
      const fits = wanted.where ? at >= 0 : matches(job, wanted); // only the server compares with a condition
      if (at >= 0 && fits) jobs[at] = { ...job, copies: jobs[at].copies };
      else if (at >= 0) {
        jobs.splice(at, 1);
        total = Math.max(0, (total ?? 1) - 1);
      } else if (fits) insert(job);
    }
  }

  function recount(job) {
    const before = jobs.find((one) => one.seq === job.seq);
    if (!byState || !before || before.state === job.state) return;
    byState = {
      ...byState,
      [before.state]: byState[before.state] - 1,
      [job.state]: (byState[job.state] || 0) + 1,
    };
  }

  function insert(job) {
    const before = (one) => (wanted.order === "newest" ? one.seq < job.seq : one.seq > job.seq);
    const at = jobs.findIndex(before);
    if (at < 0 && more) return; // it comes when one scrolls there
    jobs.splice(at < 0 ? jobs.length : at, 0, job);
    total = (total ?? 0) + 1;
  }

  function focus(index) {
    const { columns, row } = layout();
    active = Math.min(Math.max(index, 0), jobs.length - 1);
    const top = container.getBoundingClientRect().top + Math.floor(active / columns) * row;
    const head = document.querySelector(".top").offsetHeight + 8;
    if (top < head) scrollBy(0, top - head);
    else if (top + row > innerHeight) scrollBy(0, top + row - innerHeight);
    render();
    cards.get(active)?.link.focus({ preventScroll: true });
  }

  container.addEventListener("keydown", (event) => {
    const index = [...cards].find(([, card]) => card.node.contains(event.target))?.[0];
    if (index === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const { columns, row } = layout();
    const page = Math.max(1, Math.floor(innerHeight / row)) * columns;
    const step = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
      PageDown: page,
      PageUp: -page,
      Home: -index,
      End: jobs.length,
    }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    if (index + step < 0 && event.key !== "Home" && event.key !== "PageUp") return;
    focus(index + step);
  });
  addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(container);

  return {
    show,
    change,
    reload: fresh,
    again,
    draw,
    onCount: (to) => {
      listener = to;
    },
    asList: (yes) => {
      list = yes;
      container.classList.toggle("list", yes);
      draw();
    },
    focusJob: (id) => {
      const at = jobs.findIndex((job) => job.id === id);
      if (at >= 0) focus(at);
    },
    beside: (id, step) => {
      const at = jobs.findIndex((job) => job.id === id);
      return at < 0 ? undefined : jobs[at + step]?.id;
    },
  };
}

export { createGallery };
