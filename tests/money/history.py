"""Histories of any size, drawn from a seed and written straight into a ledger: what reports and plans are tried on.

The rows are those that a year of runs would leave: workers that start, run jobs with gaps between them and go idle,
pictures that the checks turn down, jobs that fail and are sent again, placeholders, a provider without GPUs, jobs whose
price nobody knows, jobs still out, workers that got no job, and the hours' bills. Each row's costs follow from its own
times by the cost model, so that sums over the rows can be checked. The same seed gives the same rows.

    python tests/money/history.py --rows 100000 --seed 1 sqlite:////tmp/ledger.db
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from assetmill.ledger import Ledger
from assetmill.ledger.bills import Bill
from assetmill.ledger.tables import attempts, runs, workers
from assetmill.money import attempt_cost
from assetmill.money.turns import MEASURED, Turn

UNTIL = datetime(2026, 10, 31, 18, tzinfo=UTC)
STEP = Decimal("0.00000001")
DEAD_MS = 900
CHUNK = 5000
SETTLED = ("kept", "rejected", "failed", "lost", "cancelled")
GAMES = ("cloud-hop", "deep-dive", "ember-trail", "frost-keep", "gem-rush", "hollow-oak", "iron-tide", "jade-run")
SIZES = {
    "entity": ("entity", 528, 704, 7.5),
    "background": ("background", 1344, 768, 14.0),
    "title_hero": ("title-hero", 1024, 512, 9.0),
    "parallax": ("parallax-depth", 1344, 768, 31.0),
    "sheet": ("sheet", 768, 512, 10.5),
}
WEIGHTS = (60, 12, 4, 6, 18)
UNITS_USD = Decimal("0.0064")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that the history draws from."""

    name: str
    url: str
    provider: str
    gpu: str | None
    usd_per_s: Decimal | None
    idle_ms: int
    slowness: float
    draft: bool = False

    @property
    def price_source(self) -> str:
        """Where the price is from."""
        return "price list of the history" if self.usd_per_s is not None else "unknown: no GPU pool configured"


ENDPOINTS = (
    Endpoint("runpod:l40", "https://api.example/v2/l40", "runpod", "NVIDIA L40S", Decimal("0.00053"), 5000, 1.0),
    Endpoint(
        "runpod:a5000", "https://api.example/v2/a5000", "runpod", "NVIDIA RTX A5000", Decimal("0.00019"), 30000, 2
    ),
    Endpoint("runpod:new", "https://api.example/v2/new", "runpod", None, None, 10000, 0.8),
    Endpoint("scenario", "https://api.example/v1", "scenario", None, None, 0, 1.2),
    Endpoint("draft", "http://127.0.0.1:1/v2/draft", "draft", "draft", Decimal(0), 5000, 0.05, draft=True),
)
ENDPOINT_WEIGHTS = (50, 38, 3, 4, 5)


@dataclass
class _Worker:
    """A worker while it lives."""

    name: str
    free_at: datetime
    ended_at: datetime | None = None

    def __lt__(self, other: _Worker) -> bool:
        return (self.free_at, self.name) < (other.free_at, other.name)


