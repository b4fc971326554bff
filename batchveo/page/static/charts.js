// The charts of one night. `renderCharts(container, data, {load})` draws what `charting.charts` made;
// `load(key)` resolves to the data of another night, and without it there is no choice of nights.
// Needs charts-time, -frame, -series, -spread, -lanes, -paint and -timeline, loaded in this order, before it.
// Drawing again into the same container replaces what was there.
"use strict";
const renderCharts = (() => {
  const { html } = ChartFrame;
  const T = ChartTime;
  const { sum, most } = ChartSeries;

  function facts(data) {
    const seconds = data.night.stretches.reduce((total, [start, end]) => total + end - start, 0);
    const videos = sum(data.flow.finished);
    return { seconds, videos, failed: sum(data.flow.failed), perHour: videos / Math.max(seconds / 3600, 1 / 3600), peak: most(data.flow.peak) };
  }

  function span({ start, end }) {
    const sameDay = T.day(start) === T.day(end);
    return `${T.day(start)} ${T.clock(start)} – ${sameDay ? "" : `${T.day(end)} `}${T.clock(end)}`;
  }

  function choice(container, data, options) {
    const { nights, night } = data;
    const zone = html("span", { class: "chart-zone" }, `Times: ${T.zone()}`);
    if (!options.load || nights.length < 2) return html("p", { class: "chart-choice" }, html("span", {}, span(night)), zone);
    const entries = nights.map((one) => html("option", { value: one.key, selected: one.key === night.key }, span(one)));
    entries.push(html("option", { value: "all", selected: night.key === "all" }, "All nights, the time between them left out"));
    const select = html("select", {}, ...entries);
    select.addEventListener("change", async () => {
      select.disabled = true;
      try {
        render(container, await options.load(select.value), options);
        container.querySelector("select")?.focus();
      } catch (error) {
        select.disabled = false;
        zone.textContent = `That night could not be loaded: ${error.message}`;
      }
    });
    return html("p", { class: "chart-choice" }, html("label", {}, "Night ", select), zone);
  }

  function render(container, data, options = {}) {
    container.charts?.disconnect();
    container.classList.add("charts");
    if (data.night === null) {
      container.replaceChildren(html("p", { class: "chart-nothing" }, "Nothing has run yet: the charts come with the first run."));
      return;
    }
    const axis = T.axis(data.night.stretches);
    const told = facts(data);
    const drawn = [ChartTimeline.timeline(data, axis, told), ChartSeries.flow(data, axis, told), ChartSeries.money(data, axis, told), ChartSpread.spread(data)];
    container.replaceChildren(choice(container, data, options), html("div", { class: "charts-all" }, ...drawn.map(({ node }) => node)));
    keepFitting(container, drawn);
  }

  // Drawn at the width there is, again when that or the light changes.
  function keepFitting(container, drawn) {
    const draw = () => drawn.forEach(({ node, draw: fit }) => {
      const width = Math.floor(node.querySelector(".chart-plot").clientWidth);
      if (width > 0) fit(width);
    });
    let known = 0;
    let asked = 0;
    const soon = () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(draw); };
    const sizes = new ResizeObserver(() => { if (container.clientWidth !== known) { known = container.clientWidth; soon(); } });
    const light = window.matchMedia("(prefers-color-scheme: dark)");
    const theme = new MutationObserver(soon);
    sizes.observe(container);
    light.addEventListener("change", soon);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme"] });
    container.charts = { disconnect() { sizes.disconnect(); theme.disconnect(); light.removeEventListener("change", soon); } };
  }

  return render;
})();
