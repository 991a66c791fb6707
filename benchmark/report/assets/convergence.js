// The plot of all curves: choose runs, what is drawn, smoothing and axes; the state is in the address.
"use strict";
(() => {
  const { series, axisOf, limits, gainLimits, known, GAINS, replace, redraw } = report.plots;
  const PALETTE = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"];
  const MARKERS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "x", "cross", "star"];
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const QUANTITIES = {
    test: "gain on test images", validation: "gain on validation images", train: "gain on training images",
    relative: "loss / first loss", loss: "loss, in each recipe’s unit",
  };

  // Exponential moving average, corrected for its start: each value weighs `share` times as much as the next one.
  const smoothed = (values, share) => {
    let [sum, weight] = [0, 0];
    return values.map((value) => {
      sum = share * sum + (1 - share) * value;
      weight = share * weight + (1 - share);
      return sum / weight;
    });
  };

  const look = (index) => ({
    colour: PALETTE[index % 8], marker: MARKERS[index % 8], line: DASHES[Math.floor(index / 8) % 4], wide: true, most: 9,
  });

  // The points of a curve in a state: [x, y, y before smoothing].
  const points = (curve, state) => {
    const gain = state.y in GAINS;
    const pairs = known(gain ? curve.measured : curve.steps, curve[state.y] ?? [])
      .filter(([x, y]) => (!state.logx || x > 0) && (!(state.logy && !gain) || y > 0));
    const last = Math.max(1, curve.steps.at(-1) ?? curve.measured.at(-1) ?? 1);
    const x = pairs.map(([step]) => (state.share ? (100 * step) / last : step));
    const y = pairs.map((pair) => pair[1]);
    return [x, state.smooth ? smoothed(y, state.smooth) : y, y];
  };

  const plotOf = (curves, state) => {
    const gain = state.y in GAINS;
    const drawn = curves.map((curve) => ({ curve, at: state.runs.indexOf(curve.run), parts: points(curve, state) }))
      .filter(({ at, parts }) => parts[0].length && (at >= 0 || !state.alone));
    const others = drawn.filter(({ at }) => at < 0).map(({ curve, parts: [x, y] }) =>
      series(curve.run, x, y, { colour: "faint", legend: false }));
    const chosen = drawn.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at).flatMap(({ curve, at, parts: [x, y, raw] }) => {
      const own = series(curve.run, x, y, look(at));
      return state.smooth ? [series(curve.run, x, raw, { ...look(at), marker: "", wide: false, colour: own.colour, legend: false, faint: true }), own] : [own];
    });
    const all = [...others, ...chosen];
    const log = state.logy && !gain;
    const values = drawn.flatMap(({ parts: [, y] }) => y);
    const ends = limits(drawn.flatMap(({ parts: [x] }) => x), state.logx);
    if (ends && !state.logx) ends[0] = 0;
    return {
      columns: 1, height: 4.7, panels: [{
        title: "", series: all, rules: gain ? [{ text: "blurred input", x: null, y: 0 }] : [],
        x: axisOf(state.share ? "share of the run’s training (%)" : "training step", { log: state.logx, limits: ends }),
        y: axisOf(gain ? `gain in PSNR on ${GAINS[state.y]} (dB)` : QUANTITIES[state.y], { log, limits: gain ? gainLimits(values) : limits(values, log) }),
      }],
    };
  };

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  report.convergence = async (figure, { curves, presets }) => {
    const params = report.params();
    const names = new Set(curves.map((curve) => curve.run));
    const first = Object.keys(presets)[0];
    const asked = params.get("runs")?.split(",").filter((run) => names.has(run));
    const state = {
      runs: asked ?? [...(presets[first] ?? [])],
      y: params.get("y") in QUANTITIES ? params.get("y") : "test",
      smooth: Math.min(0.95, Math.max(0, Number(params.get("smooth")) || 0)),
      logx: params.has("logx"), logy: params.get("logy") !== "0", share: params.has("share"), alone: params.has("alone"),
    };
    const standard = (presets[first] ?? []).join();
    const spoken = element("output");
    const boxes = new Map();
    const update = () => {
      report.setParams({
        plot: "curves", runs: state.runs.join() === standard ? null : state.runs.join() || "none", y: state.y === "test" ? null : state.y,
        smooth: state.smooth || null, logx: state.logx ? 1 : null, logy: state.logy ? null : "0", share: state.share ? 1 : null, alone: state.alone ? 1 : null,
      });
      show();
      redraw(figure);
    };
    const show = () => {
      const gain = state.y in GAINS;
      boxes.forEach((box, run) => (box.checked = state.runs.includes(run)));
      spoken.textContent = ` (${state.runs.length} of ${curves.length} in colour)`;
      smooth.nextSibling.textContent = state.smooth ? state.smooth.toFixed(2) : "off";
      logy.disabled = gain;
    };
    const choose = (run, on) => {
      state.runs = state.runs.filter((name) => name !== run);
      if (on) state.runs.push(run);
      update();
    };

    const quantity = element("select", {}, ...Object.entries(QUANTITIES).map(([value, text]) => element("option", { value, textContent: text, selected: value === state.y })));
    quantity.addEventListener("change", () => { state.y = quantity.value; update(); });
    const smooth = element("input", { type: "range", min: 0, max: 0.95, step: 0.05, value: state.smooth });
    smooth.addEventListener("input", () => { state.smooth = Number(smooth.value); update(); });
    const check = (text, key) => {
      const box = element("input", { type: "checkbox", checked: state[key] });
      box.addEventListener("change", () => { state[key] = box.checked; update(); });
      return [box, element("label", {}, box, ` ${text}`)];
    };
    const [logy, logyLabel] = check("logarithmic loss", "logy");
    const preset = element("select", {}, element("option", { value: "", textContent: "a group of runs" }),
      ...Object.keys(presets).map((name) => element("option", { value: name, textContent: name })),
      element("option", { value: "none", textContent: "none" }));
    preset.addEventListener("change", () => {
      if (!preset.value) return;
      state.runs = [...(presets[preset.value] ?? [])];
      preset.value = "";
      update();
    });

    // A box per run, by system, with a field that narrows the list.
    const list = element("div", { className: "runs" });
    const systems = [...new Set(curves.map((curve) => curve.system))];
    for (const system of systems) {
      for (const { run, about } of curves.filter((curve) => curve.system === system)) {
        const box = element("input", { type: "checkbox" });
        box.addEventListener("change", () => choose(run, box.checked));
        boxes.set(run, box);
        list.append(element("label", { title: about, className: run === system ? "main" : "" }, box, ` ${run}`));
      }
    }
    const find = element("input", { type: "search", placeholder: "name of a run" });
    find.setAttribute("aria-label", "Narrow the list of runs");
    find.addEventListener("input", () => {
      for (const label of list.children) label.hidden = !label.textContent.toLowerCase().includes(find.value.trim().toLowerCase());
    });
    const form = element("form", { className: "controls" },
      element("label", {}, "Show ", quantity), element("label", {}, "Choose ", preset),
      element("label", {}, "Smooth ", smooth, element("span", { className: "value" })), logyLabel,
      check("logarithmic steps", "logx")[1], check("steps as a share", "share")[1], check("only the coloured", "alone")[1],
      element("details", { className: "chooser" }, element("summary", {}, "Choose runs", spoken), find, list));
    form.addEventListener("submit", (event) => event.preventDefault());
    figure.querySelector(".static").before(form);
    show();
    const live = await replace(figure, () => plotOf(curves, state));
    live.on("plotly_click", ({ points: [point] }) => {
      const run = point?.data.meta;
      if (names.has(run)) choose(run, !state.runs.includes(run));
    });
  };
})();
