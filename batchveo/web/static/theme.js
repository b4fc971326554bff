// Light, dark, or as the system is; remembered where the browser lets a page remember.

import { icon } from "./dom.js";

const KEY = "batchveo-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const LOOKS = { system: ["half", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"] };

function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function keep(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    /* a page of a file may not */
  }
}

function createTheme(button) {
  let theme = kept() in LOOKS ? kept() : "system";
  function show() {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const [sign, word] = LOOKS[theme];
    button.replaceChildren(icon(sign));
    button.setAttribute("aria-label", `Theme: ${word}`);
    button.title = `Theme: ${word}`;
  }
  button.addEventListener("click", () => {
    theme = NEXT[theme];
    keep(theme);
    show();
  });
  show();
}

export { createTheme };
