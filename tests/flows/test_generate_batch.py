"""The flow as a user meets it: through the program, against a real Prefect server."""

from __future__ import annotations

import base64
import importlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

from assetmill.batch.report import BatchReport
from assetmill.cli.prefect_server import prefect_api

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)  # each run starts Prefect, which takes its time on a slow machine


def task_runs(api: Any, flow_run_id: str) -> list[dict]:
    body = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "limit": 200}
    return list(api.read("/task_runs/filter", body))


def last_flow_run(api: Any) -> dict:
    by_hand = {"deployment_id": {"is_null_": True}}  # none of a schedule: those to come are the last of all
    body = {"sort": "START_TIME_DESC", "limit": 1, "flow_runs": by_hand}
    return dict(api.read("/flow_runs/filter", body)[0])


def artifacts(api: Any, flow_run_id: str) -> dict[str, dict]:
    body = {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}, "limit": 50}
    return {row["key"]: row for row in api.read("/artifacts/filter", body)}


def test_each_generated_picture_is_a_task_run_with_a_final_state_and_cached_ones_are_none(terminal, api):
    manifest = terminal.manifest()
    first = terminal("run", manifest, "--json", PREFECT_API_URL=api.url)
    assert first.code == 0, first.err
    assert (first.document["generated"], first.document["cached"]) == (2, 0)
    run = last_flow_run(api)
    assert run["state"]["name"] == "Completed"
    assert run["state"]["message"].startswith("2 kept; $0.00; ")
    assert run["name"] == "Tiny: 2 to make"
    assert set(run["tags"]) == {"game:tiny", "provider:draft", "type:entity"}
    made = task_runs(api, run["id"])
    assert {row["name"] for row in made} == {"entity/slime", "entity/crate", "publish tiny"}
    assert {row["state_type"] for row in made} == {"COMPLETED"}
    shown = artifacts(api, run["id"])
    assert {key: row["type"] for key, row in shown.items()} == {
        "progress-tiny": "progress", "plan-tiny": "markdown", "assets-tiny": "table", "contact-sheet-tiny": "markdown",
        "places-tiny": "markdown",
    }  # fmt: skip
    assert shown["progress-tiny"]["data"] == 100.0
    assert shown["progress-tiny"]["description"] == f"Tiny: {run['state']['message']}"
    table = json.loads(shown["assets-tiny"]["data"])
    assert [(row["asset"], row["type"], row["planned"], row["state"]) for row in table] == [
        ("slime", "entity", "new", "kept"), ("crate", "entity", "new", "kept"),
    ]  # fmt: skip
    assert_shows_what_is_stored(shown, terminal.folder / "out" / "store", first.document)
    logged = "\n".join(row["message"] for row in logs(api, run["id"]))
    assert all(logged.count(row["job"]) == 1 for row in table), "one line for the end of each picture, with its job"

    second = terminal("run", manifest, "--json", PREFECT_API_URL=api.url)
    assert (second.code, second.document["generated"], second.document["cached"]) == (0, 0, 2)
    assert last_flow_run(api)["name"] == "Tiny: 0 to make, 2 cached"
    again = task_runs(api, last_flow_run(api)["id"])
    assert [row["name"] for row in again] == ["publish tiny"]

    finer = terminal("run", manifest, "--json", "--set", "post.colors=8", PREFECT_API_URL=api.url)
    assert (finer.document["generated"], finer.document["refinished"]) == (0, 2)
    names = {row["name"] for row in task_runs(api, last_flow_run(api)["id"])}
    assert names == {"refinish 2 pictures", "publish tiny"}


def assert_shows_what_is_stored(shown: dict[str, dict], store: Path, report: dict) -> None:
    """No browser opens a file of ours: pages are named by their paths, the contact sheet is there itself."""
    stem = f"packs/tiny/gallery/{report['run_id']}"
    sheet = base64.b64encode((store / f"{stem}.jpg").read_bytes()).decode()
    assert shown["contact-sheet-tiny"]["data"] == f"![contact sheet](data:image/jpeg;base64,{sheet})"
    assert len(sheet) < 300_000
    places = shown["places-tiny"]["data"]
    named = [Path(line.split("`")[1]) for line in places.splitlines() if "`" in line]
    assert [path.relative_to(store).as_posix() for path in named] == [
        f"{stem}.html", "packs/tiny/draft/latest.json", f"{stem}.json",
    ]  # fmt: skip
    assert all(path.is_file() for path in named)
    assert json.loads((store / f"{stem}.json").read_text()) == report


def logs(api: Any, flow_run_id: str) -> list[dict]:
    body = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}, "limit": 200}
    return list(api.read("/logs/filter", body))


