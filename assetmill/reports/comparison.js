// The page: which pair is shown, what may be known of it, and what is said of it.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const stage = new Stage(byId("stage"));
const ballots = new Ballots(data);
const SIDES = ["A", "B"]; // neither left nor right: on a narrow screen one stands above the other
let current = data.pairs[0];
let label = "";

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// A and B are places; the side that stands there is by lot.
const sideAt = (pair, place) => (pair.swapped ? 1 - place : place);
const voter = () => byId("voter").value.trim() || "anonymous";
const mine = (pair) => ballots.of(pair, voter());
const known = (pair) => byId("blind").getAttribute("aria-pressed") !== "true" || !pair.whole || Boolean(mine(pair));
const title = (pair) => pair.asset + (pair.candidate ? ` #${pair.candidate}` : "");
const captionAt = (pair, place) => (known(pair) ? data.sides[sideAt(pair, place)] : SIDES[place]);
const choiceAt = (pair, number) => (number < 2 ? data.sides[sideAt(pair, number)] : ["equal", "neither"][number - 2]);

function listed() {
  const type = byId("type").value;
  const open = byId("unvoted").getAttribute("aria-pressed") === "true";
  return data.pairs.filter((pair) => (!type || pair.type === type) && (!open || (pair.whole && !mine(pair))));
}

function thumb(pair, place) {
  const views = pair.shots[sideAt(pair, place)].views;
  const view = views.find((one) => one.hrefs.length === 1) ?? views[0];
  if (!view) return make("span", { className: "thumb" });
  return make("img", { className: "thumb", src: view.hrefs[0], alt: "", loading: "lazy", decoding: "async" });
}

function showList() {
  const pairs = listed();
  const rows = pairs.map((pair) => {
    const thumbs = make("span", { className: "thumbs" }, thumb(pair, 0), thumb(pair, 1));
    const mark = make("span", { className: "mark" }, mine(pair) ? "✓" : "");
    if (mine(pair)) mark.append(make("span", { className: "visually-hidden" }, "voted"));
    const button = make("button", { type: "button", onclick: () => show(pair) }, thumbs);
    button.append(make("span", { className: "title" }, title(pair)), mark);
    button.append(make("span", { className: "kind" }, pair.type.replaceAll("_", " ")));
    button.setAttribute("aria-current", String(pair === current));
    return make("li", {}, button);
  });
  byId("list").replaceChildren(...rows);
  const voted = data.pairs.filter((pair) => mine(pair)).length;
  const whole = data.pairs.filter((pair) => pair.whole).length;
  byId("count").textContent = `${pairs.length} shown, ${voted} of ${whole} voted`;
  const counts = ballots.counts();
  for (const cell of document.querySelectorAll("[data-preferred]")) {
    cell.textContent = String(counts.get(data.sides[Number(cell.dataset.preferred)]) ?? 0);
  }
}

function viewsOf(pair) {
  const labels = new Set(pair.shots.flatMap((shot) => shot.views.map((view) => view.label)));
  return [...labels];
}

function showPictures(hold) {
  const labels = viewsOf(current);
  if (!labels.includes(label)) label = labels[0];
  const shots = [0, 1].map((place) => current.shots[sideAt(current, place)]);
  const views = shots.map((shot) => shot.views.find((view) => view.label === label));
  const reasons = shots.map((shot) => (shot.views.length ? `has no ${label}` : shot.why));
  stage.show(views, reasons, [captionAt(current, 0), captionAt(current, 1)], hold);
  stage.bring(stage.front);
  const buttons = labels.map((one) => {
    const choose = () => {
      label = one;
      showPictures(true);
    };
    const button = make("button", { type: "button", className: "toggle", onclick: choose }, one);
    button.setAttribute("aria-pressed", String(one === label));
    return button;
  });
  const focused = [...byId("views").children].indexOf(document.activeElement);
  byId("views").replaceChildren(...(labels.length > 1 ? buttons : []));
  if (focused >= 0) byId("views").children[focused]?.focus();
}

function showFigures() {
  const reveal = known(current);
  const rows = current.rows.filter((row) => reveal || !row.reveals);
  const head = make("tr", {}, make("td"));
  for (const place of [0, 1]) head.append(make("th", { scope: "col" }, captionAt(current, place)));
  const body = rows.map((row) => {
    const line = make("tr", {}, make("th", { scope: "row", title: row.help }, row.label));
    for (const place of [0, 1]) {
      const side = sideAt(current, place);
      const cell = make("td", { className: row.better === side ? "better" : "" }, row.texts[side] || "–");
      if (row.better === side) cell.append(make("span", { className: "visually-hidden" }, " (better)"));
      line.append(cell);
    }
    return line;
  });
  const notes = [0, 1].map((place) => current.shots[sideAt(current, place)].notes.join("; "));
  if (notes.some(Boolean)) {
    body.push(make("tr", {}, make("th", { scope: "row" }, "notes"), ...notes.map((note) => make("td", {}, note || "–"))));
  }
  const table = make("table", { className: "figures" }, make("thead", {}, head), make("tbody", {}, ...body));
  byId("figures").replaceChildren(table);
  const both = current.between.map(([name, text]) => `${name} ${text}`);
  const hidden = reveal ? [] : ["names, cost and latency are shown once you have voted"];
  byId("between").textContent = [...both, ...hidden].join(" · ");
}

