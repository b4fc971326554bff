// The gallery: every job has its place in a box that is as tall as all of them, so that the scrollbar is true. What is
// in sight is asked for by its position; cards are used again.

import { createCard } from "./card.js";
import { el, toast } from "./dom.js";
import { createPages } from "./pages.js";
import { arrange, chooseShape, MOST_PIXELS } from "./positions.js";
import { matches } from "./source.js";
import * as Words from "./words.js";

const BEYOND = 600; // pixels that are drawn above and below the window
const STILL = 150; // milliseconds without a scroll after which the scale of a very tall gallery is set right

// `lost(job)` hears of videos that do not play; `picked` is the selection.
function createGallery(source, container, { lost, picked }) {
  let wanted; // nothing is asked for until the gallery is shown: other views may be opened first
  let shape = "wide";
  let layout;
  let active = 0;
  let frame;
  let shift = 0; // how much higher than its place in the document a position of a very tall gallery is
  let before = 0; // the place in the document at the last scroll
  let settle;
  let listener = () => {};
  const cards = new Map();
  const headings = new Map();
  const spare = [];
  const pages = createPages(source, { heard, draw, failed });

  // -- places

  const head = () => document.querySelector(".top").offsetHeight;
  const physical = () => Math.max(0, -container.getBoundingClientRect().top);
  const room = () => Math.max(1, Math.min(layout.tall, MOST_PIXELS) - innerHeight);
  const isScaled = () => layout.tall > MOST_PIXELS;
  const scaled = (virtual) => (virtual * room()) / (layout.tall - innerHeight);

  function scrolled() {
    if (!layout) return;
    const now = physical();
    if (!isScaled()) shift = 0;
    // a drag of the scrollbar goes to a part of the whole, a turn of the wheel moves the cards by as much
    else if (Math.abs(now - before) > innerHeight * 1.5)
      shift = (now * (layout.tall - innerHeight)) / room() - now;
    before = now;
    clearTimeout(settle);
    settle = setTimeout(settled, STILL);
    draw();
  }

  function settled() {
    // a scroll whose event is still to come would be undone; its event sets the scale right later
    if (layout && isScaled() && Math.abs(physical() - before) < 1) scrollToVirtual(physical() + shift);
  }

  function scrollToVirtual(virtual) {
    const top = Math.min(Math.max(virtual, 0), Math.max(0, layout.tall - innerHeight));
    const to = isScaled() ? scaled(top) : virtual;
    shift = isScaled() ? top - to : 0;
    const now = -container.getBoundingClientRect().top;
    if (Math.abs(to - now) > 0.5) scrollBy(0, to - now);
    before = physical();
    draw();
  }

  // -- what is drawn

  function draw() {
    if (frame === undefined) frame = requestAnimationFrame(render);
  }

  function render() {
    frame = undefined;
    if (!wanted || !container.clientWidth) return; // not in sight
    const { total, groups } = pages.state();
    layout = arrange({ width: container.clientWidth, total: total ?? 0, list: wanted.list, shape, groups });
    container.classList.toggle("upright", shape === "upright");
    container.style.height = `${Math.min(layout.tall, MOST_PIXELS)}px`;
    if (!isScaled()) shift = 0;
    const top = -container.getBoundingClientRect().top + shift;
    const [first, last] = layout.between(Math.max(0, top - BEYOND), Math.max(0, top + innerHeight + BEYOND));
    for (const [index, card] of cards) {
      const keeps = card.node.contains(document.activeElement) && index < layout.total;
      if ((index < first || index >= last) && !keeps) put(index, card);
    }
    if ((active < first || active >= last) && !container.contains(document.activeElement))
      active = Math.min(Math.max(first, 0), Math.max(0, layout.total - 1));
    for (let index = first; index < last; index += 1) drawCard(index);
    drawHeadings(layout.headings(Math.max(0, top - BEYOND), top + innerHeight + BEYOND));
    pages.want(first, last);
  }

  function drawCard(index) {
    const card = cards.get(index) || taken(index);
    const { x, y } = layout.place(index);
    card.fill(pages.at(index), index, layout.total, { shape, list: wanted.list });
    card.place(x, y - shift, layout);
    card.link.tabIndex = index === active ? 0 : -1;
  }

  function drawHeadings(wantedOnes) {
    const kept = new Set(wantedOnes.map(({ group }) => group));
    for (const [group, node] of headings)
      if (!kept.has(group)) {
        node.remove();
        headings.delete(group);
      }
    for (const { group, first, jobs, y } of wantedOnes) {
      const node = headings.get(group) ?? el("p", { class: "group-title", role: "presentation" });
      if (!headings.has(group)) container.append(node);
      headings.set(group, node);
      const [name, kind] = nameGroup(pages.at(first));
      node.replaceChildren(el("strong", {}, name ?? "…"), ` ${kind}${Words.counted(jobs, "job")}`);
      node.style.transform = `translateY(${y - shift}px)`;
    }
  }

  // What the jobs of a group have in common, by the first of them.
  function nameGroup(job) {
    if (pages.state().order !== "chain" || !job) return [job?.prompt, ""];
    return job.chain ? [job.chain.name, "chain, "] : ["In no chain", ""];
  }

  function put(index, card) {
    cards.delete(index);
    card.node.remove();
    spare.push(card);
  }

  function taken(index) {
    const card = spare.pop() || createCard(source, { lost, picked, select });
    cards.set(index, card);
    container.append(card.node);
    return card;
  }

  // -- what comes from the server

  function heard(answer, { isFirst }) {
    if (isFirst) {
      shape = chooseShape(answer.jobs);
      active = 0;
    }
    // new videos come on top of what nobody looks at; else they are only counted
    if (pages.state().newer && isUnread()) pages.advance();
    tell();
    draw();
  }

  function failed(message, { wrong }) {
    if (wrong) tell(message);
    else toast(message, { wrong: true });
  }

  function tell(wrong) {
    listener({ ...pages.state(), wrong });
  }

  function show(filter) {
    wanted = filter;
    const top = container.getBoundingClientRect().top - head();
    if (layout && top < 0) scrollBy(0, top - 120); // the beginning of what is shown now
    return pages.show(filter);
  }

  // Cards that changed while the page was open.
  function change(changed) {
    if (!wanted || !changed.length) return;
    pages.change(changed, (job) => !wanted.where && matches(job, wanted));
    draw();
  }

  const isUnread = () =>
    scrollY < 40 && !container.matches(":hover, :focus-within") && !document.querySelector("dialog[open]");

  // -- what a person does

  function focus(index) {
    if (!layout?.total) return;
    active = Math.min(Math.max(index, 0), layout.total - 1);
    const { y } = layout.place(active);
    const top = y + container.getBoundingClientRect().top - shift;
    if (top < head() + 8) scrollToVirtual(y - head() - 8);
    else if (top + layout.row > innerHeight) scrollToVirtual(y + layout.row - innerHeight);
    render();
    cards.get(active)?.link.focus({ preventScroll: true });
  }

  const indexOf = (node) => [...cards].find(([, card]) => card.node.contains(node))?.[0];

  async function select(card, event) {
    const index = indexOf(card.node);
    const job = pages.at(index);
    if (!job) return;
    const from = picked.anchor();
    if (!event.shiftKey || from === undefined || from === index) picked.toggle(job, index);
    else {
      const [first, last] = [Math.min(from, index), Math.max(from, index)];
      await picked.addRange(pages.question(), first, last - first + 1, index);
    }
    draw();
  }

  container.addEventListener("keydown", (event) => {
    const index = indexOf(event.target);
    if (index === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = Math.max(1, Math.floor((innerHeight - head()) / layout.row));
    const to = {
      ArrowRight: index + 1,
      ArrowLeft: index - 1,
      ArrowDown: layout.below(index, 1),
      ArrowUp: layout.below(index, -1),
      PageDown: layout.below(index, rows),
      PageUp: layout.below(index, -rows),
      Home: 0,
      End: layout.total - 1,
    }[event.key];
    if (to === undefined || event.target.matches("input, button")) return;
    event.preventDefault();
    if (to >= 0 || event.key.startsWith("Page")) focus(to);
  });
  addEventListener("scroll", scrolled, { passive: true });
  new ResizeObserver(draw).observe(container);
  picked.onChange(draw);

  return {
    show,
    change,
    reload: pages.fresh,
    again: pages.again,
    grown: pages.grown,
    advance: pages.advance,
    question: pages.question,
    first: () => pages.at(0),
    onCount: (to) => {
      listener = to;
    },
    asList: (yes) => {
      if (wanted) wanted = { ...wanted, list: yes };
      container.classList.toggle("list", yes);
      draw();
    },
    focusJob: (id) => {
      const at = pages.find(id);
      if (at !== undefined) focus(at);
    },
    move: (step) => focus(container.contains(document.activeElement) ? active + step : active),
    activeCard: () => cards.get(active),
    pick: () => select(cards.get(active), { shiftKey: false }),
    // The job beside another one; undefined if there is none, or it is not there yet.
    beside: (id, step) => {
      const at = pages.find(id);
      if (at === undefined) return undefined;
      const to = at + step;
      if (to >= 0 && to < (pages.state().total ?? 0) && !pages.at(to)) pages.want(to, to + 1);
      return pages.at(to)?.id;
    },
  };
}

export { createGallery };
