"""Nothing is sent where the plan costs more than the budget, or where nobody knows what it costs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from assetmill.batch.budget import check_budget, over_budget
from assetmill.batch.prepare import Request, free_run_id, plan_only
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.errors import BudgetExceeded
from assetmill.ledger import Ledger
from assetmill.planning.plan import ALL
from assetmill.providers.endpoints import resolve_endpoint

RUNPOD = "http://127.0.0.1:9/v2/gpu"


@pytest.fixture
def plan(studio, make_settings):
    settings = make_settings(ASSETMILL_GPU_POOL="ADA_48_PRO")
    return plan_only(settings, Request(studio.write(), RUNPOD))


def test_the_estimate_may_be_the_budget_and_not_a_cent_more(plan):
    estimate = plan.total.cost.estimate
    assert estimate
    check_budget(plan, estimate)
    check_budget(plan, None)
    with pytest.raises(BudgetExceeded) as raised:
        check_budget(plan, estimate - Decimal("0.00000001"))
    assert raised.value.exit_code == 3


def test_the_refusal_names_both_figures(plan):
    words = over_budget(plan, Decimal("0.001"))
    assert words == f"the plan's estimate of ${plan.total.cost.estimate:.4f} is above the budget of $0.0010"


def test_an_unknown_price_is_above_every_budget(studio, make_settings):
    unknown = plan_only(make_settings(), Request(studio.write(), RUNPOD))
    with pytest.raises(BudgetExceeded, match="unknown"):
        check_budget(unknown, Decimal(1_000_000))


def test_a_budget_of_nothing_lets_pass_what_costs_nothing(studio, make_settings, plan):
    check_budget(plan_only(make_settings(), Request(studio.write(), "draft")), Decimal(0))
    check_budget(replace(plan, items=()), Decimal(0))


async def test_a_run_above_its_budget_sends_nothing_and_the_books_say_that_it_was_stopped(studio, make_settings):
    settings = make_settings()
    request = Request(studio.write(), studio.pod.url.replace("/draft", "/gpu"), budget_usd=Decimal(5))
    assert resolve_endpoint(settings, request.endpoint).paid
    heard: list[int] = []

    class Planned(Steps):
        async def planned(self, batch, plan):  # noqa: ARG002  as the step it takes the place of
            heard.append(len(plan.items))

    async with open_batch(settings, request, studio.clock, "first") as batch:
        with pytest.raises(BudgetExceeded):
            await run_batch(batch, ALL, "main", Planned())
    assert heard == [3], "who watches is told the plan that was refused"
    assert studio.rows() == []
    assert studio.artist.executed == []
    with Ledger.open(settings.ledger_url) as ledger:
        assert [(run["run_id"], run["state"]) for run in ledger.runs()] == [("first", "stopped")]


async def test_a_run_id_that_is_taken_gets_a_number(studio):
    assert free_run_id(studio.settings, "night") == "night"
    for expected in ("night", "night-2", "night-3"):
        name = free_run_id(studio.settings, "night")
        assert name == expected
        async with open_batch(studio.settings, Request(studio.write(), studio.pod.url), studio.clock, name) as batch:
            report, _ = await run_batch(batch, ALL, "main", Steps())
        assert report.run_id == expected
    assert len(studio.artist.executed) == 3, "the second and the third paid nothing"
