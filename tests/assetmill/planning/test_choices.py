"""A plan with choices is of the same model as the rows that a run leaves, and every choice says what it is from."""

from __future__ import annotations

import heapq
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.money import attempt_cost
from assetmill.money.turns import MEASURED, Turn
from assetmill.planning.choices import Batch, elapsed_seconds, gpu_words, paid_seconds
from assetmill.planning.estimate import FREE_LIFE, Life
from assetmill.planning.spans import SAME, Span
from assetmill.planning.timings import Kind
from assetmill.providers.endpoint import Endpoint

URL = "https://x.invalid/v2/e"
PRICE = Decimal("0.00031")
GPU = Endpoint("runpod", "runpod", URL, None, "flux", 3, PRICE, "list price, 2026", "ADA_24")
ENTITY = Kind("entity", (512, 512), steps=28)
LIFE = Life(Span(0, 20, 60), Span(0, 10, 30), Span(0, 1, 4), Span(0, 5, 6), 2.0, {})


@pytest.fixture
def history(job):
    """Warm jobs of 4 s with gaps of 1 s; first ones of 14 s on workers that started in 20 s and idled 5 s."""
    first = job(14, cold=True, start_ms=20_000, queue_ms=26_000, idle_ms=5_000)
    return [*([first] * 4), *([job(4, gap_ms=1_000)] * 4)]


@pytest.fixture
def batch(estimator):
    def make(jobs=(), kinds=None, endpoint=GPU):
        return Batch(kinds or {ENTITY: 40}, estimator(jobs, draft=endpoint.draft), endpoint)

    return make


def test_a_plan_from_history_costs_what_the_rows_of_such_a_run_add_up_to(batch, history):
    total = batch(history).estimate()
    first = attempt_cost(PRICE, 14_000, 26_000, Turn(True, 20_000, None, 5_000, MEASURED))
    warm = attempt_cost(PRICE, 4_000, 500, Turn(False, None, 1_000, None, MEASURED))
    rows = [first] * 3 + [warm] * 37
    assert total.cost.low == sum(row.low for row in rows)
    assert total.cost.estimate == sum(row.estimate for row in rows)
    assert total.cost.high == sum(row.high for row in rows)


def test_paid_seconds_are_executions_lives_and_gaps():
    paid = paid_seconds(Span(30, 40, 80), 10, 3, LIFE)
    assert paid == Span(30, 40 + 3 * 35 + 7 * 1, 80 + 3 * 96 + 7 * 4 + 10 * 2)


def test_nothing_to_do_costs_nothing_and_has_no_choices(estimator):
    total = Batch({}, estimator(), GPU).estimate()
    assert (total.jobs, total.workers, total.cost.high, total.elapsed.high, total.choices) == (0, 0, 0, 0, ())


def test_one_job_takes_a_start_a_load_and_its_execution():
    assert elapsed_seconds(SAME.times(4), 1, 1, LIFE, canaries=1) == Span(4, 34, 94)


def test_the_canary_goes_alone_and_then_every_worker_takes_its_part():
    life = replace(LIFE, start=Span(0, 0, 0), load=Span(0, 0, 0), gap=Span(0, 0, 0))
    assert elapsed_seconds(SAME.times(40), 10, 3, life, canaries=1).estimate == pytest.approx(4 + 3 * 4)


def test_workers_that_come_late_do_less():
    # The canary is done after 30 + 4 s; its worker goes on, 5 s a job, and two others join it 30 s later.
    elapsed = elapsed_seconds(SAME.times(13 * 4), 13, 3, LIFE, canaries=1)
    assert elapsed.estimate == pytest.approx(34 + 40)


def simulated(each: float, begin: float, gap: float, jobs: int, workers: int, canaries: int) -> float:
    """The same batch played through, job by job."""
    alone, early = min(canaries, jobs), min(canaries, jobs, workers)
    free = [begin] * early
    ends = []
    for number in range(alone):
        ready = heapq.heappop(free)
        ends.append(ready + (gap if number >= early else 0) + each)
        heapq.heappush(free, ends[-1])
    back = max(ends)
    free = [back] * early + [back + begin] * (workers - early)
    heapq.heapify(free)
    end = back
    for _ in range(jobs - alone):
        end = max(end, done := heapq.heappop(free) + gap + each)
        heapq.heappush(free, done)
    return end


