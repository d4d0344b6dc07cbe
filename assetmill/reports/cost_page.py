"""A cost report as one static page with charts, so that whoever pays can look into it without any tool but a browser.

The page is opened from disk, from a store and from mail, years later and without a network. So everything is part of
the file: styles, scripts, the chart library, and the report's tables as JSON. The charts draw that JSON and the tables
below them show it, so that no figure is there twice from two sources; nothing here adds up anything. Names of games,
workers and errors are data; none may ever become markup or script. Rendering reads no clock: the same report gives the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from assetmill.reports.cost_cells import NONE, cell_text
from assetmill.reports.inlined import csp_source, inline_script, resource, script_json
from assetmill.reports.tables import Cell, Column, CostReport, ReportTable, json_document

_SCRIPTS = ("cost_words.js", "cost_charts.js", "cost_timeline.js", "cost_page.js")
_LIBRARY = "vendor/echarts.min.js"
# Longer tables are folded where there is a chart above them, and cut when printed.
OPEN_ROWS = 8
_DIGITS = frozenset({"count", "seconds", "moment"})  # kinds whose words hold nothing that markup is made of
_STATED = frozenset({"kind", "verdict", "state"})
_STATES: Mapping[Cell, str] = {
    "met": "good",
    "not met": "bad",
    "no data": "quiet",
    "settling": "wait",
    "settled": "good",
    "draft": "quiet",
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Args:
        id: anchor.
        title: heading.
        tables: ids of its tables, in order.
    """

    id: str
    title: str
    tables: tuple[str, ...]


SECTIONS = (
    Section("spend", "Spend over time", ("by_day_game", "by_day_type", "cumulative")),
    Section("money", "What it was for", ("losses", "cost_distribution")),
    Section("time", "How long it took", ("latency_distribution", "latency_histogram", "occupancy")),
    Section("scenario", "Against Scenario", ("scenario", "migration")),
    Section("billed", "What was billed", ("reconciliation", "prices")),
    Section(
        "groups",
        "Every group",
        ("summary", "by_game", "by_type", "by_workflow", "by_provider", "by_gpu", "by_status"),
    ),
)
"""The page in its order; a table that is in none of them is shown at the end."""

CHARTS = {
    "by_day_game": "Stacked bars: estimated cost of each day, by game.",
    "by_day_type": "Stacked bars: estimated cost of each day, by type of asset.",
    "cumulative": "Lines: what was spent so far, of all games and of each, against their budgets.",
    "losses": "Bars: what the paid time went into, as estimated cost.",
    "cost_distribution": "Stacked bars: how many images cost how much, by type of asset.",
    "latency_distribution": "For each part of an image's time: median, 90th and 99th percentile.",
    "latency_histogram": "Stacked bars: how many images took how long, on cold and on warm workers.",
    "occupancy": "Timeline: when each worker started, worked, and stood paid but idle.",
    "scenario": "For each type of asset: cost of a kept image here, beside the range of Scenario's price.",
    "reconciliation": "For each hour: what was billed, beside what was estimated, and for what.",
}
"""Tables with a chart above them, and what it shows, for who cannot see it."""

HALVES = frozenset(
    {"by_day_game", "by_day_type", "losses", "cost_distribution", "latency_distribution", "latency_histogram"}
)
"""Tables that share a row of the page with another, where it is wide enough."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure at the top of the page: a cell of a table.

    Args:
        label: what it is.
        value: the cell, as markup that names its place.
        beside: smaller figures that belong to it.
    """

    label: str
    value: Markup
    beside: Markup


def render_cost_page(report: CostReport) -> str:
    """Write the report as one HTML document that loads nothing.

    Every table of the report is on it. Figures of a table are worded by `cell_text`, and stand exactly, as
    `json_document` writes them, in the page's JSON element `report`.
    """
    zone = ZoneInfo(report.timezone)
    library, script, style = resource(_LIBRARY), inline_script(_SCRIPTS), resource("cost_page.css")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    html = environment.from_string(resource("cost_page.html.j2")).render(
        report=report,
        period=_period(report, zone),
        made_at=f"{report.made_at.astimezone(zone):%Y-%m-%d %H:%M}",
        figures=tuple(_figures(report, zone)),
        warnings=tuple(_warnings(report)),
        sections=tuple(_sections(report)),
        charts=CHARTS,
        halves=HALVES,
        open_rows=OPEN_ROWS,
        head=_head,
        body=lambda table: _body(table, zone),
        data=script_json(json_document(report)),
        library=library,
        script=script,
        style=style,
        script_sources=f"{csp_source(library)} {csp_source(script)}",
        style_source=csp_source(style),
    )
    return html.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair has no UTF-8 form


def _period(report: CostReport, zone: ZoneInfo) -> str:
    def moment(at: datetime) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"

    since = f"from {moment(report.since)}" if report.since else "from the first attempt"
    return f"{since} {f'until {moment(report.until)}' if report.until else 'up to now'}"


