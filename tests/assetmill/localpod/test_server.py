"""RunPod's queue API, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.localpod import Counts, Pod, PodConfig, running_pod, serve

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
QUICK = {"input": {"do": "echo"}}
HOLD = {"input": {"do": "hold"}}
FAIL = {"input": {"do": "fail"}}


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    async def advance(self, seconds: float) -> None: ...
    async def until(self, condition: Callable[[], bool]) -> None: ...
    async def sleeping(self, count: int) -> None: ...


class Handler:
    """Does what the input says: echo, fail, or hold until let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.held = 0

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        if job_input.get("do") == "hold":
            self.held += 1
            assert self.go.wait(10)
        if job_input.get("do") == "fail":
            return {"error": "Job processing failed", "details": ["node 20"]}
        return {"seen": dict(job_input)}


@pytest.fixture
def handler() -> Iterator[Handler]:
    made = Handler()
    yield made
    made.go.set()


async def submit(client: httpx.AsyncClient, body: Mapping[str, Any]) -> str:
    answer = await client.post("run", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "IN_QUEUE"
    return str(answer.json()["id"])


async def ended(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    body: dict[str, Any] = (await client.get(f"status-sync/{job_id}", params={"wait": 10_000})).json()
    return body


async def test_a_job_is_queued_run_and_told_in_full(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(), handler) as (client, pod):
        job_id = await submit(client, {"input": {"do": "echo", "prompt": 'a "cat"\n{🐈}'}})
        assert re.fullmatch(f"{UUID4}-u1", job_id)
        body = await ended(client, job_id)
        assert body["status"] == "COMPLETED"
        assert body["output"] == {"seen": {"do": "echo", "prompt": 'a "cat"\n{🐈}'}}
        assert body["workerId"].startswith("lp-")
        assert body["delayTime"] >= 0
        assert body["executionTime"] >= 0
        assert body.keys() == {"id", "status", "output", "workerId", "delayTime", "executionTime"}
        assert (await client.get(f"status/{job_id}")).json() == body
        assert (await client.post(f"status/{job_id}")).json() == body
        assert pod.counts() == Counts(completed=1, executed=1)


async def test_a_running_job_says_who_runs_it_and_never_its_input(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(workers=1), handler) as (client, _):
        running, waiting = [await submit(client, HOLD) for _ in range(2)]
        body = (await client.get(f"status/{running}")).json()
        assert body.keys() == {"id", "status", "delayTime", "workerId"}
        assert body["status"] == "IN_PROGRESS"
        assert (await client.get(f"status/{waiting}")).json() == {"id": waiting, "status": "IN_QUEUE"}
        handler.go.set()


async def test_a_failed_job_tells_its_error_and_what_came_beside_it(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(), handler) as (client, _):
        body = await ended(client, await submit(client, FAIL))
        assert body["status"] == "FAILED"
        assert body["error"] == "Job processing failed"
        assert body["output"] == {"details": ["node 20"]}


async def test_runsync_answers_with_the_result(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(), handler) as (client, _):
        body = (await client.post("runsync", json=QUICK)).json()
        assert re.fullmatch(f"sync-{UUID4}-u1", body["id"])
        assert (body["status"], body["output"]) == ("COMPLETED", {"seen": {"do": "echo"}})


async def test_runsync_beyond_its_wait_answers_with_the_job_that_goes_on(
    open_pod: Open, handler: Handler, hand_time: MovableTime
) -> None:
    async with open_pod(PodConfig(workers=1), handler, hand_time.clock) as (client, _):
        call = asyncio.create_task(client.post("runsync", params={"wait": 1_500}, json=HOLD))
        await hand_time.sleeping(2)  # the timekeeper and the wait
        await hand_time.advance(1.5)
        body = (await call).json()
        assert body["status"] == "IN_PROGRESS"
        handler.go.set()
        assert (await ended(client, body["id"]))["status"] == "COMPLETED"


async def test_a_long_poll_ends_with_its_wait(open_pod: Open, handler: Handler, hand_time: MovableTime) -> None:
    async with open_pod(PodConfig(workers=1), handler, hand_time.clock) as (client, _):
        job_id = await submit(client, HOLD)
        call = asyncio.create_task(client.get(f"status-sync/{job_id}", params={"wait": 1}))  # moved up to 1000 ms
        await hand_time.sleeping(2)
        await hand_time.advance(0.9)
        await hand_time.sleeping(2)
        assert not call.done()
        await hand_time.advance(0.1)
        assert (await call).json()["status"] == "IN_PROGRESS"


async def test_a_long_poll_hears_of_a_cancel(open_pod: Open, handler: Handler, hand_time: MovableTime) -> None:
    async with open_pod(PodConfig(workers=1), handler, hand_time.clock) as (client, pod):
        job_id = await submit(client, HOLD)
        call = asyncio.create_task(client.get(f"status-sync/{job_id}"))
        await hand_time.sleeping(2)
        assert (await client.post(f"cancel/{job_id}")).json() == {"id": job_id, "status": "CANCELLED"}
        assert (await call).json()["status"] == "CANCELLED"
        assert pod.census().running == 1, "a handler cannot be stopped"
        handler.go.set()
        await hand_time.until(lambda: pod.census().running == 0)
        body = (await client.get(f"status/{job_id}")).json()
        assert body["status"] == "CANCELLED"
        assert "output" not in body


async def test_a_long_poll_hears_of_a_timeout(open_pod: Open, handler: Handler, hand_time: MovableTime) -> None:
    async with open_pod(PodConfig(workers=1), handler, hand_time.clock) as (client, _):
        job_id = await submit(client, {**HOLD, "policy": {"executionTimeout": 5_000, "ttl": 60_000}})
        call = asyncio.create_task(client.get(f"status-sync/{job_id}"))
        await hand_time.sleeping(2)
        await hand_time.advance(5)
        body = (await call).json()
        assert (body["status"], body["executionTime"]) == ("TIMED_OUT", 5_000)


async def test_a_job_past_its_time_to_live_is_not_found(
    open_pod: Open, handler: Handler, hand_time: MovableTime
) -> None:
    async with open_pod(PodConfig(workers=1), handler, hand_time.clock) as (client, _):
        by_policy = await submit(client, {**HOLD, "policy": {"ttl": 10_000}})
        by_query = await submit(client, HOLD)
        await client.get(f"status/{by_query}", params={"ttl": 20_000})
        hand_time.seconds += 10
        assert (await client.get(f"status/{by_policy}")).status_code == 404
        assert (await client.get(f"status/{by_query}")).status_code == 200
        hand_time.seconds += 10
        assert (await client.get(f"status/{by_query}")).status_code == 404


async def test_results_of_run_and_runsync_are_kept_for_different_times(
    open_pod: Open, handler: Handler, hand_time: MovableTime
) -> None:
    async with open_pod(PodConfig(), handler, hand_time.clock) as (client, _):
        queued = await submit(client, QUICK)
        await ended(client, queued)
        direct = (await client.post("runsync", json=QUICK)).json()["id"]
        hand_time.seconds += 61
        assert (await client.get(f"status/{direct}")).status_code == 404
        assert (await client.get(f"status/{queued}")).status_code == 200
        hand_time.seconds += 1_800
        assert (await client.get(f"status/{queued}")).status_code == 404


async def test_a_failed_job_runs_again_under_its_id(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(), handler) as (client, pod):
        job_id = await submit(client, FAIL)
        await ended(client, job_id)
        assert (await client.post(f"retry/{job_id}")).json() == {"id": job_id, "status": "IN_QUEUE"}
        assert (await ended(client, job_id))["status"] == "FAILED"
        assert pod.counts() == Counts(failed=2, retried=1, executed=2)


async def test_a_completed_job_cannot_be_retried(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(), handler) as (client, _):
        job_id = await submit(client, QUICK)
        await ended(client, job_id)
        answer = await client.post(f"retry/{job_id}")
        assert answer.status_code == 400
        assert "COMPLETED" in answer.json()["error"]


async def test_purge_removes_what_waits(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(workers=1), handler) as (client, _):
        running = await submit(client, HOLD)
        waiting = [await submit(client, HOLD) for _ in range(3)]
        assert (await client.post("purge-queue")).json() == {"removed": 3, "status": "completed"}
        assert {(await ended(client, job_id))["status"] for job_id in waiting} == {"CANCELLED"}
        handler.go.set()
        assert (await ended(client, running))["status"] == "COMPLETED"


async def test_health_counts_jobs_and_workers(open_pod: Open, handler: Handler, hand_time: MovableTime) -> None:
    async with open_pod(PodConfig(workers=2), handler, hand_time.clock) as (client, pod):
        await ended(client, await submit(client, QUICK))
        await ended(client, await submit(client, FAIL))
        for _ in range(3):
            await submit(client, HOLD)
        await hand_time.until(lambda: pod.census().running == 2)
        assert (await client.get("health")).json() == {
            "jobs": {"completed": 1, "failed": 1, "inProgress": 2, "inQueue": 1, "retried": 0},
            "workers": {"idle": 0, "initializing": 0, "ready": 0, "running": 2, "throttled": 0, "unhealthy": 0},
        }
        handler.go.set()
        await hand_time.until(lambda: pod.census().idle == 2)
        workers = (await client.get("health")).json()["workers"]
        assert (workers["idle"], workers["ready"], workers["running"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("method", "path"),
    (("GET", "status/x"), ("GET", "status-sync/x"), ("POST", "cancel/x"), ("POST", "retry/x")),
)
async def test_an_unknown_job_is_not_found(open_pod: Open, handler: Handler, method: str, path: str) -> None:
    async with open_pod(PodConfig(), handler) as (client, _):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()) == (404, {"error": "job not found"})


@pytest.mark.parametrize("key", (None, "Bearer wrong", "Bearer", "right", "Basic right", "Bearer clé"))
async def test_without_the_key_nothing_is_served(open_pod: Open, handler: Handler, key: str | None) -> None:
    async with open_pod(PodConfig(api_key="right"), handler) as (client, pod):
        client.headers.pop("Authorization")
        headers = {b"Authorization": key.encode()} if key is not None else {}
        for method, path in (("POST", "run"), ("GET", "health"), ("GET", "status/x"), ("POST", "purge-queue")):
            answer = await client.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})
        assert pod.counts() == Counts()


