"use strict";
(() => {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const charts = [];

  // ---- Light and dark: the page by its style sheet, the charts by their layout
  function colours() {
    const style = getComputedStyle(root);
    const of = (name) => style.getPropertyValue(name).trim();
    return { ink: of("--ink"), quiet: of("--quiet"), line: of("--line"), card: of("--card") };
  }
  function themed(layout) {
    const c = colours();
    const axis = { gridcolor: c.line, zerolinecolor: c.line, linecolor: c.line, tickcolor: c.line };
    const out = { ...layout, paper_bgcolor: c.card, plot_bgcolor: c.card, font: { color: c.ink, family: "system-ui, sans-serif", size: 12 } };
    for (const name of Object.keys(layout)) if (/^[xy]axis/.test(name)) out[name] = { ...layout[name], ...axis };
    for (const name of Object.keys(layout)) if (/^scene/.test(name)) out[name] = { ...layout[name], bgcolor: c.card };
    return out;
  }
  function recolour() {
    for (const chart of charts) {
      const held = chart.div.layout.scene ? { "scene.camera": chart.div.layout.scene.camera } : {};
      const wanted = themed(chart.spec.layout);
      const change = { paper_bgcolor: wanted.paper_bgcolor, plot_bgcolor: wanted.plot_bgcolor, "font.color": wanted.font.color, ...held };
      for (const name of Object.keys(wanted)) {
        if (/^[xy]axis/.test(name)) change[`${name}.gridcolor`] = wanted[name].gridcolor;
        if (/^scene/.test(name)) change[`${name}.bgcolor`] = wanted[name].bgcolor;
      }
      Plotly.relayout(chart.div, change);
    }
  }
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

  // ---- Charts
  function mates(chart) {
    return chart.together ? charts.filter((other) => other.together === chart.together) : [chart];
  }
  function choose(chart, index) {
    const view = chart.spec.views[index];
    for (const mate of mates(chart)) {
      const own = mate.spec.views.find((v) => v.name === view.name);
      if (!own) continue;
      Plotly.restyle(mate.div, { visible: mate.spec.data.map((_, i) => own.show.includes(i)) });
      for (const button of mate.buttons) button.setAttribute("aria-pressed", String(button.textContent === view.name));
    }
  }
  let following = false;
  function follow(chart, event) {
    const camera = event["scene.camera"];
    if (!camera || following) return;
    following = true;
    Promise.all(mates(chart).filter((m) => m !== chart).map((m) => Plotly.relayout(m.div, { "scene.camera": camera })))
      .finally(() => { following = false; });
  }
  // A narrow screen has no room for a colour bar beside a model: it goes below.
  function narrowed(spec) {
    if (innerWidth >= 560 || !spec.layout.scene) return spec;
    const below = { orientation: "h", x: 0.5, y: 0, yanchor: "bottom", len: 0.9, thickness: 10 };
    const data = spec.data.map((trace) => (trace.colorbar
      ? { ...trace, colorbar: { ...trace.colorbar, ...below, title: { ...trace.colorbar.title, side: "top" } } } : trace));
    return { ...spec, data };
  }
  // Maps of one mesh come without the arrays that they share.
  function filled(spec) {
    const shared = ({ x, y, z, i, j, k }) => ({ x, y, z, i, j, k });
    return { ...spec, data: spec.data.map(({ like, ...trace }) => (like === undefined ? trace : { ...shared(spec.data[like]), ...trace })) };
  }
  function draw(div) {
    const chart = { div, spec: narrowed(filled(JSON.parse(div.querySelector("script").textContent))), together: div.dataset.together, buttons: [] };
    div.textContent = "";
    charts.push(chart);
    const row = document.createElement("div");
    row.className = "views";
    chart.spec.views.forEach((view, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = view.name;
      button.setAttribute("aria-pressed", String(index === 0));
      button.addEventListener("click", () => choose(chart, index));
      chart.buttons.push(button);
      row.append(button);
    });
    if (chart.buttons.length > 1) div.before(row);
    const first = chart.spec.views[0];
    const data = chart.spec.data.map((trace, i) => (first ? { ...trace, visible: first.show.includes(i) } : trace));
    // a telephone has no room beside a model, and none for a toolbar above a chart: fingers zoom and turn
    const narrow = window.matchMedia("(max-width: 560px)").matches;
    const camera = chart.spec.layout.scene && chart.spec.layout.scene.camera;
    if (narrow && camera) for (const axis in camera.eye) camera.eye[axis] *= 1.35;
    return Plotly.newPlot(div, data, themed(chart.spec.layout), { responsive: true, displaylogo: false, displayModeBar: narrow ? false : "hover" })
      .then(() => { if (chart.together) div.on("plotly_relayout", (event) => follow(chart, event)); });
  }
  const places = [...document.querySelectorAll(".chart")];
  if (!window.Plotly) for (const place of places) place.remove(); // the page says why
  const drawn = window.Plotly ? places.map(draw) : [];
  Promise.all(drawn).then(() => { root.dataset.ready = "true"; }, (error) => { root.dataset.ready = "failed"; throw error; });

  // ---- Paper: a flat chart is as wide as the sheet, not as the window. Its drawings have no viewBox by themselves.
  function paper() {
    for (const { div } of charts) {
      const size = div._fullLayout;
      if (!size || size._has("gl3d")) continue;
      const inner = div.querySelector(".svg-container");
      for (const svg of div.querySelectorAll(".main-svg")) {
        svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
        svg.style.width = "100%";
        svg.style.height = "100%";
      }
      inner.dataset.style = inner.getAttribute("style");
      inner.setAttribute("style", `position: relative; width: 100%; height: auto; aspect-ratio: ${size.width} / ${size.height};`);
    }
  }
  function screen() {
    for (const { div } of charts) {
      const inner = div.querySelector(".svg-container");
      if (!inner || inner.dataset.style === undefined) continue;
      inner.setAttribute("style", inner.dataset.style);
      delete inner.dataset.style;
      for (const svg of div.querySelectorAll(".main-svg")) {
        svg.removeAttribute("viewBox");
        svg.style.width = svg.style.height = "";
      }
    }
  }
  addEventListener("beforeprint", paper);
  addEventListener("afterprint", screen);

  // ---- Before and after
  for (const slider of document.querySelectorAll(".slider")) {
    const input = slider.querySelector("input"), after = slider.querySelector(".after");
    input.addEventListener("input", () => { after.style.clipPath = `inset(0 0 0 ${input.value}%)`; });
  }
})();
