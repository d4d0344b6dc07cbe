"""Official-SDK workers through `runpod-worker/start_prefetching.py`: the next job is there when one ends, and alone.

The workers are processes of their own whose handler (`fixtures/sdk_worker.py`) is the one that the stock SDK runs
elsewhere, unchanged. Tests wait on the endpoint's own long polls; bounds on times are wide, for a busy machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from assetmill.clock import Clock
from assetmill.localpod import Pod, PodConfig, running_pod
from assetmill.localpod.remote import worker_environment

KEY = "a-key-made-for-this-test"
ROOT = Path(__file__).parents[2]
COMMAND = [
    sys.executable, "-W", "ignore", str(ROOT / "runpod-worker" / "start_prefetching.py"),
    str(ROOT / "tests" / "fixtures" / "sdk_worker.py"), "plain",
]  # fmt: skip
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Site:
    pod: Pod
    client: httpx.AsyncClient
    workers: dict[str, subprocess.Popen[bytes]]
    folder: Path

    async def submit(self, **job_input: Any) -> str:
        answer = await self.client.post("run", json={"input": {"n": 0, **job_input}})
        return str(answer.json()["id"])

    async def ended(self, job_id: str) -> dict[str, Any]:
        for _ in range(4):
            body: dict[str, Any] = (await self.client.get(f"status-sync/{job_id}?wait=60000")).json()
            if body["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
                return body
        raise AssertionError(f"job {job_id} is still {body['status']}")

    async def taken(self, *job_ids: str) -> None:
        """Until workers have these jobs."""
        for job_id in job_ids:
            while (await self.client.get(f"status/{job_id}")).json()["status"] == "IN_QUEUE":
                await Clock().sleep(0.1)

    async def begun(self, job_id: str) -> None:
        """Until the SDK has made a task of a job: one that is to stop before that it does not know, and runs it."""
        while not any(job_id in line and "Started." in line for line in self._said()):
            await Clock().sleep(0.1)

    def _said(self) -> list[str]:
        return [line for log in self.folder.glob("*.log") for line in log.read_text(encoding="utf-8").splitlines()]

    async def both_ask(self) -> None:
        """Until all workers have asked for a job."""
        while (await self.client.get("health")).json()["workers"]["idle"] < len(self.workers):
            await Clock().sleep(0.2)


@contextmanager
def started(pod: Pod, folder: Path, *names: str) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """One process a name; these processes, and the heartbeat processes that they started, are ended, and no others."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in names:
            with (folder / f"{name}.log").open("wb") as log:
                variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "RUNPOD_AI_API_KEY": KEY}
                running[name] = subprocess.Popen(
                    COMMAND, env={**variables, **worker_environment(pod.url, name)}, stdout=log, stderr=log,
                    cwd=folder, start_new_session=True,
                )  # fmt: skip
        yield running
    finally:
        for worker in running.values():
            kill(worker)


def kill(worker: subprocess.Popen[bytes]) -> None:
    """End a worker's whole group at once: the SDK's heartbeat process outlives its parent."""
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except ProcessLookupError:
        assert worker.poll() is not None
    worker.wait()


