"""The tables that a cost report consists of: their ids, their columns, and the values that stand in them.

Every way out of a report (the page with charts, workbooks, files of rows) is made of these tables alone, so that no
two of them can disagree about a figure. A cell holds the figure itself, never its wording: money is Decimal US dollars
and None where it is unknown, durations are seconds, shares run from 0 to 1, moments are aware and in the report's time
zone. Nothing here reads a ledger or adds anything up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

Kind = Literal["text", "count", "usd", "seconds", "share", "moment"]
Cell = str | int | float | Decimal | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: as programs know it: lower case, with its unit at the end.
        title: as a reader sees it.
        kind: what its cells hold: `text` str, `count` int, `usd` Decimal, `seconds` float, `share` float from 0 to 1
            (a saving may be negative), `moment` aware datetime. Any of them may be None: unknown, or there is none.
    """

    name: str
    title: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of figures.

    Args:
        id: its name among the report's tables, such as `by_day_game`.
        title: heading.
        note: how to read it, and what it leaves out; may be empty.
        columns: at least one.
        rows: as many cells each as there are columns.
    """

    id: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    def records(self) -> list[dict[str, Cell]]:
        """Rows as mappings of column name to cell."""
        names = self.names
        return [dict(zip(names, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class CostReport:
    """Everything that a report says.

    Args:
        title: heading.
        since: nothing before it is in the report; None from the first attempt on.
        until: nothing at or after it is; None up to now.
        timezone: IANA name of the zone of its days and moments, such as `UTC` or `Europe/Berlin`.
        made_at: when it was made.
        tables: by id, in the order in which they are shown; ids are those of TABLES.
    """

    title: str
    since: datetime | None
    until: datetime | None
    timezone: str
    made_at: datetime
    tables: Mapping[str, ReportTable]


def _columns(kind: Kind, **titles: str) -> tuple[Column, ...]:
    return tuple(Column(name, title, kind) for name, title in titles.items())


KIND = Column("kind", "paid or draft", "text")
"""`paid` or `draft`: the two are never one sum."""

MEASURES = (
    *_columns("count", attempts="attempts", kept="kept", rejected="rejected", failed="failed", open="open"),
    *_columns("count", unknown_cost="cost unknown"),
    *_columns("usd", cost_low_usd="low", cost_estimate_usd="estimate", cost_high_usd="high"),
    *_columns("usd", cost_per_image_usd="per image", cost_per_kept_image_usd="per kept image"),
    *_columns("seconds", latency_p50_s="latency p50", latency_p90_s="p90", latency_p99_s="p99"),
    *_columns("seconds", execution_mean_s="warm execution", execution_cold_mean_s="cold execution"),
    *_columns("seconds", paid_s="paid time"),
    *_columns("share", start_share="cold starts", idle_share="gaps and idle tails", failed_share="failures"),
)
"""What is said of every group of attempts.

