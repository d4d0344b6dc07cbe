"""Whole weeks and months to report on, and a period's costs in one sentence.

A period is whole days in UTC, as the days of the cost report are. It is found from the time at which a report was due,
not from the time at which it is made: a report that runs late is about the same days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from assetmill.ledger import Ledger, RowFilter
from assetmill.money import usd
from assetmill.reports.build import DIMENSIONS, build_report
from assetmill.reports.columns import read_attempts
from assetmill.reports.cost import TextFormat, group_attempts, grouped_text, keys_of
from assetmill.reports.cost_page import render_cost_page
from assetmill.reports.measures import nothing
from assetmill.reports.spans import Span
from assetmill.reports.spend import NO_SPEND_LIMITS, SpendLimits
from assetmill.reports.tables import json_cell

Length = Literal["week", "month"]
GROUPS = ("game", "type", "provider")


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in UTC.

    Args:
        name: as calendars write it: 2026-W07 or 2026-02; sorts by time.
        since: its first moment.
        until: the first moment after it.
    """

    name: str
    since: datetime
    until: datetime

    @property
    def key(self) -> str:
        """Key of its report in the store."""
        return f"private/reports/cost-{self.name}.csv"

    @property
    def page_key(self) -> str:
        """Key of its page with charts in the store."""
        return f"private/reports/cost-{self.name}.html"


def last_whole(length: Length, at: datetime) -> Period:
    """The last week (Monday to Sunday) or month that was over at a time."""
    today = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if length == "week":
        until = today - timedelta(days=today.weekday())
        since = until - timedelta(days=7)
        year, week, _ = since.isocalendar()
        return Period(f"{year}-W{week:02d}", since, until)
    until = today.replace(day=1)
    since = (until - timedelta(days=1)).replace(day=1)
    return Period(f"{since:%Y-%m}", since, until)


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """The costs of a period, for whoever shows and keeps them.

    Args:
        period: which.
        sentence: sum and counts.
        rows: one mapping a group: labels, counts, amounts as decimal text or None.
        table: for people, of fixed width.
        csv: for spreadsheets.
        page: HTML with charts, one file.
    """

    period: Period
    sentence: str
    rows: tuple[Mapping[str, Any], ...]
    table: str
    csv: str
    page: str


def report_on(
    ledger: Ledger, period: Period, *, made_at: datetime, limits: SpendLimits = NO_SPEND_LIMITS
) -> PeriodReport:
    """Make the report of a period.

    Args:
        ledger: the books.
        period: which.
        made_at: now, aware.
        limits: budgets to show spending against.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    where = RowFilter(since=period.since, until=period.until)
    attempts = read_attempts(ledger, where, DIMENSIONS)
    found = group_attempts(attempts, keys_of(GROUPS), Span(period.since, period.until))
    title = f"Costs of {period.name}"
    whole = build_report(ledger, where, made_at=made_at, limits=limits, title=title, attempts=attempts)
    rows = tuple({name: json_cell(value) for name, value in row.items()} for row in found.rows)
    table, csv = (grouped_text(found, form) for form in _TEXTS)
    return PeriodReport(period, _sentence(period, found.totals), rows, table, csv, render_cost_page(whole))


_TEXTS: Final[tuple[TextFormat, ...]] = ("table", "csv")


def _sentence(period: Period, totals: Mapping[str, Mapping[str, Any]]) -> str:
    """What was paid; drafts, which are free, are only counted."""
    paid, drafts = totals.get("paid", nothing()), totals.get("draft", nothing())["attempts"]
    cost: Decimal | None = paid["cost_estimate_usd"]
    counts = ", ".join(f"{paid[name]} {name}" for name in ("kept", "rejected", "failed", "open"))
    words = f"{period.name}: {usd(cost)} for {paid['attempts']} paid attempts ({counts})"
    words += f"; {paid['unknown_cost']} of unknown cost, not in the sum" if paid["unknown_cost"] else ""
    return words + (f"; {drafts} draft{'s' * (drafts > 1)}" if drafts else "")
