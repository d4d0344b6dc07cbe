"""Prices are data with a source, newer ones go above older ones, and what is unknown never becomes 0."""

from decimal import Decimal

import pytest

from assetmill.errors import UsageError
from assetmill.localpod import known_gpus
from assetmill.money import DRAFT_PRICE, Price, load_prices, price_of, published_prices, unit_prices
from assetmill.money.prices import hourly, price_list

SOURCE = ("a catalogue", "2026-11-22")


def model(pool: str | None, usd: str | None, name: str = "X") -> Price:
    return Price(pool, (name,), 24, None if usd is None else Decimal(usd), *SOURCE)


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
    assert hourly(Decimal(usd_per_hour)) == per_second


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


def test_every_model_that_a_worker_may_name_has_the_price_of_its_pool() -> None:
    prices = published_prices()
    for gpu in known_gpus():
        assert prices.models[gpu.id].pool == gpu.pool
        assert prices.models[gpu.id].usd_per_s == prices.of_pool(gpu.pool).usd_per_s
    assert set(prices.models) == {gpu.id for gpu in known_gpus()}


def test_a_newer_list_goes_above_and_takes_no_price_away() -> None:
    newer = price_list(
        {
            "NVIDIA GeForce RTX 4090": model("ADA_24", "0.0004"),
            "NVIDIA A40": model("AMPERE_48", None),
            "NVIDIA GeForce RTX 5090": model("ADA_32_PRO", "0.00045"),
            "NVIDIA X1": model("NEW_1", "0.00001"),
        }
    )
    prices = published_prices().under(newer)
    assert prices.of_pool("ADA_24").usd_per_s == prices.models["NVIDIA GeForce RTX 4090"].usd_per_s == Decimal("0.0004")
    assert prices.of_pool("ADA_24").cited == "a catalogue, 2026-11-22"
    assert prices.of_pool("AMPERE_48") == published_prices().of_pool("AMPERE_48")
    assert prices.of_pool("ADA_32_PRO").usd_per_s == Decimal("0.00045")
    assert next(iter(prices.pools)) == "NEW_1", "sorted anew"
    assert prices.of_pool("ADA_48_PRO") == published_prices().of_pool("ADA_48_PRO")


def test_a_pool_costs_what_the_dearest_of_its_models_costs() -> None:
    prices = price_list(
        {
            "dear": model("P", "0.0003", "Dear"),
            "cheap": model("P", "0.0002", "Cheap"),
            "not offered": model("P", None, "Off"),
            "of no pool": model(None, "0.1"),
        }
    )
    assert prices.of_pool("P").usd_per_s == Decimal("0.0003")
    assert set(prices.of_pool("P").gpus) == {"Dear", "Cheap", "Off"}
    assert list(prices.pools) == ["P"]
    assert prices.models["cheap"].usd_per_s == Decimal("0.0002")


def test_a_worker_with_several_gpus_costs_so_many_times_as_much_and_says_so() -> None:
    one = price_of("ADA_24")
    two = one.times(2)
    assert (two.usd_per_s, two.source) == (Decimal("0.00062"), f"2 x {one.source}")
    assert one.times(1) is one
    assert price_of("ADA_32_PRO").times(3).usd_per_s is None


def test_a_unit_of_another_currency_has_a_price_with_a_source() -> None:
    price = unit_prices()["scenario"]
    assert price.unit == "creative unit"
    assert price.usd == Decimal("0.032") / 5
    assert price.source.startswith("derived:")
    assert price.date