async def test_with_the_key_jobs_are_served(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(api_key="right"), handler) as (client, _):
        assert (await ended(client, await submit(client, QUICK)))["status"] == "COMPLETED"


async def test_another_endpoint_is_not_found(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(endpoint_id="mine"), handler) as (client, pod):
        other = pod.url.replace("/v2/mine", "/v2/yours")
        assert (await client.post(f"{other}/run", json=QUICK)).status_code == 404
        assert (await client.get(f"{other}/health")).json() == {"error": "endpoint not found"}


async def test_unknown_paths_and_methods_answer_in_json(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(), handler) as (client, _):
        unknown, method = await client.get("stream/x"), await client.get("run")
        assert (unknown.status_code, method.status_code) == (404, 405)
        assert unknown.json().keys() == method.json().keys() == {"error"}


@pytest.mark.parametrize(
    ("body", "says"),
    (
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'{"input": {"x": NaN}}', "NaN"),
        (b"[" * 100_000, "no JSON"),
        (b'{"input": {"x": ' + b"9" * 5_000 + b"}}", "no JSON"),
        (b"[]", "JSON object"),
        (b"null", "JSON object"),
        (b"{}", "no input"),
        (b'{"input": []}', "input must be"),
        (b'{"input": null}', "input must be"),
        (b'{"input": "x"}', "input must be"),
        (b'{"input": {"a": 1}, "policy": []}', "policy must be"),
        (b'{"input": {"a": 1}, "policy": [1]}', "policy must be"),
        (b'{"input": {"a": 1}, "policy": {"ttl": "10000"}}', "policy.ttl"),
        (b'{"input": {"a": 1}, "policy": {"ttl": 9999}}', "10000 to 604800000"),
        (b'{"input": {"a": 1}, "policy": {"executionTimeout": true}}', "whole number"),
        (b'{"input": {"a": 1}, "policy": {"executionTimeout": 4999}}', "5000 to"),
        (b'{"input": {"a": 1}, "policy": {"executionTimeout": 604800001}}', "5000 to"),
    ),
)
async def test_a_body_that_is_no_job_is_refused_with_a_reason(
    open_pod: Open, handler: Handler, body: bytes, says: str
) -> None:
    async with open_pod(PodConfig(), handler) as (client, pod):
        answer = await client.post("run", content=body)
        assert answer.status_code == 400
        assert says in answer.json()["error"]
        assert pod.counts() == Counts()