@dataclass
class History:
    """Rows of a drawn history, table by table.

    Args:
        seed: of the luck.
        rows: attempts that are wanted.
        days: over how many days.
        until: aware time at which it ends.
        run_rows: attempts of a run: at least, and at most.
    """

    seed: int
    rows: int
    days: int = 120
    until: datetime = UNTIL
    run_rows: tuple[int, int] = (20, 160)
    billed: dict[tuple[str, datetime], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    lives: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._numbers = itertools.count(1)

    def batches(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Runs with their attempts, until there are as many as wanted."""
        made = 0
        for number in itertools.count(1):
            if made >= self.rows:
                return
            run, rows = self._run(number, min(self.random.randint(*self.run_rows), self.rows - made))
            made += len(rows)
            yield run, rows

    def _run(self, number: int, count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        luck = self.random
        endpoint = luck.choices(ENDPOINTS, ENDPOINT_WEIGHTS)[0]
        day = timedelta(days=luck.randrange(1, self.days))
        began = self.until - day + timedelta(seconds=luck.randrange(0, 36_000))
        run = {
            "run_id": f"run-{self.seed}-{number:05d}",
            "game": luck.choice(GAMES[: 3 + self.seed % 6]),
            "pack": "default",
            "manifest": "game.yaml",
            "provider": endpoint.provider,
            "endpoint": endpoint.name,
            "draft": endpoint.draft,
            "started_at": began,
            "state": "finished",
        }
        rows = self._jobs(run, endpoint, began, count)
        run |= {
            "ended_at": max((row["settled_at"] or row["intended_at"] for row in rows), default=began),
            "kept": sum(row["status"] == "kept" for row in rows),
            "failed": sum(row["status"] in ("failed", "lost") for row in rows),
            "cached": luck.randrange(0, 40),
        }
        return run, rows

    def _jobs(self, run: dict[str, Any], endpoint: Endpoint, began: datetime, count: int) -> list[dict[str, Any]]:
        """A run's attempts: each goes to the worker that is free first, and a failed one is sent again."""
        luck = self.random
        size = luck.randint(1, 4)
        crew = [_Worker(f"{run['run_id'][4:]}-w{n}", began) for n in range(size)]
        heapq.heapify(crew)
        ends: list[datetime] = []
        rows: list[dict[str, Any]] = []
        again: dict[str, Any] | None = None
        for place in range(count):
            submitted = began if place < 2 * size else ends[place - 2 * size]
            if luck.random() < 0.02:
                submitted += timedelta(seconds=luck.uniform(2, 60))
            row = self._job(run, endpoint, heapq.heappop(crew), submitted, again, crew)
            again = row if row["status"] == "failed" and luck.random() < 0.8 else None
            ends.append(row["finished_at"] or row["intended_at"])
            rows.append(row)
        self._settle_lives(endpoint, rows)
        if luck.random() < 0.1 and endpoint.provider == "runpod":
            self._jobless(endpoint, began, run["run_id"][4:] + "-spare")
        return rows

    def _job(
        self,
        run: dict[str, Any],
        endpoint: Endpoint,
        worker: _Worker,
        submitted: datetime,
        again: dict[str, Any] | None,
        crew: list[_Worker],
    ) -> dict[str, Any]:
        luck = self.random
        row = self._blank(run, endpoint, submitted, again)
        workflow, _, _, base_s = SIZES[row["asset_type"]]
        del workflow
        ready = max(worker.free_at, submitted)
        idle = None if worker.ended_at is None else ready - worker.ended_at
        cold = idle is None or idle > timedelta(milliseconds=max(endpoint.idle_ms, 2 * DEAD_MS))
        start_ms = (
            round(min(120.0, luck.lognormvariate(2.8, 0.6)) * 1000 * (0.2 if endpoint.draft else 1)) if cold else 0
        )
        dead = timedelta(milliseconds=luck.uniform(500, 1100) if not cold else 0)
        started = ready + timedelta(milliseconds=start_ms) + dead
        execution_ms = round(base_s * endpoint.slowness * luck.lognormvariate(0, 0.12) * 1000)
        execution_ms += round(luck.uniform(15, 35) * endpoint.slowness * 1000) if cold else 0
        status = luck.choices((*SETTLED, "submitted"), (880, 60, 35, 3, 12, 2 if not endpoint.draft else 0))[0]
        if status in ("cancelled", "submitted"):
            heapq.heappush(crew, worker)
            return self._without_execution(row, status, submitted)
        if status == "failed":
            execution_ms = round(execution_ms * luck.uniform(0.1, 1))
        finished = started + timedelta(milliseconds=execution_ms)
        gap_ms = (
            0 if cold or worker.ended_at is None else round((started - worker.ended_at) / timedelta(milliseconds=1))
        )
        worker.free_at, worker.ended_at = finished, finished
        heapq.heappush(crew, worker)
        row |= {
            "status": status,
            "worker_id": worker.name,
            "started_at": started,
            "finished_at": finished,
            "queue_ms": round((started - submitted) / timedelta(milliseconds=1)),
            "execution_ms": execution_ms,
        }
        if endpoint.provider != "scenario":
            row |= {"cold": cold, "start_ms": start_ms if cold else None, "gap_ms": None if cold else gap_ms}
            row |= {"idle_ms": endpoint.idle_ms if cold else None}
        else:
            row |= {"worker_id": None, "units": float(luck.choice((4, 5, 5, 6, 10)))}
        self._after(row, endpoint, finished)
        return row

    def _blank(
        self, run: dict[str, Any], endpoint: Endpoint, submitted: datetime, again: dict[str, Any] | None
    ) -> dict[str, Any]:
        """What is known of an attempt before it is sent."""
        number = next(self._numbers)
        kind = again["asset_type"] if again else self.random.choices(tuple(SIZES), WEIGHTS)[0]
        workflow, width, height, base_s = SIZES[kind]
        planned = None if endpoint.usd_per_s is None else _usd(endpoint.usd_per_s, base_s * 1000)
        asset = again["asset_id"] if again else f"{kind}_{self.random.randrange(4000):04d}"
        inputs = {"prompt": f"{asset}, " + "a small thing of the game's world, drawn with care. " * 18, "seed": number}
        return {
            **dict.fromkeys(column.name for column in attempts.columns),
            "attempt_id": f"{self.seed:08x}{number:024x}",
            "run_id": run["run_id"],
            "game": run["game"],
            "pack": run["pack"],
            "asset_id": asset,
            "asset_type": kind,
            "candidate": 0,
            "try_no": again["try_no"] + 1 if again else 1,
            "fingerprint": f"{number:064x}",
            "inputs": json.dumps(inputs),
            "provider": endpoint.provider,
            "endpoint": endpoint.name,
            "endpoint_url": endpoint.url,
            "job_id": f"job-{self.seed}-{number}",
            "gpu": endpoint.gpu,
            "seed": number,
            "workflow": workflow,
            "workflow_hash": f"{len(workflow):064x}",
            "width": width,
            "height": height,
            "expected_outputs": json.dumps({"image": f"assetmill/{number:032x}"}),
            "intended_at": submitted - timedelta(milliseconds=40),
            "submitted_at": submitted,
            "price_per_s_usd": endpoint.usd_per_s,
            "price_source": endpoint.price_source,
            "outputs": "{}",
            "draft": endpoint.draft,
            "retry_of": again["attempt_id"] if again else None,
            "planned_usd": planned,
            "planned_high_usd": None if planned is None else planned * 3,
        }

    def _without_execution(self, row: dict[str, Any], status: str, submitted: datetime) -> dict[str, Any]:
        """Withdrawn before it began, or not heard of yet."""
        row["status"] = status
        if status == "cancelled":
            free = dict.fromkeys(("cost_low_usd", "cost_estimate_usd", "cost_high_usd"), Decimal(0))
            row |= {**free, "cost_source": "never started", "settled_at": submitted + timedelta(seconds=30)}
            row |= {"error_class": "cancelled", "error_text": "withdrawn"}
        return row

    def _after(self, row: dict[str, Any], endpoint: Endpoint, finished: datetime) -> None:
        """What happens on this side once the job has ended."""
        luck, number = self.random, row["seed"]
        row["download_ms"] = round(luck.lognormvariate(5.8, 0.4))
        if row["status"] in ("kept", "rejected"):
            key = f"blobs/{number % 256:02x}/{number:064x}.png"
            picture = {"key": key, "sha256": f"{number:064x}", "bytes": 900_000, "width": 64, "height": 64}
            row |= {"outputs": json.dumps({"image": picture}), "bytes": 900_000, "sha256": f"{number:064x}", "key": key}
            row |= {
                "finish_ms": round(luck.lognormvariate(6.2, 0.5)),
                "upload_ms": round(luck.lognormvariate(5.5, 0.5)),
            }
            row["quality_score"] = round(luck.uniform(0.6, 1) if row["status"] == "kept" else luck.uniform(0, 0.5), 3)
        else:
            row["error_class"] = luck.choice(("worker_fault", "execution_failed", "timed_out"))
            row["error_text"] = "drawn by lot"
        here_ms = row["download_ms"] + (row["finish_ms"] or 0) + (row["upload_ms"] or 0)
        row["collected_at"] = finished + timedelta(milliseconds=row["download_ms"])
        row["settled_at"] = finished + timedelta(milliseconds=here_ms)
        row["latency_ms"] = round((row["settled_at"] - row["submitted_at"]) / timedelta(milliseconds=1))
        _price(row, endpoint)

    def _settle_lives(self, endpoint: Endpoint, rows: list[dict[str, Any]]) -> None:
        """The lives of the workers that ran these rows, and what they were billed."""
        by_worker: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            if row["worker_id"] is not None and endpoint.provider == "runpod":
                by_worker[row["worker_id"]].append(row)
        for name, jobs in by_worker.items():
            firsts = [place for place, row in enumerate(jobs) if row["cold"]]
            for first, after in itertools.zip_longest(firsts, firsts[1:], fillvalue=len(jobs)):
                life = jobs[first:after]
                up = life[0]["started_at"] - timedelta(milliseconds=life[0]["start_ms"])
                self._live(endpoint, name, up, life[-1]["finished_at"] + timedelta(milliseconds=endpoint.idle_ms))

    def _jobless(self, endpoint: Endpoint, began: datetime, name: str) -> None:
        """A worker that came too late to get a job."""
        up = began + timedelta(seconds=self.random.uniform(5, 60))
        self._live(endpoint, name, up, up + timedelta(seconds=self.random.uniform(8, 40)))

    def _live(self, endpoint: Endpoint, name: str, up: datetime, down: datetime) -> None:
        self.lives.append(
            {
                "endpoint_url": endpoint.url,
                "worker_id": name,
                "first_seen_at": up + timedelta(seconds=self.random.uniform(0, 3)),
                "last_seen_at": down,
                "up_since": up,
                "gpu": endpoint.gpu,
                "price_per_s_usd": endpoint.usd_per_s,
                "price_source": endpoint.price_source,
                "idle_timeout_s": endpoint.idle_ms / 1000,
            }
        )
        rate = endpoint.usd_per_s or Decimal("0.0004")
        while up < down:
            hour = up.replace(minute=0, second=0, microsecond=0)
            part = min(down, hour + timedelta(hours=1))
            self.billed[endpoint.url, hour] += _usd(rate, (part - up) / timedelta(milliseconds=1) * 1.004)
            up = part

    def bills(self, known: Iterable[Bill]) -> list[Bill]:
        """One bill an hour and endpoint in which there was something to pay, on top of what is billed already."""
        before = {(bill.endpoint_url, bill.began_at): bill.gpu_usd or Decimal(0) for bill in known}
        return [
            Bill(
                endpoint_url=url,
                began_at=hour,
                ended_at=hour + timedelta(hours=1),
                total_usd=gpu + _usd(gpu, 4),
                gpu_usd=gpu,
                cpu_usd=Decimal(0),
                disk_usd=_usd(gpu, 4),
                fee_usd=Decimal(0),
                asked_at=self.until,
            )
            for (url, hour), usd in sorted(self.billed.items())
            for gpu in (usd + before.get((url, hour), Decimal(0)),)
        ]


def _usd(usd_per_s: Decimal, ms: float) -> Decimal:
    return (usd_per_s * Decimal(round(ms)) / 1000).quantize(STEP)


def _price(row: dict[str, Any], endpoint: Endpoint) -> None:
    """The costs that follow from a row's own times; None where there is no price."""
    if row["units"] is not None:
        amount = (UNITS_USD * Decimal(str(row["units"]))).quantize(STEP)
        row |= dict.fromkeys(("cost_low_usd", "cost_estimate_usd", "cost_high_usd"), amount)
        row["cost_source"] = "units of the history"
        return
    turn = Turn(row["cold"], row["start_ms"], row["gap_ms"], row["idle_ms"], MEASURED)
    cost = attempt_cost(endpoint.usd_per_s, row["execution_ms"], row["queue_ms"], turn)
    row |= {"cost_low_usd": cost.low, "cost_estimate_usd": cost.estimate, "cost_high_usd": cost.high}
    row["cost_source"] = cost.source


def fill(
    ledger: Ledger,
    rows: int,
    seed: int = 1,
    *,
    days: int = 120,
    until: datetime = UNTIL,
    run_rows: tuple[int, int] = (20, 160),
) -> History:
    """Draw a history and write it into a ledger that has none of the same seed.

    Args:
        ledger: an open ledger.
        rows: number of attempts.
        seed: of the luck.
        days: over how many days.
        until: aware time at which the history ends.
        run_rows: attempts of a run: at least, and at most.

    Returns:
        The history, for its lives and bills.
    """
    history = History(seed, rows, days, until, run_rows)
    waiting: list[dict[str, Any]] = []
    with ledger._database.write() as connection:
        for run, rows_of_run in history.batches():
            connection.execute(runs.insert(), [run])
            waiting += rows_of_run
            while len(waiting) >= CHUNK:
                connection.execute(attempts.insert(), waiting[:CHUNK])
                del waiting[:CHUNK]
        for table, values in ((attempts, waiting), (workers, history.lives)):
            if values:
                connection.execute(table.insert(), values)
    ledger.bills.put(history.bills(ledger.bills.read()))
    return history


def main() -> None:
    """Write a history into the ledger of a URL."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=120)
    given = parser.parse_args()
    with Ledger.open(given.url) as ledger:
        fill(ledger, given.rows, given.seed, days=given.days)


if __name__ == "__main__":
    main()
