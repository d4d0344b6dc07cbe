"""Each job's share of its worker's life: together the shares are the whole life, and no second is paid twice."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from assetmill.money import DEAD_TIME_MS, Around, Spell, Turn, turn_of
from assetmill.money.turns import LONGEST_START_S, MEASURED, USUAL_IDLE_S, USUAL_START_MS

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
IDLE_S = 10.0


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def spell(began: float, ended: float, name: str = "a", *, opened: bool = False) -> Spell:
    return Spell(name, at(began), at(ended), opened)


def test_the_first_job_of_a_life_has_its_start_by_the_listing_and_its_idle_tail() -> None:
    turn = turn_of(spell(30, 40), 12_000, Around(up_since=at(8)), IDLE_S)
    assert turn == Turn(True, 22_000, None, 10_000, MEASURED)


@pytest.mark.parametrize(("delay_ms", "start_ms"), ((12_000, 12_000), (900_000, USUAL_START_MS), (None, None)))
def test_an_unseen_start_is_a_prior_and_no_longer_than_the_job_waited(delay_ms: int | None, start_ms: int) -> None:
    turn = turn_of(spell(30, 40), delay_ms, Around(), IDLE_S)
    assert (turn.cold, turn.start_ms, turn.idle_ms) == (True, start_ms, 10_000)
    assert turn.source.startswith("estimated: ")


def test_the_next_job_has_the_pause_before_it_and_nothing_of_start_or_tail() -> None:
    turn = turn_of(spell(42.5, 50, "b"), 30_000, Around(before=spell(30, 40), up_since=at(8)), IDLE_S)
    assert turn == Turn(False, None, 2_500, None, MEASURED)


def test_a_job_that_seems_to_begin_before_the_last_one_ended_has_no_pause() -> None:
    assert turn_of(spell(39.9, 50, "b"), 0, Around(before=spell(30, 40)), IDLE_S).gap_ms == 0


@pytest.mark.parametrize(
    ("ended", "waited_ms"), ((50.0, 7_000), (41.0, 7_000), (36.0, 3_000), (33.0, 0)),
    ids=("fetched ahead", "drawn in a moment", "gone while it waited", "ended as it came"),
)  # fmt: skip
def test_what_a_worker_spent_on_the_job_before_is_no_part_of_the_one_it_fetched_ahead(ended, waited_ms) -> None:
    turn = turn_of(spell(33, ended, "b"), 0, Around(before=spell(30, 40)), IDLE_S)
    assert (turn.waited_ms, turn.gap_ms, turn.cold) == (waited_ms, 0, False)


def test_a_worker_that_fetches_ahead_is_paid_once_however_long_jobs_wait_there() -> None:
    random, before, paid_ms, free_at = Random(7), None, 0, 30.0
    for number in range(200):
        fetched_at = max(30.0, free_at - random.uniform(0, 30))
        ended_at = free_at + random.uniform(0, 20)
        job = spell(fetched_at, ended_at, str(number))
        turn = turn_of(job, 0, Around(before=before, up_since=at(20)), IDLE_S)
        paid_ms += round((ended_at - fetched_at) * 1000) - turn.waited_ms + (turn.start_ms or 0) + (turn.gap_ms or 0)
        before, free_at = job, ended_at
    assert paid_ms == pytest.approx((free_at - 20) * 1000, abs=400), "the whole life, to a millisecond a job"


@pytest.mark.parametrize(("pause_s", "cold"), ((IDLE_S - 1, False), (IDLE_S + 1, False), (IDLE_S + 3, True)))
def test_a_pause_beyond_the_idle_timeout_ends_a_life(pause_s: float, cold: bool) -> None:
    around = Around(before=spell(30, 40))
    assert turn_of(spell(40 + pause_s, 90, "b"), 0, around, IDLE_S).cold is cold


def test_what_the_listing_says_of_the_start_counts_more_than_the_length_of_a_pause() -> None:
    before = spell(30, 40)
    resumed = turn_of(spell(49, 60, "b"), 5_000, Around(before=before, up_since=at(45)), IDLE_S)
    assert (resumed.cold, resumed.start_ms) == (True, 4_000)
    kept = turn_of(spell(400, 410, "b"), 0, Around(before=before, up_since=at(8)), IDLE_S)
    assert (kept.cold, kept.gap_ms) == (False, 32_000), "others had it between: no more than a pause can be"


def test_an_endpoint_that_does_not_tell_its_idle_timeout_has_the_usual_one_and_the_dead_time() -> None:
    turn = turn_of(spell(30, 40), 12_000, Around(up_since=at(8)), None)
    assert turn.idle_ms == USUAL_IDLE_S * 1000 + DEAD_TIME_MS
    assert turn.source.startswith("estimated: ")


def test_a_worker_that_was_up_for_longer_than_it_can_have_idled_had_served_others() -> None:
    up_since = at(-LONGEST_START_S - IDLE_S)
    assert turn_of(spell(0, 9), 0, Around(up_since=up_since), IDLE_S).cold is True
    shared = turn_of(spell(1, 9), 0, Around(up_since=up_since), IDLE_S)
    assert (shared.cold, shared.start_ms, shared.gap_ms, shared.idle_ms) == (False, None, DEAD_TIME_MS, None)


def test_a_life_is_opened_once_even_if_its_second_job_is_settled_first() -> None:
    second = turn_of(spell(41, 50, "b"), 35_000, Around(), IDLE_S)
    assert second.idle_ms == 10_000
    opened = spell(41, 50, "b", opened=True)
    first = turn_of(spell(30, 40, "a"), 25_000, Around(after=opened), IDLE_S)
    assert (first.cold, first.start_ms, first.gap_ms, first.idle_ms) == (True, None, None, None)
    for up_since in (None, at(5)):
        around = Around(after=spell(90, 99, "b", opened=True), up_since=up_since)
        apart = turn_of(spell(30, 40, "a"), 25_000, around, IDLE_S)
        assert (apart.start_ms, apart.idle_ms) == (25_000, 10_000), "another life"


@pytest.mark.parametrize("seed", range(20))
def test_the_shares_of_a_life_add_up_to_all_of_it(seed: int) -> None:
    dice = Random(seed)
    born = now = dice.uniform(0, 100)
    now += dice.uniform(1, 60)
    began, spells = now, []
    for number in range(dice.randint(1, 9)):
        now += 0 if number == 0 else dice.uniform(0, IDLE_S)
        ended = now + dice.uniform(0.5, 40)
        spells.append(spell(now, ended, f"job-{number}"))
        now = ended
    turns = [
        turn_of(one, round((began - born) * 1000), Around(before=before, up_since=at(born)), IDLE_S)
        for before, one in zip([None, *spells], spells, strict=False)
    ]
    executed_ms = sum(round((one.finished_at - one.started_at).total_seconds() * 1000) for one in spells)
    shares_ms = sum((turn.start_ms or 0) + (turn.gap_ms or 0) + (turn.idle_ms or 0) for turn in turns)
    assert [turn.cold for turn in turns] == [True, *[False] * (len(spells) - 1)]
    assert executed_ms + shares_ms == pytest.approx((now + IDLE_S - born) * 1000, abs=len(spells) + 1)
