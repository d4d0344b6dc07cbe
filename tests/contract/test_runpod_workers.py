"""Unmodified workers on RunPod's own SDK take the local endpoint for RunPod's queue.

The workers are processes of their own (`fixtures/sdk_worker.py`). Tests wait on the endpoint's own long polls. Times
are compared on one machine's clock; what the endpoint says may exceed what the handler measured by `SLACK_MS`: the SDK
looks at its queue every 100 ms, and two workers, the endpoint and the test share whatever processors there are.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from assetmill.localpod import Pod, PodConfig, running_pod
from assetmill.localpod.remote import worker_environment

KEY = "a-key-made-for-this-test"
SCRIPT = Path(__file__).parents[1] / "fixtures" / "sdk_worker.py"
SLACK_MS = 2_500.0
JOBS = 50
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Site:
    pod: Pod
    client: httpx.AsyncClient

    async def submit(self, **job_input: Any) -> str:
        answer = await self.client.post("run", json={"input": {"n": 0, **job_input}})
        return str(answer.json()["id"])

    async def ended(self, job_id: str) -> dict[str, Any]:
        for _ in range(4):
            body: dict[str, Any] = (await self.client.get(f"status-sync/{job_id}?wait=60000")).json()
            if body["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
                return body
        raise AssertionError(f"job {job_id} is still {body['status']}")


@contextmanager
def sdk_workers(pod: Pod, folder: Path, mode: str, *names: str) -> Iterator[None]:
    """Start one process a name; end these processes, and the heartbeat processes that they started, and no others."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name in names:
            with (folder / f"{name}.log").open("wb") as log:
                variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "RUNPOD_AI_API_KEY": KEY}
                running.append(
                    subprocess.Popen(
                        [sys.executable, "-W", "ignore", str(SCRIPT), mode],
                        env={**variables, **worker_environment(pod.url, name)},
                        stdout=log,
                        stderr=log,
                        cwd=folder,
                        start_new_session=True,
                    )
                )
        yield
    finally:
        for worker in running:
            os.killpg(worker.pid, signal.SIGKILL)  # its own group: the SDK's heartbeat process outlives its parent
            worker.wait()


@asynccontextmanager
async def site(folder: Path, mode: str, *names: str) -> AsyncIterator[Site]:
    config = PodConfig(endpoint_id="sdk", api_key=KEY, remote_workers=True, workers=2)
    async with running_pod(config) as pod:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=pod.url, headers=headers, timeout=90, trust_env=False) as client:
            with sdk_workers(pod, folder, mode, *names):
                yield Site(pod, client)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def two_workers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with site(tmp_path_factory.mktemp("workers"), "plain", "sdk-1", "sdk-2") as made:
        yield made


async def test_two_workers_finish_fifty_jobs_and_the_endpoints_times_are_the_handlers(two_workers: Site) -> None:
    before = two_workers.pod.counts()
    sent = {await two_workers.submit(seconds=0.1): time.time() for _ in range(JOBS)}
    ended = dict(zip(sent, await asyncio.gather(*map(two_workers.ended, sent)), strict=True))
    for job_id, job in ended.items():
        assert job["status"] == "COMPLETED", job
        assert job["output"]["images"][0]["data"] == "aGk="
        assert job["workerId"] == job["output"]["worker"]
        assert 0 <= job["executionTime"] - job["output"]["took_ms"] <= SLACK_MS
        taken_s = sent[job_id] + job["delayTime"] / 1000
        early_ms = (
            taken_s - job["output"]["began_s"]
        ) * 1000  # `sent` is noted after the answer, on a busy machine late
        assert -SLACK_MS <= early_ms <= 500
    assert_apart(ended)
    shares = Counter(job["workerId"] for job in ended.values())
    assert shares.keys() == {"sdk-1", "sdk-2"}
    assert min(shares.values()) >= JOBS // 5
    after = two_workers.pod.counts()
    assert (after.executed - before.executed, after.completed - before.completed) == (JOBS, JOBS)
    assert (after.in_queue, after.in_progress, after.retried) == (0, 0, 0)