async def test_keys_that_nobody_knows_are_ignored(open_pod: Open, handler: Handler) -> None:
    body = {**QUICK, "webhook": "https://example.invalid/x", "s3Config": {"accessId": "a"}, "surprise": [1]}
    async with open_pod(PodConfig(), handler) as (client, _):
        assert (await ended(client, await submit(client, body)))["output"] == {"seen": {"do": "echo"}}


@pytest.mark.parametrize("wait", ("-1", "soon", "1.5", "9" * 20))
async def test_a_wait_that_is_no_number_is_refused(open_pod: Open, handler: Handler, wait: str) -> None:
    async with open_pod(PodConfig(), handler) as (client, pod):
        assert (await client.post("runsync", params={"wait": wait}, json=QUICK)).status_code == 400
        assert pod.counts() == Counts()


async def test_any_string_a_worker_returns_can_travel(open_pod: Open) -> None:
    async with open_pod(PodConfig(), lambda _: {"text": "\ud800 ☃ \x00"}) as (client, _):
        raw = (await client.post("runsync", json=QUICK)).content
        assert json.loads(raw)["output"] == {"text": "\ud800 ☃ \x00"}


async def test_a_hundred_jobs_sent_at_once_all_run_once(open_pod: Open, handler: Handler) -> None:
    async with open_pod(PodConfig(workers=4), handler) as (client, pod):
        ids = await asyncio.gather(*(submit(client, QUICK) for _ in range(100)))
        bodies = await asyncio.gather(*(ended(client, job_id) for job_id in ids))
        assert {body["status"] for body in bodies} == {"COMPLETED"}
        assert len({body["workerId"] for body in bodies}) <= 4
        assert len(set(ids)) == 100
        assert pod.counts() == Counts(completed=100, executed=100)


