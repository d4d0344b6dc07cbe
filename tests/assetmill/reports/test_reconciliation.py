"""Billed beside estimated: every second in the hour that it lies in, bills that settle, and nothing added up twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.ledger import Bill, Facts, Intent, Ledger, Output, Run, Settlement, Status, WorkerLife
from assetmill.money import attempt_cost
from assetmill.reports.paid_time import by_hour
from assetmill.reports.reconciliation import (
    ReconciledHour,
    paid_hours,
    reconciliation,
    reconciliation_table,
)

URL = "https://api.example/v2/ep"
H = datetime(2026, 8, 5, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICE = Decimal("0.001")
S = timedelta(seconds=1)


class Books:
    """A ledger with one run, into which jobs are written as they were on their workers."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.count = 0
        ledger.begin_run(Run("run-1", "hop", "art", "hop.yaml", "runpod", "named", draft=False, started_at=H))

    def job(
        self, began: datetime, seconds: float, *, worker: str | None = "w1", price: Decimal | None = PRICE,
        status: Status = Status.KEPT, draft: bool = False, url: str = URL, **facts: Any,
    ) -> None:  # fmt: skip
        self.count += 1
        name = f"a{self.count}"
        self.ledger.intend(
            Intent(
                attempt_id=name, run_id="run-1", game="hop", pack="art", asset_id=name, asset_type="entity",
                candidate=0, try_no=1, fingerprint=name, inputs={}, provider="runpod", endpoint="named",
                endpoint_url=url, gpu=None, seed=1, workflow="w", workflow_hash="h", width=1, height=1,
                expected_outputs={"image": name}, price_per_s_usd=price, price_source="test", draft=draft,
                intended_at=began - S,
            )
        )  # fmt: skip
        self.ledger.submitted(name, job_id=f"job-{name}", at=began)
        known = Facts(
            worker_id=worker, started_at=began, finished_at=began + seconds * S, queue_ms=0,
            execution_ms=round(seconds * 1000), **facts,
        )  # fmt: skip
        cost = attempt_cost(price, round(seconds * 1000), 0)
        self.ledger.collected(name, outputs=(Output("image", f"blobs/{name}.png", "ab" * 32, 9, 1, 1),), at=began)
        self.ledger.settle(name, Settlement(status, began + seconds * S, cost, known))

    def bill(self, began: datetime, usd: str, *, asked: timedelta = HOUR, url: str = URL) -> None:
        self.ledger.bills.put(
            [Bill(url, began, began + HOUR, Decimal(usd), None, None, None, None, began + HOUR + asked)]
        )

    def hours(self, **where: Any) -> tuple[ReconciledHour, ...]:
        return reconciliation(self.ledger, **where)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield Books(ledger)


def parts(hour: ReconciledHour) -> tuple[Any, ...]:
    return hour.execution_usd, hour.start_usd, hour.idle_usd, hour.jobless_usd


def test_a_life_is_divided_over_the_hours_that_it_lies_in(books: Books) -> None:
    books.job(H + 3590 * S, 30, cold=True, start_ms=20_000, idle_ms=5_000)
    books.job(H + 3623 * S, 10, cold=False, gap_ms=3_000)
    books.bill(H, "0.032")
    books.bill(H + HOUR, "0.04")
    first, second = books.hours()
    assert parts(first) == (Decimal("0.010"), Decimal("0.020"), 0, 0), "start and ten seconds lie before eleven"
    assert parts(second) == (Decimal("0.030"), 0, Decimal("0.008"), 0), "the pause, and the tail after the last job"
    assert (first.estimate_usd, first.other_usd) == (Decimal("0.030"), Decimal("0.002"))
    assert (second.estimate_usd, second.other_usd) == (Decimal("0.038"), Decimal("0.002"))
    assert (first.kept, second.kept) == (0, 2)
    assert (first.endpoint, first.endpoint_url) == ("named", URL)


def test_what_is_left_of_a_bill_may_be_negative(books: Books) -> None:
    books.job(H, 30, cold=True)
    books.bill(H, "0.01")
    (hour,) = books.hours()
    assert hour.other_usd == Decimal("-0.02")


def test_the_tail_follows_the_last_job_of_each_life_and_no_other(books: Books) -> None:
    books.job(H, 10, cold=True, idle_ms=60_000)
    books.job(H + 20 * S, 10, cold=False, gap_ms=10_000)
    books.job(H + HOUR - 30 * S, 10, cold=True, idle_ms=60_000)
    for began in (H, H + HOUR):
        books.bill(began, "1")
    first, second = books.hours()
    assert first.idle_usd == Decimal("0.09"), "a pause of 10, a tail of 60, and 20 of the other one"
    assert second.idle_usd == Decimal("0.04")


