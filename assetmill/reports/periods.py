"""Whole weeks and months to report on, and a period's costs in one sentence.

A period is whole days in UTC, as the days of the cost report are. It is found from the time at which a report was due,
not from the time at which it is made: a report that runs late is about the same days.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from assetmill.ledger import Ledger, RowFilter
from assetmill.money import usd
from assetmill.reports.cost import cost_report

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
    """

    period: Period
    sentence: str
    rows: tuple[Mapping[str, Any], ...]
    table: str
    csv: str


def report_on(ledger: Ledger, period: Period) -> PeriodReport:
    """Make the report of a period.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    where = RowFilter(since=period.since, until=period.until)
    document = json.loads(cost_report(ledger, GROUPS, "json", where=where))
    table, csv = (cost_report(ledger, GROUPS, form, where=where) for form in ("table", "csv"))
    return PeriodReport(period, _sentence(period, document["total"]), tuple(document["rows"]), table, csv)


def _sentence(period: Period, totals: Mapping[str, Mapping[str, Any]]) -> str:
    """What was paid; drafts, which are free, are only counted."""
    paid, drafts = totals["paid"], totals["draft"]["attempts"]
    cost = None if paid["cost_estimate_usd"] is None else Decimal(paid["cost_estimate_usd"])
    counts = ", ".join(f"{paid[name]} {name}" for name in ("kept", "rejected", "failed", "open"))
    words = f"{period.name}: {usd(cost)} for {paid['attempts']} paid attempts ({counts})"
    words += f"; {paid['unknown_cost']} of unknown cost, not in the sum" if paid["unknown_cost"] else ""
    return words + (f"; {drafts} draft{'s' * (drafts > 1)}" if drafts else "")
