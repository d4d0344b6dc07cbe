"""A report in any of its formats, as bytes ready to be written.

Text formats and Parquet hold the groups that were asked for; the workbook has them on its first sheet and every other
table of the report behind it; the page shows the tables with charts. The attempts are read once, whatever is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, cast

from assetmill.errors import UsageError
from assetmill.ledger import EVERYTHING, Ledger, RowFilter
from assetmill.reports.build import DIMENSIONS, build_report
from assetmill.reports.columns import read_attempts
from assetmill.reports.cost import (
    TEXT_FORMATS,
    TextFormat,
    group_attempts,
    grouped,
    grouped_parquet,
    grouped_table,
    grouped_text,
    keys_of,
)
from assetmill.reports.spans import UTC_NAME, Span
from assetmill.reports.spend import NO_SPEND_LIMITS, SpendLimits
from assetmill.reports.workbook import workbook_bytes

Format = Literal["table", "csv", "json", "parquet", "xlsx", "html"]
FORMATS: Final = (*TEXT_FORMATS, "parquet", "xlsx", "html")


def rendered(
    ledger: Ledger,
    by: Sequence[str],
    fmt: str,
    *,
    made_at: datetime,
    where: RowFilter = EVERYTHING,
    timezone: str = UTC_NAME,
    limits: SpendLimits = NO_SPEND_LIMITS,
) -> bytes:
    """Make a report.

    Args:
        ledger: the books.
        by: names of dimensions.
        fmt: one of FORMATS; `html` is about everything, and groups by nothing else.
        made_at: now, aware.
        where: which attempts.
        timezone: IANA name of the zone of its days.
        limits: budgets to show spending against.

    Raises:
        UsageError: no such format, dimension or zone.
        LedgerError: the ledger cannot be read.
    """
    if fmt not in FORMATS:
        raise UsageError(f"unknown format {fmt!r}", hint=f"one of {', '.join(FORMATS)}")
    if fmt == "html":
        # The template engine takes a moment to load.
        from assetmill.reports.cost_page import render_cost_page  # noqa: PLC0415

        report = build_report(ledger, where, made_at=made_at, timezone=timezone, limits=limits)
        return render_cost_page(report).encode()
    if fmt == "xlsx":
        keys = keys_of(by)
        attempts = read_attempts(ledger, where, {*DIMENSIONS, *keys}, timezone)
        groups = group_attempts(attempts, keys, Span(where.since, where.until, timezone))
        report = build_report(ledger, where, made_at=made_at, timezone=timezone, limits=limits, attempts=attempts)
        return workbook_bytes(report, grouped_table(groups))
    found = grouped(ledger, by, where=where, timezone=timezone)
    if fmt == "parquet":
        return grouped_parquet(found)
    return grouped_text(found, cast("TextFormat", fmt)).encode("utf-8", "replace")
