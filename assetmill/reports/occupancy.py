"""Who was busy when: each worker's time from its start to its stop, as it is known from the jobs that it did.

A life is drawn from its jobs: the start that the first one caused, executions, the pauses between them, and the idle
tail. Only the newest are in the table, because a chart of ten thousand bars shows nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from operator import itemgetter
from typing import Any, Final

from assetmill.ledger import Ledger, RowFilter
from assetmill.reports.tables import Cell, ReportTable, make_table

MOST_JOBS: Final = 400
COLUMNS: Final = (
    "endpoint", "endpoint_url", "worker_id", "gpu", "status", "started_at", "finished_at", "cold", "start_ms", "gap_ms",
    "idle_ms", "draft",
)  # fmt: skip
NOTE: Final = "From jobs whose worker is known; a life's idle tail is as long as the endpoint's idle timeout."
CUT: Final = f" Only the newest {MOST_JOBS} attempts are looked at."

Row = Mapping[str, Any]


def occupancy_table(ledger: Ledger, where: RowFilter, zone: tzinfo) -> ReportTable:
    """What the newest workers did when.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    rows = ledger.rows(where, COLUMNS, newest=MOST_JOBS)
    lives = sorted(_lives(rows), key=lambda life: (life[0]["started_at"], str(life[0]["worker_id"])))
    cells = [cell for number, life in enumerate(lives, 1) for cell in _segments(number, life, zone)]
    return make_table("occupancy", cells, NOTE + (CUT if len(rows) == MOST_JOBS else ""))


def _lives(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Jobs of one life of a worker at a time, in the order of their starts."""
    by_worker: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if not row["draft"] and row["worker_id"] and row["started_at"] and row["finished_at"]:
            by_worker[row["endpoint_url"], row["worker_id"]].append(row)
    for jobs in by_worker.values():
        life: list[Row] = []
        for job in sorted(jobs, key=itemgetter("started_at")):
            if job["cold"] and life:
                yield life
                life = []
            life.append(job)
        yield life


def _segments(number: int, life: Sequence[Row], zone: tzinfo) -> Iterator[tuple[Cell, ...]]:
    first, last = life[0], life[-1]

    def cell(what: str, began: datetime, ended: datetime, status: str | None) -> tuple[Cell, ...]:
        names = (first["endpoint"], first["worker_id"], number, first["gpu"])
        seconds = round((ended - began).total_seconds(), 3)
        return (*names, began.astimezone(zone), ended.astimezone(zone), what, status, seconds)

    for job in life:
        began, ended = job["started_at"], job["finished_at"]
        for what, length_ms in (("start", job["start_ms"]), ("gap", job["gap_ms"])):
            if length_ms:
                yield cell(what, began - timedelta(milliseconds=length_ms), began, None)
        yield cell("execution", began, ended, str(job["status"]))
    if first["idle_ms"]:
        yield cell("idle", last["finished_at"], last["finished_at"] + timedelta(milliseconds=first["idle_ms"]), None)
