// The page: which cards are seen, in which order, and which asset is open. All data comes from the JSON
// in the page; every string of it is set as text, never as markup.

const $ = (id) => document.getElementById(id);
const items = JSON.parse($("items").textContent);
const cards = [...document.querySelectorAll(".card")];
const still = matchMedia("(prefers-reduced-motion: reduce)");
const filters = { words: [], seed: "", type: new Set(), state: new Set(), draft: new Set(), ranges: {} };
let motion = !still.matches;
let sorted = items;
let shown = items.map((_, i) => i); // indices of the cards that pass the filters, in the order on the page
let overlaid = false;

items.forEach((item, i) => {
  item.order = i;
  item.haystack = [item.asset_id, item.label, item.prompt, item.note, item.seed ?? "", ...item.tags].join(" ").toLowerCase();
  if (item.sheet) {
    item.sheet.imageWidth ??= item.width;
    item.sheet.imageHeight ??= item.height;
  }
});

// ---- filter and sort ----

const within = (value, { from, to }) => value !== null && (from === null || value >= from) && (to === null || value <= to);

const tests = {
  words: (item) => filters.words.every((word) => item.haystack.includes(word)),
  seed: (item) => !filters.seed || String(item.seed ?? "") === filters.seed,
  ranges: (item) => Object.entries(filters.ranges).every(([key, range]) => within(item[key], range)),
  type: (item) => !filters.type.size || filters.type.has(item.type),
  state: (item) => !filters.state.size || filters.state.has(item.state),
  draft: (item) => !filters.draft.size || filters.draft.has(String(item.draft)),
};

const passes = (item, except = "") => Object.entries(tests).every(([name, test]) => name === except || test(item));

// Missing figures come last, whichever way the others run.
const byNumber = (key, sign) => (a, b) => (a[key] === null) - (b[key] === null) || sign * ((a[key] ?? 0) - (b[key] ?? 0)) || a.order - b.order;
const byText = (key) => (a, b) => a[key].localeCompare(b[key], "en", { numeric: true }) || a.order - b.order;
const orders = {
  order: byNumber("order", 1),
  asset_id: byText("asset_id"),
  type: byText("label"),
  cost: byNumber("cost", -1),
  latency_s: byNumber("latency_s", -1),
  seed: byNumber("seed", 1),
};

// Each chip counts what it would show beside the other filters.
function countChips() {
  for (const chip of document.querySelectorAll(".chip[data-group]")) {
    const { group, value } = chip.dataset;
    const count = items.filter((item) => String(item[group]) === value && passes(item, group)).length;
    chip.querySelector("b").textContent = count;
    chip.classList.toggle("none", count === 0);
    chip.setAttribute("aria-pressed", filters[group].has(value));
  }
}

function refresh() {
  shown = sorted.filter((item) => passes(item)).map((item) => item.order);
  const visible = new Set(shown);
  cards.forEach((card, i) => { card.hidden = !visible.has(i); });
  const whole = shown.length === items.length;
  $("count").textContent = whole ? `${items.length} assets` : `${shown.length} of ${items.length} assets`;
  $("reset").hidden = whole;
  $("empty").hidden = shown.length > 0;
  countChips();
}

function reorder() {
  sorted = [...items].sort(orders[$("sort").value]);
  $("grid").append(...sorted.map((item) => cards[item.order]));
  refresh();
}

function reset() {
  for (const group of ["type", "state", "draft"]) filters[group].clear();
  Object.assign(filters, { words: [], seed: "", ranges: {} });
  for (const input of document.querySelectorAll("#search, #seed-is, [data-range]")) input.value = "";
  refresh();
}

function readRange(input) {
  const range = (filters.ranges[input.dataset.range] ??= { from: null, to: null });
  range[input.dataset.edge] = Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber;
  if (range.from === null && range.to === null) delete filters.ranges[input.dataset.range];
  refresh();
}

document.querySelector(".toolbar").addEventListener("click", (event) => {
  const chip = event.target.closest(".chip");
  if (!chip) return;
  const group = filters[chip.dataset.group];
  if (!group.delete(chip.dataset.value)) group.add(chip.dataset.value);
  refresh();
});
$("search").oninput = (event) => { filters.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean); refresh(); };
$("seed-is").oninput = (event) => { filters.seed = event.target.value.trim(); refresh(); };
$("sort").onchange = reorder;
$("reset").onclick = reset;
for (const input of document.querySelectorAll("[data-range]")) input.oninput = () => readRange(input);
$("show-problems")?.addEventListener("click", () => {
  reset();
  for (const state of ["failed", "blocked"]) filters.state.add(state);
  refresh();
});

// ---- how cards look ----

$("density").oninput = (event) => document.documentElement.style.setProperty("--card", `${event.target.value}px`);
for (const input of document.querySelectorAll("[name=ground]")) {
  input.onchange = () => { document.body.dataset.ground = input.value; };
}

