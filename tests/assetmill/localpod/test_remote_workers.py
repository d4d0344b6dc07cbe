"""Workers from outside: how many may run, and what becomes of their jobs when they go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from assetmill.clock import Clock
from assetmill.localpod import Counts, PodConfig
from assetmill.localpod.meter import Meter
from assetmill.localpod.queue import Job, JobQueue, Lease, Policy, Status
from assetmill.localpod.remote_workers import Call, RemotePool
from assetmill.localpod.workers import Census, Result

POLICY = Policy(execution_timeout_s=600, ttl_s=86_400, retention_s=1_800)
SILENCE_S = 30.0
HOLD_S = 20.0


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    def monotonic(self) -> float: ...
    async def advance(self, seconds: float) -> None: ...
    async def until(self, condition: Callable[[], bool]) -> None: ...
    async def sleeping(self, count: int) -> None: ...


class Plant:
    """A queue and its remote workers, at a clock that stands still."""

    def __init__(self, time: MovableTime, workers: int) -> None:
        config = PodConfig(remote_workers=True, workers=workers, worker_hold_s=HOLD_S, worker_silence_s=SILENCE_S)
        self.time = time
        self.queue = JobQueue(time.monotonic, self.ended)
        self.meter = Meter(time.clock)
        self.pool = RemotePool(self.queue, config, time.clock, self.meter)

    def ended(self, job_id: str) -> None:
        self.pool.ended(job_id)

    def put(self, *job_ids: str) -> None:
        for job_id in job_ids:
            self.queue.submit(job_id, {"n": job_id}, POLICY)
            self.pool.poke()

    async def take(self, worker: str, most: int = 1, *, empty_handed: bool = True) -> list[Lease]:
        return await self.pool.take(worker, Call(), most=most, empty_handed=empty_handed)

    def asking(self, worker: str) -> asyncio.Task[list[Lease]]:
        return asyncio.create_task(self.take(worker))

    async def advance(self, seconds: float) -> None:
        await self.time.advance(seconds)
        self.pool.sweep()

    def job(self, job_id: str) -> Job:
        found = self.queue.find(job_id)
        assert found is not None
        return found


@pytest.fixture
def plant(hand_time: MovableTime) -> Plant:
    return Plant(hand_time, workers=2)


def beat(plant: Plant, worker: str, *jobs: str) -> None:
    plant.pool.beat(worker, frozenset(jobs), healthy=True)


async def test_no_more_workers_hold_jobs_than_the_endpoint_may_have(plant: Plant) -> None:
    plant.put("a", "b", "c")
    assert [lease.job_id for lease in await plant.take("w1") + await plant.take("w2")] == ["a", "b"]
    third = plant.asking("w3")
    await plant.time.sleeping(1)
    assert plant.pool.census() == Census(running=2, idle=1)
    assert plant.queue.counts() == Counts(in_progress=2, in_queue=1, executed=2)
    assert plant.pool.hand_in("w1", "a", Result(output=1))
    assert [lease.job_id for lease in await third] == ["c"]
    assert plant.pool.census() == Census(running=2, idle=1)


async def test_a_worker_with_room_takes_more_while_others_may_not_begin(plant: Plant) -> None:
    plant.put("a", "b", "c")
    await plant.take("w1")
    await plant.take("w2")
    assert [lease.job_id for lease in await plant.take("w1", empty_handed=False)] == ["c"]


async def test_a_worker_whose_cancelled_job_still_runs_counts_until_it_says_otherwise(plant: Plant) -> None:
    plant.put("a", "b", "c")
    await plant.take("w1")
    await plant.take("w2")
    plant.queue.cancel("a")
    third = plant.asking("w3")
    await plant.time.sleeping(1)
    beat(plant, "w1", "a")
    assert plant.pool.census() == Census(running=2, idle=1)
    beat(plant, "w1")
    assert [lease.job_id for lease in await third] == ["c"]
    assert plant.pool.census() == Census(running=2, idle=1)


@pytest.mark.parametrize(("empty_handed", "state"), ((True, Census(idle=1)), (False, Census(running=1))))
async def test_a_worker_that_comes_back_empty_handed_runs_nothing(
    plant: Plant, empty_handed: bool, state: Census
) -> None:
    plant.put("a")
    await plant.take("w1")
    plant.queue.cancel("a")
    again = asyncio.create_task(plant.take("w1", empty_handed=empty_handed))
    await plant.time.sleeping(1)
    assert plant.pool.census() == state
    await plant.pool.aclose()
    assert await again == []


async def test_a_silent_workers_jobs_go_back_before_all_others_and_in_order(plant: Plant) -> None:
    plant.put("a", "b", "c")
    await plant.take("w1", most=2)
    beat(plant, "w1", "a", "b")
    await plant.advance(SILENCE_S)
    assert plant.queue.counts().in_progress == 2
    await plant.advance(0.1)
    assert plant.queue.counts() == Counts(in_queue=3, retried=2, executed=2)
    assert plant.pool.census() == Census()
    assert plant.job("a").worker_id is None
    assert [lease.job_id for lease in await plant.take("w2", most=3)] == ["a", "b", "c"]
    assert plant.job("a").delay_ms == 0  # it counts from when the job was queued again


async def test_a_job_that_two_workers_went_away_with_times_out(plant: Plant) -> None:
    plant.put("a")
    for worker in ("w1", "w2"):
        await plant.take(worker)
        beat(plant, worker, "a")
        await plant.advance(SILENCE_S + 1)
    ended = plant.job("a")
    assert (ended.status, ended.worker_id, ended.attempt) == (Status.TIMED_OUT, "w2", 2)
    assert plant.queue.counts() == Counts(failed=1, retried=1, executed=2)
    assert plant.queue.retry("a") is not None
    await plant.take("w3")
    beat(plant, "w3", "a")
    await plant.advance(SILENCE_S + 1)
    assert plant.job("a").status is Status.IN_QUEUE  # a client's retry begins anew


async def test_the_result_of_a_worker_that_comes_back_after_its_silence_is_dropped(plant: Plant) -> None:
    plant.put("a")
    await plant.take("w1")
    beat(plant, "w1", "a")
    await plant.advance(SILENCE_S + 1)
    await plant.take("w2")
    assert not plant.pool.hand_in("w1", "a", Result(output="late"))
    assert not plant.pool.progress("w1", "a", "late")
    assert plant.pool.hand_in("w2", "a", Result(output="in time"))
    assert plant.job("a").output == "in time"


@pytest.mark.parametrize("sign", ("beat", "progress", "stream", "other job"))
async def test_every_call_is_a_sign_of_life(plant: Plant, sign: str) -> None:
    plant.put("a")
    await plant.take("w1")
    beat(plant, "w1", "a")
    await plant.advance(SILENCE_S - 1)
    calls: dict[str, Callable[[], Any]] = {
        "beat": lambda: beat(plant, "w1", "a"),
        "progress": lambda: plant.pool.progress("w1", "a", "50 %"),
        "stream": lambda: plant.pool.stream("w1", "a", "piece"),
        "other job": lambda: plant.pool.hand_in("w1", "x", Result()),
    }
    calls[sign]()
    await plant.advance(SILENCE_S - 1)
    assert plant.job("a").status is Status.IN_PROGRESS


async def test_an_open_request_is_a_sign_of_life_for_as_long_as_it_is_open(plant: Plant) -> None:
    plant.put("a")
    await plant.take("w1")
    beat(plant, "w1", "a")
    call = Call()
    listening = asyncio.create_task(plant.pool.stops("w1", call))
    await plant.time.sleeping(1)
    plant.time.seconds += SILENCE_S * 2  # nobody is woken
    plant.pool.sweep()
    assert plant.job("a").status is Status.IN_PROGRESS
    call.hang_up()
    assert await listening == []
    await plant.advance(SILENCE_S + 1)
    assert plant.job("a").status is Status.IN_QUEUE


async def test_a_worker_that_sends_no_heartbeats_keeps_its_job_until_the_execution_timeout(plant: Plant) -> None:
    plant.put("a")
    await plant.take("w1")
    await plant.advance(POLICY.execution_timeout_s - 1)
    assert plant.job("a").status is Status.IN_PROGRESS
    await plant.advance(1)
    assert plant.job("a").status is Status.TIMED_OUT
    plant.pool.sweep()
    assert plant.pool.census() == Census()


async def test_a_job_that_comes_back_to_its_worker_is_not_stopped_there(plant: Plant) -> None:
    plant.put("a")
    await plant.take("w1")
    await plant.advance(POLICY.execution_timeout_s)
    beat(plant, "w1", "a")
    assert plant.job("a").status is Status.TIMED_OUT
    plant.queue.retry("a")
    assert [lease.attempt for lease in await plant.take("w1", empty_handed=False)] == [2]
    listening = asyncio.create_task(plant.pool.stops("w1", Call()))
    await plant.time.sleeping(1)
    await plant.advance(HOLD_S)
    assert await listening == []
    assert plant.pool.hand_in("w1", "a", Result(output=1))


async def test_an_idle_worker_goes_without_a_trace(plant: Plant) -> None:
    beat(plant, "w1")
    assert plant.pool.census() == Census(initializing=1)
    await plant.advance(SILENCE_S + 1)
    assert plant.pool.census() == Census()
    assert plant.queue.counts() == Counts()


async def test_the_listing_names_every_worker_with_its_state_and_age(plant: Plant) -> None:
    plant.put("a")
    await plant.take("w1")
    await plant.time.advance(7)
    beat(plant, "w1", "a")
    beat(plant, "w2")
    assert [(line.id, line.state, line.uptime_s) for line in plant.pool.listing()] == [
        ("w1", "running", 7.0),
        ("w2", "initializing", 0.0),
    ]


async def test_a_worker_is_charged_from_its_first_call_to_its_last(plant: Plant) -> None:
    beat(plant, "w1")
    await plant.advance(12)
    beat(plant, "w1")
    await plant.advance(SILENCE_S + 1)
    beat(plant, "w1")
    await plant.advance(2)
    first, second = plant.meter.charges()
    assert (first.worker_id, first.seconds, first.running) == ("w1", 12, False), "not until its silence was noticed"
    assert (second.worker_id, second.seconds, second.running) == ("w1", 2, True)
    await plant.pool.aclose()
    assert not any(charge.running for charge in plant.meter.charges())
