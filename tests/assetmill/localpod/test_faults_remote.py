"""Faults hit workers outside this process as they hit those inside: they only see jobs that are not theirs any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import httpx

from assetmill.clock import Clock
from assetmill.localpod import Counts, Faults, Kind, Pod, PodConfig, Rule
from assetmill.localpod.faulty_queue import DIED_MID_JOB, NOT_REACHABLE

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
GOOD = {"output": {"images": [{"filename": "a_00001_.png", "type": "base64", "data": "aGk="}]}}


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    async def advance(self, seconds: float) -> None: ...
    async def sleeping(self, count: int) -> None: ...


def remote(*rules: Rule) -> PodConfig:
    return PodConfig(faults=Faults(rules), remote_workers=True)


async def submit(client: httpx.AsyncClient) -> str:
    return str((await client.post("run", json={"input": {"assetmill_attempt": "a-1"}})).json()["id"])


async def take(client: httpx.AsyncClient, worker_id: str) -> str:
    answer = await client.get(f"job-take/{worker_id}", params={"gpu": "local", "job_in_progress": 0})
    assert answer.status_code == 200
    return str(answer.json()["id"])


async def done(client: httpx.AsyncClient, worker_id: str, job_id: str) -> bool:
    answer = await client.post(f"job-done/{worker_id}/{job_id}", json=GOOD)
    assert answer.status_code == 200
    return bool(answer.json()["accepted"])


async def status(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    body: dict[str, Any] = (await client.get(f"status/{job_id}")).json()
    return body


async def test_a_job_taken_back_is_given_to_another_and_the_first_result_is_dropped(open_pod: Open) -> None:
    async with open_pod(remote(Rule(Kind.DUPLICATE_EXECUTION, times=1)), None) as (client, pod):
        job_id = await submit(client)
        assert await take(client, "w1") == job_id
        assert await take(client, "w2") == job_id
        assert not await done(client, "w1", job_id)
        assert await done(client, "w2", job_id)
        body = await status(client, job_id)
        assert (body["status"], body["workerId"]) == ("COMPLETED", "w2")
        assert pod.counts() == Counts(completed=1, retried=1, executed=2)
        assert [(one.worker_id, one.status) for one in pod.executions()] == [
            ("w1", "TAKEN_BACK"), ("w2", "COMPLETED"),
        ]  # fmt: skip


async def test_a_job_taken_back_goes_to_a_worker_that_waits_already(open_pod: Open, hand_time: MovableTime) -> None:
    config = remote(Rule(Kind.DUPLICATE_EXECUTION, times=1, seconds=9))
    async with open_pod(config, None, hand_time.clock) as (client, _):
        job_id = await submit(client)
        assert await take(client, "w1") == job_id
        waiting = asyncio.create_task(take(client, "w2"))
        await hand_time.sleeping(2)  # the timekeeper and the request that is held
        await hand_time.advance(9)
        assert await waiting == job_id


async def test_a_poisoned_worker_fails_jobs_that_it_says_it_did(open_pod: Open) -> None:
    async with open_pod(remote(Rule(Kind.POISONED_WORKER, worker="w1")), None) as (client, pod):
        errors = []
        for worker_id in ("w1", "w1", "w2"):
            job_id = await submit(client)
            await take(client, worker_id)
            await done(client, worker_id, job_id)
            errors.append((await status(client, job_id)).get("error"))
        assert errors == [DIED_MID_JOB, NOT_REACHABLE, None]
        assert pod.injected() == {"poisoned_worker": 2}


async def test_a_worker_that_counts_as_dead_is_not_heard(open_pod: Open, hand_time: MovableTime) -> None:
    async with open_pod(remote(Rule(Kind.WORKER_DIES, seconds=20)), None, hand_time.clock) as (client, pod):
        job_id = await submit(client)
        await take(client, "w1")
        assert not await done(client, "w1", job_id)
        assert (await status(client, job_id))["status"] == "IN_PROGRESS"
        await hand_time.sleeping(1)
        await hand_time.advance(20)
        assert (await status(client, job_id))["status"] == "TIMED_OUT"
        assert [one.status for one in pod.executions()] == ["TIMED_OUT"]


async def test_a_result_from_outside_is_spoilt_like_any_other(open_pod: Open) -> None:
    async with open_pod(remote(Rule(Kind.NO_OUTPUT)), None) as (client, _):
        job_id = await submit(client)
        await take(client, "w1")
        assert await done(client, "w1", job_id)
        body = await status(client, job_id)
        assert (body["status"], "output" in body) == ("COMPLETED", False)


async def test_workers_outside_are_listed_by_their_own_names(open_pod: Open) -> None:
    async with open_pod(remote(), None) as (client, pod):
        await submit(client)
        await take(client, "w1")
        body = (await client.get(pod.url.replace("/v2/", "/v2/serverless/") + "/workers")).json()
        assert [(one["id"], one["status"]) for one in body["workers"]] == [("w1", "RUNNING")]
        assert body["summary"]["running"] == 1
