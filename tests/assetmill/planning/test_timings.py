"""What the books say of times: only the same is put together, and the first job of a worker stays out of the mean."""

from __future__ import annotations

import pytest

from assetmill.money.turns import NO_START
from assetmill.planning.spans import Span
from assetmill.planning.timings import ENOUGH, Kind, kind_of, spread

PRIOR = Span(0, 30, 90)
ENTITY = Kind("entity", (512, 512), steps=28, guided=False)


def test_few_measurements_are_none():
    assert spread([1.0] * (ENOUGH - 1)) is None
    assert spread([4.0, 6.0, 5.0]) == Span(4, 5, 6)


def test_beside_a_prior_one_measurement_counts_and_the_prior_s_bounds_hold_until_there_are_enough():
    assert spread([], PRIOR) is None
    assert spread([12.0], PRIOR) == Span(0, 12, 90)
    assert spread([12.0, 100.0], PRIOR) == Span(0, 56, 100)
    assert spread([12.0, 14.0, 16.0], PRIOR) == Span(12, 14, 16)


def test_a_single_odd_measurement_among_many_bounds_nothing():
    assert spread([*([5.0] * 30), 600.0, 0.1]) == Span(5, 5, 5)


@pytest.mark.parametrize(
    ("parameters", "kind"),
    (
        ({"steps": 28, "cfg": 1.0, "seed": 3}, ENTITY),
        ({"steps": 28, "cfg": 2.0}, Kind("entity", (512, 512), 28, guided=True)),
        ({}, Kind("entity", (512, 512))),
    ),
)
def test_a_kind_is_what_decides_the_time(parameters, kind):
    assert kind_of("entity", (512, 512), parameters) == kind


@pytest.mark.parametrize(
    "other",
    (
        {"workflow": "sheet"},
        {"width": 1024},
        {"inputs": {"steps": 8}},
        {"inputs": {"cfg": 2.0}},
        {"inputs": {"model": "another"}},
        {"gpu": "NVIDIA A40"},
        {"cold": True},
    ),
)
def test_only_warm_jobs_of_the_same_kind_on_the_same_gpu_count(measured, job, other):
    books = measured([job(4), job(5), job(6), *([job(100, **other)] * 5)])
    assert books.warm(ENTITY, "ADA_24") == Span(4, 5, 6)


def test_a_job_of_an_unknown_gpu_or_of_before_first_jobs_were_told_counts(measured, job):
    books = measured([job(4, gpu=None), job(5, gpu="LOCAL"), job(6, cold=None)])
    assert books.warm(ENTITY, "ADA_24") == Span(4, 5, 6)
    assert books.elsewhere(ENTITY, "AMPERE_24") is None, "there are too few in any one pool"


def test_where_no_pool_is_configured_every_gpu_counts(measured, job):
    assert measured([job(4), job(5, gpu="NVIDIA A40"), job(6)]).warm(ENTITY, None) == Span(4, 5, 6)


def test_elsewhere_is_the_pool_of_which_most_is_known(measured, job):
    books = measured([*([job(9, gpu="NVIDIA A40")] * 3), *([job(7, gpu="NVIDIA L4")] * 4), *([job(5)] * 9)])
    assert books.elsewhere(ENTITY, "ADA_24") == ("AMPERE_24", Span(7, 7, 7))


def test_the_model_load_is_what_first_jobs_took_longer_than_others_of_their_kind(measured, job):
    firsts = [job(35, cold=True), job(36, cold=True), job(37, cold=True), job(900, cold=True, workflow="sheet")]
    assert measured([job(5), job(5), job(5), *firsts]).load(PRIOR) == Span(30, 31, 32)
    assert measured(firsts).load(PRIOR) is None, "nobody knows what they would have taken without"


def test_a_first_job_that_was_no_longer_than_others_has_no_negative_load(measured, job):
    assert measured([*([job(5)] * 3), *([job(4, cold=True)] * 3)]).load(PRIOR) == Span(0, 0, 0)


def test_a_start_is_seen_or_a_prior_and_its_high_is_the_delay(measured, job):
    seen = [job(cold=True, start_ms=s * 1000, queue_ms=50_000) for s in (18, 20, 22)]
    unseen = [job(cold=True, start_ms=30_000, queue_ms=45_000, cost_source=NO_START)] * 3
    assert measured([*seen, *unseen]).start("https://x.invalid/v2/e", PRIOR) == (Span(0, 20, 50), True)
    assert measured(unseen).start("https://x.invalid/v2/e", PRIOR) == (Span(0, 30, 45), False)
    assert measured([job(cold=True)] * 3).start("https://x.invalid/v2/e", PRIOR) is None


def test_starts_of_the_same_endpoint_go_before_those_of_others(measured, job):
    here = [job(cold=True, start_ms=10_000, queue_ms=0)] * 3
    there = [job(cold=True, start_ms=90_000, queue_ms=0, endpoint_url="https://x.invalid/v2/other")] * 9
    assert measured([*there, *here]).start("https://x.invalid/v2/e", PRIOR) == (Span(0, 10, 10), True)
    assert measured([*there, *here]).start("https://x.invalid/v2/new", PRIOR)[0].estimate == pytest.approx(70)


def test_the_idle_tail_is_that_of_the_newest_worker_of_the_endpoint_alone(measured, job):
    jobs = [job(cold=True, idle_ms=20_000), job(cold=True, idle_ms=5_000)]
    assert measured(jobs).tail("https://x.invalid/v2/e") == (20, True)
    assert measured(jobs).tail("https://x.invalid/v2/other") is None
    assert measured([job(cold=True, idle_ms=5_900)]).tail("https://x.invalid/v2/e") == (5.9, False), "a prior of rows"


def test_gaps_are_those_of_the_workflows_that_were_asked_about(measured, job):
    books = measured([job(gap_ms=800), job(gap_ms=900), job(gap_ms=1000), job(gap_ms=9000, workflow="sheet")])
    assert books.gap() is None
    books.warm(ENTITY, None)
    assert books.gap() == Span(0, pytest.approx(0.9), 1.0)


def test_the_books_are_asked_once_for_each_workflow(told, pools, job):
    from assetmill.planning.timings import Measured  # noqa: PLC0415  only here

    books = told([job(5)] * 4)
    found = Measured(books.timings, books.starts, model="flux", pools=pools)
    for pool in ("ADA_24", "AMPERE_24", None):
        found.warm(ENTITY, pool)
        found.elsewhere(ENTITY, pool)
    assert books.asked == 1
