"""The flow as a user meets it: through the program, against a real Prefect server."""

from __future__ import annotations

import importlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)  # each run starts Prefect, which takes its time on a slow machine


def task_runs(api_url: str, flow_run_id: str) -> list[dict]:
    body = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "limit": 200}
    return httpx.post(f"{api_url}/task_runs/filter", json=body).json()


def last_flow_run(api_url: str) -> dict:
    body = {"sort": "START_TIME_DESC", "limit": 1}
    return httpx.post(f"{api_url}/flow_runs/filter", json=body).json()[0]


def artifacts(api_url: str, flow_run_id: str) -> dict[str, dict]:
    body = {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}, "limit": 50}
    return {row["key"]: row for row in httpx.post(f"{api_url}/artifacts/filter", json=body).json()}


def test_each_generated_picture_is_a_task_run_with_a_final_state_and_cached_ones_are_none(terminal, api_url):
    manifest = terminal.manifest()
    first = terminal("run", manifest, "--json", PREFECT_API_URL=api_url)
    assert first.code == 0, first.err
    assert (first.document["generated"], first.document["cached"]) == (2, 0)
    run = last_flow_run(api_url)
    assert run["state"]["name"] == "Completed"
    assert "2 generated" in run["state"]["message"]
    made = task_runs(api_url, run["id"])
    assert {row["name"] for row in made} == {"entity/slime", "entity/crate", "publish tiny"}
    assert {row["state_type"] for row in made} == {"COMPLETED"}
    shown = artifacts(api_url, run["id"])
    assert {"batch-progress", "batch-assets", "batch-gallery", "batch-pack"} <= set(shown)
    assert shown["batch-progress"]["data"] == 100.0

    second = terminal("run", manifest, "--json", PREFECT_API_URL=api_url)
    assert (second.code, second.document["generated"], second.document["cached"]) == (0, 0, 2)
    again = task_runs(api_url, last_flow_run(api_url)["id"])
    assert [row["name"] for row in again] == ["publish tiny"]

    finer = terminal("run", manifest, "--json", "--set", "post.colors=8", PREFECT_API_URL=api_url)
    assert (finer.document["generated"], finer.document["refinished"]) == (0, 2)
    names = {row["name"] for row in task_runs(api_url, last_flow_run(api_url)["id"])}
    assert names == {"refinish 2 pictures", "publish tiny"}


def test_failures_are_parted_from_successes_and_the_state_says_so(terminal, api_url):
    parallax = "  - {id: hills, type: parallax, prompt: hills, layer_count: 4, method: per_layer}\n"
    empty = "  - {id: ghost, type: entity, prompt: a ghost, silhouette: {canvas: 64x64}}\n"
    text = Path(terminal.folder / terminal.manifest()).read_text() + parallax + empty
    text = text.replace("assets:", "qa: {max_coverage: 0.05}\nassets:")
    result = terminal("run", terminal.manifest(text), "--json", PREFECT_API_URL=api_url)
    assert result.code == 1
    states = {line["asset"]: line["state"] for line in result.document["failures"]}
    assert states["hills"] == "blocked"
    run = last_flow_run(api_url)
    assert run["state"]["name"] in ("CompletedWithFailures", "Failed")
    rows = {row["name"]: row["state_type"] for row in task_runs(api_url, run["id"])}
    assert "parallax/hills" not in rows
    assert all(rows[f"entity/{asset}"] == "FAILED" for asset, state in states.items() if state == "rejected")


def test_without_a_configured_server_every_task_run_is_final_in_our_own_afterwards(terminal):
    nowhere = "http://127.0.0.1:9"  # a company's proxy has no business between us and our own servers
    proxy = {"HTTP_PROXY": nowhere, "http_proxy": nowhere, "NO_PROXY": "", "no_proxy": ""}
    result = terminal("run", terminal.manifest(), "--json", **proxy)
    assert result.code == 0, result.err
    database = terminal.folder / "out" / "prefect" / "prefect.db"
    with sqlite3.connect(database) as connection:
        states = connection.execute("select name, state_type from task_run").fetchall()
    assert sorted(states) == [
        ("entity/crate", "COMPLETED"),
        ("entity/slime", "COMPLETED"),
        ("publish tiny", "COMPLETED"),
    ]


def deployments() -> list[dict]:
    return yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", deployments(), ids=lambda deployment: deployment["name"])
def test_every_deployment_loads_from_its_module_and_takes_its_parameters(deployment, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    module, _, name = deployment["entrypoint"].partition(":")
    assert "/" not in module, "the file form imports the module twice"
    flow = getattr(importlib.import_module(module), name)
    assert sys.modules[module].__file__ == str(ROOT / "flows" / f"{module.split('.')[-1]}.py")
    flow.validate_parameters(deployment["parameters"])
    schema = flow.parameters.model_dump()
    assert all(field.get("description") for field in schema["properties"].values()), "the run form explains each field"


@contextmanager
def running(terminal, api_url, draft_seconds: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has sent its first job and waits for it."""
    command = [sys.executable, "-P", "-m", "assetmill.cli", "run", terminal.manifest()]
    environment = terminal.environment | {"PREFECT_API_URL": api_url, "ASSETMILL_DRAFT_SECONDS": draft_seconds}
    with subprocess.Popen(command, cwd=terminal.folder, env=environment, stderr=subprocess.PIPE, text=True) as run:
        while attempts(terminal.folder) != ["submitted"]:
            assert run.poll() is None, "it ended before its first job was sent"
        yield run


def test_the_first_request_to_end_sends_nothing_more_and_collects_what_is_out(terminal, api_url):
    with running(terminal, api_url, "4") as run:
        run.send_signal(signal.SIGTERM)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert attempts(terminal.folder) == ["kept"], said
    state = last_flow_run(api_url)["state"]
    assert (state["type"], state["name"]) == ("CANCELLED", "Cancelled")
    assert "1 generated" in state["message"]
    again = terminal("run", "tiny.yaml", "--json", PREFECT_API_URL=api_url)
    assert (again.code, again.document["generated"], again.document["cached"]) == (0, 1, 1), again.err


def test_the_second_request_to_end_waits_for_nothing_and_loses_nothing(terminal, api_url):
    with running(terminal, api_url, "60") as run:
        run.send_signal(signal.SIGINT)
        while "nothing more is sent" not in run.stderr.readline():
            assert run.poll() is None, "it did not wait for its job"
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert attempts(terminal.folder) == ["submitted"]
    again = terminal("run", "tiny.yaml", "--json", PREFECT_API_URL=api_url)
    assert (again.code, again.document["generated"]) == (0, 2), again.err
    assert sorted(attempts(terminal.folder)) == ["kept", "kept", "lost"], "a draft ends with its run"


def test_a_run_that_is_cancelled_in_prefect_collects_what_is_out(terminal, api_url):
    with running(terminal, api_url, "10") as run:
        flow_run = last_flow_run(api_url)["id"]
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
        httpx.post(f"{api_url}/flow_runs/{flow_run}/set_state", json=body).raise_for_status()
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert attempts(terminal.folder) == ["kept"]
    assert last_flow_run(api_url)["state"]["type"] == "CANCELLED"


def attempts(folder: Path) -> list[str]:
    """Statuses in the results table; none while there is no table yet."""
    try:
        with sqlite3.connect(f"file:{folder / 'out' / 'ledger.db'}?mode=ro", uri=True) as connection:
            return [row[0] for row in connection.execute("select status from attempts")]
    except sqlite3.OperationalError:
        return []
