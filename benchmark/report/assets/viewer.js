// The viewer of test images: panels that zoom and pan together, a slider, flicker, maps of the error.
"use strict";
(() => {
  const root = document.getElementById("viewer");
  const facts = root && window.report.data("gallery-data");
  if (!facts?.photographs?.length) return;
  const find = (selector) => root.querySelector(selector);
  const stage = find(".stage");
  const strips = document.querySelector("#images .strips");
  const modes = ["side", "slider", "flicker"];
  const shows = ["pixels", "error", "change"];
  const SMALLEST = 8; // pixels of the image across a panel at the largest zoom
  const FULL = { error: 64, change: 16 }; // grey levels at the ends of the colours

  // The pictures are in the page once, in the strips that are read without scripts.
  for (const [index, photograph] of facts.photographs.entries()) {
    const images = strips.querySelectorAll(`[data-photograph="${index}"] img`);
    photograph.shots.forEach((shot, number) => { shot.src = images[number].src; });
    photograph.byKey = new Map(photograph.shots.map((shot) => [shot.key, shot]));
  }

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const decibels = (value) => value.toFixed(2).replace("-", "−");
  const signed = (value) => (value < 0.005 && value > -0.005 ? "0.00" : `${value > 0 ? "+" : ""}${decibels(value)}`);

  // What is shown; the address holds all of it that is not as at first.
  const state = { photograph: facts.photographs[0], keys: [], mode: "side", show: "pixels", zoom: 1, x: 0.5, y: 0.5, a: "", b: "", flipped: false, divider: 50 };
  const of = (key) => state.photograph.byKey.get(key);
  const restored = () => state.photograph.shots.filter((shot) => shot.kind === "restored");
  const ranked = () => restored().sort((one, other) => (other.psnr ?? -Infinity) - (one.psnr ?? -Infinity));
  const presets = {
    papers: () => facts.defaults.filter(of).concat(facts.defaults.some(of) ? [] : ranked().slice(0, 4).map((shot) => shot.key)),
    best: () => ranked().slice(0, 4).map((shot) => shot.key),
    worst: () => ranked().slice(-4).map((shot) => shot.key),
    all: () => restored().map((shot) => shot.key),
  };
  const framed = (keys) => [...(of("blurred") ? ["blurred"] : []), ...keys, ...(of("sharp") ? ["sharp"] : [])];
  const largest = () => Math.max(1, state.photograph.width / SMALLEST);

  const view = (zoom, x, y) => {
    state.zoom = clamp(zoom || 1, 1, largest());
    const margin = 0.5 / state.zoom;
    state.x = clamp(Number.isFinite(x) ? x : 0.5, margin, 1 - margin);
    state.y = clamp(Number.isFinite(y) ? y : 0.5, margin, 1 - margin);
  };

  // Three numbers on the stage move all panels; nothing is laid out again.
  let asked = 0;
  const move = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      stage.style.setProperty("--zoom", state.zoom);
      stage.style.setProperty("--left", `${(0.5 - state.x * state.zoom) * 100}%`);
      stage.style.setProperty("--top", `${(0.5 - state.y * state.zoom) * 100}%`);
      const pane = stage.querySelector(".pane");
      const factor = pane ? (pane.clientWidth * state.zoom) / state.photograph.width : 1;
      stage.classList.toggle("enlarged", factor >= 1.5);
      find(".zoomed").textContent = `${state.zoom.toFixed(state.zoom < 10 ? 1 : 0)} ×`;
      find('[data-zoom="in"]').disabled = state.zoom >= largest();
      find('[data-zoom="out"]').disabled = state.zoom <= 1;
      stage.classList.toggle("zoomed-in", state.zoom > 1);
    });
    remember();
  };

  let timer = 0;
  const remember = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (document.getElementById("images").hidden) return;
      const first = framed(presets.papers()).join();
      const zoomed = state.zoom > 1;
      const pair = state.mode !== "side";
      window.report.setParams({
        image: state.photograph === facts.photographs[0] ? null : state.photograph.image,
        dataset: facts.photographs.some((other) => other !== state.photograph && other.image === state.photograph.image) ? state.photograph.dataset : null,
        run: state.keys.join() === first ? null : state.keys.join(),
        mode: state.mode === "side" ? null : state.mode,
        show: state.show === "pixels" ? null : state.show,
        zoom: zoomed ? state.zoom.toFixed(2) : null,
        x: zoomed ? state.x.toFixed(4) : null,
        y: zoomed ? state.y.toFixed(4) : null,
        a: pair ? state.a : null,
        b: pair ? state.b : null,
      });
      find(".spoken").textContent = `${state.photograph.title}, ${state.keys.length} panels, zoom ${state.zoom.toFixed(1)}`;
    }, 250);
  };

  // Pixels of a picture, decoded once; only those of the photograph on show are kept.
  let decoded = new Map();
  const pixels = (shot) => {
    if (!decoded.has(shot)) {
      decoded.set(shot, (async () => {
        const image = make("img", { src: shot.src });
        await image.decode();
        const canvas = make("canvas", { width: shot.width, height: shot.height });
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(image, 0, 0, shot.width, shot.height);
        return context.getImageData(0, 0, shot.width, shot.height).data;
      })());
    }
    return decoded.get(shot);
  };
  // Black, purple, orange, yellow; and from blue (better) by black to orange (worse).
  const HEAT = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
  const TURN = [[96, 208, 255], [0, 92, 160], [12, 12, 16], [176, 84, 0], [255, 190, 90]];
  const colour = (table, share) => {
    const place = clamp(share, 0, 1) * (table.length - 1);
    const index = Math.min(Math.floor(place), table.length - 2);
    return table[index].map((low, channel) => low + (place - index) * (table[index + 1][channel] - low));
  };
  const ramp = (table) => Array.from({ length: 256 }, (_, level) => colour(table, level / 255));
  const ramps = { error: ramp(HEAT), change: ramp(TURN) };
  const distance = (one, other, index) =>
    (Math.abs(one[index] - other[index]) + Math.abs(one[index + 1] - other[index + 1]) + Math.abs(one[index + 2] - other[index + 2])) / 3;

  const errors = async (canvas, shot, show) => {
    const [mine, sharp, blurred] = await Promise.all([shot, of("sharp"), of("blurred")].map(pixels));
    const data = new ImageData(shot.width, shot.height);
    const wide = state.photograph.width;
    for (let y = 0, index = 0; y < shot.height; y++) {
      for (let x = 0, there = 4 * ((shot.y + y) * wide + shot.x); x < shot.width; x++, index += 4, there += 4) {
        const error = (Math.abs(mine[index] - sharp[there]) + Math.abs(mine[index + 1] - sharp[there + 1]) + Math.abs(mine[index + 2] - sharp[there + 2])) / 3;
        const share = show === "error" ? error / FULL.error : 0.5 + (error - distance(blurred, sharp, there)) / (2 * FULL.change);
        const level = ramps[show][Math.round(255 * clamp(share, 0, 1))];
        for (let channel = 0; channel < 3; channel++) data.data[index + channel] = level[channel];
        data.data[index + 3] = 255;
      }
    }
    canvas.getContext("2d").putImageData(data, 0, 0);
    canvas.dataset.ready = "true";
  };

  const picture = (shot, described) => {
    const { width, height } = state.photograph;
    // What a map compares with is shown as it is.
    const plain = { pixels: [shot.kind], error: ["sharp", "mask"], change: ["sharp", "mask", "blurred"] }[state.show];
    const mapped = !plain.includes(shot.kind) && of("sharp") && of("blurred");
    const element = mapped
      ? make("canvas", { width: shot.width, height: shot.height })
      : make("img", { src: shot.src, draggable: false });
    const text = `${described}${mapped ? `, ${state.show === "error" ? "error" : "change of the error"}` : ""}`;
    if (mapped) {
      element.setAttribute("role", "img");
      element.setAttribute("aria-label", text);
      errors(element, shot, state.show);
    } else element.alt = text;
    const place = { left: shot.x / width, top: shot.y / height, width: shot.width / width, height: shot.height / height };
    for (const [name, share] of Object.entries(place)) element.style[name] = `${100 * share}%`;
    return make("span", { className: `layer${shot.kind === "crop" ? " part" : ""}` }, element);
  };
  const caption = (shot) => {
    const system = document.getElementById(`system-${shot.key}`);
    const name = system && shot.kind === "restored" ? make("a", { href: `#system-${shot.key}`, textContent: shot.label }) : make("strong", { textContent: shot.label });
    const text = make("figcaption", {}, name);
    if (shot.psnr !== null) text.append(" ", make("span", { className: "psnr", textContent: `${decibels(shot.psnr)} dB${shot.gain === null ? "" : ` (${signed(shot.gain)})`}` }));
    if (shot.kind === "crop") text.append(" ", make("span", { className: "quiet", textContent: "only the crop is kept" }));
    return text;
  };
  const pane = (...layers) => {
    const made = make("div", { className: "pane" }, ...layers);
    made.style.aspectRatio = `${state.photograph.width} / ${state.photograph.height}`;
    return made;
  };

  const divide = (percent) => {
    state.divider = clamp(percent, 0, 100);
    stage.style.setProperty("--divider", `${state.divider}%`);
    find(".divider input").value = state.divider;
  };
  const layouts = {
    side: () => state.keys.map(of).map((shot) => make("figure", {}, pane(picture(shot, `${state.photograph.title}, ${shot.label}`)), caption(shot))),
    slider() {
      const [a, b] = [of(state.a), of(state.b)];
      const upper = make("span", { className: "curtain" }, picture(a, `${a.label}, on the left`));
      const handle = make("span", { className: "handle" });
      handle.setAttribute("aria-hidden", "true");
      const text = make("figcaption", {}, ...caption(a).childNodes, " | ", ...caption(b).childNodes);
      return [make("figure", { className: "single" }, pane(picture(b, `${b.label}, on the right`), upper, handle), text)];
    },
    flicker() {
      const shot = of(state.flipped ? state.b : state.a);
      const other = picture(of(state.flipped ? state.a : state.b), "");
      other.classList.add("waiting"); // decoded already, so that a swap is one frame
      const text = caption(shot);
      text.prepend(make("kbd", { textContent: state.flipped ? "B" : "A" }), " ");
      return [make("figure", { className: "single" }, pane(other, picture(shot, `${state.photograph.title}, ${shot.label}`)), text)];
    },
  };
  const columns = (count) => (count <= 4 ? count : count <= 6 ? 3 : count <= 12 ? 4 : 6);

  const draw = () => {
    if (state.mode !== "side" && (!of(state.a) || !of(state.b))) state.mode = "side";
    const figures = layouts[state.mode]();
    stage.replaceChildren(...figures);
    stage.dataset.layout = state.mode;
    stage.style.setProperty("--columns", columns(figures.length));
    stage.style.setProperty("--rows", Math.ceil(figures.length / columns(figures.length)));
    stage.style.setProperty("--aspect", state.photograph.width / state.photograph.height);
    divide(state.divider);
    for (const button of root.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === state.mode);
    find(".pair").hidden = state.mode === "side";
    find(".pick").hidden = state.mode !== "side";
    find(".divider").hidden = state.mode !== "slider";
    find(".swap").hidden = state.mode !== "flicker";
    find(".show").value = state.show;
    const scale = find(".scale");
    scale.hidden = state.show === "pixels";
    scale.className = `scale quiet ${state.show}`;
    scale.replaceChildren(...{
      pixels: [],
      error: ["no error ", make("i"), ` ${FULL.error} grey levels or more, from the sharp image`],
      change: [`${FULL.change} grey levels nearer to the sharp image than the blurred input `, make("i"), ` ${FULL.change} farther`],
    }[state.show]);
    move();
  };

  const fill = () => {
    for (const button of find(".thumbs").children) button.setAttribute("aria-pressed", button.photograph === state.photograph);
    const groups = { restored: "Systems", crop: "Variants, one crop of this sequence", mask: "CDGNet’s masks" };
    const box = (shot) => {
      const input = make("input", { type: "checkbox", value: shot.key, checked: state.keys.includes(shot.key) });
      const psnr = shot.psnr === null ? "" : ` ${shot.gain === null ? decibels(shot.psnr) : signed(shot.gain)}`;
      return make("label", {}, input, ` ${shot.label}`, make("span", { className: "quiet", textContent: psnr }));
    };
    const sets = [make("fieldset", {}, make("legend", { textContent: "Input and truth" }), ...["blurred", "sharp"].filter(of).map((key) => box(of(key))))];
    for (const [kind, title] of Object.entries(groups)) {
      const shots = kind === "restored" ? ranked() : state.photograph.shots.filter((shot) => shot.kind === kind);
      if (shots.length) sets.push(make("fieldset", {}, make("legend", { textContent: kind === "restored" ? `${title}, best first: gain in dB on this photograph` : title }), ...shots.map(box)));
    }
    find(".boxes").replaceChildren(...sets);
    for (const name of ["a", "b"]) {
      const options = state.photograph.shots.map((shot) => make("option", { value: shot.key, textContent: shot.label, selected: shot.key === state[name] }));
      find(`select.${name}`).replaceChildren(...options);
    }
    const count = state.keys.filter((key) => of(key).kind === "restored").length;
    find(".count").textContent = `${count} of ${restored().length} shown`;
    const jumps = state.photograph.windows.map(([x, y, side, best, bestPsnr, worst, worstPsnr, blurred], index) => {
      const button = make("button", { type: "button", textContent: `${index + 1}`, title: `${best} ${decibels(bestPsnr)} dB, ${worst} ${decibels(worstPsnr)} dB, blurred ${decibels(blurred)} dB in these ${side} × ${side} pixels` });
      button.setAttribute("aria-label", `Go to place ${index + 1}: ${button.title}`);
      button.addEventListener("click", () => jump(index));
      return button;
    });
    find(".windows").replaceChildren(...(jumps.length ? [make("span", { textContent: "They differ most at" }), ...jumps] : []));
  };
  const jump = (index) => {
    const place = state.photograph.windows[index];
    if (!place) return;
    const [x, y, side, best, , worst] = place;
    const { width, height } = state.photograph;
    view(Math.min(width, height) / side, (x + side / 2) / width, (y + side / 2) / height);
    const added = [best, worst].filter((key) => of(key) && !state.keys.includes(key));
    if (added.length) choose(framed([...state.keys.filter((key) => key !== "blurred" && key !== "sharp"), ...added]));
    else move();
  };
  const choose = (keys) => {
    state.keys = [...new Set(keys)].filter(of);
    fill();
    draw();
  };
  const open = (photograph) => {
    if (photograph !== state.photograph) decoded = new Map();
    state.photograph = photograph;
    const kept = state.keys.filter((key) => of(key));
    state.keys = kept.some((key) => of(key).kind === "restored") ? kept : framed(presets.papers());
    state.a = of(state.a) ? state.a : state.keys[0];
    state.b = of(state.b) ? state.b : state.keys.find((key) => key !== state.a) ?? state.a;
    view(state.zoom, state.x, state.y);
    choose(state.keys);
  };
  const setMode = (mode) => {
    state.mode = modes.includes(mode) ? mode : "side";
    fill();
    draw();
  };
  const swap = () => {
    if (state.mode !== "flicker") setMode("flicker");
    else { state.flipped = !state.flipped; draw(); }
  };
  const step = (by) => {
    const index = facts.photographs.indexOf(state.photograph) + by;
    open(facts.photographs[(index + facts.photographs.length) % facts.photographs.length]);
  };
  const zoomBy = (factor, px = 0.5, py = 0.5) => {
    const before = state.zoom;
    const zoom = clamp(before * factor, 1, largest());
    // The point of the image below the pointer stays there.
    view(zoom, state.x + (px - 0.5) * (1 / before - 1 / zoom), state.y + (py - 0.5) * (1 / before - 1 / zoom));
    move();
    return zoom !== before;
  };
  const within = (event) => {
    const target = event.target.closest?.(".pane") ?? stage.querySelector(".pane");
    const box = target.getBoundingClientRect();
    return { px: (event.clientX - box.left) / box.width, py: (event.clientY - box.top) / box.height, box };
  };

  // Controls.
  for (const photograph of facts.photographs) {
    const shot = photograph.byKey.get("sharp") ?? photograph.shots[0];
    const button = make("button", { type: "button", title: photograph.title }, make("img", { src: shot.src, alt: "", loading: "lazy" }));
    button.setAttribute("aria-label", photograph.title);
    button.photograph = photograph;
    button.addEventListener("click", () => open(photograph));
    find(".thumbs").append(button);
  }
  for (const button of root.querySelectorAll("[data-mode]")) button.addEventListener("click", () => setMode(button.dataset.mode));
  for (const button of root.querySelectorAll("[data-preset]")) button.addEventListener("click", () => choose(framed(presets[button.dataset.preset]())));
  const zooms = { in: () => zoomBy(1.5), out: () => zoomBy(1 / 1.5), fit: () => { view(1, 0.5, 0.5); move(); } };
  for (const button of root.querySelectorAll("[data-zoom]")) button.addEventListener("click", zooms[button.dataset.zoom]);
  find(".show").addEventListener("change", (event) => { state.show = event.target.value; draw(); });
  find(".boxes").addEventListener("change", (event) => {
    const order = new Map(state.photograph.shots.map((shot, index) => [shot.key, index]));
    const chosen = event.target.checked ? [...state.keys, event.target.value] : state.keys.filter((key) => key !== event.target.value);
    const kept = chosen.length ? chosen : ["sharp"];
    const key = event.target.value;
    choose(kept.sort((one, other) => order.get(one) - order.get(other)));
    [...find(".boxes").querySelectorAll("input")].find((input) => input.value === key)?.focus();
  });
  for (const name of ["a", "b"]) find(`select.${name}`).addEventListener("change", (event) => { state[name] = event.target.value; draw(); });
  find(".divider input").addEventListener("input", (event) => divide(Number(event.target.value)));
  find(".swap").addEventListener("click", swap);

  // Wheel, drag, pinch.
  stage.addEventListener("wheel", (event) => {
    if (!event.target.closest(".pane")) return;
    const { px, py } = within(event);
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    // Where there is nothing to zoom, the page scrolls.
    if (zoomBy(Math.exp(-clamp(event.deltaY * unit, -300, 300) * (event.ctrlKey ? 0.01 : 0.002)), px, py)) event.preventDefault();
  }, { passive: false });
  const pointers = new Map();
  let sliding = null;
  stage.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".pane") || event.button > 0) return;
    sliding = event.target.closest(".handle") ? event.pointerId : sliding;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("held");
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const box = stage.querySelector(".pane").getBoundingClientRect();
    const now = { x: event.clientX, y: event.clientY };
    if (sliding === event.pointerId) divide((100 * (now.x - box.left)) / box.width);
    else if (pointers.size === 1) {
      view(state.zoom, state.x - (now.x - before.x) / box.width / state.zoom, state.y - (now.y - before.y) / box.height / state.zoom);
      move();
    } else {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      const middle = document.elementFromPoint((now.x + other.x) / 2, (now.y + other.y) / 2)?.closest?.(".pane")?.getBoundingClientRect() ?? box;
      zoomBy(apart(now) / apart(before), ((now.x + other.x) / 2 - middle.left) / middle.width, ((now.y + other.y) / 2 - middle.top) / middle.height);
    }
    pointers.set(event.pointerId, now);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (sliding === event.pointerId) sliding = null;
    stage.classList.toggle("held", pointers.size > 0);
  };
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) stage.addEventListener(name, release);
  stage.addEventListener("dblclick", (event) => {
    if (!event.target.closest(".pane")) return;
    const { px, py } = within(event);
    if (!zoomBy(2, px, py)) zooms.fit();
  });

  const pan = (x, y) => { view(state.zoom, state.x + x / state.zoom, state.y + y / state.zoom); move(); };
  const keys = {
    "+": zooms.in, "=": zooms.in, "-": zooms.out, 0: zooms.fit,
    ArrowLeft: () => pan(-0.1, 0), ArrowRight: () => pan(0.1, 0), ArrowUp: () => pan(0, -0.1), ArrowDown: () => pan(0, 0.1),
    1: () => jump(0), 2: () => jump(1), 3: () => jump(2), ",": () => step(-1), ".": () => step(1),
    f: swap, s: () => setMode("slider"), p: () => setMode("side"),
    e: () => { state.show = shows[(shows.indexOf(state.show) + 1) % shows.length]; draw(); },
  };
  root.addEventListener("keydown", (event) => {
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!keys[name] || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input:not([type=checkbox])")) return;
    if (name.startsWith("Arrow") && (event.target !== stage || state.zoom === 1)) return; // the page scrolls
    event.preventDefault();
    keys[name]();
  });

  find(".pick").open = matchMedia("(min-width: 70rem)").matches;
  strips.hidden = true;
  root.hidden = false;
  addEventListener("resize", move);
  window.report.onView("images", (params) => {
    const wanted = facts.photographs.filter((photograph) => photograph.image === params.get("image"));
    const photograph = wanted.find((one) => one.dataset === params.get("dataset")) ?? wanted[0] ?? facts.photographs[0];
    if (photograph !== state.photograph) decoded = new Map();
    state.photograph = photograph;
    const asked = (params.get("run") ?? "").split(",").filter(of);
    const alone = asked.length && !asked.includes("blurred") && !asked.includes("sharp") && asked.length === 1;
    state.keys = alone ? framed(asked) : asked.length ? asked : framed(presets.papers());
    state.mode = modes.includes(params.get("mode")) ? params.get("mode") : "side";
    state.show = shows.includes(params.get("show")) ? params.get("show") : "pixels";
    state.a = of(params.get("a")) ? params.get("a") : of("blurred") ? "blurred" : state.keys[0];
    state.b = of(params.get("b")) ? params.get("b") : state.keys.find((key) => of(key).kind === "restored") ?? state.keys[0];
    const number = (name) => (params.has(name) ? Number(params.get(name)) : NaN);
    view(number("zoom"), number("x"), number("y"));
    choose(state.keys);
  });
})();
