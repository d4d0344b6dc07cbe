"""Budgets as values: the smaller of two holds, and what is left is never less than nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assetmill.money.budgets import NO_LIMITS, Budget, Kind, Limits, Standing, why_spent

GAME = Budget(Kind.GAME, "cloud-hop", Decimal("2.50"))


def test_of_two_limits_the_smaller_holds_and_none_is_no_limit():
    ours = Limits(run_usd=Decimal(5), game_usd=Decimal(20))
    theirs = Limits(run_usd=Decimal(7), game_usd=Decimal(10), month_usd=Decimal(0))
    both = Limits(run_usd=Decimal(5), game_usd=Decimal(10), month_usd=Decimal(0))
    assert ours.lowered(theirs) == theirs.lowered(ours) == both
    assert ours.lowered(NO_LIMITS) == NO_LIMITS.lowered(ours) == ours


def test_a_limit_of_nothing_is_a_limit():
    assert Limits(month_usd=Decimal(0))
    assert not NO_LIMITS


@pytest.mark.parametrize(
    ("spent", "reserved", "left", "unspent", "percent"),
    (("0", "0", "2.50", "2.50", 0), ("1.25", "1", "0.25", "1.25", 50), ("3", "0.5", "0", "0", 120)),
)
def test_what_is_left_counts_what_is_set_aside_and_what_is_unspent_does_not(spent, reserved, left, unspent, percent):
    one = Standing(GAME, Decimal(spent), Decimal(reserved))
    assert (one.left_usd, one.unspent_usd, one.percent) == (Decimal(left), Decimal(unspent), percent)
    assert one.committed_usd == Decimal(spent) + Decimal(reserved)


def test_a_budget_of_nothing_is_spent():
    assert Standing(Budget(Kind.RUN, "r", Decimal(0)), Decimal(0), Decimal(0)).percent == 100


def test_the_reason_names_the_budget_and_every_figure():
    words = why_spent(Standing(GAME, Decimal("2.25"), Decimal("0.125")), Decimal("0.3"))
    assert words == (
        "the budget of cloud-hop of $2.50 is reached: $2.25 spent, $0.1250 set aside for jobs that are out, "
        "and a job needs $0.3000 set aside"
    )


def test_a_raised_budget_is_another_one_and_the_same_amount_is_not():
    assert GAME.key == Budget(Kind.GAME, "cloud-hop", Decimal("2.5000")).key == "game:cloud-hop:2.5"
    assert Budget(Kind.MONTH, "2026-11", Decimal("100.00")).key == "month:2026-11:100"
