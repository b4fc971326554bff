// What all charts have in common: elements, the figure with its title, sentence, readout and table, the axes.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== undefined && child !== ""));
  return node;
}
const html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);
const text = (x, y, words, attributes = {}) => svg("text", { x, y, ...attributes }, words);

const link = (href, words) => (href ? html("a", { href }, words) : words);

let figures = 0;

// The frame of one chart. `table` makes the rows, the head first, when somebody opens them; `links` makes an address
// for each row. `tell` puts a newer sentence and table in the place of the old ones. `say(words, {x, y, lines})` reads something out and shows it beside
// a point of the plot: `lines` are texts, or pairs of a swatch's name and a text.
function figure({ title, summary, hint, table, links }) {
  figures += 1;
  const id = `chart-${figures}`;
  const plot = html("div", {
    class: "chart-plot",
    tabindex: 0,
    role: "group",
    "aria-roledescription": "chart",
    "aria-labelledby": `${id}-title`,
    "aria-describedby": `${id}-summary ${id}-hint`,
  });
  const readout = html("p", { class: "chart-readout unseen", "aria-live": "polite" });
  const tip = html("div", { class: "chart-tip", "aria-hidden": "true", hidden: true });
  const sentence = html("p", { class: "chart-summary", id: `${id}-summary` }, summary);
  const rows = tableOf(title, table, links);
  const room = html("div", { class: "chart-room" }, plot, tip);
  const node = html(
    "figure",
    { class: "chart" },
    html("figcaption", {}, html("h2", { id: `${id}-title` }, title), sentence),
    room,
    html("div", { class: "chart-foot" }, rows.node, html("p", { class: "chart-hint", id: `${id}-hint` }, hint)),
    readout,
  );
  // A plot that only follows the cursor of another shows what it has, and is not read out.
  function say(words, { x = 0, y = 0, lines = [words], isHere = true } = {}) {
    const heard = isHere ? words : "";
    if (readout.textContent !== heard) readout.textContent = heard; // it is read out when it is set
    tip.hidden = !words;
    if (words) fillTip(tip, lines, room.clientWidth, x, y);
  }
  function tell(newer) {
    sentence.textContent = newer.summary;
    rows.refill(newer.table, newer.links);
  }
  return { node, plot, room, say, tell };
}

function fillTip(tip, lines, width, x, y) {
  const line = (one) => (Array.isArray(one) ? html("p", {}, swatch(one[0]), one[1]) : html("p", {}, one));
  tip.replaceChildren(...lines.map(line));
  const [wide, tall, away] = [tip.offsetWidth, tip.offsetHeight, 14];
  const left = x + away + wide <= width ? x + away : Math.max(0, x - away - wide);
  const top = y - tall - away / 2 >= -40 ? y - tall - away / 2 : y + away;
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

const swatch = (name) => html("span", { class: `chart-swatch chart-swatch-${name}`, "aria-hidden": "true" });

// A legend: names of swatches with their words, and the address of the jobs behind them if there is one.
function key(entries) {
  const items = entries
    .filter(Boolean)
    .map(([name, words, href]) => html("li", {}, swatch(name), link(href, words)));
  return html("ul", { class: "chart-key" }, ...items);
}

function tableOf(title, make, links) {
  const details = html("details", { class: "chart-table" }, html("summary", {}, "As a table"));
  const room = html("div", {
    class: "chart-scroll",
    tabindex: 0,
    role: "region",
    "aria-label": `${title}: table`,
  });
  function fillRoom() {
    const [head, ...rows] = make();
    const hrefs = links?.() ?? [];
    const cells = (row, href) =>
      row.map((cell, index) =>
        index ? html("td", {}, String(cell)) : html("th", { scope: "row" }, link(href, String(cell))),
      );
    const body = rows.map((row, index) => html("tr", {}, ...cells(row, hrefs[index])));
    const { scrollTop, scrollLeft } = room;
    room.replaceChildren(
      html(
        "table",
        {},
        html("thead", {}, html("tr", {}, ...head.map((cell) => html("th", { scope: "col" }, cell)))),
        html("tbody", {}, ...body),
      ),
    );
    Object.assign(room, { scrollTop, scrollLeft });
  }
  details.addEventListener("toggle", () => {
    if (!details.open || room.isConnected) return;
    fillRoom();
    details.append(room);
  });
  // Rows that nobody has opened yet are made when somebody does.
  function refill(newer, addresses) {
    [make, links] = [newer, addresses];
    if (room.isConnected && details.open) fillRoom();
    else room.remove();
  }
  return { node: details, refill };
}

// The time axis below a plot, with the date where a day begins and a mark where time is left out.
function timeAxis(scale, y, top) {
  const parts = [svg("line", { x1: scale.left, x2: scale.right, y1: y, y2: y, class: "chart-line" })];
  for (const tick of scale.ticks()) {
    const anchor = tick.x < scale.left + 24 ? "start" : tick.x > scale.right - 24 ? "end" : "middle";
    parts.push(svg("line", { x1: tick.x, x2: tick.x, y1: y, y2: y + 4, class: "chart-line" }));
    if (tick.label) parts.push(text(tick.x, y + 16, tick.label, { "text-anchor": anchor }));
    if (tick.day)
      parts.push(
        text(tick.x, y + (tick.label ? 30 : 16), tick.day, { "text-anchor": anchor, class: "chart-day" }),
      );
  }
  return svg("g", { class: "chart-axis", "aria-hidden": "true" }, ...parts, ...breaks(scale, y, top));
}

function breaks(scale, y, top) {
  return scale.axis.begins.slice(1).flatMap((begin) => {
    const width = scale.axis.gap * scale.factor;
    const x = scale.left + (begin - scale.from) * scale.factor - width;
    if (x + width < scale.left || x > scale.right) return [];
    return [svg("rect", { x, y: top, width, height: y - top + 1, class: "chart-break" })];
  });
}

// What is drawn anew under a pointer that rests hears of it too.
const hasNotMoved = (event) => event.movementX === 0 && event.movementY === 0;

// Lets the pointer and the arrow keys choose one of `number` items; `at(x, y)` is the item under the pointer, and
// `open` opens one. What was chosen before the plot was drawn again stays chosen.
function choose(plot, number, at, show, open) {
  let chosen = -1;
  const pick = (index) => {
    chosen = index;
    plot.chosen = index;
    show(index);
  };
  if (plot.chosen >= 0 && plot.chosen < number) pick(plot.chosen);
  plot.onpointermove = (event) => {
    if (hasNotMoved(event)) return;
    const box = plot.getBoundingClientRect();
    pick(at(event.clientX - box.left, event.clientY - box.top));
  };
  plot.onpointerleave = () => pick(-1);
  plot.onclick = (event) => {
    const box = plot.getBoundingClientRect();
    const index = at(event.clientX - box.left, event.clientY - box.top);
    if (index >= 0) open(index);
  };
  plot.onblur = () => pick(-1);
  plot.onkeydown = (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -number, End: number };
    if (event.key === "Escape") return pick(-1);
    if (event.key === "Enter" && chosen >= 0) return open(chosen);
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return undefined;
    event.preventDefault();
    const start = chosen < 0 && steps[event.key] < 0 ? number : chosen;
    return pick(Math.max(0, Math.min(number - 1, start + steps[event.key])));
  };
}

export { choose, figure, hasNotMoved, html, key, link, svg, text, timeAxis };