function showBallot() {
  const vote = mine(current);
  const words = ["A is better", "B is better", "Equally good", "Neither is usable"];
  const buttons = words.map((text, number) => {
    const choice = choiceAt(current, number);
    const shown = number < 2 && known(current) && vote ? `${data.sides[sideAt(current, number)]} is better` : text;
    const button = make("button", { type: "button", className: "choice", disabled: !current.whole }, `${shown} `);
    button.append(make("kbd", {}, String(number + 1)));
    button.onclick = () => cast(number);
    button.dataset.choice = choice;
    button.setAttribute("aria-pressed", String(vote?.choice === choice));
    return button;
  });
  const focused = [...byId("choices").children].indexOf(document.activeElement);
  byId("choices").replaceChildren(...buttons);
  if (focused >= 0) byId("choices").children[focused].focus();
  byId("said").className = "";
  byId("said").textContent = current.whole ? told(vote) : "One picture is missing, so there is nothing to choose from.";
}

function told(vote) {
  if (!vote) return "";
  const others = ballots.others(current, voter()).map((one) => `${one.voter}: ${one.choice}`);
  const places = [0, 1].map((place) => `${SIDES[place]} is ${data.sides[sideAt(current, place)]}`);
  const kept = data.served ? "Saved." : "Kept in this page.";
  return [`${kept} You said ${vote.choice}; ${places.join(", ")}.`, ...others].join(" ");
}

async function cast(number) {
  if (!current.whole) return;
  const pair = current;
  try {
    await ballots.cast(pair, voter(), choiceAt(pair, number), byId("note").value.trim());
  } catch (error) {
    byId("said").className = "wrong";
    byId("said").textContent = error.message;
    return;
  }
  remembered.set(NAME, byId("voter").value.trim());
  refresh();
}

// Everything but the place that is looked at.
function refresh() {
  [0, 1].forEach((place) => stage.name(place, captionAt(current, place)));
  stage.bring(stage.front);
  showFigures();
  showBallot();
  showList();
}

function show(pair, hold = false) {
  current = pair;
  byId("name").textContent = title(pair);
  byId("about").textContent = `${pair.type.replaceAll("_", " ")} · ${pair.size}`;
  byId("prompt").textContent = pair.prompt;
  byId("note").value = mine(pair)?.note ?? "";
  showPictures(hold);
  showFigures();
  showBallot();
  showList();
  byId("list").querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function step(by) {
  const pairs = listed();
  const place = pairs.indexOf(current);
  const next = pairs[(Math.max(place, by < 0 ? 0 : -1) + by + pairs.length) % pairs.length];
  if (next) show(next);
}

function nextOpen() {
  const place = data.pairs.indexOf(current);
  const order = [...data.pairs.slice(place + 1), ...data.pairs.slice(0, place + 1)];
  const next = order.find((pair) => pair.whole && !mine(pair));
  if (next) show(next);
  else byId("said").textContent = "Every pair has your vote.";
}

function press(id) {
  const button = byId(id);
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
}

function choose(name, value) {
  const input = document.querySelector(`input[name="${name}"][value="${value}"]`);
  input.checked = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

function nextGround() {
  const all = [...document.querySelectorAll('input[name="ground"]')];
  choose("ground", all[(all.findIndex((one) => one.checked) + 1) % all.length].value);
}

const KEYS = {
  1: () => cast(0), 2: () => cast(1), 3: () => cast(2), 4: () => cast(3),
  n: () => step(1), p: () => step(-1), u: nextOpen,
  s: () => choose("mode", "side"), b: () => choose("mode", "blink"), d: () => choose("mode", "slider"), g: nextGround,
  "+": () => stage.zoomTo(stage.at.zoom * STEP), "=": () => stage.zoomTo(stage.at.zoom * STEP),
  "-": () => stage.zoomTo(stage.at.zoom / STEP), 0: () => stage.fit(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches('input[type="text"], select, textarea');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && document.body.dataset.mode === "blink" && !event.target.matches("button, input, summary")) {
    event.preventDefault();
    stage.auto(false);
    stage.bring(1 - stage.front);
  } else if (KEYS[event.key.toLowerCase()]) {
    event.preventDefault();
    KEYS[event.key.toLowerCase()]();
  }
});

for (const input of document.querySelectorAll('input[name="mode"]')) input.onchange = () => stage.mode(input.value);
for (const input of document.querySelectorAll('input[name="ground"]')) {
  input.onchange = () => {
    document.body.dataset.ground = input.value;
  };
}
byId("split").oninput = () => stage.split(Number(byId("split").value));
byId("zoom-in").onclick = KEYS["+"];
byId("zoom-out").onclick = KEYS["-"];
byId("fit").onclick = () => stage.fit();
byId("pixels").onclick = () => stage.pixels();
byId("other").onclick = () => {
  stage.auto(false);
  stage.bring(1 - stage.front);
};
byId("auto").onclick = () => stage.auto(!stage.timer);
byId("next").onclick = () => step(1);
byId("previous").onclick = () => step(-1);
byId("type").onchange = showList;
byId("unvoted").onclick = () => {
  press("unvoted");
  showList();
};
byId("blind").onclick = () => {
  press("blind");
  refresh();
};
byId("voter").value = remembered.get(NAME) ?? "";
byId("voter").onchange = () => show(current, true);
if (byId("save")) byId("save").onclick = () => ballots.save();
if (byId("again")) {
  byId("again").onclick = async () => {
    const answer = await fetch("summary").catch(() => null);
    byId("policy").textContent = answer?.ok ? await answer.text() : "The program that serves this page does not answer.";
  };
}
show(current);
