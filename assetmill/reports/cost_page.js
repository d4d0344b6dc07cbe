// The page: charts are drawn, and drawn again for another theme, width or choice; tables are sorted and given out.

const NARROW_PX = 560;
const charts = new Map(); // id of the table -> what is drawn there
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const contrast = matchMedia("(prefers-contrast: more)");
const state = { patterns: contrast.matches };

// ---- charts ----

function draw(id) {
  const entry = charts.get(id);
  const { host, picked } = entry;
  const drawn = builders[id]({ narrow: host.clientWidth < NARROW_PX, patterns: state.patterns, picked, window: entry.window });
  entry.chart?.dispose();
  entry.chart = null;
  if (!drawn) {
    host.closest("figure").hidden = true;
    return;
  }
  host.style.height = `${drawn.height ?? 330}px`;
  entry.chart = echarts.init(host, null, { renderer: drawn.canvas ? "canvas" : "svg" });
  entry.chart.setOption(drawn.option);
  entry.drawn = drawn;
  entry.width = host.clientWidth;
  host.parentElement.querySelector("figcaption").textContent = drawn.caption ?? "";
  if (drawn.whole) entry.chart.on("datazoom", () => { entry.window = shownWindow(entry.chart); });
}

function redraw() {
  for (const id of charts.keys()) draw(id);
}

function choice(id, { name, label, options }) {
  const entry = charts.get(id);
  [[entry.picked[name]]] = options;
  const [box, select] = [document.createElement("label"), document.createElement("select")];
  box.className = "field";
  box.append(`${label} `, select);
  for (const [value, words] of options) select.add(new Option(words, value));
  select.addEventListener("change", () => {
    entry.picked[name] = select.value;
    draw(id);
  });
  return box;
}

function shownWindow(chart) {
  const [{ startValue, endValue }] = chart.getOption().dataZoom;
  return [startValue, endValue];
}

// Zooming by keyboard: the slider below the timeline is for pointers only.
const MOVES = [
  ["Newest batch", () => null],
  ["All", ([,], whole) => whole],
  ["Zoom in", ([from, to]) => [from + (to - from) / 4, to - (to - from) / 4]],
  ["Zoom out", ([from, to]) => [from - (to - from) / 2, to + (to - from) / 2]],
  ["Earlier", ([from, to]) => [from - (to - from) / 2, to - (to - from) / 2]],
  ["Later", ([from, to]) => [from + (to - from) / 2, to + (to - from) / 2]],
];

function zoomButtons(id) {
  const entry = charts.get(id);
  return MOVES.map(([words, move]) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "toggle", textContent: words });
    button.addEventListener("click", () => {
      const moved = move(shownWindow(entry.chart), entry.drawn.whole);
      entry.window = moved && within(moved, entry.drawn.whole);
      draw(id);
    });
    return button;
  });
}

// A window keeps its width at the ends of the whole, and a second of it at least.
function within([from, to], [first, last]) {
  const width = Math.max(Math.min(to - from, last - first), 1000);
  const start = Math.min(Math.max(from, first), Math.max(last - width, first));
  return [start, start + width];
}

for (const host of document.querySelectorAll("[data-chart]")) {
  const id = host.dataset.chart;
  if (!builders[id]) continue;
  charts.set(id, { host, picked: {}, chart: null });
  const figure = host.closest("figure");
  figure.hidden = false;
  const tools = figure.querySelector(".tools");
  tools.append(...(controls[id]?.() ?? []).map((control) => choice(id, control)));
  draw(id);
  if (charts.get(id).drawn?.whole) tools.append(...zoomButtons(id));
}

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const entry = charts.get(target.dataset.chart);
    if (!entry.chart || target.clientWidth === entry.width || !target.clientWidth) continue;
    draw(target.dataset.chart);
  }
});
for (const { host } of charts.values()) resized.observe(host);

// ---- theme, patterns, paper ----

document.querySelector(".switches").hidden = false;
$("unscripted").hidden = true;
$("theme").addEventListener("change", ({ target }) => {
  if (target.value) root.dataset.theme = target.value;
  else delete root.dataset.theme;
  redraw();
});
dark.addEventListener("change", redraw);

function setPatterns(on) {
  state.patterns = on;
  $("patterns").setAttribute("aria-pressed", on);
  redraw();
}
$("patterns").setAttribute("aria-pressed", state.patterns);
$("patterns").addEventListener("click", () => setPatterns(!state.patterns));
contrast.addEventListener("change", ({ matches }) => setPatterns(matches));

const PAPER_PX = 960;
const before = { theme: undefined, folded: [] };
addEventListener("beforeprint", () => {
  before.theme = root.dataset.theme;
  before.folded = [...document.querySelectorAll("details:not([open])")];
  root.dataset.theme = "light";
  for (const sheet of before.folded) sheet.open = true;
  for (const { host } of charts.values()) host.style.width = `${PAPER_PX}px`;
  redraw();
});
addEventListener("afterprint", () => {
  if (before.theme) root.dataset.theme = before.theme;
  else delete root.dataset.theme;
  for (const sheet of before.folded) sheet.open = false;
  for (const { host } of charts.values()) host.style.width = "";
  redraw();
});

// ---- tables ----

function cellOrder(kind) {
  const key = kind === "usd" ? number : (value) => value;
  const sign = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  // What is not known comes last, whichever way the others run.
  return (a, b, way) => (a === null) - (b === null) || (a === null ? 0 : way * sign(key(a), key(b)));
}

function sortable(sheet) {
  const table = report.tables[sheet.dataset.table];
  const lines = [...sheet.tBodies[0].rows];
  [...sheet.tHead.rows[0].cells].forEach((head, i) => {
    const { kind } = table.columns[i];
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const ascending = head.ariaSort ? head.ariaSort !== "ascending" : kind === "text" || kind === "moment";
      for (const other of sheet.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const order = cellOrder(kind);
      const places = lines.map((_, place) => place).sort((a, b) => order(table.rows[a][i], table.rows[b][i], ascending ? 1 : -1) || a - b);
      sheet.tBodies[0].append(...places.map((place) => lines[place]));
    });
  });
}

const quoted = (value) => (value === null ? "" : /[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));

function csvButton(sheet) {
  const table = report.tables[sheet.dataset.table];
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "toggle out", textContent: "Save as CSV" });
  button.setAttribute("aria-label", `Save ${table.title} as CSV`);
  button.addEventListener("click", () => {
    const lines = [table.columns.map(({ name }) => name), ...table.rows];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.map((line) => `${line.map(quoted).join(",")}\n`).join("")], { type: "text/csv" }));
    link.download = `${table.id}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return button;
}

for (const sheet of document.querySelectorAll("[data-table]")) {
  sortable(sheet);
  sheet.closest("details").append(csvButton(sheet));
}
