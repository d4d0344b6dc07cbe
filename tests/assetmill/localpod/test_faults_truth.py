"""What the endpoint knows and tells of itself: executions, requests, settings, workers, and time that runs faster."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx
import pytest

from assetmill.cli.serve import pod_clock
from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.localpod import Faults, Kind, Limits, Pod, PodConfig, Rate, Rule, scaled
from assetmill.localpod.process import draft_endpoint

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
PICTURE = base64.b64encode(b"\x89PNG" + b"x" * 30_000).decode()


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    def monotonic(self) -> float: ...
    async def advance(self, seconds: float) -> None: ...
    async def until(self, condition: Callable[[], bool]) -> None: ...
    async def sleeping(self, count: int) -> None: ...


def handler(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"error": "Job processing failed"} if job_input.get("fail") else {"seen": len(job_input)}


async def submit(client: httpx.AsyncClient, **job_input: Any) -> str:
    return str((await client.post("run", json={"input": {"x": 1} | job_input})).json()["id"])


async def settled(pod: Pod, count: int) -> None:
    async with asyncio.timeout(30):
        while pod.counts().completed + pod.counts().failed < count:  # noqa: ASYNC110 - a poll would be a call
            await asyncio.sleep(0)


async def test_every_execution_is_kept_longer_than_its_result(open_pod: Open, hand_time: MovableTime) -> None:
    async with open_pod(PodConfig(workers=1), handler, hand_time.clock) as (client, pod):
        good = await submit(client, assetmill_attempt="a-1")
        bad = await submit(client, assetmill_attempt=7, fail=True)
        await settled(pod, 2)
        assert (await client.post(f"retry/{bad}")).status_code == 200
        await settled(pod, 3)
        await hand_time.sleeping(2)
        await hand_time.advance(1_800)
        assert (await client.get(f"status/{good}")).status_code == 404
        told = [(one.job_id, one.attempt_key, one.status) for one in pod.executions()]
        assert told == [(good, "a-1", "COMPLETED"), (bad, None, "FAILED"), (bad, None, "FAILED")]
        assert all(one.started_s == one.ended_s == 1_000 for one in pod.executions())
        assert pod.counts().executed == 3


async def test_an_execution_that_runs_has_no_end_and_a_cancelled_one_says_so(
    open_pod: Open, hand_time: MovableTime
) -> None:
    async with open_pod(PodConfig(workers=1, exec_seconds=9), handler, hand_time.clock) as (client, pod):
        job_id = await submit(client)
        await hand_time.until(lambda: pod.counts().in_progress == 1)
        await hand_time.sleeping(2)
        (running,) = pod.executions()
        assert (running.status, running.ended_s) == ("IN_PROGRESS", None)
        await hand_time.advance(4)
        await client.post(f"cancel/{job_id}")
        (cancelled,) = pod.executions()
        assert (cancelled.status, (cancelled.ended_s or 0) - cancelled.started_s) == ("CANCELLED", 4)
        assert cancelled.worker_id == running.worker_id


async def test_the_time_to_live_ends_an_execution_too(open_pod: Open, hand_time: MovableTime) -> None:
    async with open_pod(PodConfig(workers=1, exec_seconds=90), handler, hand_time.clock) as (client, pod):
        body = {"input": {"x": 1}, "policy": {"ttl": 10_000}}
        await client.post("run", json=body)
        await hand_time.until(lambda: pod.counts().in_progress == 1)
        await hand_time.sleeping(2)
        await hand_time.advance(30)
        await hand_time.until(lambda: pod.counts().in_progress == 0)
        (one,) = pod.executions()
        assert (one.status, (one.ended_s or 0) - one.started_s) == ("DELETED", 10)


async def test_requests_are_listed_newest_first_with_their_inputs_and_without_their_images(
    open_pod: Open, hand_time: MovableTime
) -> None:
    async with open_pod(PodConfig(workers=1, exec_seconds=9), handler, hand_time.clock) as (client, _):
        first = await submit(
            client,
            assetmill_attempt="a-1",
            workflow={"9": {"inputs": {"text": "a cat", "blob": PICTURE}}},
            images=[{"name": "guide.png", "image": PICTURE}],
        )
        await hand_time.advance(1)
        second = await submit(client, assetmill_attempt="a-2")
        answer = await client.get("requests")
        listed = answer.json()["requests"]
        assert [(one["id"], one["status"]) for one in listed] == [(second, "IN_QUEUE"), (first, "IN_PROGRESS")]
        told = listed[1]["input"]
        assert (told["assetmill_attempt"], told["images"]) == ("a-1", [{"name": "guide.png"}])
        assert told["workflow"]["9"]["inputs"] == {"text": "a cat", "blob": f"<{len(PICTURE)} characters>"}
        assert PICTURE[:100] not in answer.text


async def test_a_job_that_has_ended_is_listed_as_long_as_its_result_lives(
    open_pod: Open, hand_time: MovableTime
) -> None:
    async with open_pod(PodConfig(workers=1), handler, hand_time.clock) as (client, pod):
        await submit(client, assetmill_attempt="a-1")
        await settled(pod, 1)
        (one,) = (await client.get("requests")).json()["requests"]
        assert (one["status"], one["input"]["assetmill_attempt"]) == ("COMPLETED", "a-1")
        await hand_time.sleeping(2)
        await hand_time.advance(1_800)
        assert (await client.get("requests")).json() == {"requests": []}


async def test_an_input_that_is_nested_too_deep_is_cut_off(open_pod: Open) -> None:
    async with open_pod(PodConfig(), handler) as (client, _):
        body = b'{"input": {"deep": ' + b"[" * 500 + b"]" * 500 + b"}}"
        assert (await client.post("run", content=body)).status_code == 200
        assert (await client.get("requests")).text.count("[") < 40


async def test_the_listing_has_a_rate_of_its_own_and_can_be_switched_off(open_pod: Open) -> None:
    async with open_pod(PodConfig(), handler) as (client, _):
        codes = [(await client.get("requests")).status_code for _ in range(11)]
        assert codes == [200] * 10 + [429]
        assert (await client.get("health")).status_code == 200
    async with open_pod(PodConfig(lists_requests=False), handler) as (client, _):
        assert (await client.get("requests")).status_code == 404
    assert Limits().requests == Rate(10, concurrent=2)


def management(pod: Pod, path: str) -> str:
    return pod.url.replace("/v2/", "/v2/serverless/") + path


async def test_the_endpoints_settings_and_workers_are_told(open_pod: Open, hand_time: MovableTime) -> None:
    config = PodConfig(workers=2, idle_timeout_s=12, exec_seconds=9)
    async with open_pod(config, handler, hand_time.clock) as (client, pod):
        told = (await client.get(management(pod, ""))).json()
        assert (told["id"], told["name"]) == ("draft", "draft")
        assert told["workers"] == {"min": 0, "max": 2, "idleTimeout": 12}
        assert told["timeout"] == 600_000
        empty = (await client.get(management(pod, "/workers"))).json()
        assert (empty["workers"], empty["summary"]["total"]) == ([], 0)
        await submit(client)
        await hand_time.until(lambda: pod.counts().in_progress == 1)
        await hand_time.advance(3)
        body = (await client.get(management(pod, "/workers"))).json()
        (worker,) = body["workers"]
        assert worker.keys() == {"id", "status", "gpuTypeId", "dataCenterId", "uptimeSeconds", "isStale"}
        assert (worker["status"], worker["uptimeSeconds"]) == ("RUNNING", 3)
        assert worker["id"] == pod.executions()[0].worker_id
        assert body["summary"] == {
            "running": 1, "idle": 0, "initializing": 0, "throttled": 0, "unhealthy": 0, "total": 1,
        }  # fmt: skip


async def test_a_condition_that_is_only_told_is_told_everywhere(open_pod: Open) -> None:
    config = PodConfig(faults=Faults(census={"unhealthy": 2, "idle": 1, "ready": 1}, max_workers=5))
    async with open_pod(config, handler) as (client, pod):
        assert (await client.get(management(pod, ""))).json()["workers"]["max"] == 5
        body = (await client.get(management(pod, "/workers"))).json()
        assert [one["status"] for one in body["workers"]] == ["IDLE", "UNHEALTHY", "UNHEALTHY"]
        assert (body["summary"]["unhealthy"], body["summary"]["total"]) == (2, 3)
        health = (await client.get("health")).json()["workers"]
        assert (health["unhealthy"], health["ready"], health["running"]) == (2, 1, 0)


async def test_max_zero_is_told_while_a_job_is_stuck_on_it(open_pod: Open) -> None:
    rule = Rule(Kind.STUCK_QUEUE, census={}, max_workers=0)
    async with open_pod(PodConfig(faults=Faults((rule,)), workers=4), handler) as (client, pod):
        assert (await client.get(management(pod, ""))).json()["workers"]["max"] == 4
        await submit(client)
        assert (await client.get(management(pod, ""))).json()["workers"]["max"] == 0
        assert (await client.get(management(pod, "/workers"))).json()["workers"] == []


async def test_errors_of_the_management_resources_are_problems(open_pod: Open) -> None:
    async with open_pod(PodConfig(api_key="right"), handler) as (client, pod):
        unknown = await client.get(management(pod, "").replace("draft", "other"))
        wrong = await client.get(management(pod, "/workers"), headers={"Authorization": "Bearer wrong"})
    for answer, status, title in ((unknown, 404, "Not Found"), (wrong, 401, "Unauthorized")):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert (answer.json()["status"], answer.json()["title"]) == (status, title)
        assert answer.json()["detail"]


async def test_half_an_hour_goes_by_in_less_than_a_second(open_pod: Open) -> None:
    started = time.monotonic()
    async with open_pod(PodConfig(cold_start_s=30), handler, scaled(Clock(), 20_000)) as (client, pod):
        job_id = await submit(client)
        await settled(pod, 1)
        body = (await client.get(f"status/{job_id}")).json()
        assert body["delayTime"] >= 30_000, "in the endpoint's own time"
        async with asyncio.timeout(10):
            while (await client.get(f"status/{job_id}")).status_code != 404:
                pass
        (execution,) = pod.executions()
        assert execution.status == "COMPLETED"
    assert time.monotonic() - started < 5


async def test_a_scaled_clock_divides_sleeps_and_multiplies_time(hand_time: MovableTime) -> None:
    clock = scaled(hand_time.clock, 60)
    start = clock.monotonic()
    sleeping = asyncio.ensure_future(clock.sleep(120))
    await hand_time.sleeping(1)
    await hand_time.advance(1.9)
    assert clock.monotonic() - start == pytest.approx(114)
    assert not sleeping.done()
    await hand_time.advance(0.1)
    await sleeping


async def test_a_clock_that_is_slower_than_ours_can_be_had_too(hand_time: MovableTime) -> None:
    clock = scaled(hand_time.clock, 0.5)
    start = clock.monotonic()
    await hand_time.advance(10)
    assert clock.monotonic() - start == 5


async def test_wall_clock_time_runs_as_fast_only_if_it_is_asked_to(hand_time: MovableTime) -> None:
    noon = datetime(2026, 8, 1, 12, tzinfo=UTC)
    ours = replace(hand_time.clock, now=lambda: noon)
    usual, fast = scaled(ours, 60), scaled(ours, 60, wall=True)
    await hand_time.advance(10)
    assert usual.now() == noon
    assert fast.now() == noon + timedelta(seconds=600)


@pytest.mark.parametrize("speed", (0, -1, float("nan"), float("inf"), 1e9))
def test_a_speed_that_cannot_be_is_refused(speed: float) -> None:
    with pytest.raises(UsageError, match="speed"):
        scaled(Clock(), speed)


def test_a_seed_makes_the_luck_of_the_served_endpoint() -> None:
    assert pod_clock(3, 1).random.random() == Random(3).random()
    assert pod_clock(None, 1).random.random() != pod_clock(None, 1).random.random()


async def test_the_command_serves_faults_from_a_file_and_by_request(tmp_path: Path) -> None:
    rules = tmp_path / "faults.json"
    rules.write_text(json.dumps([{"kind": "throttle", "operation": "run", "times": 1}]), encoding="utf-8")
    serve = (sys.executable, "-P", "-m", "assetmill.cli", "serve", "--faults", str(rules), "--faults-by-request")
    command = (*serve, "--seed", "7", "--speed", "50")
    variables = {"PATH": os.environ["PATH"]}
    async with draft_endpoint(log=tmp_path / "serve.log", command=command, environment=variables) as endpoint:
        headers = {"Authorization": f"Bearer {endpoint.api_key}"}
        async with httpx.AsyncClient(base_url=endpoint.url, headers=headers, trust_env=False) as client:
            codes = [(await client.post("run", json={"input": {"x": 1}})).status_code for _ in range(2)]
            assert codes == [429, 200]
            asked = await client.get("health", headers={"X-Assetmill-Fault": "bad_gateway"})
            assert asked.status_code == 502


async def test_the_command_refuses_rules_that_it_does_not_understand(tmp_path: Path) -> None:
    rules = tmp_path / "faults.json"
    rules.write_text('["throtle"]', encoding="utf-8")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "assetmill.cli", "serve", "--port", "0", "--faults", str(rules),
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await child.communicate()
    assert child.returncode == 2
    assert b"throttle" in complaint
