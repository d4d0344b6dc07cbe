"""Bare columns are the same attempts as the rows, in every database; lives without a job are found among many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from assetmill.errors import LedgerError
from assetmill.ledger import EVERYTHING, Facts, RowFilter, Status, WorkerLife
from assetmill.ledger.figures import AT_A_TIME, NO_TIME, UNKNOWN
from assetmill.money import Cost

EVERY_DATABASE = True
COLUMNS = (
    "attempt_id",
    "gpu",
    "intended_at",
    "started_at",
    "execution_ms",
    "draft",
    "cold",
    "cost_estimate_usd",
    "units",
)


def bare(value: Any, column: str) -> Any:
    """A typed value as bare columns have it."""
    if value is None:
        return {"gpu": None, "started_at": NO_TIME}.get(column, UNKNOWN)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    return float(value) if isinstance(value, Decimal | bool) else value


def test_bare_columns_are_the_rows_to_the_last_digit_and_microsecond(books):
    cost = Cost(Decimal("0.00000001"), Decimal("89999.12345678"), None, "test")
    at = books.t0 + timedelta(microseconds=1)
    facts = Facts(started_at=at, cold=True, units=5.5)
    books.collect("whole")
    books.ledger.settle("whole", books.ending(Status.KEPT, cost=cost, facts=facts))
    books.intend("open", gpu=None, draft=True, intended_at=at)
    parts = books.ledger.figures(EVERYTHING, COLUMNS, list)
    found = {row[0]: tuple(row) for part in parts for row in part}
    rows = {row["attempt_id"]: row for row in books.ledger.rows(EVERYTHING, COLUMNS)}
    assert found == {name: tuple(bare(row[column], column) for column in COLUMNS) for name, row in rows.items()}
    assert found["whole"][7] == 89999.12345678


def test_rows_come_in_parts_and_a_filter_holds(books):
    for number in range(3):
        books.intend(f"a{number}", game="other" if number else "cloud-hop")
    assert [len(part) for part in books.ledger.figures(RowFilter(game="other"), ("game",), list)] == [2]
    assert books.ledger.figures(RowFilter(game="nobody"), ("game",), list) == []
    assert AT_A_TIME > 3


def test_a_column_that_is_not_there_is_named(books):
    with pytest.raises(LedgerError, match="no column 'prize'"):
        books.ledger.figures(EVERYTHING, ("game", "prize"), list)


def test_only_the_newest_rows_come_and_still_in_their_order(books):
    for number in range(4):
        books.intend(f"a{number}", intended_at=books.t0 + timedelta(seconds=number))
    assert [row["attempt_id"] for row in books.ledger.rows(EVERYTHING, ["attempt_id"], newest=2)] == ["a2", "a3"]
    assert len(books.ledger.rows(newest=9)) == 4


def test_lives_without_a_job_are_found_and_it_is_said_whether_the_worker_ever_had_one(books):
    url = books.intent("x").endpoint_url
    books.collect("job")
    began = books.t0 + timedelta(minutes=1)
    books.ledger.settle("job", books.ending(Status.KEPT, facts=Facts(worker_id="w1", started_at=began)))

    def life(worker: str, first_s: int, last_s: int, up_s: int | None = None) -> WorkerLife:
        first, last = (books.t0 + timedelta(seconds=seconds) for seconds in (first_s, last_s))
        up = None if up_s is None else books.t0 + timedelta(seconds=up_s)
        return WorkerLife(url, worker, first, last, up)

    lives = [life("w1", 70, 90, up_s=50), life("w1", 3600, 3660), life("spare", 40, 60)]
    for one in lives:
        books.ledger.workers.seen([one])
    found = [(life.worker_id, had_jobs) for life, had_jobs in books.ledger.perhaps_jobless()]
    assert found == [("spare", False), ("w1", True)]
    assert books.ledger.perhaps_jobless(until=books.t0) == []
    ((only, _),) = books.ledger.perhaps_jobless(since=books.t0 + timedelta(hours=1))
    assert only.worker_id == "w1"
