"""Faults of jobs: what befalls them in the queue, on a worker and after their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any, Protocol

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.localpod import Counts, Faults, Kind, Pod, PodConfig, Rule
from assetmill.localpod.faulty_queue import DIED_MID_JOB, NODE_RAISED, NOT_REACHABLE

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    async def advance(self, seconds: float) -> None: ...
    async def until(self, condition: Callable[[], bool]) -> None: ...
    async def sleeping(self, count: int) -> None: ...


def echo(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"seen": job_input.get("prompt")}


def faulty(*rules: Rule, **settings: Any) -> PodConfig:
    return PodConfig(faults=Faults(rules), **settings)


async def submit(client: httpx.AsyncClient, prompt: str = "a cat", **more: Any) -> str:
    answer = await client.post("run", json={"input": {"prompt": prompt, **more}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def status(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    body: dict[str, Any] = (await client.get(f"status/{job_id}")).json()
    return body


async def ended(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    body: dict[str, Any] = (await client.get(f"status-sync/{job_id}", params={"wait": 20_000})).json()
    return body


async def code(client: httpx.AsyncClient, job_id: str) -> int:
    return (await client.get(f"status/{job_id}")).status_code


async def tick(time: MovableTime, seconds: float, sleepers: int) -> None:
    """Let time pass once the timekeeper and the others sleep."""
    await time.sleeping(sleepers)
    await time.advance(seconds)


async def test_a_stuck_job_waits_for_ever_and_starts_no_worker(open_pod: Open, hand_time: MovableTime) -> None:
    rule = Rule(Kind.STUCK_QUEUE, match="dragon", census={"throttled": 2})
    async with open_pod(faulty(rule, workers=1), echo, hand_time.clock) as (client, pod):
        stuck = await submit(client, "a dragon")
        assert pod.census().initializing + pod.census().idle == 0
        other = await submit(client, "a cat")
        assert (await ended(client, other))["status"] == "COMPLETED", "it holds up nobody else"
        await tick(hand_time, 3_600, 2)
        assert await status(client, stuck) == {"id": stuck, "status": "IN_QUEUE"}
        health = (await client.get("health")).json()
        assert health["jobs"]["inQueue"] == 1
        assert health["workers"] == {
            "initializing": 0, "idle": 0, "running": 0, "unhealthy": 0, "ready": 0, "throttled": 2,
        }  # fmt: skip
        assert (await client.post(f"cancel/{stuck}")).json()["status"] == "CANCELLED"
        assert (await client.get("health")).json()["workers"]["throttled"] == 0


async def test_a_job_stuck_for_a_while_runs_without_being_asked_for(open_pod: Open, hand_time: MovableTime) -> None:
    async with open_pod(faulty(Rule(Kind.STUCK_QUEUE, seconds=90)), echo, hand_time.clock) as (client, pod):
        job_id = await submit(client)
        await tick(hand_time, 89, 1)
        assert (await status(client, job_id))["status"] == "IN_QUEUE"
        await tick(hand_time, 1, 1)
        await hand_time.until(lambda: pod.counts().completed == 1)
        body = await status(client, job_id)
        assert (body["status"], body["delayTime"]) == ("COMPLETED", 90_000)


async def test_with_no_workers_allowed_nothing_is_ever_taken(open_pod: Open, hand_time: MovableTime) -> None:
    config = PodConfig(faults=Faults(max_workers=0, census={}))
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        await submit(client)
        await tick(hand_time, 600, 1)
        assert pod.counts() == Counts(in_queue=1)
        assert set((await client.get("health")).json()["workers"].values()) == {0}


async def test_a_job_that_vanishes_is_never_run_and_not_found(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.VANISH, match="now"), Rule(Kind.VANISH, match="later", seconds=30))
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        now, later = await submit(client, "now"), await submit(client, "later")
        assert (await code(client, now), (await status(client, later))["status"]) == (404, "IN_QUEUE")
        await tick(hand_time, 30, 1)
        assert await code(client, later) == 404
        assert (pod.counts(), pod.executions()) == (Counts(), ())
        assert [one.subject for one in pod.injections()] == [now, later]


async def test_somebody_else_may_cancel_a_waiting_or_a_running_job(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(
        Rule(Kind.CANCELLED_ELSEWHERE, match="now"),
        Rule(Kind.CANCELLED_ELSEWHERE, match="later", seconds=4),
        exec_seconds=10,
    )
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        now, later = await submit(client, "now"), await submit(client, "later")
        assert (await status(client, now))["status"] == "CANCELLED"
        await hand_time.until(lambda: pod.counts().in_progress == 1)
        await tick(hand_time, 4, 2)
        assert (await status(client, later))["status"] == "CANCELLED"
        assert [one.status for one in pod.executions()] == ["CANCELLED"], "only the second was ever taken"
        assert pod.injected() == {"cancelled_elsewhere": 2}


async def test_somebody_else_may_purge_the_queue(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.PURGE, match="purge"), workers=1, exec_seconds=10)
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        running = await submit(client)
        await hand_time.until(lambda: pod.counts().in_progress == 1)
        waiting = [await submit(client), await submit(client, "purge")]
        assert [(await status(client, job_id))["status"] for job_id in waiting] == ["CANCELLED"] * 2
        assert (await status(client, running))["status"] == "IN_PROGRESS"
        assert [one.subject for one in pod.injections()] == waiting


@pytest.mark.parametrize("wait", ("status", "status-sync"))
async def test_an_expired_result_is_not_found(open_pod: Open, hand_time: MovableTime, wait: str) -> None:
    async with open_pod(faulty(Rule(Kind.EXPIRY, seconds=5)), echo, hand_time.clock) as (client, pod):
        job_id = await submit(client)
        await hand_time.until(lambda: pod.counts().completed == 1)
        assert (await client.get(f"{wait}/{job_id}")).json()["status"] == "COMPLETED"
        await tick(hand_time, 5, 2)
        assert (await client.get(f"{wait}/{job_id}")).status_code == 404
        assert pod.counts().completed == 1
        assert pod.executions()[0].status == "COMPLETED"


async def test_late_progress_hides_a_result_for_a_while(open_pod: Open, hand_time: MovableTime) -> None:
    async with open_pod(faulty(Rule(Kind.LATE_PROGRESS, seconds=50)), echo, hand_time.clock) as (client, pod):
        job_id = await submit(client)
        await hand_time.until(lambda: pod.counts().completed == 1)
        body = await status(client, job_id)
        assert (body["status"], body["output"]) == ("IN_PROGRESS", {"progress": 100})
        assert "executionTime" not in body
        await tick(hand_time, 50, 2)
        assert (await status(client, job_id))["output"] == {"seen": "a cat"}


async def test_late_progress_may_hide_a_result_for_ever_and_can_be_cancelled(
    open_pod: Open, hand_time: MovableTime
) -> None:
    async with open_pod(faulty(Rule(Kind.LATE_PROGRESS)), echo, hand_time.clock) as (client, pod):
        job_id = await submit(client)
        await hand_time.until(lambda: pod.counts().completed == 1)
        await tick(hand_time, 1_000, 2)
        assert (await status(client, job_id))["status"] == "IN_PROGRESS"
        for _ in range(2):
            assert (await client.post(f"cancel/{job_id}")).json()["status"] == "CANCELLED"
            assert "output" not in await status(client, job_id)
        assert pod.executions()[0].status == "COMPLETED", "the books of the endpoint know better"


async def test_a_poisoned_worker_fails_every_job_until_it_goes(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.POISONED_WORKER, times=1), workers=1, idle_timeout_s=5)
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        failed = [await ended(client, await submit(client)) for _ in range(3)]
        assert [body["error"] for body in failed] == [DIED_MID_JOB, NOT_REACHABLE, NOT_REACHABLE]
        assert {body["status"] for body in failed} == {"FAILED"}
        assert {body["executionTime"] for body in failed} == {0}, "at once"
        (sick,) = {body["workerId"] for body in failed}
        await tick(hand_time, 5, 2)
        await hand_time.until(lambda: pod.census().idle == 0)
        healed = await ended(client, await submit(client))
        assert (healed["status"], healed["workerId"] == sick) == ("COMPLETED", False)
        assert pod.injected() == {"poisoned_worker": 3}


async def test_a_poisoned_worker_does_not_touch_the_others(open_pod: Open) -> None:
    config = faulty(Rule(Kind.POISONED_WORKER, times=1), workers=3, idle_timeout_s=60)
    async with open_pod(config, echo) as (client, _):
        jobs = [await submit(client) for _ in range(30)]
        bodies = [await ended(client, job_id) for job_id in jobs]
        sick = {body["workerId"] for body in bodies if body["status"] == "FAILED"}
        assert len(sick) == 1
        assert all((body["workerId"] in sick) == (body["status"] == "FAILED") for body in bodies)


async def test_only_the_first_job_of_a_cold_worker_meets_a_failed_start(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.STARTUP_FAILURE, seconds=27), workers=1)
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        first = await submit(client)
        await tick(hand_time, 27, 2)
        body = await ended(client, first)
        assert (body["status"], body["error"], body["executionTime"]) == ("FAILED", NOT_REACHABLE, 27_000)
        warm = await ended(client, await submit(client))
        assert (warm["status"], warm["workerId"]) == ("COMPLETED", body["workerId"])
        assert pod.injected() == {"startup_failure": 1}


async def test_a_node_that_raised_and_a_graph_that_is_refused_have_the_recorded_shapes(open_pod: Open) -> None:
    config = faulty(Rule(Kind.EXECUTION_ERROR, match="node"), Rule(Kind.VALIDATION_ERROR, match="graph"))
    async with open_pod(config, echo) as (client, _):
        raised = await ended(client, await submit(client, "node"))
        assert (raised["status"], raised["error"]) == ("FAILED", "Job processing failed")
        assert raised["output"] == {"details": [NODE_RAISED]}
        refused = await ended(client, await submit(client, "graph"))
        assert (refused["status"], "output" in refused) == ("FAILED", False)
        assert refused["error"].startswith("Workflow validation failed:\n• Node 4 (errors): [{'type': ")


async def test_the_words_of_an_error_may_be_given(open_pod: Open) -> None:
    rule = Rule(Kind.EXECUTION_ERROR, words="Allocation on device 0 would exceed allowed memory. (out of memory)")
    async with open_pod(faulty(rule), echo) as (client, _):
        body = await ended(client, await submit(client))
        assert body["output"] == {"details": [rule.words]}


async def test_a_job_whose_worker_dies_times_out(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.WORKER_DIES, match="soon", seconds=40), Rule(Kind.WORKER_DIES, match="late"), workers=1)
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        for prompt, seconds in (("soon", 40), ("late", 600)):
            job_id = await submit(client, prompt)
            await hand_time.until(lambda: pod.counts().in_progress == 1)
            await hand_time.sleeping(2 if prompt == "soon" else 1)
            await hand_time.advance(seconds - 0.5)
            assert (await status(client, job_id))["status"] == "IN_PROGRESS"
            await hand_time.advance(0.5)
            body = await status(client, job_id)
            assert (body["status"], body["executionTime"]) == ("TIMED_OUT", seconds * 1000)
            await hand_time.until(lambda: pod.census().running == 0)
        assert [one.status for one in pod.executions()] == ["TIMED_OUT"] * 2
        assert len({one.worker_id for one in pod.executions()}) == 2, "it went with its job"


async def test_a_job_taken_back_runs_twice_and_has_one_result(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.DUPLICATE_EXECUTION, times=1, seconds=20), workers=1)
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        job_id = await submit(client, assetmill_attempt="a-1")
        await tick(hand_time, 20, 2)
        await hand_time.until(lambda: pod.counts().completed == 1)
        body = await status(client, job_id)
        assert (body["status"], body["output"]) == ("COMPLETED", {"seen": "a cat"})
        assert pod.counts() == Counts(completed=1, retried=1, executed=2)
        first, second = pod.executions()
        assert (first.status, second.status) == ("TAKEN_BACK", "COMPLETED")
        assert first.attempt_key == second.attempt_key == "a-1"
        assert first.worker_id != second.worker_id
        assert (first.ended_s or 0) - first.started_s == 20


async def test_a_slow_cold_start_delays_the_first_job(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.SLOW_COLD_START, times=1, seconds=100), workers=1, cold_start_s=7)
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        job_id = await submit(client)
        await tick(hand_time, 106.5, 2)
        assert (pod.census().initializing, (await status(client, job_id))["status"]) == (1, "IN_QUEUE")
        await hand_time.advance(0.5)
        await hand_time.until(lambda: pod.counts().completed == 1)
        assert (await status(client, job_id))["delayTime"] == 107_000
        assert [one.subject for one in pod.injections()] == [(await status(client, job_id))["workerId"]]


async def test_a_job_may_ask_for_its_own_fault_once(open_pod: Open) -> None:
    async with open_pod(PodConfig(faults_by_request=True), echo) as (client, pod):
        asked = {"kind": "execution_error", "words": "out of memory"}
        job_id = await submit(client, assetmill_fault=asked)
        assert (await ended(client, job_id))["status"] == "FAILED"
        assert (await client.post(f"retry/{job_id}")).json()["status"] == "IN_QUEUE"
        assert (await ended(client, job_id))["status"] == "COMPLETED"
        assert [one.status for one in pod.executions()] == ["FAILED", "COMPLETED"]


async def test_one_seed_hits_the_same_jobs_in_the_same_way(open_pod: Open) -> None:
    kinds = (Kind.EXECUTION_ERROR, Kind.NO_OUTPUT, Kind.DUPLICATE_EXECUTION, Kind.EXPIRY)
    config = faulty(*(Rule(kind, chance=0.4) for kind in kinds), workers=1)

    async def hits(seed: int) -> Counter[tuple[str, int]]:
        async with open_pod(config, echo, Clock(random=Random(seed))) as (client, pod):
            jobs = []
            for _ in range(12):  # one after the other, so that workers take them in one order
                jobs.append(await submit(client))
                await ended(client, jobs[-1])
            return Counter((one.kind.value, jobs.index(one.subject)) for one in pod.injections())

    assert await hits(3) == await hits(3) != await hits(4)