def _sections(report: CostReport) -> Iterator[tuple[Section, list[ReportTable]]]:
    """Sections with those of their tables that the report has; what nobody placed comes last."""
    placed = {name for section in SECTIONS for name in section.tables}
    rest = Section("rest", "More", tuple(name for name in report.tables if name not in placed))
    for section in (*SECTIONS, rest):
        tables = [report.tables[name] for name in section.tables if name in report.tables]
        if tables:
            yield section, tables


def _figures(report: CostReport, zone: ZoneInfo) -> Iterator[Figure]:
    """The cells that answer the first questions; a figure whose table is not there is left out."""
    paid = _row(report, "summary", "kind", "paid")

    def cell(name: str, row: tuple[str, int] | None = paid) -> Markup:
        return _cell(report, row, name, zone)

    if paid:
        beside = Markup("{} low, {} high").format(cell("cost_low_usd"), cell("cost_high_usd"))
        yield Figure("Spent, as estimated", cell("cost_estimate_usd"), beside)
        beside = Markup("{} an image made").format(cell("cost_per_image_usd"))
        yield Figure("A kept image", cell("cost_per_kept_image_usd"), beside)
        beside = Markup("of {} attempts; {} rejected, {} failed, {} open")
        beside = beside.format(*map(cell, ("attempts", "rejected", "failed", "open")))
        yield Figure("Kept images", cell("kept"), beside)
        beside = Markup("p90 {}, p99 {}").format(cell("latency_p90_s"), cell("latency_p99_s"))
        yield Figure("Latency, median", cell("latency_p50_s"), beside)
        beside = Markup("gaps and idle {}; failures {}").format(cell("idle_share"), cell("failed_share"))
        yield Figure("Paid time for cold starts", cell("start_share"), beside)
    everything = _row(report, "scenario", "type", "all")
    if everything:
        beside = Markup("at least; {} at most").format(cell("saving_high", everything))
        yield Figure("Saved against Scenario", cell("saving_low", everything), beside)


def _row(report: CostReport, table_id: str, column: str, value: str) -> tuple[str, int] | None:
    """Id of the table and number of the first row that holds a value; None if there is none."""
    table = report.tables.get(table_id)
    place = table.names.index(column) if table else 0
    rows = table.rows if table else ()
    return next(((table_id, number) for number, row in enumerate(rows) if row[place] == value), None)


def _cell(report: CostReport, row: tuple[str, int] | None, name: str, zone: ZoneInfo) -> Markup:
    """A cell outside of its table, with the place where it is from."""
    if row is None:
        return Markup(NONE)  # noqa: S704  a dash
    table, number = report.tables[row[0]], row[1]
    place = table.names.index(name)
    text = cell_text(table.columns[place], table.rows[number][place], zone)
    return Markup('<span class="figure" data-cell="{}/{}/{}">{}</span>').format(table.id, number, name, text)


def _warnings(report: CostReport) -> Iterator[str]:
    """What a reader has to know before any sum: costs that are in none."""
    for kind, place, unknown in ((row["kind"], n, row["unknown_cost"]) for n, row in enumerate(_records(report))):
        if kind == "paid" and unknown:
            yield Markup('<span data-cell="summary/{}/unknown_cost">{:,}</span> {} in none of the sums.').format(
                place, unknown, "attempt has a cost that nobody knows; it is" if unknown == 1 else
                "attempts have a cost that nobody knows; they are",
            )  # fmt: skip


def _records(report: CostReport) -> list[dict[str, Cell]]:
    return report.tables["summary"].records() if "summary" in report.tables else []


def _head(table: ReportTable) -> Markup:
    cells = "".join(f'<th scope="col"{_align(column)}>{escape(column.title)}</th>' for column in table.columns)
    return Markup(f"<tr>{cells}</tr>")  # noqa: S704  every title is escaped


def _body(table: ReportTable, zone: ZoneInfo) -> Markup:
    """Rows as markup; by hand, for a template takes several times as long for tens of thousands of cells."""
    columns = [(column, _align(column)) for column in table.columns]
    rows = "\n".join(_row_markup(columns, row, zone) for row in table.rows)
    return Markup(rows)  # noqa: S704  every cell of it is escaped


def _row_markup(columns: Iterable[tuple[Column, str]], row: tuple[Cell, ...], zone: ZoneInfo) -> str:
    cells = []
    for number, ((column, side), value) in enumerate(zip(columns, row, strict=True)):
        text = cell_text(column, value, zone)
        words = text if column.kind in _DIGITS else escape(text)
        if column.name in _STATED and value in _STATES:
            words = f'<span class="state {_STATES[value]}">{words}</span>'
        cells.append(f'<th scope="row">{words}</th>' if number == 0 else f"<td{side}>{words}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _align(column: Column) -> str:
    """Text to the left; figures, which most cells are, to the right without a word."""
    return ' class="t"' if column.kind == "text" else ""
