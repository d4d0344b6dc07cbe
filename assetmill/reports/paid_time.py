"""Paid time of workers, laid on the clock and divided over hours, as far as the ledger knows it.

Every job's row says how long it ran, which start it caused, which pause it followed and which idle tail it carries. A
tail lies behind the last job of the worker's life, whichever job's row carries it. Workers that were seen and got no
job are laid beside. What nobody has a price for is said to be there and adds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Final

from assetmill.ledger import Ledger, RowFilter, Status, WorkerLife
from assetmill.ledger.figures import NO_TIME, UNKNOWN
from assetmill.reports.run_costs import jobless_cost

HOUR: Final = timedelta(hours=1)
LONGEST: Final = timedelta(days=2)
"""A job may begin so long after it was intended, and a worker live so long: rows of before are read for their share."""

SLACK: Final = timedelta(seconds=5)
_MS: Final = timedelta(milliseconds=1)
PARTS: Final = ("execution", "start", "idle", "jobless")
COLUMNS: Final = (
    "endpoint", "endpoint_url", "worker_id", "status", "draft", "intended_at", "started_at", "execution_ms",
    "start_ms", "gap_ms", "idle_ms", "cold", "price_per_s_usd", "cost_estimate_usd",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Paid time of a worker."""

    part: str
    began_at: datetime
    ended_at: datetime
    usd_per_s: Decimal | None


@dataclass(slots=True)
class PaidHour:
    """What is known of one hour so far.

    Args:
        usd: what each of PARTS cost in it, where there is a price.
        priced: there is something in it that has a price.
        unpriced: there is something in it that has none.
        unknown: attempts of it of which nobody knows what they cost.
        kept: images that were kept, by the end of their jobs.
    """

    usd: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(PARTS, Decimal(0)))
    priced: bool = False
    unpriced: bool = False
    unknown: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class _Job:
    """One attempt that was on a worker."""

    worker_id: str
    began_at: datetime
    ended_at: datetime
    start: timedelta
    gap: timedelta
    tail: timedelta
    cold: bool
    usd_per_s: Decimal | None
    kept: bool


def rows_by_endpoint(ledger: Ledger, since: datetime, until: datetime) -> dict[str, list[Mapping[str, Any]]]:
    """Paid attempts that may have been on a worker in a window, by the address of their endpoint."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)

    def take(some: Sequence[Sequence[Any]]) -> None:
        for cells in some:
            row = dict(zip(COLUMNS, cells, strict=True))
            if not row["draft"]:
                found[str(row["endpoint_url"])].append(row)

    ledger.figures(RowFilter(since=since - LONGEST, until=until), COLUMNS, take)
    return found


def paid_time(rows: Sequence[Mapping[str, Any]], lives: Iterable[WorkerLife]) -> dict[datetime, PaidHour]:
    """Everything that is known of an endpoint, laid on the clock and divided over hours."""
    hours: dict[datetime, PaidHour] = defaultdict(PaidHour)
    jobs = [job for row in rows if (job := _job(row)) is not None]
    for stretch in (*_stretches(jobs), *_jobless(jobs, lives)):
        for began, seconds in by_hour(stretch.began_at, stretch.ended_at):
            _add(hours[began], stretch, seconds)
    for row in rows:
        if row["cost_estimate_usd"] == UNKNOWN:
            at = row["intended_at"] if row["started_at"] == NO_TIME else row["started_at"]
            hours[_floor(_moment(at))].unknown += 1
    for job in jobs:
        if job.kept:
            hours[_floor(job.ended_at)].kept += 1
    return hours


def _add(hour: PaidHour, stretch: _Stretch, seconds: Decimal) -> None:
    if stretch.usd_per_s is None:
        hour.unpriced = True
        return
    hour.priced = True
    hour.usd[stretch.part] += stretch.usd_per_s * seconds


def _job(row: Mapping[str, Any]) -> _Job | None:
    """An attempt's time on its worker; None for one of which that is not known."""
    if row["started_at"] == NO_TIME or row["execution_ms"] == UNKNOWN:
        return None
    began = _moment(row["started_at"])
    price = row["price_per_s_usd"]
    return _Job(
        worker_id=str(row["worker_id"] or ""),
        began_at=began,
        ended_at=began + _span(row["execution_ms"]),
        start=_span(row["start_ms"]),
        gap=_span(row["gap_ms"]),
        tail=_span(row["idle_ms"]),
        cold=row["cold"] == 1,
        usd_per_s=None if price == UNKNOWN else Decimal(f"{price:.8f}"),
        kept=row["status"] == Status.KEPT,
    )


def _stretches(jobs: Iterable[_Job]) -> Iterator[_Stretch]:
    by_worker: dict[str, list[_Job]] = defaultdict(list)
    for job in jobs:
        by_worker[job.worker_id].append(job)
        yield _Stretch("execution", job.began_at, job.ended_at, job.usd_per_s)
        yield _Stretch("start", job.began_at - job.start, job.began_at, job.usd_per_s)
        yield _Stretch("idle", job.began_at - job.gap, job.began_at, job.usd_per_s)
    for theirs in by_worker.values():
        yield from _tails(sorted(theirs, key=lambda job: job.began_at))


def _tails(jobs: Sequence[_Job]) -> Iterator[_Stretch]:
    """Idle tails of one worker: the first job of a life carries it, and it begins when the last one has ended."""
    opener: _Job | None = None
    last: _Job | None = None
    for job in (*jobs, None):
        if opener is not None and last is not None and (job is None or job.cold):
            yield _Stretch("idle", last.ended_at, last.ended_at + opener.tail, opener.usd_per_s)
        if job is not None and job.cold:
            opener = job
        last = job


def _jobless(jobs: Iterable[_Job], lives: Iterable[WorkerLife]) -> Iterator[_Stretch]:
    """Lives of workers during which they had no job of ours."""
    served: dict[str, list[_Job]] = defaultdict(list)
    for job in jobs:
        served[job.worker_id].append(job)
    starts = [job.start / _MS for theirs in served.values() for job in theirs if job.start]
    start_ms = round(median(starts)) if starts else None
    for life in lives:
        began = life.up_since or life.first_seen_at
        ended = life.last_seen_at + timedelta(seconds=life.idle_timeout_s or 0) + SLACK
        if any(job.ended_at >= began - SLACK and job.began_at <= ended for job in served[life.worker_id]):
            continue
        estimate, price = jobless_cost(life, start_ms).estimate, life.price_per_s_usd
        lasted_s = float(estimate / price) if estimate and price else (life.last_seen_at - began).total_seconds()
        yield _Stretch("jobless", began, began + timedelta(seconds=lasted_s), price)


def by_hour(began: datetime, ended: datetime) -> Iterator[tuple[datetime, Decimal]]:
    """Starts of the hours that a stretch touches, and its seconds in each."""
    while began < ended:
        hour = _floor(began)
        until = min(ended, hour + HOUR)
        yield hour, Decimal((until - began) // timedelta(microseconds=1)) / 1_000_000
        began = until


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _span(milliseconds: float) -> timedelta:
    return timedelta(milliseconds=max(0.0, milliseconds))  # UNKNOWN is below 0