`failed` counts failed, lost and cancelled attempts, `open` those without an end. A cost is the sum over attempts whose
cost is known, `unknown_cost` the number of the others. `cost_per_image_usd` is the estimate of everything in the group
/ pictures made (kept and rejected), `cost_per_kept_image_usd` the same / pictures kept. Percentiles are interpolated
linearly. `paid_s` is execution + start + gap + idle tail of attempts that ran; the shares are of it, and time of a
failed attempt is counted under `failed_share` as well as under what it was.
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table is called and which columns it has.

    Args:
        title: heading.
        columns: of the table.
    """

    title: str
    columns: tuple[Column, ...]


def _grouped(title: str, **keys: str) -> Shape:
    return Shape(title, (*_columns("text", **keys), KIND, *MEASURES))


TABLES: Mapping[str, Shape] = MappingProxyType(
    {
        "summary": Shape("All together", (KIND, *MEASURES)),  # always both rows: paid, then draft
        "by_day_game": _grouped("By day and game", day="day", game="game"),
        "by_day_type": _grouped("By day and type", day="day", type="type"),
        "by_game": _grouped("By game", game="game"),
        "by_type": _grouped("By type of asset", type="type"),
        "by_workflow": _grouped("By workflow", workflow="workflow"),
        "by_provider": _grouped("By provider", provider="provider"),
        "by_gpu": _grouped("By GPU", gpu="GPU"),
        "by_status": _grouped("By outcome", status="outcome"),
        "cost_distribution": Shape(
            "Cost of one image",
            (
                *_columns("text", type="type"),
                *_columns("usd", from_usd="from", to_usd="below"),  # below: None in the last, which is open
                *_columns("count", images="images"),
            ),
        ),
        "latency_distribution": Shape(
            "Where an image's time goes",
            (
                *_columns("text", part="part"),
                *_columns("count", attempts="measured"),
                *_columns("seconds", p50_s="p50", p90_s="p90", p99_s="p99", mean_s="mean", max_s="longest"),
            ),
        ),
        "latency_histogram": Shape(
            "Latency of one image, cold and warm",
            (
                *_columns("text", warmth="worker"),  # cold, warm, or unknown
                *_columns("seconds", from_s="from", to_s="below"),
                *_columns("count", images="images"),
            ),
        ),
        "cumulative": Shape(
            "Spent so far",
            (
                *_columns("text", scope="of", day="day"),  # of: "all games", or the id of a game
                *_columns("usd", spent_usd="that day", cumulative_usd="so far", budget_usd="budget"),
            ),
        ),
        "occupancy": Shape(
            "Who was busy when",
            (
                *_columns("text", endpoint="endpoint", worker="worker"),
                *_columns("count", life="life"),  # numbers the lives in the table, the oldest being 1
                *_columns("text", gpu="GPU"),
                *_columns("moment", began="began", ended="ended"),
                *_columns("text", what="what", status="outcome"),  # what: start, execution, gap, idle
                *_columns("seconds", seconds="for"),
            ),
        ),
        "losses": Shape(
            "Where the money goes",
            (
                *_columns("text", what="what", title="paid for"),  # what: see assetmill.reports.losses.WHAT
                *_columns("seconds", seconds="time"),
                *_columns("share", share="of the time"),
                *_columns("usd", cost_usd="estimate"),
            ),
        ),
        "scenario": Shape(
            "Against Scenario, for the same work",
            (
                *_columns("text", type="type"),  # the last row is of all types: "all"
                *_columns("count", images="kept images"),
                *_columns("usd", own_usd="spent", own_per_image_usd="per kept image"),
                *_columns("usd", scenario_low_usd="Scenario from", scenario_high_usd="to"),
                *_columns("usd", scenario_total_low_usd="Scenario would cost from", scenario_total_high_usd="up to"),
                *_columns("share", saving_low="saves at least", saving_high="at most"),
                *_columns("text", source="price from"),
            ),
        ),
        "migration": Shape(
            "Success criteria of the migration",
            (
                *_columns("text", criterion="criterion", of="of"),
                *_columns("count", images="images"),
                *_columns("share", share="share"),
                *_columns("seconds", p50_s="latency p50", p90_s="p90"),
                *_columns("usd", per_image_usd="per kept image", scenario_usd="Scenario from"),
                *_columns("text", target="target", verdict="verdict"),  # verdict: met, not met, no data
            ),
        ),
        "reconciliation": Shape(
            "Estimated beside billed, hour by hour",
            (
                *_columns("text", endpoint="endpoint"),
                *_columns("moment", began="from", ended="to"),
                *_columns("text", state="state"),  # settled or settling
                *_columns("usd", billed_usd="billed", execution_usd="execution", start_usd="starts"),
                *_columns("usd", idle_usd="idle", jobless_usd="workers without a job"),
                *_columns("usd", other_usd="other", estimate_usd="estimate"),
            ),
        ),
        "prices": Shape(
            "Prices used",
            (
                *_columns("text", gpu="GPU", source="source"),
                *_columns("usd", usd_per_s="a second", usd_per_h="an hour"),
                *_columns("count", attempts="attempts"),
            ),
        ),
    }
)
"""Every table of a report by its id, in the order in which they are shown."""


def make_table(name: str, rows: Iterable[Iterable[Cell]], note: str = "") -> ReportTable:
    """Make a table of TABLES.

    Raises:
        KeyError: no such table.
        ValueError: a row has not as many cells as the table has columns.
    """
    shape = TABLES[name]
    cells = tuple(tuple(row) for row in rows)
    wrong = next((row for row in cells if len(row) != len(shape.columns)), None)
    if wrong is not None:
        raise ValueError(f"a row of {name} has {len(wrong)} cells, and it has {len(shape.columns)} columns")
    return ReportTable(name, shape.title, note, shape.columns, cells)


def json_cell(value: Cell) -> Any:
    """Write a cell as JSON: amounts as decimal text without exponent, moments as ISO 8601 with their offset."""
    if isinstance(value, Decimal):
        return f"{value:.8f}"
    return value.isoformat() if isinstance(value, datetime) else value


def json_document(report: CostReport) -> dict[str, Any]:
    """Write a report as one JSON object; its cells are as `json_cell` writes them.

    Returns:
        `{"title", "since", "until", "timezone", "made_at", "currency": "USD", "tables": {id: {"id", "title", "note",
        "columns": [{"name", "title", "kind"}], "rows": [[cell, ...]]}}}`
    """
    return {
        "title": report.title,
        "since": json_cell(report.since),
        "until": json_cell(report.until),
        "timezone": report.timezone,
        "made_at": json_cell(report.made_at),
        "currency": "USD",
        "tables": {name: _json_table(table) for name, table in report.tables.items()},
    }


def _json_table(table: ReportTable) -> dict[str, Any]:
    columns = [{"name": column.name, "title": column.title, "kind": column.kind} for column in table.columns]
    rows = [[json_cell(cell) for cell in row] for row in table.rows]
    return {"id": table.id, "title": table.title, "note": table.note, "columns": columns, "rows": rows}
