"""The pause of a worker between two jobs: the stock RunPod SDK against runpod-worker/start_prefetching.py.

    python bench/prefetch_gap.py [--jobs 12] [--seconds 2] [--json]

One local endpoint after the other with one official-SDK worker process and a queue that is never empty. The pause is
what the handler itself measures: from the end of one job to the beginning of the next. Exit code 1 unless the mean is
at least 0.8 s for the stock SDK and at most 0.15 s with the start file (`--least`, `--most`), or if two jobs ever ran
at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from assetmill.localpod import Pod, PodConfig, running_pod
from assetmill.localpod.remote import worker_environment

ROOT = Path(__file__).resolve().parent.parent
HANDLER = ROOT / "tests" / "fixtures" / "sdk_worker.py"
START_FILE = ROOT / "runpod-worker" / "start_prefetching.py"
WAYS = {"stock": [str(HANDLER), "plain"], "prefetching": [str(START_FILE), str(HANDLER), "plain"]}
KEY = "made-up-key-of-a-benchmark"


@dataclass(frozen=True)
class Measured:
    """One worker's jobs, in their order; seconds.

    Args:
        gaps: from the end of each job to the beginning of the next, by the handler's clock.
        ran: what the handler took for all of them.
        told: what the endpoint calls their execution.
        noted: what the answers say that the handler took; None where one says nothing.
    """

    gaps: list[float]
    ran: float
    told: float
    noted: float | None

    @property
    def mean_gap(self) -> float:
        """Mean pause between two jobs."""
        return sum(self.gaps) / len(self.gaps)


def main() -> int:
    """Measure both ways, print the figures and hold them against the limits."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--least", type=float, default=0.8, help="mean pause of the stock SDK, at least")
    parser.add_argument("--most", type=float, default=0.15, help="mean pause with the start file, at most")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    options = parser.parse_args()
    found = {way: asyncio.run(measure(command, options)) for way, command in WAYS.items()}
    if options.json:
        print(json.dumps({way: vars(one) | {"mean_gap": one.mean_gap} for way, one in found.items()}))
    else:
        tell(found, options)
    alone = min(gap for one in found.values() for gap in one.gaps) >= 0
    kept = found["stock"].mean_gap >= options.least and found["prefetching"].mean_gap <= options.most
    return 0 if alone and kept else 1


async def measure(command: list[str], options: argparse.Namespace) -> Measured:
    """Let one worker process do all jobs."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with endpoint() as (pod, client):
            with worker(pod, command, Path(folder)):
                first = await submit(client, 0.0)  # the worker is up and warm when it has ended
                await ended(client, first)
                ids = [await submit(client, options.seconds) for _ in range(options.jobs)]
                jobs = await asyncio.gather(*(ended(client, job_id) for job_id in ids))
    return figures(list(jobs))


def figures(jobs: list[dict[str, Any]]) -> Measured:
    """What the handler and the endpoint said of the jobs."""
    spans = sorted((job["output"]["began_s"], job["output"]["took_ms"] / 1000) for job in jobs)
    notes = [job["output"].get("assetmill_worker", {}).get("handler_ms") for job in jobs]
    return Measured(
        gaps=[later - (began + took) for (began, took), (later, _) in pairwise(spans)],
        ran=sum(took for _, took in spans),
        told=sum(job["executionTime"] for job in jobs) / 1000,
        noted=None if None in notes else sum(notes) / 1000,
    )


def tell(found: dict[str, Measured], options: argparse.Namespace) -> None:
    """Print the figures as words."""
    print(
        f"{options.jobs} jobs of {options.seconds:g} s on one worker of runpod {version('runpod')}, queue never empty"
    )
    for way, one in found.items():
        words = "" if one.noted is None else f", the answers say {one.noted:.1f} s"
        print(f"{way:12} pause per job {one.mean_gap:.3f} s (from {min(one.gaps):.3f} to {max(one.gaps):.3f} s)")
        print(f"{'':12} handler {one.ran:.1f} s, executionTime adds up to {one.told:.1f} s{words}")
    print(f"limits       stock at least {options.least:g} s, prefetching at most {options.most:g} s")


@asynccontextmanager
async def endpoint() -> AsyncIterator[tuple[Pod, httpx.AsyncClient]]:
    """A local endpoint that draws nothing itself, and a client of it."""
    config = PodConfig(endpoint_id="local", api_key=KEY, remote_workers=True, workers=1)
    async with running_pod(config) as pod:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=pod.url, headers=headers, timeout=90, trust_env=False) as client:
            yield pod, client


@contextmanager
def worker(pod: Pod, command: list[str], folder: Path) -> Iterator[None]:
    """A worker process on the official SDK, ended with its heartbeat process."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "RUNPOD_AI_API_KEY": KEY}
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *command],
            env={**variables, **worker_environment(pod.url, "bench-1")},
            stdout=log, stderr=log, cwd=folder, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its own group: the heartbeat process outlives its parent
        process.wait()


async def submit(client: httpx.AsyncClient, seconds: float) -> str:
    """Send one job."""
    answer = await client.post("run", json={"input": {"seconds": seconds}})
    return str(answer.json()["id"])


async def ended(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    """A job, once it has completed."""
    while True:
        job: dict[str, Any] = (await client.get(f"status-sync/{job_id}?wait=60000")).json()
        if job["status"] == "COMPLETED":
            return job
        if job["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
            raise SystemExit(f"job {job_id} is {job['status']}: {job.get('error')}")


if __name__ == "__main__":
    sys.exit(main())