def test_failures_are_parted_from_successes_and_the_state_says_so(terminal, api):
    parallax = "  - {id: hills, type: parallax, prompt: hills, layer_count: 3, workflow: txt2img}\n"
    empty = "  - {id: ghost, type: entity, prompt: a ghost, silhouette: {canvas: 64x64}}\n"
    text = Path(terminal.folder / terminal.manifest()).read_text() + parallax + empty
    text = text.replace("assets:", "qa: {max_coverage: 0.05}\nassets:")
    result = terminal("run", terminal.manifest(text), "--json", PREFECT_API_URL=api.url)
    assert result.code == 1
    states = {line["asset"]: line["state"] for line in result.document["failures"]}
    assert states["hills"] == "blocked"
    run = last_flow_run(api)
    ending = {"with_failures": "CompletedWithFailures", "failed": "Failed"}
    assert run["state"]["name"] == ending[BatchReport.model_validate(result.document).ending]
    assert "1 blocked; $0.00; " in run["state"]["message"]
    first_rows = json.loads(artifacts(api, run["id"])["assets-tiny"]["data"])
    reasons = {row["asset"]: (row["state"], row["reason"]) for row in first_rows if row["state"] != "kept"}
    assert set(reasons) == set(states), "those that are missing, each with its reason"
    assert reasons["hills"] == ("blocked", "workflow txt2img does not make far, mid, near, which parallax needs")
    rows = {row["name"]: row["state_type"] for row in task_runs(api, run["id"])}
    assert "parallax/hills" not in rows
    assert all(rows[f"entity/{asset}"] == "FAILED" for asset, state in states.items() if state == "rejected")


def starts_a_server(home: Path, api_of: Any) -> bool:
    with prefect_api(home, None) as url:
        return api_of(url).read("/health") is True


def test_without_a_configured_server_every_task_run_is_final_in_our_own_afterwards(terminal, api_of):
    nowhere = "http://127.0.0.1:9"  # a company's proxy has no business between us and our own servers
    proxy = {"HTTP_PROXY": nowhere, "http_proxy": nowhere, "NO_PROXY": "", "no_proxy": ""}
    with ThreadPoolExecutor(1) as thread:  # a second server starts at the same time, over the same data
        second = thread.submit(starts_a_server, terminal.folder / "out", api_of)
        result = terminal("run", terminal.manifest(), "--json", **proxy)
        assert second.result()
    assert result.code == 0, result.err
    database = terminal.folder / "out" / "prefect" / "prefect.db"
    with sqlite3.connect(database) as connection:
        states = connection.execute("select name, state_type from task_run").fetchall()
    assert sorted(states) == [
        ("entity/crate", "COMPLETED"),
        ("entity/slime", "COMPLETED"),
        ("publish tiny", "COMPLETED"),
    ]


