"""The whole report: every table of `tables.TABLES`, made from one reading of the attempts.

Everything that shows a report (the page with charts, the workbook) is given what is made here. Nothing here writes, and
nothing asks a network: bills are what the ledger has been told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from assetmill.ledger import EVERYTHING, Ledger, RowFilter
from assetmill.reports.against_scenario import comparison
from assetmill.reports.columns import Attempts, read_attempts
from assetmill.reports.losses import jobless_time, losses_table
from assetmill.reports.measures import Prepared, group
from assetmill.reports.migration import migration_table, scenario_table
from assetmill.reports.occupancy import occupancy_table
from assetmill.reports.reconciliation import reconciliation, reconciliation_table
from assetmill.reports.spans import UTC_NAME, find_zone
from assetmill.reports.spend import (
    NO_SPEND_LIMITS,
    SpendLimits,
    cumulative_table,
    spend_tables,
    spent_before,
    spent_of_month,
)
from assetmill.reports.spread import cost_distribution, latency_distribution, latency_histogram
from assetmill.reports.tables import TABLES, Cell, CostReport, ReportTable, make_table

DIMENSIONS: Final = ("day", "week", "month", "game", "type", "workflow", "provider", "gpu", "status", "price")
TITLE: Final = "Cost report"
NEWEST: Final = timedelta(days=3)
"""Of the reconciliation, a report on everything shows the newest: `assetmill reconcile` shows any hour."""

NEWEST_NOTE: Final = " Only the newest three days that were billed; `assetmill reconcile` shows any."
PRICES_NOTE: Final = "As the rows of paid attempts have it: the worker's own GPU where the endpoint told it."
OTHERS_NOTE: Final = "Bills are of endpoints, whoever used them: they are in reports on all games and runs."


def build_report(
    ledger: Ledger,
    where: RowFilter = EVERYTHING,
    *,
    made_at: datetime,
    timezone: str = UTC_NAME,
    limits: SpendLimits = NO_SPEND_LIMITS,
    title: str | None = None,
    attempts: Attempts | None = None,
) -> CostReport:
    """Make every table of a report.

    Args:
        ledger: the books.
        where: which attempts.
        made_at: now, aware.
        timezone: IANA name of the zone of its days and moments.
        limits: budgets to show spending against.
        title: heading; by default it names the game and the run that the report is about.
        attempts: these very attempts, if they have been read with DIMENSIONS already.

    Raises:
        UsageError: no such zone.
        LedgerError: the ledger cannot be read.
    """
    zone = find_zone(timezone)
    if attempts is None:
        attempts = read_attempts(ledger, where, DIMENSIONS, timezone)
    prepared, compared = Prepared(attempts), comparison(attempts)
    made = [
        *spend_tables(attempts, prepared, timezone),
        cost_distribution(attempts),
        latency_distribution(attempts, prepared),
        latency_histogram(attempts),
        _cumulative(ledger, where, attempts, limits, zone),
        occupancy_table(ledger, where, zone),
        losses_table(attempts, jobless_time(ledger, where)),
        scenario_table(attempts, compared),
        migration_table(attempts, prepared, compared),
        _billed(ledger, where, timezone),
        prices_table(attempts),
    ]
    return CostReport(
        title=title or title_of(where),
        since=None if where.since is None else where.since.astimezone(zone),
        until=None if where.until is None else where.until.astimezone(zone),
        timezone=timezone,
        made_at=made_at.astimezone(zone),
        tables=_in_order({table.id: table for table in made}),
    )


def _cumulative(
    ledger: Ledger, where: RowFilter, attempts: Attempts, limits: SpendLimits, zone: ZoneInfo
) -> ReportTable:
    """What was spent so far, with what had been spent before the report begins."""
    whole = _whole(where)
    of_month = spent_of_month(ledger, where, zone) if whole and limits.month_usd is not None else {}
    before = spent_before(ledger, where)
    return cumulative_table(attempts, before, limits, zone.key, whole=whole, of_month=of_month)


def title_of(where: RowFilter) -> str:
    """Heading of a report, so that nobody takes the costs of one game for those of all."""
    about = [f"game {where.game}"] * (where.game is not None) + [f"run {where.run_id}"] * (where.run_id is not None)
    return f"{TITLE} of {', '.join(about)}" if about else TITLE


def _whole(where: RowFilter) -> bool:
    """Whether a report leaves out no game and no run."""
    return where.game is None and where.run_id is None


def _in_order(tables: Mapping[str, ReportTable]) -> Mapping[str, ReportTable]:
    return MappingProxyType({name: tables[name] for name in TABLES})


def _billed(ledger: Ledger, where: RowFilter, timezone: str) -> ReportTable:
    """Bills beside estimates, of the newest hours that there are bills of."""
    if not _whole(where):
        return make_table("reconciliation", (), OTHERS_NOTE)
    bills = ledger.bills.read(since=where.since, until=where.until)
    newest = max((bill.ended_at for bill in bills), default=None)
    if newest is None:
        return make_table("reconciliation", (), "No bill is in the books: `assetmill reconcile` asks for them.")
    since = max(newest - NEWEST, where.since or newest - NEWEST)
    table = reconciliation_table(reconciliation(ledger, since=since, until=where.until), find_zone(timezone))
    cut = any(bill.ended_at <= since for bill in bills)
    note = table.note + (NEWEST_NOTE if cut else "")
    return ReportTable(table.id, table.title, note, table.columns, table.rows)


def prices_table(attempts: Attempts) -> ReportTable:
    """Which prices a second the paid attempts were counted at, and where each came from."""
    import numpy as np  # noqa: PLC0415  heavy, and only whoever makes a report needs it

    groups = group(attempts, ("gpu", "price", "draft"))
    rows: list[tuple[Cell, ...]] = []
    for place, (gpu, source, draft) in enumerate(groups.keys):
        if draft:
            continue
        values, counts = np.unique(attempts.price[groups.codes == place], return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            price = None if value != value else Decimal(f"{value:.8f}")  # noqa: PLR0124  NaN: nobody knows
            rows.append((gpu, source, price, None if price is None else price * 3600, count))
    return make_table("prices", rows, PRICES_NOTE)
