// Plots: Plotly replaces a figure's picture when it comes into sight; benchmark/report/plot.py says what a plot is.
"use strict";
(() => {
  const NARROW = 620; // pixels: panels stand below each other
  const SYMBOLS = { "triangle-left": "triangle-left", tick: "line-ns-open" };
  const SIDES = { right: "middle right", left: "middle left", above: "top left", below: "bottom right" };
  const INCH = 104; // pixels
  const drawn = new Map(); // figure -> a function that draws it again
  const colour = (name) => report.colour(`--${name}`);

  // Plotly reads some tags in its texts; names and reasons are no tags.
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const wrap = (text, width) => {
    const lines = [""];
    for (const word of String(text).split(" ")) {
      if (lines.at(-1) && lines.at(-1).length + word.length >= width) lines.push("");
      lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
    }
    return lines.map(plain).join("<br>");
  };
  const number = (value) => {
    const size = Math.abs(value);
    const text = size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
    return text.replace("-", "−");
  };
  const written = (value, axis) => (axis.names.length && Number.isInteger(value) ? (axis.names[value] ?? "") : number(value));

  const axis = (spec, domain, anchor, few, letters) => {
    const log = (value) => (spec.log ? Math.log10(value) : value);
    return {
      domain, anchor, type: spec.log ? "log" : "linear", visible: !spec.bare,
      range: spec.limits?.map(log), title: { text: plain(spec.title), standoff: 6, font: { size: 13 } },
      ...(spec.names.length && { tickvals: spec.names.map((_, i) => i), ticktext: spec.names.map((name) => wrap(name, letters)) }),
      ...(spec.log && { dtick: spec.limits && spec.limits[1] / spec.limits[0] > 60 ? 1 : "D2", tickformat: "~g" }),
      ...(!spec.log && !spec.names.length && { nticks: few ? 5 : 8 }),
      automargin: true, zeroline: false, gridcolor: colour("grid"), linecolor: colour("quiet"), showline: !spec.bare,
      tickfont: { size: 12 }, tickangle: 0,
    };
  };

  const trace = (series, panel, index, first) => {
    const mode = [series.line && "lines", series.marker && "markers", series.labels.some(Boolean) && "text"].filter(Boolean);
    const tone = colour(series.colour);
    const size = (series.marker === "tick" ? 12 : 8) + (series.wide ? 2 : 0);
    const ends = series.across && {
      type: "data", symmetric: false, thickness: 1.5, width: 0, color: tone,
      array: series.high.map((end, i) => (end === null ? 0 : end - series[series.across][i])),
      arrayminus: series.low.map((end, i) => (end === null ? 0 : series[series.across][i] - end)),
    };
    const say = (i) => {
      const interval = series.across && series.low[i] !== null
        ? `<br>${number(series.low[i])} to ${number(series.high[i])}` : "";
      const values = [[series.x[i], panel.x], [series.y[i], panel.y]].filter(([, a]) => !a.names.length && !a.bare);
      const text = series.points[i] ? wrap(series.points[i], 56) : "";
      return [`<b>${plain(series.name)}</b>`, text, ...values.map(([v, a]) => `${plain(a.title || "value")}: ${written(v, a)}`)]
        .filter(Boolean).join("<br>") + interval;
    };
    return {
      type: "scatter", x: series.x, y: series.y, opacity: series.faint ? 0.35 : 1, mode: mode.join("+") || "markers", name: plain(series.name), meta: series.name,
      xaxis: `x${index || ""}`, yaxis: `y${index || ""}`, legendgroup: series.name, showlegend: first && series.legend,
      line: { color: tone, width: series.wide ? 2.4 : series.colour === "faint" ? 0.8 : 1.4, dash: series.line || "solid" },
      marker: {
        symbol: SYMBOLS[series.marker] ?? series.marker, size, color: series.hollow ? colour("paper") : tone,
        line: { color: tone, width: series.marker === "tick" ? 2 : series.hollow ? 1.6 : 0 }, maxdisplayed: series.most ?? 0,
      },
      text: series.labels.map(plain), textfont: { size: 11, color: colour("ink") }, cliponaxis: false,
      textposition: series.labels.map((_, i) => SIDES[series.sides[i]] ?? SIDES.right),
      ...(ends && { [`error_${series.across}`]: ends }),
      hoverinfo: "text", hovertext: series.x.map((_, i) => say(i)),
    };
  };

  // Return Plotly's traces and layout of a plot at a width in pixels.
  const build = (plot, width) => {
    const columns = width < NARROW ? 1 : Math.min(plot.columns, plot.panels.length);
    const rows = Math.ceil(plot.panels.length / columns);
    const titled = plot.panels.some((panel) => panel.title);
    const two = plot.panels.some((panel) => panel.title.includes("\n"));
    const gap = titled ? (two ? 92 : 84) : 60;
    const letters = width < NARROW ? 22 : columns > 1 ? 40 : 60;
    const lines = Math.max(0, ...plot.panels.map(({ y }) => y.names.length * Math.max(0, ...y.names.map((name) => wrap(name, letters).split("<br>").length))));
    const body = Math.max(150, plot.height * INCH - gap, 15.5 * lines);
    const height = rows * body + (rows - 1) * gap;
    const named = plot.panels.some((panel) => panel.y.names.length);
    const across = named ? 16 : plot.panels[0].y.bare ? 18 : 74;
    const widest = named ? Math.min(letters, Math.max(...plot.panels.flatMap((p) => p.y.names.map((n) => n.length)))) : 0;
    const inside = Math.max(120, width - 60 - 6.6 * widest);
    const share = (1 - ((columns - 1) * across) / inside) / columns;
    const part = (body / height);
    const data = [];
    const seen = new Set();
    const layout = {
      width, height: height + 130, margin: { l: named ? 10 : 60, r: 14, t: titled ? (two ? 44 : 28) : 10, b: 50 }, dragmode: width < NARROW ? false : "zoom",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest", shapes: [], annotations: [],
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("ink") },
      hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("quiet"), font: { color: colour("ink"), size: 12 }, align: "left", namelength: -1 },
      legend: { orientation: "h", x: 0, xanchor: "left", y: -54 / height, yanchor: "top", font: { size: 12 }, tracegroupgap: 0, itemsizing: "trace" },
    };
    plot.panels.forEach((panel, at) => {
      const index = at ? at + 1 : "";
      const [row, column] = [Math.floor(at / columns), at % columns];
      const left = column * (share + across / inside);
      const top = 1 - row * (part + gap / height);
      const domains = [[left, Math.min(1, left + share)], [Math.max(0, top - part), top]];
      layout[`xaxis${index}`] = axis(panel.x, domains[0], `y${index}`, columns > 1 || width < NARROW, 14);
      layout[`yaxis${index}`] = axis(panel.y, domains[1], `x${index}`, true, letters);
      const before = column ? plot.panels[at - 1] : null;
      if (before && panel.y.names.length && String(before.y.names) === String(panel.y.names)) layout[`yaxis${index}`].showticklabels = false;
      if (panel.title) {
        layout.annotations.push({
          text: panel.title.split("\n").map((line, i) => (i ? plain(line) : `<b>${plain(line)}</b>`)).join("<br>"), showarrow: false, align: "left",
          xref: "paper", yref: "paper", x: domains[0][0], y: domains[1][1], xanchor: "left", yanchor: "bottom", yshift: 4,
        });
      }
      for (const rule of panel.rules) {
        const look = { color: colour("quiet"), width: 1.2, dash: "dash" };
        if (rule.x === null && rule.y === null) {
          const ends = panel.x.limits;
          data.push({ type: "scatter", mode: "lines", x: ends, y: ends, line: look, name: plain(rule.text), legendgroup: rule.text,
            showlegend: !seen.has(rule.text), hoverinfo: "skip", xaxis: `x${index}`, yaxis: `y${index}` });
        } else {
          const upright = rule.x !== null;
          layout.shapes.push({ type: "line", layer: "below", line: look, name: plain(rule.text), showlegend: !!rule.text && !seen.has(rule.text), legendgroup: rule.text,
            xref: upright ? `x${index}` : `x${index} domain`, yref: upright ? `y${index} domain` : `y${index}`,
            x0: upright ? rule.x : 0, x1: upright ? rule.x : 1, y0: upright ? 0 : rule.y, y1: upright ? 1 : rule.y });
        }
        seen.add(rule.text);
      }
      for (const series of panel.series) {
        data.push(trace(series, panel, index, series.legend && !seen.has(series.name)));
        if (series.legend) seen.add(series.name);
      }
    });
    return { data, layout };
  };

  const CONFIG = { displayModeBar: false, responsive: false, doubleClick: "reset", showTips: false };

  // Draw a plot in the place of the figure's picture, and again whenever the theme or the width changes.
  const replace = async (figure, spec) => {
    const Plotly = await report.library("plotly");
    const live = document.createElement("div");
    live.className = "live";
    live.setAttribute("role", "img");
    live.setAttribute("aria-label", figure.querySelector("svg")?.getAttribute("aria-label") ?? figure.id);
    figure.querySelector(".static").after(live);
    figure.classList.add("replaced");
    const redraw = () => {
      const width = Math.floor(live.clientWidth);
      if (!width) return;
      const { data, layout } = build(spec(), width);
      live.dataset.width = width;
      return Plotly.react(live, data, layout, CONFIG);
    };
    drawn.set(figure, redraw);
    await redraw();
    live.after(tools(figure, live, Plotly));
    new ResizeObserver(() => Math.floor(live.clientWidth) !== Number(live.dataset.width) && redraw()).observe(live);
    return live;
  };

  const save = (name, href) => Object.assign(document.createElement("a"), { download: name, href }).click();
  const button = (text, fn) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    made.addEventListener("click", fn);
    return made;
  };
  const tools = (figure, live, Plotly) => {
    const bar = document.createElement("div");
    bar.className = "plot-tools";
    bar.append(
      button("Whole plot", () => drawn.get(figure)()),
      button("Save as SVG", async () => save(`${figure.id}.svg`, await Plotly.toImage(live, { format: "svg", width: live.clientWidth, height: live.clientHeight }))));
    const table = figure.querySelector(".numbers table");
    if (table) {
      const quote = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
      bar.append(button("Save as CSV", () => {
        const text = [...table.rows].map((row) => [...row.cells].map((cell) => quote(cell.textContent.trim())).join(",")).join("\r\n");
        save(`${figure.id}.csv`, `data:text/csv;charset=utf-8,${encodeURIComponent(text)}`);
      }));
    }
    return bar;
  };

  // The curve of one run: its gains, and its loss relative to the first.
  const series = (name, x, y, look) => ({
    name, x, y, colour: "p1", marker: "", line: "solid", hollow: false, wide: false, across: "", low: [], high: [], points: [], labels: [], sides: [], legend: true, ...look,
  });
  const axisOf = (title, look = {}) => ({ title, log: false, limits: null, names: [], bare: false, ...look });
  const GAINS = { test: "test images", validation: "validation images", train: "training images" };
  const LOOKS = { test: { colour: "p1", marker: "circle", wide: true }, validation: { colour: "p3", marker: "diamond", line: "dash" }, train: { colour: "p2", marker: "square", line: "dot" } };
  const limits = (values, log) => {
    const kept = values.filter((value) => value !== null && Number.isFinite(value)).map((value) => (log ? Math.log10(value) : value));
    let [low, high] = [Infinity, -Infinity];
    for (const value of kept) [low, high] = [Math.min(low, value), Math.max(high, value)];
    const room = 0.06 * (high - low) || 0.5;
    return kept.length ? [low - room, high + room].map((end) => (log ? 10 ** end : end)) : null;
  };
  const gainLimits = (values) => limits([0, 0.05, ...values.filter((value) => value !== null).map((value) => Math.max(value, -1))]);
  const known = (x, y) => x.map((step, i) => [step, y[i]]).filter(([, value]) => value !== null && value !== undefined);
  const curvePlot = (curve) => {
    const gains = Object.keys(GAINS).filter((name) => curve[name]).map((name) => {
      const pairs = known(curve.measured, curve[name]);
      return series(GAINS[name], pairs.map((p) => p[0]), pairs.map((p) => p[1]), LOOKS[name]);
    });
    const rule = { text: "blurred input", x: null, y: 0 };
    const loss = series("loss / first loss", curve.steps, curve.relative, { colour: "p8", wide: true });
    return {
      columns: 2, height: 2.9, panels: [
        { title: "", x: axisOf("training step"), y: axisOf("gain in PSNR (dB)", { limits: gainLimits(gains.flatMap((one) => one.y)) }), series: gains, rules: [rule] },
        { title: "", x: axisOf("training step"), y: axisOf("loss / first loss", { log: true, limits: limits(curve.relative, true) }), series: [loss], rules: [] },
      ],
    };
  };

  window.report.plots = { replace, series, axisOf, limits, gainLimits, known, GAINS, redraw: (figure) => drawn.get(figure)?.() };

  const start = async (figure) => {
    const content = await report.load("plots-data");
    if (figure.dataset.run) {
      const curve = content.curves.find((one) => one.run === figure.dataset.run);
      if (curve) await replace(figure, () => curvePlot(curve));
    } else if (figure.id === "plot-convergence") {
      await report.convergence(figure, content);
    } else if (content.plots[figure.id]) {
      await replace(figure, () => content.plots[figure.id]);
    }
  };
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      start(target);
    }
  }, { rootMargin: "300px" });
  addEventListener("DOMContentLoaded", () => document.querySelectorAll("figure.plot").forEach((figure) => seen.observe(figure)));
  report.onTheme(() => drawn.forEach((redraw) => redraw()));

  // The address names an open group (#plots?plot=ablations); print shows all.
  const groups = [...document.querySelectorAll("#plots .plot-group")];
  report.onView("plots", (params) => {
    const wanted = document.getElementById(`plots-${params.get("plot")}`);
    if (!wanted || wanted.open) return;
    wanted.open = true;
    wanted.scrollIntoView();
  });
  for (const group of groups) {
    group.addEventListener("toggle", () => group.open && group.closest("section").checkVisibility() && report.setParams({ plot: group.id.slice(6) }));
  }
  addEventListener("beforeprint", () => groups.forEach((group) => (group.open = true)));
})();
