"""Bills in the ledger: the newest answer about an hour counts, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from assetmill.ledger import Bill, Ledger

EVERY_DATABASE = True
H = datetime(2026, 8, 5, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
BILL = Bill(
    "https://api.example/v2/ep", H, H + HOUR, Decimal("0.12345678"), Decimal("0.12"), None, Decimal("0.00345678"),
    Decimal(0), H + HOUR,
)  # fmt: skip


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as ledger:
        yield ledger


def test_a_bill_comes_back_as_it_was_told(ledger: Ledger) -> None:
    ledger.bills.put([BILL, replace(BILL, began_at=H + HOUR, ended_at=H + 2 * HOUR)])
    first, second = ledger.bills.read()
    assert first == BILL
    assert (second.began_at, second.cpu_usd) == (H + HOUR, None)


def test_a_newer_answer_takes_the_place_of_an_older_one_and_never_the_other_way(ledger: Ledger) -> None:
    grown = replace(BILL, total_usd=Decimal("0.2"), disk_usd=None, asked_at=BILL.asked_at + HOUR)
    ledger.bills.put([BILL])
    ledger.bills.put([grown])
    ledger.bills.put([BILL])
    assert ledger.bills.read() == [grown]
    ledger.bills.put([replace(grown, total_usd=Decimal(0), asked_at=grown.asked_at + HOUR)])
    assert [bill.total_usd for bill in ledger.bills.read()] == [0], "taken back by the provider"


def test_a_window_has_every_hour_that_it_touches(ledger: Ledger) -> None:
    hours = [replace(BILL, began_at=H + n * HOUR, ended_at=H + (n + 1) * HOUR) for n in range(4)]
    ledger.bills.put(hours)
    inside = ledger.bills.read(since=H + 1.5 * HOUR, until=H + 2.5 * HOUR)
    assert [bill.began_at for bill in inside] == [H + HOUR, H + 2 * HOUR]
    assert ledger.bills.read(since=H + HOUR, until=H + HOUR) == []


def test_endpoints_have_bills_of_their_own_and_addresses_no_secrets(ledger: Ledger) -> None:
    ledger.bills.put([BILL, replace(BILL, endpoint_url="https://user:word@api.example/v2/other?key=word")])
    urls = [bill.endpoint_url for bill in ledger.bills.read()]
    assert urls == ["https://api.example/v2/ep", "https://api.example/v2/other"]
    assert len(ledger.bills.read(endpoint_url="https://api.example/v2/other")) == 1
