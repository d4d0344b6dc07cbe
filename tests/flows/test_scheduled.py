"""What runs by itself: the night goes through the whole active list, and reports are about the days that were due."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from assetmill import active
from assetmill.ledger import Facts, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.money import Cost
from assetmill.storage import FileStore

NIGHTS = """
import asyncio, json, sys
from flows.nightly import nightly
for parameters in json.loads(sys.argv[1]):
    state = asyncio.run(nightly(**parameters, return_state=True))
    print(json.dumps({"name": state.name, "type": state.type.value, "message": state.message}))
"""
REPORTS = """
import asyncio
from datetime import datetime, timezone
from flows.cost_report import cost_report
for period in ("week", "month"):
    state = asyncio.run(cost_report(period, before=datetime(2026, 2, 16, 7, tzinfo=timezone.utc), return_state=True))
    print(state.message)
"""
MONDAY = datetime(2026, 2, 9, 12, tzinfo=UTC)
pytestmark = pytest.mark.timeout(600)  # each run starts Prefect, which takes its time on a slow machine


def in_prefect(terminal: Any, api_url: str, code: str, *arguments: str, **variables: str) -> str:
    """Run flows as a worker of Prefect does, in a process of its own; what it prints."""
    environment = terminal.environment | {"PREFECT_API_URL": api_url, "PREFECT_HOME": str(terminal.folder / "prefect")}
    command = [sys.executable, "-P", "-c", code, *arguments]
    done = subprocess.run(
        command, cwd=terminal.folder, env=environment | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def add(terminal: Any, name: str, **fields: Any) -> str:
    """Put a manifest on the active list; key of its copy in the store."""
    file = terminal.folder / f"{name}.yaml"
    file.write_text(game(name))
    store = FileStore(terminal.folder / "out" / "store")
    place, _ = active.keep_manifest(store, file)
    active.add(store, active.checked({"name": name, "manifest": place, "added_at": MONDAY} | fields))
    return place.removeprefix("store:")


def game(name: str) -> str:
    return (
        f"version: 1\ngame: {{id: {name}, title: {name.title()}}}\npack: {{id: default, name: Default}}\n"
        "assets:\n  - {id: slime, type: entity, prompt: a green slime, shape: circle, silhouette: {canvas: 64x64}}\n"
    )


def test_a_night_runs_every_entry_as_a_run_of_its_own_and_one_that_fails_keeps_none_from_running(terminal, api):
    add(terminal, "cloud-hop")
    (terminal.folder / "out" / "store" / add(terminal, "lost")).unlink()
    add(terminal, "over", endpoint="http://127.0.0.1:9/v2/gpu")
    add(terminal, "dust")
    api.limit("endpoint-gpu@127.0.0.1:9", 2)

    nights = json.dumps([{"only": ["ghost"]}, {"budget_usd": 0.0001}])
    ghost, said = map(
        json.loads, in_prefect(terminal, api.url, NIGHTS, nights, ASSETMILL_GPU_POOL="ADA_24").splitlines()
    )
    assert ghost["type"] == "FAILED"
    assert "ghost is not on the active list" in ghost["message"]
    assert said["name"] == "CompletedWithFailures", said
    head, *parts = said["message"].split(" | ")
    assert head.startswith("2 of 4 complete")
    assert [part.partition(":")[0] for part in parts] == ["cloud-hop", "lost", "over", "dust"]
    assert "1 kept" in parts[0]
    assert "1 kept" in parts[3]
    assert "the store has no private/active/" in parts[1]
    assert "budget" in parts[2]

    newest = {"flows": {"name": {"any_": ["nightly"]}}, "sort": "START_TIME_DESC", "limit": 1}
    (night,) = api.read("/flow_runs/filter", newest)
    inner = api.read(
        "/flow_runs/filter",
        {"flows": {"name": {"any_": ["generate-batch"]}}, "flow_runs": {"parent_flow_run_id": {"any_": [night["id"]]}}},
    )
    states = sorted(run["state"]["type"] for run in inner)
    assert states == ["COMPLETED", "COMPLETED", "FAILED", "FAILED"]
    with closing(sqlite3.connect(terminal.folder / "out" / "ledger.db")) as books:
        games = [row[0] for row in books.execute("select game from attempts order by intended_at")]
    assert games == ["cloud-hop", "dust"], "one after the other, and nothing was sent over the budget"


def spend(ledger: Ledger, intent: Intent, usd: str) -> None:
    """A paid attempt that was kept."""
    name, at = intent.attempt_id, intent.intended_at
    ledger.intend(intent)
    ledger.submitted(name, job_id=name, at=at)
    facts = Facts(worker_id="w", started_at=at, finished_at=at + timedelta(seconds=5), execution_ms=5000)
    ledger.collected(name, outputs=(Output("image", "k", "s", 1, 8, 8),), at=at, facts=facts)
    ledger.settle(name, Settlement(Status.KEPT, at, Cost(Decimal(usd), Decimal(usd), Decimal(usd), "test")))


def test_a_cost_report_is_shown_in_prefect_and_kept_in_the_store_for_the_period_that_was_over(
    terminal, api, new_intent
):
    (terminal.folder / "out").mkdir()
    with Ledger.open(f"sqlite:///{terminal.folder}/out/ledger.db") as ledger:
        ledger.begin_run(Run("r", "tiny", "p", "m.yaml", "runpod", "e", draft=False, started_at=MONDAY))
        spend(ledger, new_intent("in", MONDAY), "1.25")
        spend(ledger, new_intent("after", MONDAY + timedelta(days=7)), "7")
        spend(ledger, new_intent("before", MONDAY - timedelta(days=20)), "2")
    unreachable = {"RUNPOD_API_KEY": "rp-key-for-bills", "RUNPOD_MANAGEMENT_URL": "http://127.0.0.1:9/v2"}
    week, month = in_prefect(terminal, api.url, REPORTS, **unreachable).splitlines()
    assert week == "2026-W07: $1.25 for 1 paid attempts (1 kept, 0 rejected, 0 failed, 0 open)"
    assert month.startswith("2026-01: $2.00 for 1 paid attempts")
    reports = terminal.folder / "out" / "store" / "private" / "reports"
    names = {f"cost-{name}.{form}" for name in ("2026-W07", "2026-01") for form in ("csv", "html")}
    assert {file.name for file in reports.iterdir()} == names
    header, row = (reports / "cost-2026-W07.csv").read_text().splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["cost_estimate_usd"] == "1.25000000"
    shown = {one["key"]: one for one in api.read("/artifacts/filter", {"limit": 50, "sort": "CREATED_DESC"})}
    assert week in shown["cost-week"]["data"]
    assert "no bill of 1 endpoint" in shown["cost-week"]["data"]  # said, and the report made all the same
    assert "2026-W07" in (reports / "cost-2026-W07.html").read_text()
    assert json.loads(shown["cost-week-table"]["data"])[0]["game"] == "tiny"
    (run,) = api.read("/flow_runs/filter", {"flow_runs": {"name": {"any_": ["cost-report-week"]}}})
    assert (run["state"]["name"], run["state"]["message"]) == ("Completed", week)
