// One builder a chart: rows of its table in, an ECharts option out. A builder draws figures of the table and makes none:
// nothing is added up, averaged or filled in, and a figure that is not known is not drawn.

const ALL_GAMES = "all games";
const unnamed = (name) => name ?? "unknown";
const ranked = unique([...records("by_type")].sort((a, b) => (b.cost_estimate_usd ?? 0) - (a.cost_estimate_usd ?? 0)).map((row) => unnamed(row.type)));
const typeColour = colourOf(unique([...ranked, ...["by_day_type", "cost_distribution"].flatMap((id) => records(id).map((row) => unnamed(row.type)))]));
const gameColour = colourOf(unique(["cumulative", "by_day_game"].flatMap((id) => records(id).map((row) => unnamed(row.scope ?? row.game)))).filter((name) => name !== ALL_GAMES));

// ---- what every chart has ----

function base(view, more) {
  const dim = colour("dim");
  return {
    animation: false,
    useUTC: true,
    backgroundColor: "transparent",
    textStyle: { color: colour("ink"), fontFamily: getComputedStyle(document.body).fontFamily },
    aria: { enabled: true, label: { enabled: false }, decal: { show: view.patterns } },
    grid: { left: 4, right: view.narrow ? 10 : 18, top: 40, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    legend: { type: "scroll", top: 2, left: 0, right: 0, itemWidth: 12, itemHeight: 10, itemGap: 14, icon: "roundRect", textStyle: { color: colour("ink") }, pageTextStyle: { color: dim }, pageIconColor: colour("accent"), pageIconInactiveColor: colour("line") },
    tooltip: { confine: true, transitionDuration: 0, backgroundColor: colour("panel"), borderColor: colour("line"), textStyle: { color: colour("ink"), fontSize: 12.5 }, extraCssText: "box-shadow: 0 2px 12px #0003; border-radius: 8px" },
    ...more,
  };
}

const axisWords = () => ({ color: colour("dim"), hideOverlap: true });
const valueAxis = (formatter, more = {}) => ({ type: "value", axisLabel: { ...axisWords(), formatter }, splitLine: { lineStyle: { color: colour("grid") } }, ...more });
const nameAxis = (data, more = {}) => ({ type: "category", data, axisTick: { show: false }, axisLine: { lineStyle: { color: colour("line") } }, axisLabel: axisWords(), ...more });
const slider = (more = {}) => ({ type: "slider", height: 18, bottom: 4, borderColor: "transparent", backgroundColor: colour("grid"), fillerColor: colour("accent").replace("rgb(", "rgba(").replace(")", ", 0.18)"), moveHandleSize: 0, handleSize: 14, showDetail: false, showDataShadow: false, brushSelect: false, textStyle: { color: colour("dim") }, ...more });
const zoomable = (option, on, more) => (on ? { ...option, grid: { ...option.grid, bottom: 30 }, dataZoom: [slider(more)] } : option);

// Every day from the first to the last: a day without a row has no bar, and is not left out.
function daysOf(rows) {
  const known = unique(rows.map((row) => row.day)).sort();
  const days = [];
  for (let at = Date.parse(known[0]); at <= Date.parse(known.at(-1)); at += 86_400_000) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const name = unnamed(row[key]);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return groups;
}

const NOTHING = [[null, "nothing", ""]];
const known = (value) => value !== null && value !== undefined && value !== "-";
const nonZero = (params) => params.filter(({ value }) => known(value) && value !== 0);

// ---- spend over time ----

const MEASURE_WORDS = { cost_estimate_usd: "estimate", cost_low_usd: "low", cost_high_usd: "high", attempts: "attempts", kept: "kept images" };
const LONG_SPAN_DAYS = 45;
const FEW_DAYS = 12;

function paidRows(id) {
  const rows = records(id);
  const paid = rows.filter((row) => row.kind === "paid");
  return paid.length ? paid : rows;
}

function spendControls(id) {
  const paid = records(id).some((row) => row.kind === "paid");
  const names = Object.keys(MEASURE_WORDS);
  return [{ name: "measure", label: "Show", options: (paid ? names : ["attempts", "kept"]).map((name) => [name, MEASURE_WORDS[name]]) }];
}

function spendCaption(id) {
  const rows = records(id);
  const drafts = rows.some((row) => row.kind === "draft");
  if (drafts && rows.every((row) => row.kind === "draft")) return "Only drafts so far; they cost nothing.";
  return drafts ? "Drafts, which cost nothing, are left out." : "";
}

function spend(id, key, tint) {
  return (view) => {
    const rows = paidRows(id);
    const days = daysOf(rows);
    const { measure } = view.picked;
    const money = measure.endsWith("_usd");
    const series = [...grouped(rows, key)].map(([name, own]) => {
      const at = new Map(own.map((row) => [row.day, row[measure]]));
      return { name, type: "bar", stack: "day", barMaxWidth: 42, color: tint(name), data: days.map((day) => at.get(day) ?? null) };
    });
    const all = new Map(money ? records("cumulative").filter((row) => row.scope === ALL_GAMES).map((row) => [row.day, row.spent_usd]) : []);
    const option = base(view, {
      tooltip: { ...base(view).tooltip, trigger: "axis", axisPointer: { type: "shadow" }, formatter: (params) => {
        const lines = nonZero(params).sort((a, b) => b.value - a.value).slice(0, 12).map((p) => [p.color, p.seriesName, money ? usd(p.value) : count(p.value)]);
        const total = measure === "cost_estimate_usd" && all.has(params[0].axisValue) ? [[null, ALL_GAMES, usd(all.get(params[0].axisValue))]] : [];
        return tip(params[0].axisValue, lines.length ? [...lines, ...total] : NOTHING);
      } },
      xAxis: nameAxis(days),
      yAxis: valueAxis(money ? usdTick : count),
      series,
    });
    const newest = view.narrow ? { startValue: days.length - LONG_SPAN_DAYS, endValue: days.length - 1 } : {};
    return { option: zoomable(option, days.length > LONG_SPAN_DAYS, newest), caption: spendCaption(id) };
  };
}

function cumulative(view) {
  const rows = records("cumulative");
  const days = daysOf(rows);
  const series = [...grouped(rows, "scope")].flatMap(([name, own]) => {
    const at = new Map(own.map((row) => [row.day, row]));
    const whole = name === ALL_GAMES;
    const line = { type: "line", symbol: "circle", symbolSize: own.length === 1 ? 9 : 5, showSymbol: own.length <= FEW_DAYS, step: "end", connectNulls: true, color: whole ? colour("ink") : gameColour(name) };
    const spent = { ...line, name, lineStyle: { width: whole ? 2.5 : 1.5 }, data: days.map((day) => at.get(day)?.cumulative_usd ?? null) };
    if (own.every((row) => row.budget_usd === null)) return [spent];
    const limit = { ...line, name: `budget of ${name}`, color: whole ? colour("budget") : gameColour(name), lineStyle: { type: "dashed", width: 1.5 }, data: days.map((day) => at.get(day)?.budget_usd ?? null) };
    return [spent, limit];
  });
  const option = base(view, {
    legend: { ...base(view).legend, icon: undefined, itemWidth: 22 },
    tooltip: { ...base(view).tooltip, trigger: "axis", formatter: (params) => {
      const lines = params.filter(({ value }) => known(value)).map((p) => [p.color, p.seriesName, usd(p.value)]);
      return tip(params[0].axisValue, lines.length ? lines : NOTHING);
    } },
    xAxis: nameAxis(days, { boundaryGap: days.length === 1 }),
    yAxis: valueAxis(usdTick),
    series,
  });
  return { option: zoomable(option, days.length > LONG_SPAN_DAYS) };
}

// ---- where the money goes ----

const WHAT_COLOUR = { kept: "execution", load: "load", rejected: "rejected", failed: "failed", start: "start", gap: "gap", idle: "idle", jobless: "jobless" };

function losses(view) {
  const rows = records("losses");
  if (rows.every((row) => !row.cost_usd)) return null;
  const option = base(view, {
    legend: { show: false },
    grid: { ...base(view).grid, top: 8, right: 76 },
    tooltip: { ...base(view).tooltip, ...BY_LINE, formatter: ([{ dataIndex, color }]) => tip(rows[dataIndex].title, [[color, "estimate", usd(rows[dataIndex].cost_usd)], [null, "time", duration(rows[dataIndex].seconds)], [null, "of the time", share(rows[dataIndex].share)]]) },
    yAxis: nameAxis(rows.map((row) => row.title), { inverse: true, axisLabel: { ...axisWords(), width: view.narrow ? 110 : 240, overflow: "break", lineHeight: 13, interval: 0 } }),
    xAxis: valueAxis(usdTick),
    series: [{ name: "estimate", type: "bar", barMaxWidth: 26, label: { show: true, position: "right", color: colour("ink"), formatter: ({ dataIndex }) => usd(rows[dataIndex].cost_usd) }, data: rows.map((row) => ({ value: row.cost_usd, itemStyle: { color: colour(WHAT_COLOUR[row.what] ?? "c7") } })) }],
  });
  return { option, height: 60 + 40 * rows.length };
}

// ---- distributions ----

const GAP = "…";

// Steps of a distribution in their order: where each begins, and its words. Steps without images are not in the table;
// a mark stands for any number of them, so that what lies apart is not drawn side by side.
function steps(rows, from, to, word) {
  const ends = new Map(rows.map((row) => [row[from], row[to]]));
  const starts = [...ends.keys()].sort((a, b) => a - b);
  return starts.flatMap((start, i) => {
    const before = ends.get(starts[i - 1]);
    const step = { start, words: word(start, ends.get(start)) };
    return i === 0 || before === start ? [step] : [{ start: null, words: GAP }, step];
  });
}

const usdRange = (from, to) => (to === null ? `${usdTick(from)} and more` : `${usdTick(from)}–${usdTick(to).slice(1)}`);
const minutes = (seconds) => `${Math.floor(seconds / 60)}:${two(Math.round(seconds % 60))}`;

function secondsRange(from, to) {
  const [word, unit] = (to ?? from) <= 120 ? [(seconds) => +seconds.toPrecision(3), "s"] : [minutes, "min"];
  return to === null ? `${word(from)} ${unit} and more` : `${word(from)}–${word(to)} ${unit}`;
}

function histogram(id, key, from, to, word, tint) {
  return (view) => {
    const rows = records(id);
    const line = steps(rows, from, to, word);
    const series = [...grouped(rows, key)].map(([name, own]) => {
      const at = new Map(own.map((row) => [row[from], row.images]));
      return { name, type: "bar", stack: "images", barCategoryGap: "8%", color: tint(name), data: line.map(({ start }) => at.get(start) ?? null) };
    });
    return { option: base(view, {
      tooltip: { ...base(view).tooltip, trigger: "axis", axisPointer: { type: "shadow" }, formatter: (params) => {
        const lines = nonZero(params).map((p) => [p.color, p.seriesName, count(p.value)]);
        return tip(params[0].axisValue, lines.length ? lines : NOTHING);
      } },
      xAxis: nameAxis(line.map(({ words }) => words), { axisLabel: { ...axisWords(), rotate: line.length > (view.narrow ? 4 : 8) ? 40 : 0, interval: Math.floor((line.length - 1) / (view.narrow ? 9 : 24)) } }),
      yAxis: valueAxis(count, { minInterval: 1, name: "images", nameTextStyle: { color: colour("dim"), align: "left" } }),
      grid: { ...base(view).grid, top: 56 },
      series,
    }) };
  };
}

// Where rows lie one below another, the whole line answers, not only the mark in it.
const BY_LINE = { trigger: "axis", axisPointer: { type: "shadow", axis: "y" } };
const lineOf = (params) => params.find(({ seriesType }) => seriesType === "scatter").value[1];

const PERCENTILES = [["p50_s", "median", "circle", "c0"], ["p90_s", "p90", "diamond", "c4"], ["p99_s", "p99", "triangle", "c3"]];

function latency(view) {
  const rows = records("latency_distribution");
  if (rows.every((row) => row.p50_s === null)) return null;
  const parts = rows.map((row) => unnamed(row.part));
  const measured = rows.filter((row) => row.p50_s !== null && row.p99_s !== null);
  const span = { name: "median to p99", type: "custom", silent: true, color: colour("idle"), encode: { x: [1, 2], y: 0 }, data: measured.map((row) => [row.place, row.p50_s, row.p99_s]), renderItem: (params, api) => {
    const [[x1, y], [x2]] = [api.coord([api.value(1), api.value(0)]), api.coord([api.value(2), api.value(0)])];
    return { type: "rect", shape: { x: x1, y: y - 2, width: Math.max(x2 - x1, 0), height: 4 }, style: { fill: colour("idle") } };
  } };
  const points = PERCENTILES.map(([name, word, symbol, tint]) => ({ name: word, type: "scatter", symbol, symbolSize: 11, color: colour(tint), data: rows.map((row) => [row[name], row.place]) }));
  return { height: 100 + 34 * rows.length, option: base(view, {
    legend: { ...base(view).legend, icon: undefined, data: PERCENTILES.map(([, word]) => word) },
    tooltip: { ...base(view).tooltip, ...BY_LINE, formatter: (params) => {
      const row = rows[lineOf(params)];
      return tip(unnamed(row.part), [...PERCENTILES.map(([name, word, , tint]) => [colour(tint), word, duration(row[name])]), [null, "mean", duration(row.mean_s)], [null, "longest", duration(row.max_s)], [null, "measured", count(row.attempts)]]);
    } },
    xAxis: valueAxis(secondsTick, { min: 0 }),
    yAxis: nameAxis(parts, { inverse: true, splitLine: { show: true, lineStyle: { color: colour("grid") } } }),
    series: [span, ...points],
  }) };
}

// ---- beside others ----

function scenario(view) {
  const rows = records("scenario");
  const priced = rows.filter((row) => row.scenario_low_usd !== null && row.scenario_high_usd !== null);
  const range = { name: "Scenario", type: "custom", color: colour("c5"), encode: { x: [1, 2], y: 0 }, data: priced.map((row) => [row.place, row.scenario_low_usd, row.scenario_high_usd]), renderItem: (params, api) => {
    const [[x1, y], [x2]] = [api.coord([api.value(1), api.value(0)]), api.coord([api.value(2), api.value(0)])];
    return { type: "rect", shape: { x: x1, y: y - 7, width: Math.max(x2 - x1, 3), height: 14, r: 3 }, style: { fill: colour("c5") } };
  } };
  const own = { name: "here", type: "scatter", symbol: "diamond", symbolSize: 14, color: colour("own"), label: { show: !view.narrow, position: "right", color: colour("ink"), formatter: ({ value }) => usd(value[0]) }, labelLayout: { hideOverlap: true }, data: rows.map((row) => [row.own_per_image_usd, row.place]) };
  return { height: 100 + 34 * rows.length, option: base(view, {
    legend: { ...base(view).legend, icon: undefined },
    tooltip: { ...base(view).tooltip, ...BY_LINE, formatter: (params) => {
      const row = rows[lineOf(params)];
      return tip(unnamed(row.type), [[colour("own"), "a kept image here", usd(row.own_per_image_usd)], [colour("c5"), "Scenario from", usd(row.scenario_low_usd)], [null, "to", usd(row.scenario_high_usd)], [null, "kept images", count(row.images)], [null, "saves", `${share(row.saving_low)} to ${share(row.saving_high)}`]]);
    } },
    xAxis: valueAxis(usdTick, { min: 0 }),
    yAxis: nameAxis(rows.map((row) => unnamed(row.type)), { inverse: true, splitLine: { show: true, lineStyle: { color: colour("grid") } } }),
    series: [range, own],
  }) };
}

const ESTIMATED = [["execution_usd", "estimated: execution", "execution"], ["start_usd", "estimated: starts", "start"], ["idle_usd", "estimated: gaps and idle", "gap"], ["jobless_usd", "estimated: workers without a job", "jobless"]];
const HOURS_SHOWN = 48;

function reconciliationControls() {
  const endpoints = unique(records("reconciliation").map((row) => unnamed(row.endpoint)));
  return endpoints.length > 1 ? [{ name: "endpoint", label: "Endpoint", options: endpoints.map((name) => [name, name]) }] : [];
}

function reconciliation(view) {
  const all = records("reconciliation");
  const rows = all.filter((row) => unnamed(row.endpoint) === (view.picked.endpoint ?? unnamed(all[0].endpoint)));
  const hours = rows.map((row) => clock(row.began).slice(0, 16));
  const pale = (row, value) => (row.state === "settling" ? { value, itemStyle: { opacity: 0.45 } } : value);
  const billed = { name: "billed", type: "bar", barMaxWidth: 26, barGap: "10%", color: colour("own"), data: rows.map((row) => pale(row, row.billed_usd)) };
  const estimated = ESTIMATED.map(([name, word, tint]) => ({ name: word, type: "bar", stack: "estimated", barMaxWidth: 26, color: colour(tint), data: rows.map((row) => pale(row, row[name])) }));
  const option = base(view, {
    tooltip: { ...base(view).tooltip, trigger: "axis", axisPointer: { type: "shadow" }, formatter: (params) => {
      const row = rows[params[0].dataIndex];
      const parts = ESTIMATED.map(([name, word, tint]) => [colour(tint), word, usd(row[name])]);
      return tip(`${hours[params[0].dataIndex]}, ${row.state}`, [[colour("own"), "billed", usd(row.billed_usd)], [null, "estimated", usd(row.estimate_usd)], ...parts, [null, "billed for something else", usd(row.other_usd)]]);
    } },
    xAxis: nameAxis(hours),
    yAxis: valueAxis(usdTick),
    series: [billed, ...estimated],
  });
  const caption = rows.some((row) => row.state === "settling") ? "Pale hours are still settling." : "";
  return { option: zoomable(option, rows.length > HOURS_SHOWN, { startValue: Math.max(0, rows.length - HOURS_SHOWN), endValue: rows.length - 1 }), caption };
}

const WARMTH_COLOUR = { cold: "start", warm: "execution" };
const builders = {
  by_day_game: spend("by_day_game", "game", gameColour),
  by_day_type: spend("by_day_type", "type", typeColour),
  cumulative,
  losses,
  cost_distribution: histogram("cost_distribution", "type", "from_usd", "to_usd", usdRange, typeColour),
  latency_distribution: latency,
  latency_histogram: histogram("latency_histogram", "warmth", "from_s", "to_s", secondsRange, (name) => colour(WARMTH_COLOUR[name] ?? "gap")),
  occupancy: (view) => timeline(view),
  scenario,
  reconciliation,
};
const controls = {
  by_day_game: () => spendControls("by_day_game"),
  by_day_type: () => spendControls("by_day_type"),
  reconciliation: reconciliationControls,
};
