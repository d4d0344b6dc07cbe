"""What one run has cost: low, estimate and high, with what no row of the run can say.

Rows carry their own share of their workers' paid time, so a run's jobs are plain sums. Beside them stand workers that
were started and got no job, which no row knows of, and jobs of which nobody knows whether they ran. Each is told apart,
and everything here is measured or estimated by us: what was billed is another figure, and never added to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from assetmill.errors import UsageError
from assetmill.ledger import Ledger, RowFilter, WorkerLife
from assetmill.money import Cost
from assetmill.money.amounts import charge
from assetmill.money.turns import LONGEST_START_S, MEASURED, SLACK, USUAL_IDLE_S, USUAL_START_MS

LOOK_EVERY_S = 15.0
"""How often a run looks at its endpoint's workers: one may have lived on for so long since it was seen last."""

SETTLED_ROWS = "rows: execution x price, and each job's share of its worker's start, pauses and idle tail"
JOBLESS = "estimated: time in the workers listing of workers that got no job"
COLUMNS = (
    "status", "endpoint_url", "cost_low_usd", "cost_estimate_usd", "cost_high_usd", "planned_high_usd", "draft",
    "start_ms", "cost_source",
)  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunCosts:
    """What a run has cost, US dollars; None where it cannot be known.

    Args:
        run_id: the run.
        jobs: sum over its attempts; attempts of unknown cost add to the high alone, with what the plan allowed.
        jobless: workers that were seen during the run and got no job of anybody in the ledger; runs that shared the
            endpoint at the time each count them.
        attempts: how many it has made.
        unknown: how many of them have no estimate: nobody knows their price, or whether they ran, or they are open.
        workers_without_job: how many workers `jobless` is for.
    """

    run_id: str
    jobs: Cost
    jobless: Cost
    attempts: int
    unknown: int
    workers_without_job: int

    @property
    def low(self) -> Decimal | None:
        """Least that it can have cost."""
        return _plus(self.jobs.low, self.jobless.low)

    @property
    def estimate(self) -> Decimal | None:
        """What it has cost as far as it is known."""
        return _plus(self.jobs.estimate, self.jobless.estimate)

    @property
    def high(self) -> Decimal | None:
        """Most that it can have cost."""
        return _plus(self.jobs.high, self.jobless.high)


def run_costs(ledger: Ledger, run_id: str) -> RunCosts:
    """Work out what a run has cost so far.

    Raises:
        UsageError: no such run.
        LedgerError: the books cannot be read.
    """
    run = next((run for run in ledger.runs() if run["run_id"] == run_id), None)
    if run is None:
        raise UsageError(f"no run {run_id} in the ledger", hint="assetmill report --by run lists them")
    rows = ledger.rows(RowFilter(run_id=run_id), COLUMNS)
    paid_urls = sorted({str(row["endpoint_url"]) for row in rows if not row["draft"]})
    lives = [
        life
        for url in paid_urls
        for life in _lives(ledger, url, run["started_at"], run["ended_at"])
        if not had_a_job(ledger, life)
    ]
    unknown = sum(row["cost_estimate_usd"] is None for row in rows)
    return RunCosts(run_id, _jobs(rows), _jobless(lives, _usual_start_ms(rows)), len(rows), unknown, len(lives))


def _lives(ledger: Ledger, url: str, since: datetime, until: datetime | None) -> list[WorkerLife]:
    """Lives that had begun by the end of a run, or were about to; the look that it takes last shows the newest."""
    if until is None:
        return ledger.workers.lives(endpoint_url=url, since=since)
    seen = ledger.workers.lives(endpoint_url=url, since=since, until=until + timedelta(seconds=LOOK_EVERY_S))
    return [life for life in seen if life.up_since is None or life.up_since <= until + SLACK]


def _jobs(rows: Iterable[Row]) -> Cost:
    rows = list(rows)
    low = _sum(row["cost_low_usd"] for row in rows)
    estimate = _sum(row["cost_estimate_usd"] for row in rows)
    highs = [row["planned_high_usd"] if row["cost_high_usd"] is None else row["cost_high_usd"] for row in rows]
    high = None if None in highs else sum(highs, Decimal(0))
    return Cost(low, estimate, high, SETTLED_ROWS)


def _usual_start_ms(rows: Iterable[Row]) -> int | None:
    """How long the starts took that were seen; None where none was."""
    starts = [row["start_ms"] for row in rows if row["start_ms"] is not None and row["cost_source"] == MEASURED]
    return round(median(starts)) if starts else None


def _jobless(lives: Iterable[WorkerLife], start_ms: int | None) -> Cost:
    costs = [jobless_cost(life, start_ms) for life in lives]
    known = [cost for cost in costs if cost.estimate is not None and cost.high is not None]
    estimate = _sum(cost.estimate for cost in costs)
    high = sum((cost.high for cost in known if cost.high is not None), Decimal(0))
    return Cost(Decimal(0), estimate, high if len(known) == len(costs) else None, JOBLESS)


def jobless_cost(life: WorkerLife, start_ms: int | None = None) -> Cost:
    """What a worker that got no job has cost; all None where nobody knows its price.

    It started, waited for as long as the idle timeout, and went. Whether the time that it took to start is billed is
    not settled, so that the lower bound is nothing. One that was never seen ready may have been starting for as long
    as any worker may.

    Args:
        life: as far as it was seen.
        start_ms: how long starts take at its endpoint; None where nobody knows.
    """
    if life.price_per_s_usd is None:
        return Cost(None, None, None, JOBLESS)
    seen_s = _seconds_up(life, life.last_seen_at)
    idle_s = USUAL_IDLE_S if life.idle_timeout_s is None else life.idle_timeout_s
    start_s = (USUAL_START_MS if start_ms is None else start_ms) / 1000
    if life.ready_at is None:
        longest_s = max(seen_s, LONGEST_START_S)
    else:
        ready_s = _seconds_up(life, life.ready_at)
        start_s = min(max(start_s, ready_s - LOOK_EVERY_S), ready_s)  # it became ready since the look before
        longest_s = ready_s if seen_s <= ready_s + idle_s + LOOK_EVERY_S else seen_s  # others kept it busy
    usual_s = max(start_s + idle_s, seen_s)
    price = life.price_per_s_usd
    most_s = longest_s + idle_s + SLACK.total_seconds() + 1  # a second of rounding
    return Cost(Decimal(0), charge(price, round(usual_s * 1000)), charge(price, round(most_s * 1000)), JOBLESS)


def _seconds_up(life: WorkerLife, at: datetime) -> float:
    return max(0.0, (at - (life.up_since or life.first_seen_at)).total_seconds())


def had_a_job(ledger: Ledger, life: WorkerLife) -> bool:
    """Whether any attempt in the ledger was on this worker during this life."""
    idle = timedelta(seconds=USUAL_IDLE_S if life.idle_timeout_s is None else life.idle_timeout_s)
    since: datetime = (life.up_since or life.first_seen_at - idle) - SLACK
    return bool(ledger.workers.spells(life.endpoint_url, life.worker_id, since=since, until=life.last_seen_at + idle))


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Sum of what is known; None where there is something and none of it is known."""
    told = list(amounts)
    known = [amount for amount in told if amount is not None]
    return sum(known, Decimal(0)) if known or not told else None


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other
