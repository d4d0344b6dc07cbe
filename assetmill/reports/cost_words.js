// How figures are worded on axes and in tooltips, and the colours that the style sheet names. Tables are worded before
// the page is written; what is said here follows the same rules.

const $ = (id) => document.getElementById(id);
const report = JSON.parse($("report").textContent);

// An amount that nobody knows stays null: it is no bar of height 0.
const number = (value) => (value === null || value === undefined ? null : Number(value));

function usd(value) {
  if (value === null) return "unknown";
  const [sign, size] = [value < 0 ? "-" : "", Math.abs(value)];
  const fine = size > 0 && size < 0.001;
  const [least, most] = fine ? [4, Math.min(2 - Math.floor(Math.log10(size)), 8)] : size > 0 && size < 1 ? [4, 4] : [2, 2];
  return sign + "$" + size.toLocaleString("en-US", { minimumFractionDigits: least, maximumFractionDigits: most, roundingMode: "halfEven" });
}

const usdTick = (value) => (value < 0 ? "-$" : "$") + Math.abs(value).toLocaleString("en-US", { maximumSignificantDigits: 3 });
const count = (value) => (value === null ? "–" : value.toLocaleString("en-US"));
const two = (value) => String(value).padStart(2, "0");

function duration(value) {
  if (value === null) return "–";
  if (value < 600) return `${value.toFixed(value < 0.1 ? 4 : value < 10 ? 2 : 1)} s`;
  const whole = Math.round(value);
  if (whole < 7200) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(value / 60);
  if (minutes < 5760) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(value / 3600);
  return `${count(Math.floor(hours / 24))} d ${two(hours % 24)} h`;
}

const secondsTick = (value) => (value < 120 ? `${+value.toPrecision(3)} s` : value < 7200 ? `${+(value / 60).toPrecision(3)} min` : `${+(value / 3600).toPrecision(3)} h`);
const share = (value) => (value === null ? "–" : `${(value * 100).toFixed(1)} %`);
const WORDS = { usd, count, seconds: duration, share, text: (value) => value ?? "unknown" };

// Minutes that the clock of a moment is ahead of UTC, and the moment as that clock shows it.
function offsetOf(iso) {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(iso) ?? [null, "+", "0", "0"];
  return Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes));
}
const clock = (iso) => iso.slice(0, 19).replace("T", " ");

// The figures of a table: one object a row, with Maps nowhere and prototypes nowhere, for names are data.
function records(id) {
  const table = report.tables[id];
  if (!table) return [];
  return table.rows.map((row, place) => {
    const record = Object.create(null);
    table.columns.forEach(({ name, kind }, i) => { record[name] = kind === "usd" ? number(row[i]) : row[i]; });
    record.place = place;
    return record;
  });
}

const titles = (id) => new Map(report.tables[id].columns.map(({ name, title }) => [name, title]));
const unique = (values) => [...new Set(values)];

const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);
function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

const PALETTE = 8;
// A name keeps its colour in every chart of the page.
const colourOf = (names) => {
  const places = new Map(names.map((name, i) => [name, i]));
  return (name) => colour(`c${places.get(name) % PALETTE}`);
};

// A tooltip is built as elements: names in it are text, and no style stands in markup.
function tip(heading, lines) {
  const box = document.createElement("div");
  box.className = "tip";
  const title = document.createElement("b");
  title.textContent = heading;
  box.append(title);
  for (const [fill, words, figure] of lines) {
    const [line, dot, label, value] = ["div", "i", "span", "em"].map((tag) => document.createElement(tag));
    dot.style.background = fill ?? "transparent";
    label.textContent = words;
    value.textContent = figure;
    line.append(dot, label, value);
    box.append(line);
  }
  return box;
}
