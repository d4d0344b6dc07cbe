"""Workers come when they are wanted, run one job at a time, and go when idle."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Protocol

import pytest

from assetmill.clock import Clock
from assetmill.localpod.config import Limits, PodConfig
from assetmill.localpod.gpus import LOCAL_GPU
from assetmill.localpod.meter import Charge, Meter
from assetmill.localpod.queue import Job, JobQueue, Lease, Policy, Status
from assetmill.localpod.workers import Census, Pool, Result, Worker, run_handler

POLICY = Policy(execution_timeout_s=600, ttl_s=86_400, retention_s=1_800)


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    def monotonic(self) -> float: ...
    async def advance(self, seconds: float) -> None: ...
    async def until(self, condition: Callable[[], bool]) -> None: ...
    async def sleeping(self, count: int) -> None: ...


class Bench:
    """A queue and a pool, without HTTP."""

    def __init__(self, config: PodConfig, worker: Worker, time: MovableTime) -> None:
        self.time = time
        self.queue = JobQueue(time.monotonic)
        self.meter = Meter(time.clock)
        self.pool = Pool(self.queue, worker, config, time.clock, self.meter)

    def put(self, *names: str, policy: Policy = POLICY) -> None:
        for name in names:
            self.queue.submit(name, {"name": name}, policy)
            self.pool.poke()

    def job(self, name: str) -> Job:
        job = self.queue.find(name)
        assert job is not None
        return job

    async def ended(self, *names: str) -> None:
        await self.time.until(lambda: all(self.job(name).status.terminal for name in names))


@asynccontextmanager
async def bench(time: MovableTime, worker: Worker, **settings: Any) -> AsyncIterator[Bench]:
    made = Bench(PodConfig(**settings), worker, time)
    try:
        yield made
    finally:
        await made.pool.aclose()


def echo(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"seen": dict(job_input)}


class Held:
    """A handler that holds its job until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.lock = threading.Lock()
        self.now = 0
        self.most = 0
        self.calls = 0

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.lock:
            self.now += 1
            self.calls += 1
            self.most = max(self.most, self.now)
        assert self.go.wait(5)
        with self.lock:
            self.now -= 1
        return echo(job_input)


def lease_for(job_input: Mapping[str, Any]) -> Lease:
    return Lease("a", 1, "lp-1", job_input)


async def test_a_job_is_run_and_its_answer_kept(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo) as b:
        b.put("a")
        await b.ended("a")
        assert b.job("a").output == {"seen": {"name": "a"}}
        assert str(b.job("a").worker_id).startswith("lp-")


async def test_there_are_never_more_workers_than_allowed(hand_time: MovableTime) -> None:
    held = Held()
    async with bench(hand_time, held, workers=2) as b:
        names = [str(n) for n in range(6)]
        b.put(*names)
        await hand_time.until(lambda: held.now == 2)
        assert b.pool.census() == Census(running=2)
        held.go.set()
        await b.ended(*names)
        assert (held.most, held.calls) == (2, 6)
        assert len({b.job(name).worker_id for name in names}) == 2


async def test_only_as_many_workers_start_as_there_are_jobs(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, workers=5, cold_start_s=10) as b:
        b.put("a", "b")
        assert b.pool.census() == Census(initializing=2)


async def test_a_low_priority_job_starts_no_worker_and_uses_one_that_is_there(hand_time: MovableTime) -> None:
    low = Policy(600, 86_400, 1_800, low_priority=True)
    async with bench(hand_time, echo, workers=1) as b:
        b.put("low", policy=low)
        assert b.pool.census() == Census()
        b.put("plain")
        await b.ended("low", "plain")


async def test_a_cold_start_is_part_of_the_delay(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, workers=1, cold_start_s=7) as b:
        b.put("a")
        await hand_time.sleeping(1)
        await hand_time.advance(6.9)
        assert b.job("a").status is Status.IN_QUEUE
        await hand_time.advance(0.1)
        await b.ended("a")
        assert b.job("a").delay_ms == 7_000


async def test_a_warm_worker_takes_the_next_job_at_once(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, workers=1, cold_start_s=7, idle_timeout_s=5) as b:
        b.put("a")
        await hand_time.sleeping(1)
        await hand_time.advance(7)
        await b.ended("a")
        await hand_time.advance(4)
        b.put("b")
        await b.ended("b")
        assert b.job("b").delay_ms == 0
        assert b.job("b").worker_id == b.job("a").worker_id


