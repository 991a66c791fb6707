// Sort, search, filter, hide columns and export, by DataTables; the state is in the address.
//
// A view with tables of class `data` may have a form of class `filter`: its field `q` searches, `failures` keeps rows
// with a failed claim, and any other field keeps rows whose data-NAME has the chosen value among its words.
"use strict";
(() => {
  const plain = (cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll("a.mark, .dt-column-order").forEach((part) => part.remove());
    return copy.textContent.trim().replace(/\s+/g, " ");
  };

  const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const TEX = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "&": "\\&", "%": "\\%", $: "\\$", "#": "\\#", _: "\\_", "−": "$-$", "↑": "$\\uparrow$", "↓": "$\\downarrow$",
  };
  const tex = (text) => text.replace(/[\\{}~^&%$#_−↑↓]/g, (sign) => TEX[sign]);
  const FORMATS = {
    CSV: ["csv", (rows) => rows.map((row) => row.map(quote).join(",")).join("\r\n")],
    Markdown: ["md", ([head, ...rows]) => {
      const line = (row) => `| ${row.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
      return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
    }],
    LaTeX: ["tex", ([head, ...rows]) => {
      const line = (row) => `${row.map(tex).join(" & ")} \\\\`;
      return [`\\begin{tabular}{${"l".repeat(head.length)}}`, "\\hline", line(head), "\\hline", ...rows.map(line), "\\hline", "\\end{tabular}"].join("\n");
    }],
  };
  const save = (name, text) => {
    const link = document.createElement("a");
    link.download = name;
    link.href = `data:text/plain;charset=utf-8,${encodeURIComponent(text)}`;
    link.click();
  };

  // What the table shows: visible columns, rows that fit search and filters, on all pages, in their order.
  const shown = (table) => [
    table.columns(":visible").header().toArray().map(plain),
    ...table.rows({ search: "applied" }).indexes().toArray().map((row) =>
      table.columns(":visible").indexes().toArray().map((column) => plain(table.cell(row, column).node()))),
  ];

  // A menu of columns and a button per format, above the table.
  const tools = (table, id) => {
    const bar = document.createElement("div");
    bar.className = "tools";
    const menu = document.createElement("details");
    menu.className = "menu";
    menu.append(Object.assign(document.createElement("summary"), { textContent: "Columns" }));
    const hidden = new Set((report.params().get(`${id}.hide`) ?? "").split(",").filter(Boolean).map(Number));
    for (const column of hidden) table.column(column).visible(false);
    table.columns().every(function () {
      const index = this.index();
      const text = plain(this.header());
      if (!index || !text) return;
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: !hidden.has(index) });
      box.addEventListener("change", () => {
        this.visible(box.checked);
        if (box.checked) hidden.delete(index);
        else hidden.add(index);
        report.setParams({ [`${id}.hide`]: [...hidden].sort((a, b) => a - b).join(",") });
      });
      const line = document.createElement("label");
      line.append(box, ` ${text}`);
      menu.append(line);
    });
    bar.append(menu);
    for (const [name, [ending, write]] of Object.entries(FORMATS)) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.setAttribute("aria-label", `Save what the table shows as ${name}`);
      button.addEventListener("click", () => save(`${id}.${ending}`, write(shown(table))));
      bar.append(button);
    }
    return bar;
  };

  const order = (table) => table.order().filter(([, way]) => way).map(([column, way]) => `${column}${way}`).join(",");
  const ordered = (text) => [...(text ?? "").matchAll(/(\d+)(asc|desc)/g)].map(([, column, way]) => [Number(column), way]);

  const enhance = (DataTable, element, wanted) => {
    const id = element.id;
    const paged = element.dataset.page;
    const table = new DataTable(element, {
      paging: Boolean(paged),
      pageLength: Number(paged) || -1,
      lengthMenu: [10, 25, 100, { label: "all", value: -1 }],
      order: ordered(report.params().get(`${id}.sort`)),
      orderFixed: element.dataset.pinned ? { pre: [[Number(element.dataset.pinned), "asc"]] } : undefined,
      columnDefs: element.dataset.pinned ? [{ targets: Number(element.dataset.pinned), visible: false }] : [],
      autoWidth: false,
      layout: {
        topStart: null, topEnd: null,
        bottomStart: paged ? ["pageLength", "info"] : null, bottomEnd: paged ? "paging" : null,
      },
      language: { info: "_START_ to _END_ of _TOTAL_", infoFiltered: "(of _MAX_)", lengthMenu: "_MENU_ rows", infoEmpty: "none", zeroRecords: "nothing fits" },
    });
    table.search.fixed("filters", (text, data, index) => {
      const row = table.row(index).node();
      return Object.entries(wanted).every(([name, value]) => {
        if (name === "failures") return row.querySelector(".tone-bad, .tone-doubt");
        return (row.dataset[name] ?? "").split("|").includes(value);
      });
    });
    (element.closest(".scroll") ?? element).before(tools(table, id));
    table.on("order", () => report.setParams({ [`${id}.sort`]: order(table) }));
    return table;
  };

  report.onView("*", async (params, first, view) => {
    const elements = [...view.querySelectorAll("table.data")];
    if (!elements.length) return;
    const form = view.querySelector("form.filter");
    const fields = form ? [...form.elements].filter((field) => field.name) : [];
    const restore = () => fields.forEach((field) => {
      const value = report.params().get(field.name) ?? "";
      if (field.type === "checkbox") field.checked = value === "1";
      else field.value = value;
    });
    restore();
    if (first) {
      view.wanted = {};
      const DataTable = await report.library("datatables");
      view.tables = elements.map((element) => enhance(DataTable, element, view.wanted));
      const read = () => Object.fromEntries(fields.map((field) => [field.name, field.type === "checkbox" ? (field.checked ? "1" : "") : field.value.trim()]));
      view.apply = () => {
        const { q = "", ...rest } = read();
        for (const name of Object.keys(view.wanted)) delete view.wanted[name];
        for (const [name, value] of Object.entries(rest)) if (value) view.wanted[name] = value;
        for (const table of view.tables) table.search(q).draw();
        const count = view.tables.reduce((sum, table) => sum + table.rows({ search: "applied" }).count(), 0);
        const status = form?.querySelector("[role=status]");
        if (status) status.textContent = q || Object.keys(view.wanted).length ? `${count.toLocaleString("en")} rows` : "";
      };
      form?.addEventListener("input", () => {
        report.setParams(read());
        view.apply();
      });
      form?.addEventListener("submit", (event) => event.preventDefault());
    }
    view.apply?.();
  });
})();