function showFrames(on) {
  $("frames").setAttribute("aria-pressed", on);
  document.body.classList.toggle("frames", on);
  if (!on || overlaid) return;
  overlaid = true;
  cards.forEach((card, i) => {
    const { sheet, href } = items[i];
    if (sheet && href) card.querySelector(".thumb > img")?.after(frameOverlay(sheet));
  });
}
$("frames").onclick = () => showFrames(!document.body.classList.contains("frames"));

// What moves on a card, an animation or layers, is prepared when it is first seen and plays only while it is.
const players = new Map();
const seen = new Set();

function playerOf(i) {
  if (!players.has(i)) {
    const { sheet, layers } = items[i];
    if (layers.length) players.set(i, new Drift(cards[i].querySelectorAll(".thumb > img"), layers));
    if (layers.length) return players.get(i);
    const [image, canvas] = [cards[i].querySelector(".thumb > img"), cards[i].querySelector(".mini")];
    const name = sheet.animations[sheet.defaultAnimationId] ? sheet.defaultAnimationId : Object.keys(sheet.animations)[0];
    const player = new Player(canvas, image, sheet, name, { replay: true });
    canvas.classList.toggle("pixels", player.box.w <= 96);
    players.set(i, player);
  }
  return players.get(i);
}

function runCard(i) {
  const player = playerOf(i);
  if (motion && seen.has(i) && !$("detail").open) player.play();
  else player.pause();
}

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const i = cards.indexOf(target);
    if (isIntersecting) seen.add(i);
    else seen.delete(i);
    whenLoaded(target.querySelector(".thumb > img"), () => { playerOf(i).draw(); runCard(i); });
  }
});
cards.forEach((card) => card.querySelector(".mini, .scene") && watcher.observe(card));

function setMotion(on) {
  motion = on;
  $("motion").setAttribute("aria-pressed", on);
  for (const i of players.keys()) runCard(i);
}
$("motion").onclick = () => setMotion(!motion);
still.onchange = () => setMotion(!still.matches);

// ---- detail ----

const dialog = $("detail");
const zoom = {
  level: 0,
  apply: null,
  show(scale) { $("zoom-level").textContent = `${scale >= 1 ? Math.round(scale * 10) / 10 : scale.toFixed(2)}×`; },
};
const SCALES = [0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 16];
let open = null; // what the dialog shows: {item, view, image, scale, cleanups, toggle}

function setZoom(level) {
  zoom.level = level;
  zoom.apply?.();
  $("zoom-fit")?.setAttribute("aria-pressed", level === 0);
}

function stepZoom(by) {
  const now = zoom.level || parseFloat($("zoom-level").textContent);
  const next = by > 0 ? SCALES.find((scale) => scale > now + 0.01) : SCALES.findLast((scale) => scale < now - 0.01);
  if (next) setZoom(next);
}

function button(label, title, onclick, props = {}) {
  return make("button", { type: "button", className: "toggle", textContent: label, title, ariaLabel: title, onclick, ...props });
}

function zoomTools() {
  return make("span", { className: "zoom" },
    button("−", "Smaller (-)", () => stepZoom(-1)), make("output", { id: "zoom-level" }), button("+", "Larger (+)", () => stepZoom(1)),
    button("Fit", "Fit (0)", () => setZoom(0), { id: "zoom-fit" }));
}

function endView() {
  for (const cleanup of open?.cleanups ?? []) cleanup();
  Object.assign(zoom, { level: 0, apply: null });
  $("stage").replaceChildren();
  $("tools").replaceChildren();
}

function showView(name) {
  endView();
  Object.assign(open, { view: name, cleanups: [], toggle: null });
  for (const tab of $("views").children) tab.setAttribute("aria-pressed", tab.value === name);
  const { stage, tools } = { stage: $("stage"), tools: $("tools") };
  if (!name) {
    stage.append(make("p", { className: "void", textContent: open.item.note || "This run made no picture of it." }));
    return;
  }
  if (["picture", "play", "tiles"].includes(name)) tools.append(zoomTools());
  const ctx = { item: open.item, image: open.image, stage, tools, zoom, motion: () => motion, track: (f) => open.cleanups.push(f), toggle: null };
  views[name](ctx);
  open.toggle = () => ctx.toggle?.();
  if (open.item.sheet && name === "picture") {
    const frames = button("Frames", "Cells, ids and pivots (f)", () => { frames.setAttribute("aria-pressed", stage.classList.toggle("framed")); }, { id: "detail-frames" });
    frames.setAttribute("aria-pressed", stage.classList.contains("framed"));
    tools.append(frames);
  }
  if (name === "picture" && open.image.src) tools.append(make("a", { href: open.image.src, target: "_blank", rel: "noopener", textContent: "Open file" }));
}

