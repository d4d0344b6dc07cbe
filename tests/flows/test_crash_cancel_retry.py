"""A worker's runs that are cancelled, killed and retried in Prefect: nothing is paid twice, and nothing is lost.

The endpoint stands in this process and counts what it executes; its workers hold their jobs until they are let go.
What takes a worker of Prefect takes minutes: `make crash` runs it. The rules below it are proven in every run of the
suite by tests/assetmill/batch, tests/chaos and tests/flows/test_settle_open.py.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import io
import os
import signal
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prefect import Flow, Task

from assetmill.batch.sharing import limit_name
from assetmill.localpod import PodConfig, running_pod
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings

ROOT = Path(__file__).parents[2]
KEY = "made-up-key"
SKIES = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
assets:
  - {id: dawn, type: background, prompt: a dawn, size: 128x128}
  - {id: noon, type: background, prompt: a noon, size: 128x128}
  - {id: dusk, type: background, prompt: a dusk, size: 128x128}
"""
LONG = pytest.mark.skipif(os.environ.get("CRASH_PROOF") != "all", reason="takes minutes: make crash")
pytestmark = pytest.mark.timeout(1200)  # a worker and its runs start Prefect several times


@dataclass
class Artist:
    """Draws skies. It makes as many as it is allowed to, and holds the next."""

    allowed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    executed: list[str] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        self.executed.append(str(job_input["assetmill_attempt"]))
        self.begun.release()
        assert self.allowed.acquire(timeout=300)
        nodes = job_input["workflow"].values()
        prefixes = [node["inputs"]["filename_prefix"] for node in nodes if node["class_type"] == "SaveImage"]
        buffer = io.BytesIO()
        Image.linear_gradient("L").resize((128, 128)).convert("RGB").save(buffer, "PNG")
        data = base64.b64encode(buffer.getvalue()).decode()
        return {"images": [{"filename": f"{name}_00001_.png", "type": "base64", "data": data} for name in prefixes]}

    async def begins(self) -> None:
        """Wait until it has begun one more."""
        assert await asyncio.to_thread(self.begun.acquire, timeout=300)


@dataclass
class Studio:
    """A worker's folder, an endpoint that draws for it, and a server."""

    folder: Path
    url: str
    artist: Artist
    deployed: Any

    def start(self, **parameters: Any) -> str:
        return str(self.deployed.start("generate-batch", manifest="tiny.yaml", endpoint=self.url, **parameters))

    def becomes(self, flow_run_id: str, kind: str, name: str) -> None:
        """As a button of the UI does it."""
        body = {"state": {"type": kind, "name": name}, "force": True}
        assert self.deployed.api.send(f"/flow_runs/{flow_run_id}/set_state", body)["status"] == "ACCEPT"

    async def ended(self, flow_run_id: str, worker: Any) -> dict[str, Any]:
        return dict(await asyncio.to_thread(self.deployed.ended, flow_run_id, worker))

    async def is_running_again(self, flow_run_id: str, worker: Any, count: int) -> None:
        def again(run: dict[str, Any]) -> bool:
            return bool(run["run_count"] >= count)

        await asyncio.to_thread(self.deployed.until, flow_run_id, again, worker)

    def books(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.folder / 'out/ledger.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def statuses(self) -> list[str]:
        return sorted(status for (status,) in self.books("select status from attempts"))

    def process_of(self, flow_run_id: str) -> int:
        """Process id of a flow run, as the worker has told it: host:pid."""
        return int(self.deployed.flow_run(flow_run_id)["infrastructure_pid"].rpartition(":")[2])

    def task_states(self, flow_run_id: str) -> set[str]:
        body = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "limit": 200}
        return {row["state_type"] for row in self.deployed.api.read("/task_runs/filter", body)}


@pytest.fixture
async def studio(deployed, tmp_path) -> AsyncIterator[Studio]:
    folder, artist = tmp_path / "studio", Artist()
    folder.mkdir()
    (folder / "tiny.yaml").write_text(SKIES)
    (folder / ".env").write_text(
        f"ASSETMILL_SERVE_KEY={KEY}\nASSETMILL_MAX_WORKERS=1\nASSETMILL_LEASE_S=3\nASSETMILL_LOOK_FOR_S=0\n"
    )
    async with running_pod(PodConfig(endpoint_id="gpu", api_key=KEY, workers=1), artist) as pod:
        try:
            endpoint = resolve_endpoint(Settings(_env_file=None, ASSETMILL_SERVE_KEY=KEY), pod.url)
            deployed.api.limit(limit_name(endpoint), 2)
            yield Studio(folder, pod.url, artist, deployed)
        finally:
            artist.allowed.release(100)


