"""What the endpoint refuses: bodies too large, calls too many, queues too long."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.errors import Throttled
from assetmill.localpod import Counts, Limits, Pod, PodConfig, Rate
from assetmill.localpod.config import MIB
from assetmill.localpod.limits import Gate, Operation, check_queue

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
QUICK = {"input": {"x": 1}}


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    def monotonic(self) -> float: ...
    async def sleeping(self, count: int) -> None: ...


class Holding:
    """A handler that holds every job until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        assert self.go.wait(10)
        return {"seen": len(job_input)}


@pytest.fixture
def holding() -> Iterator[Holding]:
    made = Holding()
    yield made
    made.go.set()


def size_of(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"size": len(job_input["x"])}


def body_of(size: int) -> bytes:
    frame = json.dumps({"input": {"x": ""}}).encode()
    return frame.replace(b'""', b'"' + b"x" * (size - len(frame)) + b'"')


async def test_run_takes_10_mib_and_not_a_byte_more(open_pod: Open) -> None:
    async with open_pod(PodConfig(), size_of) as (client, pod):
        assert (await client.post("run", content=body_of(10 * MIB))).status_code == 200
        answer = await client.post("run", content=body_of(10 * MIB + 1))
        assert answer.status_code == 400
        assert "exceeded max body size of 10MiB" in answer.text
        assert (await client.get("health")).status_code == 200, "the connection is still good"
        assert pod.counts().executed + pod.counts().in_queue == 1


async def test_runsync_takes_twice_as_much(open_pod: Open) -> None:
    async with open_pod(PodConfig(), size_of) as (client, _):
        body = (await client.post("runsync", content=body_of(20 * MIB))).json()
        assert body["status"] == "COMPLETED"
        answer = await client.post("runsync", content=body_of(20 * MIB + 1))
        assert (answer.status_code, answer.json()) == (400, {"error": "exceeded max body size of 20MiB"})


async def test_a_body_without_a_stated_length_is_measured_too(open_pod: Open) -> None:
    async def chunks() -> Any:
        for _ in range(3):
            yield b"x" * 500

    async with open_pod(PodConfig(limits=Limits(run_body_bytes=1_000)), size_of) as (client, _):
        answer = await client.post("run", content=chunks())
        assert (answer.status_code, answer.json()) == (400, {"error": "exceeded max body size of 1000 bytes"})


async def test_a_result_over_the_limit_is_lost_and_the_job_completed(open_pod: Open) -> None:
    config = PodConfig(limits=Limits(result_bytes=100))
    async with open_pod(config, lambda _: {"images": ["x" * 200]}) as (client, _):
        body = (await client.post("runsync", json=QUICK)).json()
        assert body["status"] == "COMPLETED"
        assert "output" not in body
        assert "error" not in body


async def test_calls_over_the_rate_are_told_when_to_come_back(
    open_pod: Open, holding: Holding, hand_time: MovableTime
) -> None:
    config = PodConfig(limits=Limits(run=Rate(3)))
    async with open_pod(config, holding, hand_time.clock) as (client, pod):
        for _ in range(3):
            assert (await client.post("run", json=QUICK)).status_code == 200
        hand_time.seconds += 4
        refused = await client.post("run", json=QUICK)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "6")
        assert refused.json().keys() == {"error"}
        assert (await client.get("health")).status_code == 200, "other operations have windows of their own"
        hand_time.seconds += 6
        assert (await client.post("run", json=QUICK)).status_code == 200
        counts = pod.counts()
        assert counts.in_progress + counts.in_queue == 4


async def test_the_published_rates_hold(open_pod: Open, holding: Holding, hand_time: MovableTime) -> None:
    async with open_pod(PodConfig(), holding, hand_time.clock) as (client, _):
        purges = [(await client.post("purge-queue")).status_code for _ in range(3)]
        cancels = [(await client.post("cancel/x")).status_code for _ in range(101)]
    assert purges == [200, 200, 429]
    assert cancels == [404] * 100 + [429]


async def test_a_full_queue_takes_no_more(open_pod: Open, holding: Holding) -> None:
    config = PodConfig(workers=1, limits=Limits(queue_floor=2, queue_per_worker=1))
    async with open_pod(config, holding) as (client, pod):
        codes = [(await client.post("run", json=QUICK)).status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]  # one runs, two wait
        counts = pod.counts()
        assert (counts.in_progress, counts.in_queue) == (1, 2)


async def test_long_polls_count_as_open_calls(open_pod: Open, holding: Holding, hand_time: MovableTime) -> None:
    config = PodConfig(workers=1, limits=Limits(status=Rate(100, concurrent=2)))
    async with open_pod(config, holding, hand_time.clock) as (client, _):
        job_id = (await client.post("run", json=QUICK)).json()["id"]
        calls = [asyncio.create_task(client.get(f"status-sync/{job_id}")) for _ in range(2)]
        await hand_time.sleeping(3)
        assert (await client.get(f"status/{job_id}")).status_code == 429
        holding.go.set()
        assert [call.json()["status"] for call in await asyncio.gather(*calls)] == ["COMPLETED"] * 2
        assert (await client.get(f"status/{job_id}")).status_code == 200


async def test_a_refused_call_leaves_no_job(open_pod: Open, holding: Holding) -> None:
    async with open_pod(PodConfig(limits=Limits(run=Rate(0))), holding) as (client, pod):
        assert (await client.post("run", json=QUICK)).status_code == 429
        assert pod.counts() == Counts()


def admit(gate: Gate, running: int = 0) -> None:
    with gate.admitted(Operation.RUN, running):
        pass


def test_running_workers_raise_the_rate(hand_time: MovableTime) -> None:
    gate = Gate(Limits(run=Rate(2, per_worker=2)), hand_time.monotonic)
    for _ in range(4):
        admit(gate, running=2)
    with pytest.raises(Throttled):
        admit(gate, running=2)
    admit(gate, running=3)


def test_a_lower_rate_counts_the_calls_of_the_higher_one(hand_time: MovableTime) -> None:
    gate = Gate(Limits(run=Rate(1, per_worker=3)), hand_time.monotonic)
    for second in range(3):
        hand_time.seconds = float(second)
        admit(gate, running=1)
    with pytest.raises(Throttled) as caught:
        admit(gate, running=0)
    assert caught.value.retry_after_s == 10.0  # only when the newest of the three has left the window
    hand_time.seconds += 10.0
    admit(gate, running=0)


def test_a_call_that_fails_inside_is_no_longer_open(hand_time: MovableTime) -> None:
    gate = Gate(Limits(run=Rate(10, concurrent=1)), hand_time.monotonic)
    with pytest.raises(KeyError), gate.admitted(Operation.RUN, 0):
        raise KeyError
    admit(gate)


@pytest.mark.parametrize(
    ("waiting", "workers", "full"), ((49, 0, False), (50, 0, True), (50, 1, False), (500, 1, True))
)
def test_the_queue_may_hold_the_larger_of_floor_and_share(waiting: int, workers: int, full: bool) -> None:
    if full:
        with pytest.raises(Throttled):
            check_queue(Limits(), waiting, workers)
    else:
        check_queue(Limits(), waiting, workers)
