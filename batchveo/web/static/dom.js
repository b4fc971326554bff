// Elements made of text only: nothing that comes from outside is ever read as markup.
const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  check: "M4 12.5l5 5L20 6.5",
  cross: "M6 6l12 12M18 6L6 18",
  question: "M9.3 9.2a2.8 2.8 0 1 1 3.9 2.8c-.8.4-1.2.9-1.2 1.9M12 17v.01M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18",
  spark: "M12 3v5M12 16v5M3 12h5M16 12h5M6 6l3 3M15 15l3 3M18 6l-3 3M9 15l-3 3",
  down: "M12 4v11M7 11l5 5l5-5M5 20h14",
  up: "M12 20V9M7 13l5-5l5 5M5 4h14",
  ban: "M5.6 5.6l12.8 12.8M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18",
  left: "M15 5l-7 7l7 7",
  right: "M9 5l7 7l-7 7",
  sun: "M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  moon: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z",
  half: "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18M12 3v18M12 8l5-3M12 13l8-4M12 18l8-5",
  star: "M12 3.6l2.6 5.4 5.9.8-4.3 4.1 1 5.9-5.2-2.8-5.2 2.8 1-5.9-4.3-4.1 5.9-.8z",
  play: "M8 5v14l11-7z",
  pause: "M8 5v14M16 5v14",
  sound: "M5 10v4h3l4 4V6l-4 4zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11",
  mute: "M5 10v4h3l4 4V6l-4 4zM16 10l5 5M21 10l-5 5",
  grid: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z",
  list: "M4 6h16M4 12h16M4 18h16",
  funnel: "M4 5h16l-6 7v6l-4 2v-8z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  plus: "M12 5v14M5 12h14",
  forward: "M6 5v14l9-7zM18 5v14",
  backward: "M18 5v14l-9-7zM6 5v14",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
  loop: "M17 3l3 3-3 3M20 6H8a4 4 0 0 0-4 4v1M7 21l-3-3 3-3M4 18h12a4 4 0 0 0 4-4v-1",
  link: "M10 13a5 5 0 0 0 7.5.5l3-3a5 5 0 0 0-7-7l-1.7 1.7M14 11a5 5 0 0 0-7.5-.5l-3 3a5 5 0 0 0 7 7l1.7-1.7",
  unlink:
    "M18.8 12.3l1.7-1.8a5 5 0 0 0-7-7l-1.8 1.7M5.2 11.8l-1.7 1.7a5 5 0 0 0 7 7l1.7-1.7M8 2v3M2 8h3M16 19v3M19 16h3",
  again: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4h4",
};

// el("p", { class: "x", onclick: f, "data-id": 1 }, "text", child): `false` and `undefined` leave an attribute out.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false || value === null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(
    ...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false),
  );
  return node;
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const TAIL = 14;

// A name on one line that is cut in its middle if there is no room: names of one batch differ at their ends.
function cut(node, text) {
  const letters = Array.from(text);
  const isLong = letters.length > TAIL;
  node.classList.toggle("cut", isLong);
  if (!isLong) {
    node.textContent = text;
    node.removeAttribute("aria-label");
    return;
  }
  // the end begins with a word, if one begins there
  const tail = letters.slice(-Math.min(TAIL, letters.length / 2)).join("");
  const word = tail.search(/[\s_/.-](?=\S)/);
  const end = word >= 0 && word < tail.length / 2 ? tail.slice(word + 1) : tail;
  const start = text.slice(0, text.length - end.length);
  node.replaceChildren(el("span", {}, start), el("span", {}, end));
  node.setAttribute("aria-label", text); // two pieces would be read as two words
}

// Changes what is in `node`. What has the focus keeps it if one thing has its name again, else what closes the dialog.
function keepFocus(node, change) {
  const { activeElement } = document;
  const name = node.contains(activeElement) ? nameOf(activeElement) : undefined;
  change();
  if (name === undefined || node.contains(document.activeElement)) return;
  const same = [...node.querySelectorAll("a, button, summary, input, select, pre")].filter(
    (one) => nameOf(one) === name,
  );
  const next = same.length === 1 ? same[0] : node.querySelector("[autofocus]");
  next?.focus({ preventScroll: true });
}

// Without its numbers, which change during a run.
const nameOf = (node) =>
  `${node.tagName} ${node.getAttribute("aria-label") ?? node.textContent}`.replace(/[\d,]+/g, "");

const byId = (id) => document.getElementById(id);

function toast(text, { wrong = false } = {}) {
  const node = el("p", { class: wrong ? "toast wrong" : "toast" }, text);
  byId("toasts").append(node);
  setTimeout(() => node.remove(), wrong ? 9000 : 5000);
}

// Said to screen readers only.
function speak(text) {
  if (byId("spoken").textContent !== text) byId("spoken").textContent = text;
}

// Puts text on the clipboard; a page over plain http from another machine may not.
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied.`);
  } catch {
    toast("The browser does not let this page copy.", { wrong: true });
  }
}

function save(name, text) {
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  el("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

// A list of keys, each with what it does: [["j k", "Next, previous"], ...].
function listKeys(keys) {
  const cap = (part, index) => (index % 2 ? part : el("kbd", {}, part));
  return el(
    "dl",
    {},
    keys.map(([key, does]) => [el("dt", {}, key.split(/( – |, | )/).map(cap)), el("dd", {}, does)]),
  );
}

// Opens the dialog of keys with `parts` below its title.
function openKeys(title, ...parts) {
  const dialog = byId("keys");
  const close = { type: "button", class: "primary", onclick: () => dialog.close(), autofocus: true };
  dialog.replaceChildren(
    el("h2", { id: "keys-title" }, title),
    ...parts,
    el("div", { class: "ask-do" }, el("button", close, "Close")),
  );
  dialog.showModal();
}

export { byId, copy, cut, el, icon, keepFocus, listKeys, openKeys, save, speak, toast };
