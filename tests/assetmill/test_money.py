"""Prices are data with a source, costs have bounds, and what is unknown never becomes 0."""

from decimal import Decimal

import pytest

from assetmill.errors import UsageError
from assetmill.money import (
    DRAFT_PRICE,
    Cost,
    attempt_cost,
    load_prices,
    price_of,
    usd,
)

L40S = Decimal("0.00053")


def test_every_price_says_where_and_when_it_comes_from() -> None:
    for pool, price in load_prices().items():
        assert price.pool == pool
        assert price.source
        assert price.date == "2026-06-08"
        assert price.gpus
        assert price.cited.endswith(", 2026-06-08")


@pytest.mark.parametrize(
    ("pool", "usd_per_hour"),
    (
        ("AMPERE_16", "0.576"),
        ("AMPERE_24", "0.684"),
        ("ADA_24", "1.116"),
        ("AMPERE_48", "1.224"),
        ("ADA_48_PRO", "1.908"),
        ("AMPERE_80", "2.736"),
        ("ADA_80_PRO", "4.176"),
        ("BLACKWELL_96", "3.996"),
        ("HOPPER_141", "5.58"),
        ("BLACKWELL_180", "8.64"),
    ),
)
def test_a_second_costs_the_published_hour_divided_by_3600(pool: str, usd_per_hour: str) -> None:
    per_second = price_of(pool).usd_per_s
    assert per_second is not None
    assert per_second * 3600 == Decimal(usd_per_hour)


def test_an_unpublished_price_is_unknown_and_listed_last() -> None:
    assert price_of("ADA_32_PRO").usd_per_s is None
    assert next(iter(load_prices())) == "AMPERE_16"
    assert list(load_prices())[-1] == "ADA_32_PRO"


def test_the_price_list_cannot_be_changed_by_a_reader() -> None:
    with pytest.raises(TypeError):
        load_prices()["ADA_24"] = DRAFT_PRICE  # type: ignore[index]  # that it is refused is the point


def test_without_a_pool_the_price_is_unknown() -> None:
    price = price_of(None)
    assert price.usd_per_s is None
    assert "no GPU pool" in price.cited


def test_drafts_have_a_known_price_of_zero() -> None:
    price = price_of("draft")
    assert price.usd_per_s == 0
    assert price.cited == "local draft endpoint"


def test_a_misspelt_pool_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean ADA_48_PRO") as caught:
        price_of("ada48pro")
    assert caught.value.exit_code == 2


def test_cost_bounds_are_execution_dead_time_and_delay() -> None:
    cost = attempt_cost(L40S, 10_000, 4_000)
    assert cost.low == Decimal("0.0053")
    assert cost.estimate == Decimal("0.005777")  # 10.9 s
    assert cost.high == Decimal("0.007897")  # 14.9 s


def test_bounds_are_rounded_as_the_ledger_stores_them() -> None:
    low = attempt_cost(Decimal("0.00031"), 1, 0).low
    assert low == Decimal("0.00000031")
    assert str(attempt_cost(L40S, 7, 0).low) == "0.00000371"


def test_without_a_price_or_an_execution_time_the_whole_cost_is_unknown() -> None:
    for cost in (attempt_cost(None, 10_000, 0), attempt_cost(L40S, None, 0), attempt_cost(L40S, -1, 0)):
        assert (cost.low, cost.estimate, cost.high) == (None, None, None)
        assert cost.source.startswith("unknown: ")


def test_without_a_delay_only_the_upper_bound_is_unknown() -> None:
    for delay_ms in (None, -5):
        cost = attempt_cost(L40S, 10_000, delay_ms)
        assert cost.estimate == Decimal("0.005777")
        assert cost.high is None


def test_a_draft_costs_a_known_zero_whatever_its_times() -> None:
    cost = attempt_cost(Decimal(0), None, None, source="local draft endpoint")
    assert cost == Cost(Decimal(0), Decimal(0), Decimal(0), "local draft endpoint")


@pytest.mark.parametrize(
    ("amount", "words"),
    (
        (None, "unknown"),
        (Decimal(0), "$0.00"),
        (Decimal("0.0053"), "$0.0053"),
        (Decimal("0.00001"), "<$0.0001"),
        (Decimal("12.8549"), "$12.85"),
        (Decimal("1234567.5"), "$1,234,567.50"),
        (Decimal("-0.25"), "-$0.2500"),
    ),
)
def test_amounts_are_written_for_readers(amount: Decimal | None, words: str) -> None:
    assert usd(amount) == words