@settings(max_examples=200, deadline=None)
@given(
    each=st.floats(0.1, 60), begin=st.floats(0, 200), gap=st.floats(0, 5), jobs=st.integers(1, 80),
    workers=st.integers(1, 12), canaries=st.integers(1, 6),
)  # fmt: skip
def test_the_time_is_that_of_the_batch_played_through(each, begin, gap, jobs, workers, canaries):
    workers, canaries = min(workers, jobs), min(canaries, jobs)
    life = replace(FREE_LIFE, start=SAME.times(begin), gap=SAME.times(gap))
    found = elapsed_seconds(SAME.times(each * jobs), jobs, workers, life, canaries=canaries).estimate
    assert found == pytest.approx(simulated(each, begin, gap, jobs, workers, canaries), rel=1e-6, abs=1e-3)


def test_more_workers_are_sooner_and_dearer_and_one_choice_is_the_plan(batch, history):
    total = batch(history).estimate()
    own = [choice for choice in total.choices if choice.pool == "ADA_24"]
    assert [choice.workers for choice in own] == [1, 2, 3, 6]
    assert [choice.above for choice in own] == [False, False, False, True]
    times = [choice.elapsed.estimate for choice in own]
    costs = [choice.cost.estimate for choice in own]
    assert times == sorted(times, reverse=True)
    assert costs == sorted(costs)
    [planned] = [choice for choice in total.choices if choice.planned]
    assert (planned.workers, planned.cost, planned.elapsed) == (3, total.cost, total.elapsed)


def test_a_number_of_workers_that_changes_nothing_is_not_offered(batch, history):
    own = [c.workers for c in batch(history, {ENTITY: 2}).estimate().choices if c.pool == "ADA_24"]
    assert own == [1, 2], "a third would have no job, and neither is the second of use: it is the plan"


def test_other_pools_are_those_that_hold_the_model(batch):
    def pools(model: str) -> set[str | None]:
        return {choice.pool for choice in batch(endpoint=replace(GPU, model=model)).estimate().choices}

    assert "AMPERE_16" in pools("a model of our own")
    assert "AMPERE_16" not in pools("flux1-dev-fp8")
    assert {"AMPERE_24", "ADA_48_PRO"} <= pools("flux1-dev-fp8")


def test_an_unknown_price_stays_unknown_and_its_time_does_not(batch):
    [choice] = [one for one in batch().estimate().choices if one.pool == "ADA_32_PRO"]
    assert (choice.cost.low, choice.cost.estimate, choice.cost.high) == (None, None, None)
    assert choice.elapsed.estimate > 0


def test_an_endpoint_without_a_pool_has_choices_of_workers_and_prices_of_pools(batch):
    total = batch(endpoint=replace(GPU, gpu=None, usd_per_s=None)).estimate()
    assert total.cost.estimate is None
    assert [gpu_words(one) for one in total.choices if one.planned] == ["not configured"]
    assert any(one.cost.estimate for one in total.choices)


def test_a_draft_has_no_choices(batch):
    draft = Endpoint("draft", "draft", "", None, "draft-1", 3, Decimal(0), "local draft endpoint")
    total = batch(endpoint=draft).estimate()
    assert (total.choices, total.cost.high) == ((), 0)


def test_every_choice_says_what_its_times_are_from(batch, history, job):
    words = {one.pool: one.times_from for one in batch(history).estimate().choices}
    assert words["ADA_24"] == "history"
    assert words["AMPERE_24"] == "history of other GPUs x stated speeds"
    assert {one.times_from for one in batch().estimate().choices} == {"priors"}
    warm = batch([job(4)] * 3).estimate().choices[0]
    assert warm.times_from == "history; start and load and gap and tail from priors"
    mixed = batch(history, {ENTITY: 3, Kind("entity", (64, 64)): 3}).estimate().choices[0]
    assert mixed.times_from == "history and priors"


def test_a_fast_dear_pool_may_be_the_cheaper_one(batch, job):
    fast = [job(1, gpu="NVIDIA L40S", gap_ms=0)] * 3
    slow = [job(60, gap_ms=0)] * 3
    found = {one.pool: one for one in batch([*fast, *slow]).estimate().choices if one.workers == 3}
    assert found["ADA_48_PRO"].usd_per_s > found["ADA_24"].usd_per_s
    assert found["ADA_48_PRO"].cost.estimate < found["ADA_24"].cost.estimate
    assert found["ADA_48_PRO"].elapsed.estimate < found["ADA_24"].elapsed.estimate
