// A question before something that costs money or cannot be taken back.

import { byId, el } from "./dom.js";

// Resolves to true (or what was typed into the field), or to null where the person thinks better of it.
function ask({ title, text, yes, danger = false, field }) {
  const dialog = byId("ask");
  const input =
    field &&
    el("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", name: "answer" });
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "ask-title" }, title),
    text.map((line) => el("p", {}, line)),
    input && el("label", {}, field, input),
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
        const agreed = dialog.returnValue === "yes";
        resolve(!agreed ? null : input ? input.value.trim() || null : true);
      },
      { once: true },
    );
    dialog.showModal();
  });
}

export { ask };