@contextmanager
def running(terminal, api_url, draft_seconds: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has sent its first job and waits for it."""
    command = [sys.executable, "-P", "-m", "assetmill.cli", "run", terminal.manifest()]
    environment = terminal.environment | {"PREFECT_API_URL": api_url, "ASSETMILL_DRAFT_SECONDS": draft_seconds}
    with subprocess.Popen(command, cwd=terminal.folder, env=environment, stderr=subprocess.PIPE, text=True) as run:
        sends(run, terminal.folder)
        yield run


def sends(program: subprocess.Popen[str], folder: Path) -> None:
    """Wait until its first job is sent; without spinning, which would take from it the processor that it needs."""
    while attempts(folder) != ["submitted"]:
        with suppress(subprocess.TimeoutExpired):
            program.wait(0.1)
            raise AssertionError("it ended before its first job was sent")


def test_the_first_request_to_end_sends_nothing_more_and_collects_what_is_out(terminal, api):
    with running(terminal, api.url, "4") as run:
        run.send_signal(signal.SIGTERM)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert attempts(terminal.folder) == ["kept"], said
    state = last_flow_run(api)["state"]
    assert (state["type"], state["name"]) == ("CANCELLED", "Cancelled")
    assert "1 kept, 1 not sent; $0.00; " in state["message"]
    again = terminal("run", "tiny.yaml", "--json", PREFECT_API_URL=api.url)
    assert (again.code, again.document["generated"], again.document["cached"]) == (0, 1, 1), again.err


def test_the_second_request_to_end_waits_for_nothing_and_loses_nothing(terminal, api):
    with running(terminal, api.url, "60") as run:
        run.send_signal(signal.SIGINT)
        while "nothing more is sent" not in run.stderr.readline():
            assert run.poll() is None, "it did not wait for its job"
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert attempts(terminal.folder) == ["submitted"]
    again = terminal("run", "tiny.yaml", "--json", PREFECT_API_URL=api.url)
    assert (again.code, again.document["generated"]) == (0, 2), again.err
    assert sorted(attempts(terminal.folder)) == ["kept", "kept", "lost"], "a draft ends with its run"


def test_a_run_that_is_cancelled_in_prefect_collects_what_is_out(terminal, api):
    with running(terminal, api.url, "10") as run:
        flow_run = last_flow_run(api)["id"]
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
        api.send(f"/flow_runs/{flow_run}/set_state", body)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert attempts(terminal.folder) == ["kept"]
    assert last_flow_run(api)["state"]["type"] == "CANCELLED"


PROGRAM = """
import asyncio, json, sys
from prefect import flow
from flows.generate_batch import generate_batch

@flow(name="outer")
async def outer(**parameters):
    return await generate_batch(**parameters, return_state=True)

async def main(calls):
    for nested, parameters in calls:
        state = await (outer if nested else generate_batch)(**parameters, return_state=True)
        print(json.dumps([state.type, state.name, state.message]), flush=True)

asyncio.run(main(json.loads(sys.argv[1])))
"""


def program(terminal, api_url, *calls: tuple[bool, dict], **variables: str) -> subprocess.Popen[str]:
    """Flow runs one after the other in a program of their own, each alone or inside of another; says how each ended."""
    environment = terminal.environment | {
        "PREFECT_API_URL": api_url, "PREFECT_LOGGING_TO_API_ENABLED": "true", "PYTHONPATH": str(ROOT), **variables,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, json.dumps(calls)],
        cwd=terminal.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_dry_run_sends_nothing_and_what_is_over_budget_or_wrong_is_refused_in_words(terminal, api):
    name = terminal.manifest()
    gone = "http://127.0.0.1:9/v2/gone"  # nobody is there: whoever asked it would fail otherwise
    api.limit("endpoint-gone@127.0.0.1:9", 1)
    (terminal.folder / "out" / "store" / "art").mkdir(parents=True)
    (terminal.folder / "out" / "store" / "art" / "tiny.yaml").write_text((terminal.folder / name).read_text())
    calls = (
        (False, {"manifest": "store:art/tiny.yaml", "provider": "draft", "endpoint": gone, "dry_run": True,
                 "budget_usd": 0.5}),
        (False, {"manifest": name, "endpoint": gone, "budget_usd": 0.5}),
        (False, {"manifest": "nowhere.yaml"}),
    )  # fmt: skip
    with program(terminal, api.url, *calls, RUNPOD_API_KEY="made-up-key") as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    dry, refused, wrong = (json.loads(line) for line in out.splitlines())
    assert dry == ["COMPLETED", "Completed", "dry run: 2 to make; cost unknown"]
    assert refused[:2] == wrong[:2] == ["FAILED", "Failed"]
    assert refused[2].startswith("nobody knows what a job costs, and there is the run's budget of $0.5000; nothing was")
    assert "1 problem in nowhere.yaml" in wrong[2]
    assert attempts(terminal.folder) == []
    body = {"flow_runs": {"name": {"any_": ["Tiny: dry run, 2 to make"]}}}
    (run,) = api.read("/flow_runs/filter", body)
    shown = artifacts(api, run["id"])
    assert {key: row["type"] for key, row in shown.items()} == {"plan-tiny": "markdown", "plan-table-tiny": "table"}
    assert "nobody knows what a job costs, and there is the run's budget of $0.5000" in shown["plan-tiny"]["data"]
    assert [row["planned"] for row in json.loads(shown["plan-table-tiny"]["data"])] == ["new", "new"]


def test_a_run_inside_of_another_ends_when_that_one_is_cancelled(terminal, api):
    call = (True, {"manifest": terminal.manifest(), "provider": "draft", "run_id": "night"})
    with program(terminal, api.url, call, ASSETMILL_DRAFT_SECONDS="12") as process:
        sends(process, terminal.folder)
        body = {"flows": {"name": {"any_": ["outer"]}}}
        (outer,) = api.read("/flow_runs/filter", body)
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
        api.send(f"/flow_runs/{outer['id']}/set_state", state)
        out, err = process.communicate()
    assert json.loads(out)[0] == "CANCELLED", err
    assert attempts(terminal.folder) == ["kept"], "what was out is collected, and nothing more was sent"


def test_the_run_form_explains_each_field_and_bounds_what_can_be_bounded(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    schema = parameter_schema(importlib.import_module("flows.generate_batch").generate_batch.fn).model_dump()
    fields = schema["properties"]
    assert list(fields) == [
        "manifest", "provider", "endpoint", "only", "types", "budget_usd", "priority", "scale", "dry_run", "overrides",
        "run_id", "source",
    ]  # fmt: skip
    assert all(len(field["description"]) > 20 for field in fields.values())
    assert schema["required"] == ["manifest"]
    assert fields["provider"]["anyOf"][0]["enum"] == ["draft", "runpod", "custom", "scenario", "comfyui"]
    assert fields["priority"]["enum"] == ["urgent", "normal", "backfill"]
    assert fields["scale"]["anyOf"][0]["enum"] == ["keep", "restore", "around"]
    assert fields["budget_usd"]["anyOf"][0] == {"type": "number", "minimum": 0}


def attempts(folder: Path) -> list[str]:
    """Statuses in the results table; none while there is no table yet."""
    try:
        with sqlite3.connect(f"file:{folder / 'out' / 'ledger.db'}?mode=ro", uri=True) as connection:
            return [row[0] for row in connection.execute("select status from attempts")]
    except sqlite3.OperationalError:
        return []
