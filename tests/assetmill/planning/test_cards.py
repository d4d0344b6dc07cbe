"""Speeds of cards are stated priors: named by any name that a provider uses, with a wide spread, never invented."""

from __future__ import annotations

from itertools import pairwise

import pytest

from assetmill.money.prices import published_prices
from assetmill.planning.cards import card_of, load_speeds, memory_needed
from assetmill.planning.spans import SAME


@pytest.mark.parametrize(
    ("gpu", "card"),
    (
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("LOCAL", None),
        ("Quadro RTX 6000", None),
    ),
)
def test_a_card_is_known_by_the_names_that_a_provider_gives_it(gpu, card):
    assert card_of(gpu) == card


def test_every_card_of_the_price_list_has_a_stated_speed():
    for price in published_prices().pools.values():
        assert all(card_of(gpu) for gpu in price.gpus), price.pool
    assert load_speeds().source
    assert load_speeds().date


def test_the_card_of_the_priors_has_speed_one_and_no_other_has(pools):
    speeds = load_speeds().speeds
    assert [card for card, speed in speeds.items() if speed == 1] == [load_speeds().reference]
    assert pools.factor(None, "ADA_24") == SAME


def test_a_slower_pool_takes_longer_and_a_faster_one_less(pools):
    order = ["AMPERE_24", "AMPERE_48", "ADA_24", "AMPERE_80", "ADA_80_PRO", "HOPPER_141", "BLACKWELL_180"]
    factors = [pools.factor(None, pool).estimate for pool in order]
    assert all(slower > faster for slower, faster in pairwise(factors))


def test_a_factor_is_wide_and_the_way_back_lies_within_it(pools):
    there, back = pools.factor("ADA_24", "AMPERE_24"), pools.factor("AMPERE_24", "ADA_24")
    for span in (there, back):
        assert span.low < span.estimate < span.high
        assert span.high / span.low >= load_speeds().spread ** 2
    assert there.estimate * back.estimate == pytest.approx(1)


def test_a_pool_whose_cards_nobody_knows_has_no_factor(pools):
    assert pools.factor(None, "CPU5") is None
    assert pools.factor("CPU5", "ADA_24") is None
    assert pools.factor("CPU5", "CPU5") == SAME, "the very same needs no speed"


def test_a_gpu_leads_to_its_pool(pools):
    assert pools.pool_of("NVIDIA GeForce RTX 4090") == "ADA_24"
    assert pools.pool_of("NVIDIA A100-SXM4-80GB") == "AMPERE_80"
    assert pools.pool_of("ADA_48_PRO") == "ADA_48_PRO"
    assert pools.pool_of("LOCAL") is None
    assert pools.pool_of(None) is None


def test_the_memory_of_an_unknown_model_is_not_guessed_at():
    assert memory_needed("flux1-dev-fp8") == 24
    assert memory_needed("a model of our own") is None