@asynccontextmanager
async def site(folder: Path, *names: str, **pod_config: Any) -> AsyncIterator[Site]:
    config = PodConfig(endpoint_id="sdk", api_key=KEY, remote_workers=True, workers=len(names), **pod_config)
    async with running_pod(config) as pod:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=pod.url, headers=headers, timeout=90, trust_env=False) as client:
            with started(pod, folder, *names) as workers:
                yield Site(pod, client, workers, folder)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def one(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with site(tmp_path_factory.mktemp("worker"), "ahead-1", worker_hold_s=2.0) as made:
        yield made


async def test_jobs_run_alone_and_in_order_and_each_answer_says_what_its_handler_took(one: Site) -> None:
    jobs = [await one.ended(job_id) for job_id in [await one.submit(seconds=2.0, n=n) for n in range(3)]]
    assert {job["status"] for job in jobs} == {"COMPLETED"}
    spans = [(job["output"]["began_s"], job["output"]["took_ms"] / 1000) for job in jobs]
    assert all(began + took <= later for (began, took), (later, _) in pairwise(spans))
    noted = [job["output"]["assetmill_worker"]["handler_ms"] for job in jobs]
    took = [job["output"]["took_ms"] for job in jobs]
    assert noted == pytest.approx(took, abs=50)
    assert sum(job["executionTime"] for job in jobs) > sum(noted) + 1_000, "the platform counts what they waited, too"


async def test_a_job_that_is_cancelled_while_it_waits_on_the_worker_never_runs(one: Site) -> None:
    running, waiting = await one.submit(seconds=10.0), await one.submit(seconds=90.0)
    await one.begun(waiting)
    assert (await one.client.post(f"cancel/{waiting}")).json()["status"] == "CANCELLED"
    assert (await one.client.get(f"status/{running}")).json()["status"] == "IN_PROGRESS", "the other one did wait"
    behind = await one.ended(await one.submit())
    ahead = await one.ended(running)
    assert (ahead["status"], behind["status"]) == ("COMPLETED", "COMPLETED")
    ahead_ended_s = ahead["output"]["began_s"] + ahead["output"]["took_ms"] / 1000
    assert behind["output"]["began_s"] - ahead_ended_s < 60


async def test_a_job_that_fails_does_not_hold_up_the_one_behind_it_and_is_told_as_ever(one: Site) -> None:
    sent = [await one.submit(fail="Job processing failed"), await one.submit(**{"raise": "no such model"})]
    behind = await one.ended(await one.submit())
    refused, raised = [await one.ended(job_id) for job_id in sent]
    assert [job["status"] for job in (refused, raised, behind)] == ["FAILED", "FAILED", "COMPLETED"]
    assert refused["error"] == "Job processing failed"
    assert refused["output"]["details"] == ["node 20"]
    assert refused["output"].keys() == {"details", "assetmill_worker"}
    told = json.loads(raised["error"])
    assert (told["error_type"], told["error_message"]) == ("<class 'ValueError'>", "no such model")
    assert "output" not in raised


async def test_a_worker_that_is_told_to_end_finishes_what_it_holds(one: Site) -> None:
    held = await one.submit(seconds=3.0), await one.submit(seconds=0.2)
    await one.begun(held[1])
    worker = one.workers["ahead-1"]
    worker.send_signal(signal.SIGTERM)
    assert [(await one.ended(job_id))["status"] for job_id in held] == ["COMPLETED", "COMPLETED"]
    assert await asyncio.to_thread(worker.wait, 60) == 0


async def test_idle_workers_share_jobs_and_one_that_dies_with_two_loses_neither(tmp_path: Path) -> None:
    async with site(tmp_path, "ahead-2", "ahead-3", worker_silence_s=6.0) as two:
        await two.both_ask()
        first = [await two.submit(seconds=12.0) for _ in range(2)]
        await two.taken(*first)
        rest = [await two.submit(seconds=0.5) for _ in range(2)]
        await two.taken(*rest)
        kill(two.workers["ahead-2"])
        jobs = [await two.ended(job_id) for job_id in (*first, *rest)]
        assert {job["status"] for job in jobs} == {"COMPLETED"}
        assert {job["workerId"] for job in jobs} == {"ahead-3"}
        assert two.pod.counts().retried == 2
    assert "job-take-batch" not in (tmp_path / "ahead-2.log").read_text(encoding="utf-8")


async def test_the_pause_between_two_jobs_is_gone() -> None:
    """A short form of `make bench`, whose limits are 0.8 s and 0.15 s for jobs of 2 s."""
    command = [sys.executable, str(ROOT / "bench" / "prefetch_gap.py"), "--jobs", "4", "--seconds", "1", "--json"]
    limits = ["--least", "0.5", "--most", "0.4"]
    run = partial(subprocess.run, capture_output=True, text=True, check=False)
    done = await asyncio.to_thread(run, [*command, *limits])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["stock"]["noted"] is None
    assert told["prefetching"]["noted"] == pytest.approx(told["prefetching"]["ran"], abs=0.2)
