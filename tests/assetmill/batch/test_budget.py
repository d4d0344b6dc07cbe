"""What is set aside for a job bounds what it can cost, and a plan is held against what its budgets have left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from assetmill.batch.budget import Bounds, bounds_at, limits_for, may_be_sent, outlook
from assetmill.batch.prepare import Request, budget_outlook, plan_only
from assetmill.errors import BudgetExceeded
from assetmill.manifest import load_pack
from assetmill.money.budgets import NO_LIMITS, Budget, Kind, Limits, Standing
from assetmill.planning.estimate import LOAD, START
from assetmill.planning.plan import State
from assetmill.planning.spans import Span
from assetmill.providers.base import EndpointFacts

RUNPOD = "http://127.0.0.1:9/v2/gpu"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
BOUNDS = Bounds(Decimal("0.00053"), 600_000, tight=True, idle_ms=10_000)
RUN = Limits(run_usd=Decimal(1))


@pytest.fixture
def plan(studio, make_settings):
    settings = make_settings(ASSETMILL_GPU_POOL="ADA_48_PRO")
    return plan_only(settings, Request(studio.write(), RUNPOD))


def standings(limit: str, spent: str = "0", reserved: str = "0") -> list[Standing]:
    budget = Budget(Kind.GAME, "tiny", Decimal(limit))
    return [Standing(budget, Decimal(spent), Decimal(reserved))]


def taking(item, seconds: float):
    return replace(item, road=replace(item.road, seconds=Span(0, seconds / 2, seconds)))


@pytest.mark.parametrize(
    ("longest_s", "limit_s"),
    ((1, LOAD.high + 1), (40, LOAD.high + 40), (100, 300), (500, 600)),
)
def test_under_a_budget_a_job_may_run_three_times_its_plan_and_a_model_load_and_never_beyond_the_setting(
    plan, longest_s, limit_s
):
    item = taking(plan.items[0], longest_s)
    assert BOUNDS.execution_ms(item) == limit_s * 1000
    assert replace(BOUNDS, tight=False).execution_ms(item) == 600_000
    assert replace(BOUNDS, limit_ms=30_000).execution_ms(item) == 30_000


def test_what_is_set_aside_is_the_limit_a_start_the_idle_tail_and_the_pause_after_the_job(plan):
    item = taking(plan.items[0], 100)
    seconds = 300 + Decimal(str(START.high)) + 10 + Decimal("1.9")
    assert BOUNDS.reservation(item) == Decimal("0.00053") * seconds
    odd = replace(BOUNDS, usd_per_s=Decimal("0.0000000001"))
    assert 0 < odd.reservation(item) - odd.usd_per_s * seconds < Decimal("0.00000001"), "rounded up"
    assert replace(BOUNDS, usd_per_s=None).reservation(item) is None


def test_the_dearest_gpu_that_may_take_the_job_is_what_is_reckoned_with(plan, make_settings):
    settings = make_settings(ASSETMILL_GPU_POOL="ADA_48_PRO")
    facts = EndpointFacts(idle_timeout_s=7, pools=("ADA_24", "AMPERE_80", "NOT_A_POOL"), gpu_count=2)
    found = bounds_at(plan.endpoint, settings, RUN, facts)
    assert (found.usd_per_s, found.idle_ms, found.tight) == (Decimal("0.00152"), 7000, True)
    assert not bounds_at(plan.endpoint, settings, NO_LIMITS, facts).tight
    unknown = replace(plan.endpoint, usd_per_s=None)
    assert bounds_at(unknown, settings, RUN, facts).usd_per_s is None


def test_a_manifest_can_lower_a_budget_and_not_raise_it(studio, make_settings):
    path = studio.write()
    path.write_text(path.read_text() + "budget: {run_usd: 3, game_usd: 50, month_usd: 0.5}\n")
    pack = load_pack(path)
    ours = make_settings(ASSETMILL_RUN_BUDGET_USD="4", ASSETMILL_GAME_BUDGET_USD="20")
    assert limits_for(ours, pack, None) == Limits(Decimal(3), Decimal(20), Decimal("0.5"))
    assert limits_for(ours, pack, Decimal(1)).run_usd == 1
    assert limits_for(ours, pack, Decimal(10)).run_usd == 3
    assert limits_for(make_settings(), load_pack(studio.write()), None) == NO_LIMITS


def test_a_plan_that_fits_whole_is_passed_without_a_word(plan):
    need = BOUNDS.largest(plan.to_pay)
    enough = plan.total.cost.estimate + need
    assert outlook(plan, standings(str(enough)), BOUNDS).check() == ""
    assert outlook(plan, standings(str(enough)), BOUNDS).words == ""


def test_a_plan_that_fits_in_part_says_about_how_much(plan):
    need = BOUNDS.largest(plan.to_pay)
    each = plan.total.cost.estimate / 3
    room = need + each + each / 2
    words = outlook(plan, standings(str(room + 2), spent="2"), BOUNDS).check()
    assert words.startswith(f"about 2 of 3 pictures fit: there are ${room:.4f} left of the budget of tiny of $")
    reserved = outlook(plan, standings(str(room), reserved=str(room)), BOUNDS).check()
    assert reserved.startswith("about 2 of 3"), "what is set aside for others may come free"


def test_a_plan_of_which_not_one_job_fits_is_refused(plan):
    need = min(BOUNDS.reservation(item) for item in plan.to_pay)
    outlook(plan, standings(str(need)), BOUNDS).check()
    with pytest.raises(BudgetExceeded, match=r"needs .* set aside; nothing was sent") as raised:
        outlook(plan, standings(str(need - Decimal("0.00000001"))), BOUNDS).check()
    assert raised.value.exit_code == 3


def test_an_unknown_price_is_above_every_budget_and_passes_where_there_is_none(studio, make_settings):
    settings = make_settings()
    plan = plan_only(settings, Request(studio.write(), RUNPOD))
    unknown = bounds_at(plan.endpoint, settings, RUN)
    with pytest.raises(BudgetExceeded, match="nobody knows what a job costs") as raised:
        outlook(plan, standings("1000"), unknown).check()
    assert "ASSETMILL_GPU_POOL" in raised.value.hint
    assert outlook(plan, [], unknown).check() == ""


def test_a_budget_of_nothing_lets_pass_what_costs_nothing(studio, make_settings, plan):
    settings = make_settings()
    drafts = plan_only(settings, Request(studio.write(), "draft"))
    free = bounds_at(drafts.endpoint, settings, RUN)
    assert outlook(drafts, standings("0"), free).check() == ""
    assert outlook(replace(plan, items=()), standings("0"), BOUNDS).check() == ""


def test_an_open_job_that_may_be_sent_again_counts(plan):
    waiting = tuple(replace(item, state=State.OPEN) for item in plan.items)
    assert len(may_be_sent(replace(plan, items=waiting))) == 3
    with pytest.raises(BudgetExceeded):
        outlook(replace(plan, items=waiting), standings("0"), BOUNDS).check()


def test_what_a_plan_is_told_needs_no_books_and_reads_those_that_are_there(studio, make_settings, plan):
    settings = make_settings(ASSETMILL_GPU_POOL="ADA_48_PRO", ASSETMILL_GAME_BUDGET_USD="0.5")
    request = Request(studio.write(), RUNPOD)
    assert budget_outlook(settings, request, plan, NOW).refusal == ""
    assert not (studio.folder / "out" / "ledger.db").exists()
    small = replace(request, budget_usd=Decimal("0.01"))
    assert "the run's budget of $0.0100 is reached" in budget_outlook(settings, small, plan, NOW).refusal
