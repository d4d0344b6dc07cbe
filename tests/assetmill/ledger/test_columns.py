"""Times come back in UTC and amounts to the last digit, although SQLite knows neither."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from assetmill.errors import LedgerError
from assetmill.ledger import Status
from assetmill.ledger.tables import attempts
from assetmill.money import Cost


def test_a_time_of_another_zone_comes_back_as_the_same_moment_in_utc(books: Any) -> None:
    tokyo = datetime(2026, 3, 1, 8, 30, 15, 123_456, tzinfo=timezone(timedelta(hours=9)))
    books.intend("a1", intended_at=tokyo)
    [row] = books.ledger.rows()
    assert row["intended_at"] == tokyo
    assert row["intended_at"].tzinfo is UTC
    assert row["intended_at"].isoformat() == "2026-02-28T23:30:15.123456+00:00"


def test_the_file_holds_utc(books: Any, tmp_path: Path, database: str) -> None:
    if database != "sqlite":
        pytest.skip("the server keeps the zone itself")
    books.intend("a1", intended_at=datetime(2026, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=9))))
    with sqlite3.connect(tmp_path / "books" / "ledger.db") as raw:
        [(text,)] = raw.execute("SELECT intended_at FROM attempts").fetchall()
    raw.close()
    assert text.startswith("2026-02-28 23:30:00")


def test_a_time_without_a_zone_is_refused(books: Any) -> None:
    with pytest.raises(LedgerError, match="without a zone"):
        books.intend("a1", intended_at=datetime(2026, 3, 1))  # noqa: DTZ001  that it is refused is the point
    assert books.ledger.rows() == []


@pytest.mark.parametrize("amount", ("0", "0.00000001", "0.1", "0.00053", "999999.99999999", "123456.12345678", "-0.3"))
def test_amounts_come_back_exactly(books: Any, amount: str) -> None:
    books.collect("a1", price_per_s_usd=Decimal(amount))
    cost = Cost(Decimal(amount), Decimal(amount), None, "test")
    books.ledger.settle("a1", books.ending(Status.KEPT, cost=cost))
    row = books.row("a1")
    for name in ("price_per_s_usd", "cost_low_usd", "cost_estimate_usd"):
        assert row[name] == Decimal(amount)
        assert isinstance(row[name], Decimal)
    assert row["cost_high_usd"] is None


@pytest.mark.parametrize("amount", ("1000000", "-1000000", "NaN", "Infinity"))
def test_what_is_no_amount_is_refused(books: Any, amount: str) -> None:
    with pytest.raises(LedgerError, match="amount"):
        books.intend("a1", price_per_s_usd=Decimal(amount))


def test_an_unknown_price_stays_unknown(books: Any) -> None:
    books.intend("a1", price_per_s_usd=None)
    assert books.row("a1")["price_per_s_usd"] is None


def test_the_database_itself_can_add_and_compare_amounts(books: Any) -> None:
    for number in range(10):
        books.intend(f"a{number}", price_per_s_usd=Decimal("0.1") * number)
    with books.ledger._database.read() as connection:
        dear = select(func.sum(attempts.c.price_per_s_usd)).where(attempts.c.price_per_s_usd > Decimal("0.5"))
        assert connection.execute(dear).scalar() == Decimal("3.0")
