// The jobs of the gallery by their positions: asked for a page at a time, the page in sight first.

const PAGE = 60;
const AT_ONCE = 2;
const MOST_KEPT = 60;
const SOON = 400; // milliseconds: an answer that takes longer is announced
const SEARCH_AGAIN = 100;
const TOGETHER = 400; // changes that come within these milliseconds are asked for once

// `heard(answer, { isFirst })` hears of each page, `failed(message, { wrong })` of errors; `draw()` is called for both.
function createPages(source, { heard, draw, failed }) {
  let wanted;
  let order;
  let total;
  let counts; // of each filter's values
  let groups;
  let scanned; // how far a search came that takes long
  let newer = 0; // videos that were finished since
  let upto; // the moment up to which the newest are shown
  let asked = 0;
  let answered = 0; // the question whose first page is on the screen
  let version = 0; // pages of an older one are asked for again
  let late = false;
  let isMissed = false; // jobs changed while an answer was on its way: it may have them as they were before
  let isAway = false;
  let span = [0, 1];
  let timer;
  let turn;
  const pages = new Map(); // by number: { jobs, version }
  const flying = new Map();

  const at = (index) => pages.get(Math.floor(index / PAGE))?.jobs[index % PAGE];
  const question = () => ({ ...wanted, order: order ?? wanted.order, upto });

  function want(first, last) {
    span = [Math.max(0, first), Math.max(1, last)];
    pump();
  }

  function pump() {
    if (!wanted || isAway || flying.size >= AT_ONCE || answered !== asked) return;
    const [first, last] = span.map((index, end) => Math.floor(Math.max(0, index - end) / PAGE));
    const middle = (first + last) / 2;
    const missing = [];
    for (let page = first; page <= last; page += 1)
      if (!flying.has(page) && pages.get(page)?.version !== version && page * PAGE < total) missing.push(page);
    missing.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
    if (!missing.length) return;
    load(missing[0]);
    pump();
  }

  async function load(page) {
    const number = asked;
    const of = version;
    flying.set(page, number);
    try {
      const answer = await source.page(question(), page * PAGE, PAGE);
      if (number !== asked) return;
      keep(page, answer, of);
      heard(answer, { isFirst: false });
    } catch (error) {
      if (number === asked) failing(error);
    } finally {
      if (flying.get(page) === number) flying.delete(page);
    }
    if (number === asked) pump();
  }

  function keep(page, answer, of) {
    pages.set(page, { jobs: answer.jobs, version: of });
    total = answer.matching;
    counts = answer.counts;
    groups = answer.groups ?? undefined;
    newer = answer.newer ?? 0;
    scanned = answer.scanned ?? undefined;
    for (const number of pages.keys()) if (number * PAGE >= total) pages.delete(number);
    if (isMissed) refreshSoon(0);
    isMissed = false;
    // a search of many jobs takes several answers
    if (scanned) refreshSoon(SEARCH_AGAIN);
    while (pages.size > MOST_KEPT) pages.delete(pages.keys().next().value);
  }

  function refreshSoon(after) {
    if (timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      version += 1;
      pump();
    }, after);
  }

  function show(filter) {
    wanted = filter;
    order = undefined;
    upto = undefined;
    return fresh();
  }

  // The page in sight anew; what is on the screen stays until it is there.
  async function fresh({ isFirst = true } = {}) {
    if (!wanted) return;
    asked += 1;
    const number = asked;
    flying.clear();
    isAway = false;
    clearTimeout(turn);
    turn = setTimeout(() => {
      if (number !== asked || answered === asked) return;
      late = true;
      heard({ jobs: [] }, { isFirst: false });
    }, SOON);
    const page = isFirst ? 0 : Math.floor(span[0] / PAGE);
    let answer;
    try {
      answer = await source.page(question(), page * PAGE, PAGE);
    } catch (error) {
      if (number === asked) failing(error);
      return;
    }
    if (number !== asked) return;
    late = false;
    answered = number;
    version += 1;
    if (isFirst) pages.clear();
    order = answer.order;
    // the clock of the machine that runs may be ahead of the server's
    if (order === "finished") upto ??= Math.max(answer.now, answer.jobs[0]?.finished_at ?? 0);
    keep(page, answer, version);
    heard(answer, { isFirst });
    pump();
  }

  // Nothing more is asked until the server is back: `again`.
  function failing(error) {
    late = false;
    isAway = error.status !== 422; // of the condition: what is on the screen stays
    failed(error.message, { wrong: !isAway });
  }

  // The server answers again: what it could not give is asked for once more.
  function again() {
    if (!isAway) return;
    isAway = false;
    if (answered === asked) pump();
    else fresh();
  }

  // A new moment: the newest are shown again.
  function advance() {
    if (!newer) return undefined;
    upto = undefined;
    return fresh();
  }

  // `fits(job)`: whether it is among what is wanted, as far as the page can tell.
  function change(changed, fits) {
    if (flying.size || answered !== asked) isMissed = true;
    let isMoved = false;
    for (const job of changed) {
      const index = find(job.id);
      const known = index === undefined ? undefined : at(index);
      if (known) put(index, { ...job, copies: known.copies });
      if (known && (!fits(job) || (known.state !== job.state && isSorted()))) isMoved = true;
    }
    if (isMoved || counts) refreshSoon(TOGETHER);
    draw();
  }

  // The number of all jobs: a run may have added some.
  function grown(all) {
    if (total !== undefined && !counts && all !== total) refreshSoon(TOGETHER);
  }

  const isSorted = () => !["manifest", "newest", "name", "prompt", "chain"].includes(order);

  function put(index, job) {
    pages.get(Math.floor(index / PAGE)).jobs[index % PAGE] = job;
  }

  function find(id) {
    for (const [page, { jobs }] of pages) {
      const index = jobs.findIndex((job) => job.id === id);
      if (index >= 0) return page * PAGE + index;
    }
    return undefined;
  }

  return {
    at,
    again,
    advance,
    change,
    find,
    grown,
    fresh: () => fresh({ isFirst: false }),
    question,
    show,
    want,
    state: () => ({
      total,
      order,
      counts,
      groups,
      late,
      scanned,
      newer,
    }),
  };
}

export { createPages };
