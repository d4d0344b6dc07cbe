// Who was busy when: each life of a worker as a bar of its start, executions, gaps and idle tail. What is paid without an
// image in it is drawn lower than what is an execution, so that it is seen without colours too.

const PARTS = [["start", "start", "start", 0.62], ["execution", "execution", "execution", 0.84], ["failed", "failed execution", "failed", 0.84], ["gap", "gap between jobs", "gap", 0.34], ["idle", "idle tail", "idle", 0.2]];
const QUIET_MS = 10 * 60_000; // a pause after which it is another batch
const FIRST_WINDOW_MS = 2 * 3_600_000;
const FAILED = new Set(["failed", "lost", "cancelled"]);

// Charts know no time zones, so all moments are moved by what the clock of the newest is ahead of UTC. Where clocks were
// changed in between, the axis keeps to that one; tooltips and the table show each moment's own clock.
function segments() {
  const rows = records("occupancy").filter((row) => row.began !== null && row.ended !== null);
  const at = (iso) => Date.parse(iso);
  const newest = rows.reduce((last, row) => (last === null || at(row.ended) > at(last) ? row.ended : last), null);
  const ahead = newest === null ? 0 : offsetOf(newest);
  const part = ({ what, status }) => (what === "execution" && FAILED.has(status) ? "failed" : what);
  return { ahead, rows: rows.map((row) => ({ ...row, from: at(row.began) + ahead * 60_000, to: at(row.ended) + ahead * 60_000, part: part(row) })) };
}

const zoneWords = (ahead) => `UTC${ahead < 0 ? "-" : "+"}${two(Math.floor(Math.abs(ahead) / 60))}:${two(Math.abs(ahead) % 60)}`;

// As few lanes as workers were paid at once, each taken again by the next life when it is free: by a life of the same
// worker in the worker's own lane, if that may be.
function lanes(rows) {
  const lives = new Map();
  for (const row of rows) {
    const life = lives.get(row.life) ?? { worker: row.worker, from: Infinity, to: -Infinity };
    lives.set(row.life, { ...life, from: Math.min(life.from, row.from), to: Math.max(life.to, row.to) });
  }
  const taken = []; // a lane each: until when, and by whom
  const of = new Map();
  for (const [life, { worker, from, to }] of [...lives].sort((a, b) => a[1].from - b[1].from)) {
    const free = taken.flatMap(({ until }, lane) => (until <= from ? [lane] : []));
    const lane = free.find((place) => taken[place].workers.has(worker)) ?? free[0] ?? taken.length;
    taken[lane] = { until: to, workers: new Set([...(taken[lane]?.workers ?? []), worker]) };
    of.set(life, lane);
  }
  const named = taken.every(({ workers }) => workers.size === 1);
  return { of, lives, named, words: taken.map(({ workers }, lane) => (named ? [...workers][0] : `${lane + 1}`)) };
}

// From the end backwards to the first long pause: the newest batch, at most two hours of it.
function newestBatch(rows) {
  const order = [...rows].sort((a, b) => b.from - a.from);
  const end = Math.max(...rows.map((row) => row.to));
  let start = order[0].from;
  let reach = start;
  for (const row of order) {
    if (reach - row.to > QUIET_MS) break;
    start = Math.min(start, row.from);
    reach = start;
  }
  return [Math.max(start, end - FIRST_WINDOW_MS), end];
}

function segmentTip(row) {
  const about = row.what === "execution" ? [[null, "outcome", row.status ?? "unknown"]] : [];
  const [, word, tint] = PARTS.find(([part]) => part === row.part) ?? [null, row.what, "c7"];
  return tip(`${row.worker} at ${row.endpoint}`, [[colour(tint), word, duration(row.seconds)], ...about, [null, "from", clock(row.began)], [null, "to", clock(row.ended)], [null, "GPU", row.gpu ?? "unknown"], [null, "life", count(row.life)]]);
}

const LANE_PX = 40;

function bar(height, tint) {
  return (params, api) => {
    const [[x1, y], [x2]] = [api.coord([api.value(1), api.value(0)]), api.coord([api.value(2), api.value(0)])];
    const tall = 28 * height;
    const shape = echarts.graphic.clipRectByRect({ x: x1, y: y + 4 - tall / 2, width: Math.max(x2 - x1, 1), height: tall }, { ...params.coordSys });
    return shape && { type: "rect", shape, style: { fill: tint } };
  };
}

// The worker's name above its life, where a lane has lives of several.
function names(lives, of) {
  return { name: "workers", type: "custom", silent: true, tooltip: { show: false }, clip: true, encode: { x: [1, 2], y: 0 }, data: [...lives].map(([life, { from, to }]) => [of.get(life), from, to, life]), renderItem: (params, api) => {
    const [[x1, y], [x2]] = [api.coord([api.value(1), api.value(0)]), api.coord([api.value(2), api.value(0)])];
    const { x, width } = params.coordSys;
    const [left, right] = [Math.max(x1, x), Math.min(x2, x + width)];
    return right - left > 30 && { type: "text", style: { x: left, y: y - 18, text: lives.get(api.value(3)).worker, width: right - left, overflow: "truncate", font: "10px sans-serif", fill: colour("dim") } };
  } };
}

function timeline(view) {
  const { rows, ahead } = segments();
  if (!rows.length) return null;
  const { of, lives, named, words } = lanes(rows);
  const window = view.window ?? newestBatch(rows);
  const whole = [Math.min(...rows.map((row) => row.from)), Math.max(...rows.map((row) => row.to))];
  const series = PARTS.map(([part, name, tint, height]) => {
    const own = rows.filter((row) => row.part === part);
    return { name, type: "custom", color: colour(tint), z: 2 + height, clip: true, encode: { x: [1, 2], y: 0 }, data: own.map((row) => [of.get(row.life), row.from, row.to, row.place]), renderItem: bar(height, colour(tint)) };
  }).filter(({ data }) => data.length);
  const byPlace = new Map(rows.map((row) => [row.place, row]));
  const option = base(view, {
    legend: { ...base(view).legend, data: series.map(({ name }) => name) },
    tooltip: { ...base(view).tooltip, trigger: "item", formatter: ({ value }) => segmentTip(byPlace.get(value[3])) },
    grid: { ...base(view).grid, bottom: 32 },
    xAxis: { type: "time", axisLabel: axisWords(), axisLine: { lineStyle: { color: colour("line") } }, splitLine: { show: true, lineStyle: { color: colour("grid") } } },
    yAxis: nameAxis(words, { inverse: true, axisLabel: { ...axisWords(), width: view.narrow ? 64 : 150, overflow: "truncate", interval: 0 }, splitLine: { show: true, lineStyle: { color: colour("grid") } } }),
    dataZoom: [
      slider({ xAxisIndex: 0, filterMode: "weakFilter", startValue: window[0], endValue: window[1] }),
      { type: "inside", xAxisIndex: 0, filterMode: "weakFilter", zoomOnMouseWheel: "ctrl", moveOnMouseMove: true, moveOnMouseWheel: false },
    ],
    series: named ? series : [...series, names(lives, of)],
  });
  const caption = named ? "" : "A line is a place that one worker after another had. ";
  return { option, whole, canvas: true, height: 100 + LANE_PX * words.length, caption: `${caption}Drag to move; Ctrl and the wheel, or the buttons, to zoom. It opens at the newest batch. Times of the axis are ${zoneWords(ahead)}.` };
}