async def test_a_worker_that_idles_out_is_gone_and_the_next_is_cold(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, workers=1, cold_start_s=7, idle_timeout_s=5) as b:
        b.put("a")
        await hand_time.sleeping(1)
        await hand_time.advance(7)
        await hand_time.until(lambda: b.pool.census() == Census(idle=1))
        await hand_time.sleeping(1)
        await hand_time.advance(5)
        await hand_time.until(lambda: b.pool.census() == Census())
        b.put("b")
        await hand_time.sleeping(1)
        assert b.pool.census() == Census(initializing=1)
        await hand_time.advance(7)
        await b.ended("b")
        assert b.job("b").delay_ms == 7_000
        assert b.job("b").worker_id != b.job("a").worker_id


async def test_a_padded_job_lasts_as_long_as_asked(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, workers=1, exec_seconds=2) as b:
        b.put("a")
        await hand_time.sleeping(1)
        await hand_time.advance(1.9)
        assert b.job("a").status is Status.IN_PROGRESS
        await hand_time.advance(0.1)
        await b.ended("a")
        assert b.job("a").execution_ms == 2_000


async def test_a_gap_separates_two_jobs_of_one_worker(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, workers=1, gap_seconds=0.9) as b:
        b.put("a", "b")
        await b.ended("a")
        await hand_time.sleeping(1)
        assert b.job("b").status is Status.IN_QUEUE
        await hand_time.advance(0.9)
        await b.ended("b")
        assert b.job("b").delay_ms == 900


async def test_a_cancelled_job_keeps_its_worker_busy_to_the_end(hand_time: MovableTime) -> None:
    held = Held()
    async with bench(hand_time, held, workers=1) as b:
        b.put("a", "b")
        await hand_time.until(lambda: held.now == 1)
        b.queue.cancel("a")
        assert b.pool.census() == Census(running=1)
        assert b.job("b").status is Status.IN_QUEUE
        held.go.set()
        await b.ended("b")
        assert (b.job("a").status, b.job("a").output) == (Status.CANCELLED, None)


