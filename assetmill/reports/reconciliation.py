"""What was billed beside what was estimated, hour by hour: billed = execution + start + idle + other.

Paid time of workers (`paid_time`) says what an hour's bill consists of, as far as the ledger knows; `other` is the
rest: rounding, container disk, jobs of nobody in this ledger, and whatever the estimates have wrong, so that it may
be negative. A bill and an estimate are never one sum. An hour is *settling* until its bill was asked for at least a
quarter of an hour after its end: RunPod bills every five minutes.

It reads the ledger alone, and asks no network: `reconcile` does that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from assetmill.ledger import Ledger
from assetmill.ledger.bills import Bill
from assetmill.money import USD_STEP
from assetmill.reports.paid_time import PaidHour, paid_time, rows_by_endpoint
from assetmill.reports.tables import ReportTable, make_table

SETTLES_AFTER: Final = timedelta(minutes=15)
SETTLED, SETTLING = "settled", "settling"
NOTE: Final = (
    "billed = execution + starts + idle + workers without a job + other; all but billed and other are estimates."
    " An hour is settling until its bill was asked for 15 minutes after its end or later."
)


@dataclass(frozen=True, slots=True)
class ReconciledHour:
    """One hour of one endpoint, US dollars; parts are None where there are jobs and nobody knows a price.

    Args:
        endpoint: its name in the books.
        endpoint_url: its address.
        began_at: start of the hour, UTC.
        ended_at: its end.
        state: `settled` or `settling`.
        billed_usd: what the provider says.
        execution_usd: jobs that ran, estimated as are all parts.
        start_usd: starts of workers for their first jobs.
        idle_usd: pauses between jobs, and idle tails.
        jobless_usd: workers that were seen and got no job of anybody in the ledger.
        other_usd: what is left of the bill; negative where more was estimated than billed.
        estimate_usd: the parts together.
        unknown: jobs of the hour of which nobody knows what they cost.
        kept: images that were kept, by the end of their jobs.
    """

    endpoint: str
    endpoint_url: str
    began_at: datetime
    ended_at: datetime
    state: str
    billed_usd: Decimal
    execution_usd: Decimal | None
    start_usd: Decimal | None
    idle_usd: Decimal | None
    jobless_usd: Decimal | None
    other_usd: Decimal | None
    estimate_usd: Decimal | None
    unknown: int
    kept: int


def reconciliation(
    ledger: Ledger, *, endpoint_url: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> tuple[ReconciledHour, ...]:
    """Set every hour of which there is a bill beside the estimates of that hour.

    Args:
        ledger: the books.
        endpoint_url: only this endpoint.
        since: only hours that end after this time.
        until: only hours that begin before this time.

    Raises:
        LedgerError: the books cannot be read.
    """
    bills = ledger.bills.read(endpoint_url=endpoint_url, since=since, until=until)
    if not bills:
        return ()
    first, last = min(bill.began_at for bill in bills), max(bill.ended_at for bill in bills)
    rows = rows_by_endpoint(ledger, first, last)
    hours: list[ReconciledHour] = []
    for url in sorted({bill.endpoint_url for bill in bills}):
        known = paid_time(rows.get(url, ()), ledger.workers.lives(endpoint_url=url, since=first, until=last))
        newest = max(rows.get(url, ()), key=lambda row: str(row["intended_at"]), default=None)
        name = url.rpartition("/")[2] if newest is None else str(newest["endpoint"])
        mine = (bill for bill in bills if bill.endpoint_url == url)
        hours += [_reconciled(name, bill, known.get(bill.began_at, PaidHour())) for bill in mine]
    return tuple(hours)


def paid_hours(ledger: Ledger, since: datetime, until: datetime) -> dict[str, set[datetime]]:
    """Find in which hours of a window workers were paid for, as far as the books know: address -> starts of hours.

    Raises:
        LedgerError: the books cannot be read.
    """
    found = {}
    for url, rows in rows_by_endpoint(ledger, since, until).items():
        lives = ledger.workers.lives(endpoint_url=url, since=since, until=until)
        found[url] = {hour for hour in paid_time(rows, lives) if since <= hour < until}
    return {url: hours for url, hours in found.items() if hours}


def reconciliation_table(hours: Iterable[ReconciledHour], zone: tzinfo = UTC) -> ReportTable:
    """The hours as a table of a report, their times in a zone."""
    return make_table(
        "reconciliation",
        (
            (
                hour.endpoint,
                hour.began_at.astimezone(zone),
                hour.ended_at.astimezone(zone),
                hour.state,
                hour.billed_usd,
                hour.execution_usd,
                hour.start_usd,
                hour.idle_usd,
                hour.jobless_usd,
                hour.other_usd,
                hour.estimate_usd,
            )
            for hour in hours
        ),
        NOTE,
    )


def _reconciled(name: str, bill: Bill, hour: PaidHour) -> ReconciledHour:
    nothing_known = hour.unpriced and not hour.priced
    parts = {part: None if nothing_known else _rounded(usd) for part, usd in hour.usd.items()}
    estimate = None if nothing_known else sum((usd for usd in parts.values() if usd is not None), Decimal(0))
    return ReconciledHour(
        endpoint=name,
        endpoint_url=bill.endpoint_url,
        began_at=bill.began_at,
        ended_at=bill.ended_at,
        state=SETTLED if bill.asked_at >= bill.ended_at + SETTLES_AFTER else SETTLING,
        billed_usd=bill.total_usd,
        execution_usd=parts["execution"],
        start_usd=parts["start"],
        idle_usd=parts["idle"],
        jobless_usd=parts["jobless"],
        other_usd=None if estimate is None else bill.total_usd - estimate,
        estimate_usd=estimate,
        unknown=hour.unknown,
        kept=hour.kept,
    )


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(USD_STEP, ROUND_HALF_UP)
