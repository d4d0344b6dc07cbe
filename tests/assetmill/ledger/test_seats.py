"""Seats: a word among runs that is good for a moment, and which jobs nobody holds a slot for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import inspect

from assetmill.ledger import Claim, Ledger, Seat
from assetmill.ledger.schema import MIGRATIONS

EVERY_DATABASE = True
SECOND = timedelta(seconds=1)


@pytest.fixture
def seat(books) -> Callable[..., Seat]:
    t0 = books.t0

    def make(run_id: str, **changes: Any) -> Seat:
        return replace(
            Seat(run_id, "endpoint-x", "normal", 6, 2, "here", ("a", "b"), t0, t0, t0 + 15 * SECOND), **changes
        )

    return make


def test_a_seat_comes_back_as_it_was_written_beside_those_of_others_at_the_same_limit(books, seat):
    seats, t0 = books.ledger.seats, books.t0
    later, elsewhere = seat("late", began_at=t0 + SECOND), seat("elsewhere", limit_name="endpoint-y")
    assert seats.take(later, t0) == [later]
    assert seats.take(elsewhere, t0) == [elsewhere]
    assert seats.take(seat("early"), t0) == [seat("early"), later]
    changed = seat("early", wants=0, held=0, leases=(), served_at=t0 + SECOND, until=t0 + 30 * SECOND)
    assert seats.take(changed, t0) == [changed, later], "in place of the last one"
    assert seats.at("endpoint-x") == [changed, later]


def test_of_many_that_delete_a_seat_one_has_done_it(books, seat):
    seats = books.ledger.seats
    seats.take(seat("killed"), books.t0)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(seats.leave, ["killed"] * 4)) == [False, False, False, True]
    assert seats.at("endpoint-x") == []


def test_a_seat_that_nobody_writes_again_is_kept_for_an_hour_for_what_its_run_held_and_then_forgotten(books, seat):
    seats, t0 = books.ledger.seats, books.t0
    seats.take(seat("killed"), t0)
    other = seat("other", until=t0 + timedelta(hours=3))
    assert [one.run_id for one in seats.take(other, t0 + timedelta(minutes=50))] == ["killed", "other"]
    assert [one.run_id for one in seats.take(other, t0 + timedelta(hours=2))] == ["other"]


def test_strays_are_the_open_jobs_at_an_endpoint_that_no_run_there_holds_slots_for(books, seat):
    t0, url = books.t0, "https://api.example/v2/ep"
    books.begin("killed")
    mine = Claim("run-1", "here", t0 + 30 * SECOND)
    others = Claim("settle-1", "there", t0 + 30 * SECOND)

    def send(attempt_id: str, claim: Claim | None, **changes: Any) -> None:
        books.ledger.intend(books.intent(attempt_id, **changes), claim)
        books.ledger.submitted(attempt_id, job_id=f"job-{attempt_id}", at=t0)

    send("mine", mine)
    send("mine-of-before", mine, intended_at=t0 - SECOND)
    send("mine-let-go", mine)
    books.ledger.let_go("mine-let-go", "run-1", t0)
    send("mine-that-another-settles", others)
    send("killed", Claim("killed", "there", t0 + 30 * SECOND), run_id="killed", intended_at=t0 + SECOND)
    send("elsewhere", None, endpoint_url="https://api.example/v2/other", endpoint="other")
    send("of-yesterday", None, intended_at=t0 - timedelta(days=1))
    books.ledger.intend(books.intent("no-answer-yet", run_id="killed", intended_at=t0 + 2 * SECOND))
    books.collect("collected", run_id="killed")
    books.keep("kept", run_id="killed")

    def strays(*present: Seat) -> list[str]:
        return books.ledger.seats.strays(url, present, since=t0 - timedelta(hours=1))

    without = ["mine-of-before", "mine-let-go", "mine-that-another-settles"]
    assert sorted(strays(seat("run-1"), seat("killed"))) == sorted([*without, "no-answer-yet"])
    assert sorted(strays(seat("run-1"))) == sorted([*without, "killed", "no-answer-yet"])
    assert sorted(strays()) == sorted([*without, "mine", "killed", "no-answer-yet"])


def test_a_ledger_of_before_gets_the_table_and_keeps_its_rows(ledger_url, open_books):
    before = "".join(path.read_text() for path in sorted(MIGRATIONS.glob("versions/000[12]_*.py")))
    with Ledger.open(ledger_url) as ledger:
        open_books(ledger).keep("kept")
        with ledger._database.write() as connection:
            for table in ("seats", "workers", "bills", "budget_warnings", "steps", "outages", "abilities", "votes"):
                connection.exec_driver_sql(f"DROP TABLE {table}")
            for index in inspect(connection).get_indexes("attempts"):
                if index["name"] not in before:
                    connection.exec_driver_sql(f"DROP INDEX {index['name']}")
            for column in (
                "cold",
                "start_ms",
                "gap_ms",
                "idle_ms",
                "reserved_usd",
                "units",
                "instead_of",
                "instead_why",
            ):
                connection.exec_driver_sql(f"ALTER TABLE attempts DROP COLUMN {column}")
            connection.exec_driver_sql("UPDATE assetmill_alembic_version SET version_num = '0002'")
    with Ledger.open(ledger_url) as ledger:
        assert [row["attempt_id"] for row in ledger.rows()] == ["kept"]
        assert ledger.seats.at("endpoint-x") == []
