"""The flow that settles alone: a Prefect flow run with a sentence, for jobs that a killed run has left."""

from __future__ import annotations

import asyncio
import base64
import io
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from PIL import Image

from assetmill.localpod import PodConfig, running_pod

ROOT = Path(__file__).parents[2]
ENDPOINT, KEY = "gpu", "made-up-key"
SKIES = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
assets:
  - {id: dawn, type: background, prompt: a dawn, size: 128x128}
  - {id: dusk, type: background, prompt: a dusk, size: 128x128}
"""
FLOW = """
import asyncio, json, sys
from flows.settle_open import settle_open
state = asyncio.run(settle_open(**json.loads(sys.argv[1]), return_state=True))
print(state.message)
"""
pytestmark = pytest.mark.timeout(600)  # each run starts Prefect, which takes its time on a slow machine


def worker(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    saves = [n["inputs"]["filename_prefix"] for n in job_input["workflow"].values() if n["class_type"] == "SaveImage"]
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((128, 128)).convert("RGB").save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return {"images": [{"filename": f"{prefix}_00001_.png", "type": "base64", "data": data} for prefix in saves]}


@pytest.fixture
def books(tmp_path) -> Iterator[sqlite3.Connection]:
    """The ledger's file, behind the program's back."""
    (tmp_path / "out").mkdir()
    with closing(sqlite3.connect(tmp_path / "out" / "ledger.db", isolation_level=None)) as connection:
        yield connection


def cut_off(books: sqlite3.Connection, folder: Path) -> None:
    """Make settled attempts look like those of a run that was killed after sending."""
    books.execute("delete from finishes")
    books.execute("update attempts set status = 'submitted', settled_at = null, owner = null")
    for receipt in (folder / "out" / "store" / "private" / "receipts").rglob("*.json"):
        receipt.unlink()


def count_jobs_at(api: Any, pod_url: str) -> None:
    host, endpoint_id = httpx.URL(pod_url).netloc.decode(), pod_url.rpartition("/")[2]
    api.limit(f"endpoint-{endpoint_id}@{host}", 6)


async def settle_in_prefect(terminal: Any, api_url: str, parameters: str = "{}", **variables: str) -> str:
    """Run the flow as a worker of Prefect does, in a process of its own; what its final state says."""
    environment = terminal.environment | {"PREFECT_API_URL": api_url, "PREFECT_HOME": str(terminal.folder / "prefect")}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-P", "-c", FLOW, parameters], cwd=terminal.folder,
        env=environment | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


async def last_run(api: Any) -> dict[str, Any]:
    ended_here = {"deployment_id": {"is_null_": True}, "state": {"type": {"any_": ["COMPLETED"]}}}  # none of a schedule
    body = {
        "sort": "END_TIME_DESC", "limit": 1, "flow_runs": ended_here, "flows": {"name": {"any_": ["settle-open"]}},
    }  # fmt: skip
    return dict((await asyncio.to_thread(api.read, "/flow_runs/filter", body))[0])


async def test_the_flow_collects_what_a_killed_run_has_left_and_says_so(terminal, api, books, tmp_path):
    executed: list[str] = []

    def counted(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        executed.append(str(job_input["assetmill_attempt"]))
        return worker(job_input)

    async with running_pod(PodConfig(endpoint_id=ENDPOINT, api_key=KEY, workers=2), counted) as pod:
        await asyncio.to_thread(count_jobs_at, api, pod.url)
        name, key = terminal.manifest(SKIES), {"ASSETMILL_SERVE_KEY": KEY, "ASSETMILL_LOOK_FOR_S": "0"}
        run = ("run", name, "--endpoint", pod.url, "--yes", "--json")
        first = await asyncio.to_thread(terminal, *run, PREFECT_API_URL=api.url, **key)
        assert first.code == 0, first.err
        cut_off(books, tmp_path)
        sentence = await settle_in_prefect(terminal, api.url, '{"game": "another"}', **key)
        assert sentence == "0 settled, 0 still open, 0 looked after by others"
        sentence = await settle_in_prefect(terminal, api.url, **key)
        assert sentence == "2 settled, 0 still open, 0 looked after by others"
        shown = await last_run(api)
        assert (shown["state"]["name"], shown["state"]["message"]) == ("Completed", sentence)
        assert {status for (status,) in books.execute("select status from attempts")} == {"kept"}
        again = await asyncio.to_thread(terminal, *run, PREFECT_API_URL=api.url, **key)
        assert (again.code, again.document["generated"], again.document["refinished"]) == (0, 0, 2)
        assert len(executed) == 2


async def test_what_cannot_be_settled_is_in_the_log_of_the_flow_run(terminal, api, books, tmp_path):
    async with running_pod(PodConfig(endpoint_id=ENDPOINT, api_key=KEY), worker) as pod:
        await asyncio.to_thread(count_jobs_at, api, pod.url)
        name, key = terminal.manifest(SKIES), {"ASSETMILL_SERVE_KEY": KEY, "ASSETMILL_LOOK_FOR_S": "0"}
        run = ("run", name, "--endpoint", pod.url, "--yes", "--only", "dawn")
        assert (await asyncio.to_thread(terminal, *run, PREFECT_API_URL=api.url, **key)).code == 0
    cut_off(books, tmp_path)
    sentence = await settle_in_prefect(terminal, api.url, **key)
    assert sentence == "0 settled, 1 still open, 0 looked after by others"
    shown = await last_run(api)
    logs = {"logs": {"flow_run_id": {"any_": [shown["id"]]}}, "limit": 200}
    lines = [row["message"] for row in await asyncio.to_thread(api.read, "/logs/filter", logs)]
    assert any("stays open: " in line and "the endpoint cannot be reached" in line for line in lines), lines


def test_it_is_deployed_to_run_before_results_expire():
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    own = [one for one in deployed if one["entrypoint"].endswith(":settle_open")]
    intervals = [schedule["interval"] for one in own for schedule in one["schedules"]]
    assert intervals == [600], "results live 30 minutes: it may fail twice and still be in time"
