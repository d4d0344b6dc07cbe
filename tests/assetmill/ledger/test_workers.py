"""Lives of workers: one row for each life however many saw it, and the order of jobs on a worker."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from assetmill.ledger import Facts, Ledger, WorkerLife

EVERY_DATABASE = True
SECOND = timedelta(seconds=1)
URL = "https://api.example/v2/ep"


@pytest.fixture
def life(books: Any) -> Callable[..., WorkerLife]:
    t0: datetime = books.t0

    def make(worker_id: str = "w1", *, at: float = 20, up: float | None = 5, **changes: Any) -> WorkerLife:
        now = t0 + at * SECOND
        up_since = None if up is None else t0 + up * SECOND
        seen = WorkerLife(
            URL, worker_id, now, now, up_since, gpu="NVIDIA L4", price_per_s_usd=Decimal("0.00019"),
            price_source="list", idle_timeout_s=5.0,
        )  # fmt: skip
        return replace(seen, **changes)

    return make


def test_a_life_comes_back_as_it_was_written_without_secrets_in_its_address(books, life):
    books.ledger.workers.seen([life(endpoint_url="https://me:secret@api.example/v2/ep?key=secret")])
    assert books.ledger.workers.lives() == [life()]


def test_who_sees_a_worker_again_carries_its_row_on(books, life):
    workers, t0 = books.ledger.workers, books.t0
    workers.seen([life(at=20, up=5)])
    workers.seen([life(at=35, up=6.5, gpu=None, price_per_s_usd=None, price_source="", idle_timeout_s=None)])
    [one] = workers.lives()
    assert (one.first_seen_at, one.last_seen_at) == (t0 + 20 * SECOND, t0 + 35 * SECOND)
    assert one.up_since == t0 + 6.5 * SECOND, "the newer sighting knows it better"
    assert (one.gpu, one.price_per_s_usd, one.idle_timeout_s) == ("NVIDIA L4", Decimal("0.00019"), 5.0)


def test_a_worker_that_started_again_has_another_life(books, life):
    workers = books.ledger.workers
    workers.seen([life(at=20, up=5)])
    workers.seen([life(at=60, up=50)])
    workers.seen([life(at=75, up=50.4)])
    assert [round((one.up_since - books.t0).total_seconds(), 1) for one in workers.lives()] == [5.0, 50.4]


def test_a_worker_whose_start_nobody_tells_lives_on_until_it_was_away_for_long(books, life):
    workers = books.ledger.workers
    for at in (20, 100, 100 + 301):
        workers.seen([life(at=at, up=None)])
    assert [(one.last_seen_at - one.first_seen_at) / SECOND for one in workers.lives()] == [80, 0]


def test_runs_that_look_at_the_same_moment_write_one_row(books, life, ledger_url):
    def look(number: int) -> None:
        with Ledger.open(ledger_url) as ledger:
            ledger.workers.seen([life("w1", at=20 + number / 10), life("w2", at=20 + number / 10)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(8)))
    assert [one.worker_id for one in books.ledger.workers.lives()] == ["w1", "w2"]


def test_lives_are_chosen_by_endpoint_and_by_when_they_were_seen(books, life):
    workers, t0 = books.ledger.workers, books.t0
    elsewhere = life("w9", endpoint_url="https://api.example/v2/other")
    workers.seen([life("early", at=10), life("late", at=100), elsewhere])
    assert [one.worker_id for one in workers.lives(endpoint_url=URL)] == ["early", "late"]
    assert [one.worker_id for one in workers.lives(endpoint_url=URL, since=t0 + 11 * SECOND)] == ["late"]
    assert [one.worker_id for one in workers.lives(endpoint_url=URL, until=t0 + 100 * SECOND)] == ["early"]


def test_the_life_of_a_moment_is_the_one_that_had_begun_and_was_seen_then_or_later(books, life):
    workers, t0 = books.ledger.workers, books.t0
    workers.seen([life(at=20, up=5)])
    workers.seen([life(at=80, up=50)])
    found = {at: workers.life(f"{URL}?key=x", "w1", t0 + at * SECOND) for at in (1, 10, 20, 30, 60, 90)}
    starts = {at: one and (one.up_since - t0) / SECOND for at, one in found.items()}
    assert starts == {1: None, 10: 5, 20: 5, 30: None, 60: 50, 90: None}
    assert workers.life(URL, "w2", t0 + 10 * SECOND) is None


@pytest.fixture
def on_worker(books: Any) -> Callable[..., str]:
    t0 = books.t0

    def make(attempt_id: str, began: float, ended: float, worker_id: str = "w1", idle_ms: int | None = None) -> str:
        times = Facts(
            worker_id=worker_id, started_at=t0 + began * SECOND, finished_at=t0 + ended * SECOND, idle_ms=idle_ms
        )
        books.keep(attempt_id, facts=times, fingerprint=f"of {attempt_id}")
        return attempt_id

    return make


def test_the_neighbours_of_a_job_are_those_before_and_after_it_on_the_same_worker(books, on_worker):
    for name, began, ended in (("a", 0, 10), ("b", 11, 20), ("c", 21, 30)):
        on_worker(name, began, ended, idle_ms=5000 if name == "a" else None)
    on_worker("elsewhere", 12, 19, worker_id="w2")
    books.submit("not begun", fingerprint="other")
    around = books.ledger.workers.around
    at = books.t0 + 11 * SECOND
    before, after = around(f"{URL}?key=secret", "w1", "b", at)
    assert (before.attempt_id, before.opened, after.attempt_id, after.opened) == ("a", True, "c", False)
    assert (before.started_at, before.finished_at) == (books.t0, books.t0 + 10 * SECOND)
    assert around(URL, "w1", "a", books.t0)[0] is None
    assert around(URL, "w1", "c", books.t0 + 21 * SECOND)[1] is None
    assert around(URL, "unheard of", "b", at) == (None, None)


def test_jobs_that_began_at_one_moment_have_an_order(books, on_worker):
    on_worker("a", 0, 10)
    on_worker("b", 0, 12)
    around = books.ledger.workers.around
    assert [one and one.attempt_id for one in around(URL, "w1", "a", books.t0)] == [None, "b"]
    assert [one and one.attempt_id for one in around(URL, "w1", "b", books.t0)] == ["a", None]


def test_the_jobs_of_a_time_are_those_that_were_on_the_worker_in_it(books, on_worker):
    for name, began, ended in (("a", 0, 10), ("b", 11, 20), ("c", 21, 30)):
        on_worker(name, began, ended)
    t0 = books.t0
    found = books.ledger.workers.spells(URL, "w1", since=t0 + 15 * SECOND, until=t0 + 20.5 * SECOND)
    assert [one.attempt_id for one in found] == ["b"]
    assert len(books.ledger.workers.spells(URL, "w1", since=t0, until=t0 + 60 * SECOND)) == 3