async def test_a_failing_job_leaves_its_worker_fit_for_the_next(hand_time: MovableTime) -> None:
    def fussy(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        if job_input["name"] == "bad":
            raise KeyError("workflow")
        return echo(job_input)

    async with bench(hand_time, fussy, workers=1) as b:
        b.put("bad", "good")
        await b.ended("bad", "good")
        assert (b.job("bad").status, b.job("good").status) == (Status.FAILED, Status.COMPLETED)
        assert b.job("bad").worker_id == b.job("good").worker_id


async def test_a_closed_pool_takes_nothing_more(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, workers=1) as b:
        await b.pool.aclose()
        b.put("a")
        await asyncio.sleep(0)
        assert (b.job("a").status, b.pool.census()) == (Status.IN_QUEUE, Census())


def test_an_answer_with_an_error_fails_and_keeps_its_other_keys() -> None:
    answer = {"error": "Job processing failed", "details": ["node 20"]}
    result = run_handler(lambda _: answer, lease_for({}), 1_000)
    assert result == Result(output={"details": ["node 20"]}, error="Job processing failed")


def test_an_empty_error_is_no_error() -> None:
    assert run_handler(lambda _: {"error": None, "ok": 1}, lease_for({}), 1_000) == Result(output={"ok": 1})


def test_an_exception_becomes_a_json_string() -> None:
    def broken(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ValueError(f"no {job_input['x']}")

    result = run_handler(broken, lease_for({"x": "workflow"}), 1_000)
    assert isinstance(result.error, str)
    told = json.loads(result.error)
    assert told["error_type"] == "<class 'ValueError'>"
    assert told["error_message"] == "no workflow"
    assert "broken" in told["error_traceback"]
    assert (told["worker_id"], result.output) == ("lp-1", None)
    assert {"hostname", "runpod_version"} < told.keys()


@pytest.mark.parametrize("output", ({1, 2}, float("nan"), b"bytes"))
def test_a_result_that_is_no_json_fails_the_job(output: Any) -> None:
    result = run_handler(lambda _: {"images": output}, lease_for({}), 1_000)
    assert result.error is not None


async def test_a_result_too_large_to_hand_over_is_lost_and_the_job_completes(hand_time: MovableTime) -> None:
    def large(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"data": "x" * int(job_input["name"])}

    async with bench(hand_time, large, limits=Limits(result_bytes=1_000)) as b:
        b.put("900", "1000")
        await b.ended("900", "1000")
        assert b.job("900").output == {"data": "x" * 900}
        assert (b.job("1000").status, b.job("1000").output, b.job("1000").error) == (Status.COMPLETED, None, None)


def charged(made: Bench) -> list[tuple[int, bool]]:
    return [(charge.seconds, charge.running) for charge in made.meter.charges()]


async def test_a_worker_is_charged_from_its_start_to_its_end_and_not_for_its_image(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, image_pull_s=100, cold_start_s=20, idle_timeout_s=5) as made:
        made.put("a")
        await hand_time.sleeping(1)
        assert made.meter.charges() == (), "its image is on the way"
        assert [line.uptime_s for line in made.pool.listing()] == [0]
        await hand_time.advance(100)
        await hand_time.sleeping(1)
        await hand_time.advance(20)
        await made.ended("a")
        await hand_time.sleeping(1)
        await hand_time.advance(4.5)
        assert charged(made) == [(25, True)], "seconds that have begun are paid"
        await hand_time.advance(0.5)
        await hand_time.until(lambda: made.pool.census() == Census())
        await hand_time.advance(1_000)
        assert charged(made) == [(25, False)]


async def test_a_worker_that_gets_no_job_is_charged_too(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, workers=2, cold_start_s=10, idle_timeout_s=5) as made:
        made.put("a", "b")
        await hand_time.sleeping(2)
        made.queue.cancel("b")
        await hand_time.advance(10)
        await made.ended("a")
        await hand_time.sleeping(2)
        await hand_time.advance(5)
        await hand_time.until(lambda: made.pool.census() == Census())
        assert charged(made) == [(15, False), (15, False)]


async def test_a_worker_that_is_sent_away_is_charged_no_further(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, cold_start_s=10) as made:
        made.put("a")
        await hand_time.sleeping(1)
        await hand_time.advance(3)
        assert charged(made) == [(3, True)]
    await hand_time.advance(50)
    assert charged(made) == [(3, False)]


async def test_with_flashboot_a_worker_comes_back_under_its_id_with_a_life_of_its_own(hand_time: MovableTime) -> None:
    settings = {"cold_start_s": 30, "idle_timeout_s": 5, "flashboot": True, "image_pull_s": 60, "resume_s": 2}
    async with bench(hand_time, echo, **settings) as made:
        made.put("a")
        await hand_time.sleeping(1)
        await hand_time.advance(60)
        await hand_time.sleeping(1)
        await hand_time.advance(30)
        await made.ended("a")
        await hand_time.sleeping(1)
        await hand_time.advance(5)
        await hand_time.until(lambda: made.pool.census() == Census())
        made.put("b")
        await hand_time.sleeping(1)
        await hand_time.advance(2)
        await made.ended("b")
        assert made.job("a").worker_id == made.job("b").worker_id
        first, second = made.meter.charges()
    assert (first.seconds, second.seconds) == (35, 2)
    assert first.worker_id == second.worker_id


async def test_without_flashboot_every_life_is_another_worker(hand_time: MovableTime) -> None:
    async with bench(hand_time, echo, idle_timeout_s=5) as made:
        for name in ("a", "b"):
            made.put(name)
            await made.ended(name)
            await hand_time.sleeping(1)
            await hand_time.advance(5)
            await hand_time.until(lambda: made.pool.census() == Census())
        workers = {charge.worker_id for charge in made.meter.charges()}
    assert len(workers) == 2


async def test_a_worker_that_dies_with_its_job_is_charged_until_then(hand_time: MovableTime) -> None:
    meter = Meter(hand_time.clock)
    meter.started("w", LOCAL_GPU)
    await hand_time.advance(7.001)
    meter.stopped("w")
    meter.stopped("w")
    (charge,) = meter.charges()
    assert isinstance(charge, Charge)
    assert (charge.seconds, charge.usd) == (8, Decimal(0))