function showCandidates(item) {
  const hrefs = [...new Set([...(item.href ? [item.href] : []), ...item.candidates])];
  $("candidates").hidden = hrefs.length < 2;
  $("candidates").replaceChildren(...(hrefs.length < 2 ? [] : hrefs).map((href, i) => {
    const kept = href === item.href;
    const choice = make("button", { type: "button", className: "candidate ground", title: kept ? "published" : `candidate ${i}` },
      make("img", { src: href, alt: kept ? "published picture" : `candidate ${i}`, draggable: false }));
    if (kept) choice.append(make("span", { textContent: "published" }));
    choice.setAttribute("aria-pressed", kept);
    choice.onclick = () => {
      for (const other of $("candidates").children) other.setAttribute("aria-pressed", other === choice);
      open.image = make("img", { src: href });
      showView(open.view === "parallax" ? "picture" : open.view);
    };
    return choice;
  }));
}

function showFacts(item) {
  const facts = {
    State: item.state + (item.draft ? " · draft" : ""),
    Type: item.label.replaceAll("_", " "),
    Size: item.width && item.height ? `${item.width} x ${item.height} px` : "",
    Seed: item.seed ?? "",
    Cost: item.cost_usd ?? item.cost_text,
    Latency: item.latency_text,
    Tags: item.tags.join(", "),
    Attempt: item.attempt_id ?? "",
    File: item.href?.split("/").pop() ?? "",
  };
  const rows = Object.entries(facts).filter(([, value]) => value !== "");
  $("detail-facts").replaceChildren(...rows.map(([name, value]) => make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }))));
}

function show(index, view = "") {
  endView();
  const item = items[index];
  const choices = viewsOf(item);
  open = { item, image: make("img", item.href ? { src: item.href, alt: "" } : {}), cleanups: [] };
  $("detail-title").textContent = item.asset_id;
  $("position").textContent = shown.includes(index) ? `${shown.indexOf(index) + 1} / ${shown.length}` : "";
  $("detail-prompt").textContent = item.prompt;
  $("detail-note").textContent = item.note;
  $("detail-note").hidden = !item.note || !choices.length;
  $("detail-note").classList.toggle("bad", ["failed", "blocked"].includes(item.state));
  $("views").replaceChildren(...(choices.length < 2 ? [] : choices).map(([name, label]) =>
    make("button", { type: "button", className: "tab", value: name, textContent: label, onclick: () => showView(name) })));
  showCandidates(item);
  showFacts(item);
  if (!dialog.open) dialog.showModal();
  for (const i of players.keys()) runCard(i);
  showView(choices.some(([name]) => name === view) ? view : choices[0]?.[0]);
}

// ---- the address names the open asset, so that a link to one can be sent ----

function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const index = items.findIndex((item) => item.asset_id === wanted.get("asset"));
  if (index >= 0) show(index, wanted.get("view") ?? "");
  else leave();
}

function walk(by) {
  const here = shown.indexOf(open.item.order);
  const next = shown[(here + by + shown.length) % shown.length];
  if (next === undefined) return;
  history.replaceState(null, "", `#asset=${encodeURIComponent(items[next].asset_id)}`);
  show(next, open.view);
}

// Browsers report the closing of a dialog a frame later, so this also runs twice or after the next opening.
function leave() {
  if (!open) return;
  dialog.close();
  const { order } = open.item;
  endView();
  open = null;
  history.replaceState(null, "", location.pathname + location.search);
  cards[order].querySelector("a").focus();
  for (const i of players.keys()) runCard(i);
}
dialog.onclose = () => dialog.open || leave();
dialog.onclick = (event) => event.target === dialog && leave();
$("close").onclick = leave;
$("previous").onclick = () => walk(-1);
$("next").onclick = () => walk(1);
$("copy").onclick = async () => {
  const words = $("detail-prompt");
  try {
    await navigator.clipboard.writeText(open.item.prompt);
    $("copy").textContent = "Copied";
  } catch { // no clipboard for pages from disk in some browsers: leave the words selected instead
    getSelection().selectAllChildren(words);
    $("copy").textContent = "Selected";
  }
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
};
addEventListener("hashchange", follow);

// ---- keys ----

const dialogKeys = {
  ArrowLeft: () => walk(-1),
  ArrowRight: () => walk(1),
  " ": () => open.toggle?.(),
  f: () => $("detail-frames")?.click(),
  "+": () => stepZoom(1),
  "=": () => stepZoom(1),
  "-": () => stepZoom(-1),
  0: () => setZoom(0),
};

function walkGrid(event) {
  const links = shown.map((i) => cards[i].querySelector("a"));
  const here = links.indexOf(document.activeElement);
  const columns = getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (here < 0 || !by || !links[here + by]) return;
  event.preventDefault();
  links[here + by].focus();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !open) {
    event.preventDefault();
    $("search").focus();
  } else if (!open) walkGrid(event);
  else if (!typing && !(event.key === " " && event.target.closest("button, a")) && dialogKeys[event.key]) {
    event.preventDefault();
    dialogKeys[event.key]();
  }
});

document.documentElement.classList.add("scripted");
$("stage").classList.add("framed");
$("motion").setAttribute("aria-pressed", motion);
showFrames(true);
refresh();
follow();
