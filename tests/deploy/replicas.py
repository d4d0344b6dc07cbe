"""Two API replicas, services apart, one PostgreSQL, one Redis: what one takes in, the other knows.

Run by `make servers`, not with every test: starting it all takes more than a minute of CPU time. The short form of it,
in every run, is test_databases, test_settings and test_files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

pytestmark = pytest.mark.timeout(900)  # four Prefect processes start

POOLS = Path(__file__).parents[2] / "deploy" / "pools"
TASKS = 25
FLOW = f"""
import asyncio
from prefect import flow, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE

@task(cache_policy=NO_CACHE, persist_result=False)
async def picture(number: int) -> None:
    pass

@flow(flow_run_name="{{name}}")
async def small(name: str) -> None:
    await asyncio.gather(*(picture(number) for number in range({TASKS})))
    await acreate_markdown_artifact(f"made by {{name}}", key=name)

import sys
asyncio.run(small(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def run(studio):
    """Run the small flow through an API, and return the run's id."""

    def through(url: str, name: str) -> str:
        environment = {key: value for key, value in studio.told.items() if "SERVER" not in key and "REDIS" not in key}
        environment |= {
            "PREFECT_API_URL": url,
            "PREFECT_API_AUTH_STRING": studio.told["PREFECT_SERVER_API_AUTH_STRING"],
            "PREFECT_HOME": str(studio.folder / "client"),
        }
        done = subprocess.run(
            [sys.executable, "-c", FLOW, name], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found = studio.second.ask("POST", "/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})
        return str(found[0]["id"])

    return through


def final(replica, run_id: str) -> int:
    return int(
        replica.ask(
            "POST",
            "/task_runs/count",
            {"flow_runs": {"id": {"any_": [run_id]}}, "task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}},
        )
    )


def test_a_run_through_one_replica_is_whole_at_the_other(studio, run, until):
    run_id = run(studio.first.url, "through-first")
    until(lambda: final(studio.second, run_id) == TASKS, "every task run is final at the other replica")
    artifact = studio.second.ask("GET", "/artifacts/through-first/latest")
    assert artifact["data"] == "made by through-first"
    assert artifact["flow_run_id"] == run_id


def test_slots_leased_at_one_replica_are_given_back_at_the_other(studio):
    studio.first.ask("POST", "/v2/concurrency_limits/", {"name": "endpoint", "limit": 4})
    body = {"names": ["endpoint"], "slots": 3, "mode": "concurrency", "lease_duration": 60}
    lease = studio.first.ask("POST", "/v2/concurrency_limits/increment-with-lease", body)["lease_id"]
    with pytest.raises(httpx.HTTPStatusError, match="423"):  # one slot is left
        studio.second.ask("POST", "/v2/concurrency_limits/increment-with-lease", body)
    studio.second.ask("POST", f"/v2/concurrency_limits/leases/{lease}/renew", {"lease_duration": 60})
    studio.second.ask("POST", "/v2/concurrency_limits/decrement-with-lease", {"lease_id": lease})
    assert studio.first.ask("GET", "/v2/concurrency_limits/endpoint")["active_slots"] == 0


def test_an_event_at_one_replica_fires_an_automation_made_at_the_other(studio, until):
    pool = studio.second.ask(
        "POST",
        "/work_pools/",
        {
            "name": "stopped-by-event",
            "type": "docker",
            "base_job_template": json.loads((POOLS / "docker.json").read_text()),
        },
    )
    studio.second.ask(
        "POST",
        "/automations/",
        {
            "name": "stop",
            "trigger": {
                "type": "event", "posture": "Reactive", "expect": ["studio.stop"], "threshold": 1, "within": 0,
            },
            "actions": [{"type": "pause-work-pool", "source": "selected", "work_pool_id": pool["id"]}],
        },
    )  # fmt: skip

    def stopped() -> bool:
        event = {"event": "studio.stop", "resource": {"prefect.resource.id": "studio.door"}}
        known = {"occurred": datetime.now(UTC).isoformat(), "id": str(uuid4())}
        studio.first.ask("POST", "/events", [event | known])
        return bool(studio.second.ask("GET", "/work_pools/stopped-by-event")["is_paused"])

    until(stopped, "the automation paused the work pool")


def test_a_schedule_made_at_one_replica_has_runs_at_the_other(studio, until):
    """Prefect 3.8 writes none with SQLAlchemy 2.1, and says so in the log of the services alone."""
    flow = studio.first.ask("POST", "/flows/", {"name": "scheduled"})
    schedule = {"schedule": {"interval": 600}, "active": True}
    body = {"name": "every-ten-minutes", "flow_id": flow["id"], "schedules": [schedule]}
    deployment = studio.first.ask("POST", "/deployments/", body)["id"]
    asked = {"deployment_ids": [deployment], "scheduled_before": "2100-01-01T00:00:00Z"}
    until(lambda: studio.second.ask("POST", "/deployments/get_scheduled_flow_runs", asked), "runs are scheduled")


def test_a_replica_that_is_killed_takes_nothing_with_it(studio, run, until, proxy):
    held = {"names": ["endpoint"], "slots": 2, "mode": "concurrency", "lease_duration": 60}
    lease = studio.first.ask("POST", "/v2/concurrency_limits/increment-with-lease", held)["lease_id"]
    studio.kill_first()
    run_id = run(proxy, "after-the-kill")
    until(lambda: final(studio.second, run_id) == TASKS, "every task run is final")
    studio.second.ask("POST", f"/v2/concurrency_limits/leases/{lease}/renew", {"lease_duration": 60})
    assert studio.second.ask("GET", "/v2/concurrency_limits/endpoint")["active_slots"] == 2
