"""How runs share an endpoint: the rule alone. Never more than the window, nothing idle, nobody starved."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.batch.sharing import Use, entitlement, limit_name, shares, takeable
from assetmill.batch.slots import Limit
from assetmill.ledger import Seat
from assetmill.providers.endpoint import Endpoint

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def seat(run_id: str, wants: int, priority: str = "normal", *, began: int = 0, served: int | None = None) -> Seat:
    began_at = T0 + timedelta(seconds=began)
    served_at = began_at if served is None else T0 + timedelta(seconds=served)
    return Seat(run_id, "endpoint-x", priority, wants, 0, "here", (), began_at, served_at, T0 + timedelta(hours=1))


@st.composite
def rooms(draw: st.DrawFn) -> list[Seat]:
    count = draw(st.integers(0, 9))
    priority = st.sampled_from(["urgent", "normal", "backfill", "of a newer version"])
    small = st.integers(0, 12)
    return [seat(f"run-{n}", draw(small), draw(priority), began=draw(small), served=draw(small)) for n in range(count)]


windows = st.integers(-2, 20)


def of(seats: Sequence[Seat], *priorities: str) -> list[Seat]:
    return [one for one in seats if one.priority in priorities]


@given(rooms(), windows)
def test_the_shares_of_all_never_exceed_the_window_and_nobody_has_more_than_it_wants(seats, slots):
    given_out = shares(seats, slots)
    assert sum(given_out.values()) <= max(0, slots)
    assert all(0 <= given_out[one.run_id] <= one.wants for one in seats)


@given(rooms(), windows)
def test_no_slot_stays_empty_that_somebody_wants(seats, slots):
    assert sum(shares(seats, slots).values()) == min(max(0, slots), sum(one.wants for one in seats))


@given(rooms(), windows, st.randoms(use_true_random=False))
def test_all_runs_that_see_the_same_seats_come_to_the_same_shares(seats, slots, chance):
    shuffled = list(seats)
    chance.shuffle(shuffled)
    assert shares(shuffled, slots) == shares(seats, slots)
    assert all(
        entitlement(one, [other for other in shuffled if other is not one], slots + 2, 2)
        == shares(seats, slots)[one.run_id]
        for one in seats
    )


@given(rooms(), st.integers(0, 20))
def test_whoever_is_urgent_or_normal_and_wants_a_slot_has_one_if_there_are_as_many_as_runs(seats, slots):
    eager = [one for one in seats if one.wants and one.priority != "backfill"]
    given_out = shares(seats, max(slots, len(eager)))
    assert all(given_out[one.run_id] >= 1 for one in eager)


@given(rooms(), windows)
def test_above_that_one_slot_the_urgent_have_all_that_they_want_before_normal_runs_have_any(seats, slots):
    given_out = shares(seats, slots)
    hungry = [one for one in of(seats, "urgent") if given_out[one.run_id] < one.wants]
    if hungry:
        assert all(given_out[one.run_id] <= 1 for one in of(seats, "normal", "of a newer version"))


@given(rooms(), windows)
def test_backfill_takes_only_what_nobody_else_wants(seats, slots):
    given_out = shares(seats, slots)
    left = max(0, slots - sum(one.wants for one in seats if one.priority != "backfill"))
    assert sum(given_out[one.run_id] for one in of(seats, "backfill")) <= left


@given(rooms(), windows)
def test_within_a_priority_nobody_has_two_more_than_another_who_wants_more(seats, slots):
    given_out = shares(seats, slots)
    for priority in ("urgent", "normal", "backfill"):
        rank = of(seats, priority)
        for poor in (one for one in rank if given_out[one.run_id] < one.wants):
            assert max(given_out[one.run_id] for one in rank) <= given_out[poor.run_id] + 1


def test_a_small_urgent_run_overtakes_a_large_one_and_leaves_it_one_slot():
    large, small = seat("large", 400), seat("small", 5, "urgent", began=60)
    assert shares([large], 6) == {"large": 6}
    assert shares([large, small], 6) == {"large": 1, "small": 5}
    assert shares([large, replace(small, wants=2)], 6) == {"large": 4, "small": 2}


def test_jobs_that_nobody_holds_a_slot_for_count_against_the_window():
    me, other = seat("me", 9), seat("other", 9)
    assert entitlement(me, [other], 6, 2) == 2
    assert entitlement(me, [], 6, 6) == 0
    assert entitlement(me, [], 6, 7) == 0


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 3))
def test_what_may_be_taken_leaves_room_for_every_job_that_is_known_of(slots, mine, out, theirs, their_out, orphans):
    other = replace(seat("other", 9), held=max(theirs, their_out), leases=tuple(map(str, range(theirs))))
    limit = Limit(slots, min(slots, mine + theirs))
    taken = takeable(Use(mine, out), [other], limit, orphans)
    assert 0 <= taken <= limit.slots - limit.taken
    jobs_and_slots = max(out, mine + taken) + max(their_out, theirs) + orphans
    if mine + taken > out and taken and limit.taken == mine + theirs:
        assert jobs_and_slots <= slots
    if not orphans and their_out <= theirs:
        assert taken == limit.slots - limit.taken


def test_where_there_are_more_runs_than_slots_they_take_turns_by_their_last_job():
    """Simulated: two slots, five runs, and a slot goes to whoever the rule names when a job ends."""
    seats = {f"run-{n}": seat(f"run-{n}", 50, began=n) for n in range(5)}
    jobs = dict.fromkeys(seats, 0)
    for second in range(10, 60):
        given_out = shares(list(seats.values()), 2)
        chosen = random.Random(second).choice([run_id for run_id, slots in given_out.items() if slots])
        jobs[chosen] += 1
        seats[chosen] = replace(seats[chosen], served_at=T0 + timedelta(seconds=second))
    assert min(jobs.values()) >= 8, jobs


def endpoint(url: str, name: str = "runpod") -> Endpoint:
    return Endpoint(name, "runpod", url, None, "m", 3, Decimal(0), "", id=url.rsplit("/", 1)[-1])


@pytest.mark.parametrize(
    ("url", "name"),
    (
        ("https://api.runpod.ai/v2/abc123def456", "endpoint-abc123def456"),
        ("http://127.0.0.1:8000/v2/draft", "endpoint-draft@127.0.0.1:8000"),
        ("http://localhost:9000/v2/pod-1", "endpoint-pod-1@localhost:9000"),
    ),
)
def test_a_limit_is_named_for_its_endpoint_whatever_settings_call_that(url, name):
    assert limit_name(endpoint(url)) == limit_name(endpoint(url, "custom")) == name


def test_an_endpoint_without_an_address_has_no_limit():
    with pytest.raises(ValueError, match="no address"):
        limit_name(endpoint(""))
