// Views, state in the address, theme, packed data and libraries, and the panel of evidence. Other scripts use `window.report`.
"use strict";
(() => {
  const views = [...document.querySelectorAll("section.view")];
  const shown = new Set();
  const watchers = new Map();
  const loaded = new Map();
  const parsed = new Map();
  const themes = [];
  const root = document.documentElement;

  // The address is #VIEW-OR-ELEMENT?KEY=VALUE&...
  const split = () => {
    const [id, query = ""] = location.hash.slice(1).split(/\?(.*)/s);
    return { id: decode(id), params: new URLSearchParams(query) };
  };
  const decode = (text) => {
    try { return decodeURIComponent(text); } catch { return text; }
  };
  const address = (id, params) => `#${encodeURI(id)}${params.size ? `?${params}` : ""}`;

  const bytes = async (id) => {
    const packed = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };

  const libraries = {
    plotly: (text) => {
      const script = document.createElement("script");
      script.textContent = text;
      document.head.append(script);
      return window.Plotly;
    },
    datatables: async (text) => (await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(text)}`)).default,
  };

  const current = () => views.find((view) => !view.hidden) ?? views[0];

  const show = () => {
    const { id, params } = split();
    const target = document.getElementById(id);
    const view = target?.closest("section.view") ?? (target ? current() : views[0]);
    for (const other of views) other.hidden = other !== view;
    for (const link of document.querySelectorAll("nav.views a")) {
      if (link.hash === `#${view.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const here = document.querySelector("nav.views [aria-current]");
    // Not by scrollIntoView, from which Tab would go on, past the link that skips the bar.
    if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 40;
    view.querySelector(":scope > details")?.setAttribute("open", "");
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
    const first = !shown.has(view.id);
    shown.add(view.id);
    for (const name of [view.id, view.dataset.kind, "*"]) {
      for (const watch of watchers.get(name) ?? []) watch(params, first, view);
    }
    if (target && target !== view && !target.hidden) target.scrollIntoView();
    panel.follow(params.get("claim"));
    return view;
  };

  // The panel of evidence: a modal dialog beside the page, filled from the packed evidence of all claims.
  const panel = (() => {
    const dialog = document.getElementById("evidence");
    const body = dialog?.querySelector(".body");
    let opener = null;
    const element = (tag, text = "", name = "") => {
      const made = document.createElement(tag);
      made.textContent = text;
      if (name) made.className = name;
      return made;
    };
    const list = (title, entries) => {
      if (!entries.length) return [];
      const made = element("dl");
      for (const [term, text, code] of entries) {
        made.append(element("dt", term));
        const value = element("dd");
        value.append(code ? element("code", text) : document.createTextNode(text));
        made.append(value);
      }
      return title ? [element("h3", title), made] : [made];
    };
    const finding = (row) => {
      const block = element("section", "", `finding tone-${row.tone}`);
      const head = element("h4");
      head.append(element("span", row.mark, "mark"), ` ${row.kind}: ${row.outcome}`);
      block.append(head, element("p", row.about, "quiet"));
      if (row.measured) block.append(element("p", row.measured));
      if (row.reason) block.append(element("p", row.reason));
      if (row.source) block.append(element("p", `from ${row.source}`, "quiet"));
      return block;
    };
    const fill = (claim) => {
      const verdict = element("p", "", `verdict tone-${claim.tone}`);
      verdict.append(element("span", claim.mark, "mark"), ` ${claim.verdict}`);
      body.replaceChildren(
        element("h2", claim.title), element("p", claim.place, "quiet"), element("blockquote", claim.quote), verdict,
        ...(claim.reason ? [element("p", claim.reason)] : []),
        ...list("", claim.facts),
        element("h3", "Evidence, the deciding kind first"),
        ...(claim.findings.length ? claim.findings.map(finding) : [element("p", "No kind of evidence has a finding yet.")]),
        ...list("Rows it rests on", claim.rows), ...list("Files (SHA-256)", claim.files),
        element("h3", "Check it"), command(claim.command));
    };
    const command = (text) => {
      const line = element("p", "", "command");
      const copy = element("button", "Copy");
      copy.type = "button";
      copy.addEventListener("click", () => navigator.clipboard?.writeText(text).then(() => (copy.textContent = "Copied")));
      line.append(element("code", text), copy);
      return line;
    };
    const close = () => {
      if (split().params.has("claim")) setParams({ claim: null });
    };
    dialog?.addEventListener("close", () => {
      close();
      opener?.isConnected && opener.focus();
      opener = null;
    });
    dialog?.addEventListener("click", (event) => event.target === dialog && dialog.close());
    return {
      async follow(id) {
        if (!dialog) return;
        if (!id) {
          if (dialog.open) dialog.close();
          return;
        }
        const claims = await load("claims-data");
        if (split().params.get("claim") !== id) return;
        if (!claims[id]) return setParams({ claim: null });
        opener ??= document.activeElement;
        fill(claims[id]);
        body.scrollTop = 0;
        if (!dialog.open) dialog.showModal();
      },
    };
  })();

  const setParams = (changes) => {
    const { id, params } = split();
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === "" || value === undefined) params.delete(key);
      else params.set(key, value);
    }
    const before = location.hash;
    history.replaceState(null, "", address(id || current().id, params));
    if (location.hash !== before && "claim" in changes) panel.follow(params.get("claim"));
  };

  const load = (id) => {
    if (!loaded.has(id)) loaded.set(id, bytes(id).then(JSON.parse));
    return loaded.get(id);
  };

  const dark = () => root.dataset.theme === "dark";
  const setTheme = (name) => {
    root.dataset.theme = name;
    root.classList.toggle("dark", name === "dark");
    for (const fn of themes) fn(dark());
  };

  window.report = {
    data(id) {
      if (!parsed.has(id)) parsed.set(id, JSON.parse(document.getElementById(id)?.textContent || "null"));
      return parsed.get(id);
    },
    load,
    onView(name, fn) {
      watchers.set(name, [...(watchers.get(name) ?? []), fn]);
      const view = current();
      if (shown.has(view.id) && [view.id, view.dataset.kind, "*"].includes(name)) fn(split().params, true, view);
    },
    params: () => split().params,
    setParams,
    library(name) {
      if (!loaded.has(`lib-${name}`)) loaded.set(`lib-${name}`, bytes(`lib-${name}`).then(libraries[name]));
      return loaded.get(`lib-${name}`);
    },
    onTheme(fn) {
      themes.push(fn);
      fn(dark());
    },
    colour: (name) => getComputedStyle(root).getPropertyValue(name).trim(),
    claim: (id) => setParams({ claim: id }),
  };

  const store = (() => {
    try { return window.localStorage; } catch { return null; } // files may be denied it
  })();
  const system = matchMedia("(prefers-color-scheme: dark)");
  const preferred = () => store?.getItem("theme") ?? (system.matches ? "dark" : "light");
  system.addEventListener("change", () => setTheme(preferred()));
  setTheme(preferred());
  document.getElementById("theme")?.addEventListener("click", () => {
    const name = dark() ? "light" : "dark";
    try { store?.setItem("theme", name); } catch { /* the theme lasts as long as the page */ }
    setTheme(name);
  });

  document.addEventListener("click", (event) => {
    const mark = event.target.closest("[data-claim]");
    if (!mark || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setParams({ claim: mark.dataset.claim });
  });
  addEventListener("hashchange", show);
  addEventListener("beforeprint", () => {
    for (const view of views) {
      view.hidden = false;
      view.querySelector(":scope > details")?.setAttribute("open", "");
    }
  });
  addEventListener("afterprint", show);
  for (const title of document.querySelectorAll("section.view > details > summary")) {
    title.tabIndex = -1; // a title, as the view stays unfolded
    title.addEventListener("click", (event) => event.preventDefault());
  }
  root.classList.add("scripted");
  show();
})();
