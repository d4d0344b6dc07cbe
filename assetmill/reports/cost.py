"""What was spent, on what, and how long it took: the ledger's attempts, grouped, in the format that is asked for.

This is the door of the report: it reads the attempts once, has them grouped and measured, and hands the groups to
whoever writes a format. What a figure means stands in `measures` and `against_scenario`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, Literal, cast

from assetmill.errors import UsageError
from assetmill.ledger import EVERYTHING, Ledger, RowFilter
from assetmill.reports.against_scenario import COMPARED, compare, comparison
from assetmill.reports.columns import DIMENSIONS, Attempts, read_attempts
from assetmill.reports.files import csv_text, fixed, parquet_bytes
from assetmill.reports.measures import MEASURES, Prepared, group, measure, nothing
from assetmill.reports.spans import UTC_NAME, Span
from assetmill.reports.tables import Column, Kind, ReportTable
from assetmill.reports.text import as_text

TextFormat = Literal["table", "csv", "json"]
TEXT_FORMATS: Final = ("table", "csv", "json")
FIGURES: Final = (*MEASURES, *COMPARED)
"""What is said of every group: MEASURES, and the same pictures on Scenario."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """Attempts in groups, measured.

    Args:
        by: names of the dimensions, `draft` among them.
        rows: one mapping a group: its labels, then FIGURES as int, Decimal, float or None.
        totals: `paid` and `draft`, as far as there are any: FIGURES and the flag.
        span: which time, in which zone.
    """

    by: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    totals: Mapping[str, Mapping[str, Any]]
    span: Span


def cost_report(
    ledger: Ledger,
    by: Sequence[str],
    fmt: TextFormat = "table",
    *,
    where: RowFilter = EVERYTHING,
    timezone: str = UTC_NAME,
) -> str:
    """Report attempts, costs and times by group.

    Args:
        ledger: the books.
        by: names of DIMENSIONS; `draft` is added when it is not among them.
        fmt: `table` for people; `csv` has one line a group and no total; `json` is one object
            `{"by": [...], "rows": [...], "total": {"paid": {...}, "draft": {...}}, "currency": "USD",
            "timezone": "UTC", "since": null, "until": null}`, amounts being decimal strings or null.
        where: which attempts.
        timezone: IANA name of the zone in which days begin.

    Returns:
        The text, ending in a newline. Groups are sorted; their columns are FIGURES.

    Raises:
        UsageError: no such dimension, format or zone; the hint names the nearest.
        LedgerError: the ledger cannot be read.
    """
    if fmt not in TEXT_FORMATS:
        raise UsageError(f"unknown format {fmt!r}", hint=f"one of {', '.join(TEXT_FORMATS)}")
    return grouped_text(grouped(ledger, by, where=where, timezone=timezone), fmt)


def grouped(ledger: Ledger, by: Sequence[str], *, where: RowFilter = EVERYTHING, timezone: str = UTC_NAME) -> Grouped:
    """Read attempts, and measure them by group.

    Raises:
        UsageError: no such dimension or zone; the hint names the nearest.
        LedgerError: the ledger cannot be read.
    """
    keys = keys_of(by)
    attempts = read_attempts(ledger, where, {*keys, "type", "provider"}, timezone)
    return group_attempts(attempts, keys, Span(where.since, where.until, timezone))


def group_attempts(attempts: Attempts, keys: Sequence[str], span: Span) -> Grouped:
    """Measure attempts by group.

    Args:
        attempts: read with these dimensions, `type` and `provider`.
        keys: names of dimensions, `draft` among them.
        span: what the attempts were read of.
    """
    prepared, compared = Prepared(attempts), comparison(attempts)

    def said(names: Sequence[str]) -> list[dict[str, Any]]:
        groups = group(attempts, names)
        measured = measure(attempts, groups, prepared=prepared)
        beside = compare(attempts, compared, groups)
        return [
            {**dict(zip(names, labels, strict=True)), **figures, **scenario}
            for labels, figures, scenario in zip(groups.keys, measured, beside, strict=True)
        ]

    totals = {"draft" if total["draft"] else "paid": total for total in said(["draft"])}
    return Grouped(tuple(keys), tuple(said(keys)), totals, span)


def keys_of(by: Sequence[str]) -> list[str]:
    """Dimensions to group by, each once; `draft` is one of them, so that paid attempts and drafts never mix.

    Raises:
        UsageError: no such dimension; the hint names the nearest.
    """
    for name in by:
        if name not in DIMENSIONS:
            near = get_close_matches(name, DIMENSIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(DIMENSIONS)}"
            raise UsageError(f"a report cannot be grouped by {name!r}", hint=hint)
    return list(dict.fromkeys([*by, "draft"]))


def grouped_text(found: Grouped, fmt: TextFormat) -> str:
    """Write groups as text."""
    if fmt == "csv":
        return csv_text([*found.by, *FIGURES], found.rows)
    if fmt == "json":
        return _json(found)
    bounded = found.span.since is not None or found.span.until is not None
    return as_text(found.by, found.rows, found.totals, found.span.in_words(), bounded=bounded)


def grouped_parquet(found: Grouped) -> bytes:
    """Write groups as a Parquet file, with the span among its metadata."""
    about = {"timezone": found.span.timezone, "since": _moment(found.span.since), "until": _moment(found.span.until)}
    return parquet_bytes([*found.by, *FIGURES], found.rows, {name: words or "" for name, words in about.items()})


def grouped_table(found: Grouped) -> ReportTable:
    """Groups as a table like those of the whole report."""
    kinds = {"_usd": "usd", "_s": "seconds", "_share": "share"}
    columns = [Column(name, name, "text") for name in found.by]
    for name in FIGURES:
        kind = next((kind for end, kind in kinds.items() if name.endswith(end)), "count")
        columns.append(Column(name, name, cast("Kind", kind)))
    rows = [
        tuple(_flag(row["draft"]) if name == "draft" else row[name] for name in (*found.by, *FIGURES))
        for row in found.rows
    ]
    title = f"By {', '.join(found.by)}"
    return ReportTable("groups", title, found.span.in_words(), tuple(columns), tuple(rows))


def _flag(draft: bool) -> str:
    return "draft" if draft else "paid"


def _json(found: Grouped) -> str:
    none = {**nothing(), **dict.fromkeys(COMPARED)}
    total = {kind: {**none, **found.totals.get(kind, {}), "draft": kind == "draft"} for kind in ("paid", "draft")}
    document = {
        "by": found.by,
        "rows": found.rows,
        "total": total,
        "currency": "USD",
        "timezone": found.span.timezone,
        "since": _moment(found.span.since),
        "until": _moment(found.span.until),
    }
    return json.dumps(document, indent=2, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    return fixed(value) if isinstance(value, Decimal) else dict(value)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
