// A question before something that costs money or cannot be taken back.

import { byId, el } from "./dom.js";

// Resolves to true, or to the values of `fields` by their names; to null if the person thinks better of it, or another
// question is open: a second click would have one yes answer both.
// A field: { name, label, kind: "text", "area", "number" or "choice", value, options: [[value, text], ...] }.
function ask({ title, text, yes, danger = false, fields = [] }) {
  const dialog = byId("ask");
  if (dialog.open) return Promise.resolve(null);
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "ask-title" }, title),
    text.map((line) => el("p", {}, line)),
    fields.map(field),
    el(
      "div",
      { class: "ask-do" },
      el("button", { type: "button", onclick: () => dialog.close("") }, "Not now"),
      el("button", { class: danger ? "yes-danger" : "primary", value: "yes" }, yes),
    ),
  );
  dialog.replaceChildren(form);
  dialog.returnValue = "";
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return resolve(null);
        const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
        resolve(!fields.length ? true : Object.values(values).every(Boolean) ? values : null);
      },
      { once: true },
    );
    dialog.showModal();
  });
}

function field({ name, label, kind = "text", value = "", options = [], ...others }) {
  if (kind === "choice")
    return el(
      "fieldset",
      {},
      el("legend", {}, label),
      options.map(([one, words], index) =>
        el(
          "label",
          { class: "choice" },
          el("input", { type: "radio", name, value: one, checked: index === 0 }),
          words,
        ),
      ),
    );
  const attributes = { name, required: true, autocomplete: "off", spellcheck: "false", ...others };
  const input =
    kind === "area"
      ? el("textarea", { ...attributes, rows: 5 }, value)
      : el("input", { type: kind, ...attributes, value });
  return el("label", {}, label, input);
}

export { ask };