def test_workers_do_not_get_each_others_tails(books: Books) -> None:
    books.job(H, 10, worker="w1", cold=True, idle_ms=5_000)
    books.job(H + 5 * S, 3_550, worker="w2", cold=True, idle_ms=120_000)
    books.bill(H, "5")
    (hour,) = books.hours()
    assert hour.idle_usd == Decimal("0.05"), "5 of the first, and what was left of the hour for the second"


def test_an_hour_settles_a_quarter_of_an_hour_after_its_end(books: Books) -> None:
    for n, minutes in enumerate((-30, 14, 15, 600)):
        books.bill(H + n * HOUR, "0.1", asked=timedelta(minutes=minutes))
    assert [hour.state for hour in books.hours()] == ["settling", "settling", "settled", "settled"]


def test_only_hours_with_a_bill_are_told(books: Books) -> None:
    books.job(H, 10, cold=True)
    assert books.hours() == ()
    books.bill(H + 5 * HOUR, "0.1")
    (hour,) = books.hours()
    assert (hour.began_at, parts(hour), hour.other_usd) == (H + 5 * HOUR, (0, 0, 0, 0), Decimal("0.1"))


def test_a_job_without_a_price_is_counted_and_not_taken_for_free(books: Books) -> None:
    books.job(H, 10, price=None, cold=True)
    books.bill(H, "0.5")
    (hour,) = books.hours()
    assert (hour.execution_usd, hour.estimate_usd, hour.other_usd, hour.unknown) == (None, None, None, 1)
    books.job(H + 60 * S, 10, cold=True, worker="w2")
    (hour,) = books.hours()
    assert (hour.execution_usd, hour.other_usd, hour.unknown) == (Decimal("0.01"), Decimal("0.49"), 1)


def test_drafts_and_other_endpoints_are_no_part_of_it(books: Books) -> None:
    books.job(H, 10, draft=True, price=Decimal(0))
    books.job(H, 10, url="https://api.example/v2/other", cold=True)
    books.bill(H, "0.5")
    (hour,) = books.hours()
    assert (hour.execution_usd, hour.kept, hour.other_usd) == (Decimal(0), 0, Decimal("0.5"))


def test_workers_without_a_job_stand_apart(books: Books) -> None:
    books.job(H + 100 * S, 50, worker="busy", cold=True)
    life = partial(WorkerLife, URL, price_per_s_usd=PRICE, price_source="list", idle_timeout_s=5.0)
    books.ledger.workers.seen(
        [life("busy", H + 90 * S, H + 150 * S, up_since=H + 80 * S), life("bored", H + 10 * S, H + 30 * S, up_since=H)]
    )
    books.bill(H, "0.1")
    (hour,) = books.hours()
    assert hour.jobless_usd == Decimal("0.035"), (
        "30 s to start, as nobody saw how long starts take here, and its idle timeout"
    )
    assert hour.estimate_usd == Decimal("0.085")


def test_a_life_that_begins_long_before_the_window_still_has_its_tail_in_it(books: Books) -> None:
    books.job(H - 20 * HOUR, 19 * 3600, cold=True, idle_ms=2_000)
    books.job(H - 30 * S, 29, cold=False, gap_ms=0)
    books.bill(H, "0.01")
    (hour,) = books.hours(since=H, until=H + HOUR)
    assert hour.idle_usd == Decimal("0.001")


def test_paid_hours_are_those_with_paid_time_in_the_window(books: Books) -> None:
    books.job(H + HOUR - S, 2, cold=True)
    books.job(H + 9 * HOUR, 5, cold=True, worker="w2")
    books.job(H, 5, draft=True, price=Decimal(0), worker="w3")
    assert paid_hours(books.ledger, H, H + 5 * HOUR) == {URL: {H, H + HOUR}}
    assert paid_hours(books.ledger, H + 3 * HOUR, H + 5 * HOUR) == {}


def test_the_table_says_its_times_in_the_reports_zone(books: Books) -> None:
    books.bill(H, "0.5")
    table = reconciliation_table(books.hours(), ZoneInfo("Asia/Kolkata"))
    (record,) = table.records()
    assert record["began"] == H
    assert str(record["began"]).endswith("+05:30")
    assert (record["billed_usd"], record["other_usd"], record["state"]) == (Decimal("0.5"), Decimal("0.5"), "settled")


@given(st.integers(0, 10_000_000), st.integers(0, 20_000_000))
def test_hours_take_all_of_a_stretch_and_no_more(began_ms: int, lasts_ms: int) -> None:
    began = H + timedelta(milliseconds=began_ms)
    pieces = list(by_hour(began, began + timedelta(milliseconds=lasts_ms)))
    assert sum((seconds for _, seconds in pieces), Decimal(0)) == Decimal(lasts_ms) / 1000
    hours = [hour for hour, _ in pieces]
    assert hours == sorted(set(hours))
    assert all(0 < seconds <= 3600 for _, seconds in pieces)
