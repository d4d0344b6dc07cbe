"""The books of a worker that fetches ahead: the platform counts what a job waited there twice, its rows only once.

One worker is the real thing: RunPod's SDK through `runpod-worker/start_prefetching.py`, whose answers say what the
handler took. The other one says so only every other time, as one whose jobs fail or whose answers are lost; there the
job before tells what the next one waited.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from assetmill.audit.costs import compare_costs
from assetmill.clock import Clock
from assetmill.localpod import Pod, PodConfig, gpus_named, running_pod
from assetmill.localpod.remote import worker_environment
from assetmill.providers.runpod.answers import WORKER_NOTE

KEY = "made-up-key"
JOBS = 5
SECONDS = 1.2
WORKER = Path(__file__).parents[3] / "tests" / "fixtures" / "sdk_comfy_worker.py"
FOES = "".join(
    f"  - {{id: foe{n}, type: entity, prompt: foe number {n}, shape: circle, silhouette: {{canvas: 64x64}}}}\n"
    for n in range(JOBS)
)


@asynccontextmanager
async def real_worker(pod: Pod, folder: Path) -> AsyncIterator[None]:
    """The start file around a handler on the official SDK."""
    own = {"SDK_WORKER_SECONDS": str(SECONDS), "SDK_WORKER_AS_REAL": "1", "RUNPOD_AI_API_KEY": KEY}
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(  # noqa: ASYNC220  it begins at once, and this test has time
            [sys.executable, "-W", "ignore", str(WORKER), "prefetch"],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **own, **worker_environment(pod.url, "ahead")},
            stdout=log, stderr=log, cwd=folder, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@dataclass
class Silent:
    """A worker that fetches ahead and says so in some of its answers, by the bare protocol."""

    pod: Pod
    answer: Any
    tells: bool

    async def work(self) -> None:
        async with httpx.AsyncClient(base_url=self.pod.url, headers={"Authorization": KEY}, timeout=60) as client:
            job = await self._take(client)
            for number in count():
                ahead = asyncio.create_task(self._take(client))
                await Clock().sleep(SECONDS)
                images = self.answer(job["input"]["workflow"])["images"]
                note = {} if number % 2 or not self.tells else {WORKER_NOTE: {"handler_ms": round(SECONDS * 1000)}}
                await client.post(f"job-done/silent/{job['id']}", json={"output": {"images": images, **note}})
                job = await ahead

    async def _take(self, client: httpx.AsyncClient) -> dict[str, Any]:
        while (answer := await client.get("job-take/silent?gpu=local")).status_code != 200:
            pass
        return dict(answer.json())


@asynccontextmanager
async def silent_worker(pod: Pod, answer: Any, *, tells: bool) -> AsyncIterator[None]:
    working = asyncio.create_task(Silent(pod, answer, tells).work())
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@pytest.mark.parametrize("tells", (True, False), ids=("tells", "silent"))
async def test_the_rows_of_a_worker_that_fetches_ahead_are_its_busy_time_once(tmp_path, make_settings, tools, tells):
    config = PodConfig(
        endpoint_id="gpu", api_key=KEY, remote_workers=True, workers=1, gpus=gpus_named(["RTX 4090"]),
        idle_timeout_s=60.0,
    )  # fmt: skip
    clock = Clock(random=Random(3))
    settings = make_settings(ASSETMILL_MAX_WORKERS="1", ASSETMILL_LEASE_S="3600")
    async with running_pod(config, None, clock) as pod:
        studio = tools.studio(tmp_path, tools.artist(), pod, settings)
        worker = real_worker(pod, tmp_path) if tells else silent_worker(pod, tools.answer, tells=True)
        async with worker:
            report = await studio.run(FOES)
        [charge] = pod.charges()
        told_s = sum(one.ended_s - one.started_s for one in pod.executions())
    rows = sorted(studio.rows(), key=lambda row: row["started_at"])
    assert (report.exit_code, len(rows)) == (0, JOBS)
    executed_s = sum(row["execution_ms"] for row in rows) / 1000
    shares_s = executed_s + sum((row["gap_ms"] or 0) + (row["start_ms"] or 0) for row in rows) / 1000
    life_s = (max(row["finished_at"] for row in rows) - charge.started_at).total_seconds()
    assert told_s > executed_s + 1.5, "what the platform calls execution holds the waiting, too"
    assert JOBS * SECONDS - 0.1 <= executed_s <= life_s
    assert shares_s == pytest.approx(life_s, abs=0.5)
    assert [row["cold"] for row in rows] == [True] + [False] * (JOBS - 1)
    assert not list(compare_costs(rows)), "each cost follows from its own row"
    for one, later in pairwise(rows):
        assert later["started_at"] + timedelta(milliseconds=100) >= one["finished_at"], "one at a time"


async def test_of_a_worker_that_never_tells_no_row_is_made_cheaper(tmp_path, make_settings, tools):
    """Its jobs overlap by our clock; that may be the clock's error, so each row keeps all that the endpoint told."""
    config = PodConfig(
        endpoint_id="gpu", api_key=KEY, remote_workers=True, workers=1, gpus=gpus_named(["RTX 4090"]),
        idle_timeout_s=60.0,
    )  # fmt: skip
    settings = make_settings(ASSETMILL_MAX_WORKERS="1", ASSETMILL_LEASE_S="3600")
    async with running_pod(config, None, Clock(random=Random(3))) as pod:
        studio = tools.studio(tmp_path, tools.artist(), pod, settings)
        async with silent_worker(pod, tools.answer, tells=False):
            report = await studio.run(FOES)
        told_s = sum(one.ended_s - one.started_s for one in pod.executions())
    rows = studio.rows()
    assert (report.exit_code, len(rows)) == (0, JOBS)
    assert told_s > JOBS * SECONDS + 1.5, "they do overlap"
    assert sum(row["execution_ms"] for row in rows) / 1000 == pytest.approx(told_s, abs=0.1)
