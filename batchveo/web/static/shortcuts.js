// Keys of the whole page, and the list of them. Single keys can be switched off: they may be in the way of a screen
// reader or of speech input.

import { el, listKeys, openKeys } from "./dom.js";

const KEPT = "batchveo-keys";
const KEYS = [
  [
    "Everywhere",
    [
      ["/", "Search"],
      ["?", "This list"],
      ["Esc", "Close, or clear the selection"],
    ],
  ],
  [
    "Gallery",
    [
      ["j k", "Next, previous job"],
      ["← → ↑ ↓", "Move among the cards; Page up and down, Home, End too"],
      ["Enter", "Open the job"],
      ["Space", "Play, stop the video in focus"],
      ["x", "Select the job in focus"],
      ["n", "Show new videos"],
    ],
  ],
  [
    "Job",
    [
      ["j k, ← →", "Next, previous job"],
      ["Space", "Play, pause"],
      [", .", "One frame back, on"],
      ["< >", "Slower, faster"],
      ["l", "Repeat"],
      ["← → in a chain", "Next, previous link; Home, End too"],
    ],
  ],
];

const remembered = () => {
  try {
    return localStorage.getItem(KEPT) !== "off";
  } catch {
    return true;
  }
};

// `press(key, event)` does what a key is for, and returns whether there was something to do.
function createShortcuts(button, press) {
  let isOn = remembered();

  function showKeys() {
    const box = el("input", { type: "checkbox", checked: isOn, onchange: () => set(box.checked) });
    openKeys(
      "Keyboard shortcuts",
      ...KEYS.flatMap(([title, keys]) => [el("h3", {}, title), listKeys(keys)]),
      el("label", { class: "check" }, box, "Use single keys"),
    );
  }

  function set(yes) {
    isOn = yes;
    try {
      localStorage.setItem(KEPT, yes ? "on" : "off");
    } catch {
      /* for this page only */
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
    const { key, target } = event;
    const isText = target.closest("textarea, select, input:not([type=checkbox], [type=radio], [type=range])");
    if (isText || (key.length === 1 && !isOn)) return;
    if (key === "?" && !document.querySelector("dialog.ask[open]")) showKeys();
    else if (!press(key, event)) return;
    event.preventDefault();
  });
  button.addEventListener("click", showKeys);
}

export { createShortcuts };