@LONG
async def test_a_cancelled_run_collects_what_is_out_and_its_retry_pays_for_the_rest_only(studio, process_worker):
    with process_worker(studio.folder) as worker:
        run = studio.start()
        await canary_and_one_more(studio)
        studio.becomes(run, "CANCELLING", "Cancelling")
        studio.artist.allowed.release(2)
        cancelled = await studio.ended(run, worker)
        assert cancelled["state"]["name"] == "Cancelled", worker.words()
        out = len(studio.artist.executed)
        assert out in (2, 3), "one ran, and at most one waited"
        assert studio.statuses() == ["kept"] * out, worker.words()
        assert studio.task_states(run) == {"COMPLETED"}

        studio.artist.allowed.release(10)
        studio.becomes(run, "SCHEDULED", "AwaitingRetry")
        await studio.is_running_again(run, worker, 2)
        retried = await studio.ended(run, worker)
    assert retried["state"]["name"] == "Completed", worker.words()
    assert f"{out} cached" in retried["state"]["message"]
    assert studio.statuses() == ["kept"] * 3
    assert len(studio.artist.executed) == 3, "nothing was made twice"


async def canary_and_one_more(studio: Studio) -> None:
    """The first picture is made and the second is begun."""
    await studio.artist.begins()
    studio.artist.allowed.release()
    await studio.artist.begins()


async def settled_and_retried(studio: Studio, run: str, worker: Any) -> None:
    """What a dead run has left is settled by the next settle-open, and its retry pays for the rest only."""
    studio.artist.allowed.release(10)
    settled = await studio.ended(studio.deployed.start("settle-open"), worker)
    assert settled["state"]["name"] == "Completed", worker.words()
    assert "0 still open" in settled["state"]["message"], studio.statuses()
    assert studio.statuses() == ["kept"] * len(studio.artist.executed)
    studio.becomes(run, "SCHEDULED", "AwaitingRetry")
    await studio.is_running_again(run, worker, 2)
    retried = await studio.ended(run, worker)
    assert retried["state"]["name"] == "Completed", worker.words()
    assert studio.statuses() == ["kept"] * 3
    assert len(studio.artist.executed) == 3, "nothing was made twice"


@LONG
async def test_a_run_that_is_killed_is_crashed_and_settled_and_its_retry_under_the_same_name_pays_nothing_twice(
    studio, process_worker
):
    with process_worker(studio.folder) as worker:
        run = studio.start(run_id="night")
        await canary_and_one_more(studio)
        os.kill(studio.process_of(run), signal.SIGKILL)
        crashed = await studio.ended(run, worker)
        assert crashed["state"]["name"] == "Crashed", worker.words()
        await settled_and_retried(studio, run, worker)
    runs = studio.books("select run_id, state from runs order by started_at")
    assert [state for _, state in runs] == ["running", "finished"]
    assert [run_id[:5] for run_id, _ in runs] == ["night"] * 2


@LONG
async def test_a_run_that_dies_with_its_worker_is_marked_by_its_heartbeats_and_another_worker_goes_on(
    studio, process_worker
):
    with process_worker(studio.folder, name="dies") as worker:
        run = studio.start()
        await canary_and_one_more(studio)
        process = studio.process_of(run)
        os.kill(worker.process.pid, signal.SIGKILL)
        os.kill(process, signal.SIGKILL)
    assert studio.deployed.flow_run(run)["state"]["name"] == "Running", "nobody is left to say what became of it"
    crashed = await studio.ended(run, None)
    assert "no heartbeat for 90 s" in crashed["state"]["message"]
    with process_worker(studio.folder, name="goes-on") as worker:
        await settled_and_retried(studio, run, worker)
    assert "RUNNING" not in studio.task_states(run)


def everything_that_prefect_runs() -> Iterator[Any]:
    """Each flow and task of ours."""
    for room in ("flows", "tasks"):
        for path in sorted((ROOT / room).glob("*.py")):
            module = importlib.import_module(f"{room}.{path.stem}")
            yield from (one for one in vars(module).values() if isinstance(one, Flow | Task))


def test_no_flow_and_no_task_retries_by_itself():
    """A blind retry of a paid request is a second bill."""
    found = {one.name: one for one in everything_that_prefect_runs()}
    assert {"generate-batch", "settle-open", "generate asset", "settle attempts"} <= set(found)
    assert {name: one.retries for name, one in found.items() if one.retries} == {}
