"""Times come from history where there is one and from stated priors where there is none, and say which."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assetmill.planning.estimate import FREE_LIFE, GAP, LOAD, START, TAIL, Life, cost_of, job_seconds
from assetmill.planning.spans import SAME, Span
from assetmill.planning.timings import Kind

URL = "https://x.invalid/v2/e"
ENTITY = Kind("entity", (512, 512), steps=28)


def test_measured_times_replace_priors_once_there_are_enough(estimator, job):
    assert estimator([job(4), job(6)]).job(ENTITY, "ADA_24").source == "prior"
    found = estimator([job(4), job(6), job(5)]).job(ENTITY, "ADA_24")
    assert (found.source, found.seconds) == ("history", Span(4, 5, 6))


def test_another_gpu_s_history_is_scaled_and_says_so(estimator, pools, job):
    found = estimator([job(10)] * 4).job(ENTITY, "AMPERE_24")
    assert found.source == "scaled"
    assert found.seconds == SAME.times(10) * pools.factor("ADA_24", "AMPERE_24")


def test_a_prior_grows_with_the_picture_the_guidance_and_a_slower_card(estimator):
    one = estimator()
    small = one.job(ENTITY, "ADA_24").seconds.estimate
    assert one.job(Kind("entity", (1024, 1024)), "ADA_24").seconds.estimate > 2 * small
    assert one.job(Kind("entity", (512, 512), guided=True), "ADA_24").seconds.estimate > 1.5 * small
    assert one.job(ENTITY, "AMPERE_24").seconds.estimate > small


def test_a_pool_of_unknown_speed_is_no_choice_but_can_be_planned_for(estimator):
    assert estimator().job(ENTITY, "CPU5") is None
    assert estimator().expected(ENTITY, "CPU5") == estimator().job(ENTITY, None)


def test_a_draft_takes_a_moment_and_its_worker_nothing(estimator, job):
    one = estimator([job(7, cold=True, idle_ms=1)] * 4, draft=True)
    assert one.job(Kind("sheet", (512, 512)), None).seconds.high < 2
    assert one.life(URL) is FREE_LIFE


def test_a_life_without_history_is_of_priors(estimator):
    life = estimator().life(URL)
    assert (life.start, life.load, life.gap, life.tail) == (START, LOAD, GAP, TAIL)
    assert set(life.sources.values()) == {"prior"}


def test_a_life_says_of_each_part_what_it_is_from(estimator, job):
    first = job(25, cold=True, start_ms=12_000, queue_ms=20_000, idle_ms=7_000)
    one = estimator([*([first] * 3), *([job(5, gap_ms=1_000)] * 3)])
    one.job(ENTITY, "ADA_24")
    life = one.life(URL)
    assert (life.start, life.load, life.gap, life.tail) == (
        Span(0, 12, 20), Span(20, 20, 20), Span(0, 1, 1), Span(0, 7, 7),
    )  # fmt: skip
    assert set(life.sources.values()) == {"history"}
    assert estimator([job(5, cold=True, start_ms=12_000)] * 3).life(URL).sources == {
        "start": "history", "load": "prior", "gap": "prior", "tail": "prior",
    }  # fmt: skip


LIFE = Life(Span(0, 20, 60), Span(5, 10, 30), Span(0, 1, 4), Span(0, 5, 6), 2.0, {})


def test_a_job_carries_its_share_of_a_life_and_at_most_a_whole_one():
    job = Span(3, 4, 8)
    assert job_seconds(job, LIFE, 1.0) == Span(8, 4 + 35, 8 + 96 + 2)
    assert job_seconds(job, LIFE, 0.1) == Span(3.5, pytest.approx(4 + 3.5 + 0.9), 8 + 96 + 2)


def test_a_price_that_nobody_knows_makes_the_cost_unknown_and_a_price_of_nothing_makes_it_nothing():
    unknown = cost_of(Span(1, 2, 3), None)
    assert (unknown.low, unknown.estimate, unknown.high) == (None, None, None)
    assert cost_of(Span(1, 2, 3), Decimal(0)).high == 0
    assert cost_of(Span(1, 2, 3), Decimal("0.00031")).estimate == Decimal("0.00062")