def assert_apart(ended: dict[str, dict[str, Any]]) -> None:
    """No worker ran two jobs at once."""
    for worker in {job["workerId"] for job in ended.values()}:
        spans = sorted(
            (job["output"]["began_s"], job["output"]["took_ms"] / 1000)
            for job in ended.values() if job["workerId"] == worker
        )  # fmt: skip
        assert all(begin + took <= later for (begin, took), (later, _) in pairwise(spans))


async def test_a_handlers_exception_fails_the_job_with_its_details(two_workers: Site) -> None:
    job = await two_workers.ended(await two_workers.submit(**{"raise": "no such checkpoint 🐈"}))
    assert (job["status"], "output" in job) == ("FAILED", False)
    told = json.loads(job["error"])
    assert (told["error_type"], told["error_message"]) == ("<class 'ValueError'>", "no such checkpoint 🐈")
    assert told["worker_id"] == job["workerId"]
    assert "sdk_worker.py" in told["error_traceback"]


async def test_a_handlers_own_error_fails_the_job_and_keeps_what_it_said_beside_it(two_workers: Site) -> None:
    job = await two_workers.ended(await two_workers.submit(fail="Job processing failed"))
    assert (job["status"], job["error"]) == ("FAILED", "Job processing failed")
    assert job["output"] == {"details": ["node 20"]}


async def test_a_job_that_is_cancelled_in_the_queue_never_runs(two_workers: Site) -> None:
    before = two_workers.pod.counts().executed
    ahead = [await two_workers.submit(seconds=1.0) for _ in range(2)]
    cancelled = await two_workers.submit(seconds=0.1)
    behind = await two_workers.submit(seconds=0.1)
    assert (await two_workers.client.post(f"cancel/{cancelled}")).json()["status"] == "CANCELLED"
    for job_id in (*ahead, behind):
        assert (await two_workers.ended(job_id))["status"] == "COMPLETED"
    job = await two_workers.ended(cancelled)
    assert job == {"id": cancelled, "status": "CANCELLED"}
    assert two_workers.pod.counts().executed - before == 3


async def test_the_endpoints_health_counts_the_workers(two_workers: Site) -> None:
    await two_workers.ended(await two_workers.submit())
    workers = (await two_workers.client.get("health")).json()["workers"]
    assert workers["idle"] + workers["running"] + workers["initializing"] == 2
    assert workers["throttled"] == workers["unhealthy"] == 0


async def test_a_worker_that_fetches_ahead_takes_jobs_in_batches(tmp_path: Path) -> None:
    async with site(tmp_path, "prefetch", "sdk-ahead") as one:
        job_ids = [await one.submit(seconds=0.1) for _ in range(12)]
        jobs = await asyncio.gather(*map(one.ended, job_ids))
        assert {job["status"] for job in jobs} == {"COMPLETED"}
        assert one.pod.counts().executed == 12
    assert "/job-take-batch/sdk-ahead" in (tmp_path / "sdk-ahead.log").read_text(encoding="utf-8")


async def test_a_streaming_workers_pieces_arrive_and_a_cancel_stops_it(tmp_path: Path) -> None:
    async with site(tmp_path, "stream", "sdk-stream") as one:
        job_id = await one.submit(pieces=3)
        assert (await one.ended(job_id))["status"] == "COMPLETED"
        told = (await one.client.get(f"stream/{job_id}")).json()
        assert told == {"status": "COMPLETED", "stream": [{"output": {"piece": number}} for number in range(3)]}
        endless = await one.submit(pieces=1_000_000, seconds=0.5)
        assert (await one.client.get(f"stream/{endless}?wait=60000")).json()["stream"]
        await one.client.post(f"cancel/{endless}")
        assert (await one.ended(await one.submit(pieces=1)))["status"] == "COMPLETED"  # it would never get to it
    assert "Stopping job." in (tmp_path / "sdk-stream.log").read_text(encoding="utf-8")