async def test_an_endpoint_that_goes_answers_its_long_polls(handler: Handler, hand_time: MovableTime) -> None:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        async with running_pod(PodConfig(workers=1), handler, hand_time.clock) as pod:
            job_id = (await client.post(f"{pod.url}/run", json=HOLD)).json()["id"]
            call = asyncio.create_task(client.get(f"{pod.url}/status-sync/{job_id}"))
            await hand_time.sleeping(2)
        assert (await call).json()["status"] == "IN_PROGRESS"
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{pod.url}/health")


async def test_serve_says_where_it_listens_and_ends_when_cancelled(handler: Handler) -> None:
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(PodConfig(), handler, ready=address.set_result))
    url = await asyncio.wait_for(address, 10)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v2/draft", url)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{url}/health")).status_code == 200
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/health")


async def test_a_taken_port_is_a_usage_error(handler: Handler) -> None:
    async with running_pod(PodConfig(), handler) as pod:
        port = int(pod.url.split(":")[2].split("/")[0])
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}"):
            async with running_pod(PodConfig(port=port), handler):
                pass


@pytest.mark.parametrize(
    "settings",
    (
        {"host": "0.0.0.0"},  # noqa: S104 - refused, that is the point
        {"host": "192.0.2.1", "api_key": "k"},
        {"host": "studio.example", "api_key": "k"},
        {"host": "192.0.2.1", "allow_remote": True},
        {"workers": 0},
        {"port": 65_536},
        {"endpoint_id": "a/b"},
        {"endpoint_id": ""},
        {"idle_timeout_s": -1.0},
    ),
)
def test_a_configuration_that_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PodConfig(**settings)


def test_a_key_is_never_shown() -> None:
    assert "hunter2" not in repr(PodConfig(api_key="hunter2"))
