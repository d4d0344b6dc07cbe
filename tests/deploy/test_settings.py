"""What deploy/*.env tells Prefect is what Prefect can be told, and the same as our own servers are told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from assetmill.cli.prefect_server import SERVER_SETTINGS

ROOT = Path(__file__).parents[2]
FILES = ("server.env", "replicas.env", "worker.env")
READ = """
import json, os, sys
from prefect.settings import Settings
from prefect_redis.client import RedisMessagingSettings
from prefect_redis.cleanup_queue import RedisWorkerCleanupQueueSettings

def names(model):
    def inside(part):
        if isinstance(part, dict):
            yield from part.get("supported_environment_variables", ())
            for value in part.values():
                yield from inside(value)
    return set(inside(model.model_json_schema()))

server = Settings().server
json.dump({
    "names": sorted(set().union(*map(names, (Settings, RedisMessagingSettings, RedisWorkerCleanupQueueSettings)))),
    "runs_days": server.services.db_vacuum.retention_period.days,
    "kept": sorted(server.services.db_vacuum.enabled_vacuum_types),
    "events_days": server.events.retention_period.days,
    "heartbeats_days": server.services.db_vacuum.event_retention_overrides["prefect.flow-run.heartbeat"].days,
    "recorder": server.services.task_run_recorder.batch_size,
    "leases": server.concurrency.lease_storage,
    "heartbeat_s": Settings().flows.heartbeat_frequency,
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def understood(env_file):
    """What Prefect makes of all files together, in an interpreter of its own: it reads its settings on import."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", READ], env=plain | env_file(*FILES), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("file", FILES)
def test_every_name_is_a_setting_of_prefect(file, env_file, understood):
    assert set(env_file(file)) - {"DO_NOT_TRACK"} <= set(understood["names"])


def test_every_value_is_understood_as_it_is_meant(understood):
    assert {name: value for name, value in understood.items() if name != "names"} == {
        "runs_days": 90,
        "kept": ["events", "flow_runs", "orphans"],
        "events_days": 7,
        "heartbeats_days": 1,
        "recorder": 200,
        "leases": "prefect_redis.lease_storage",
        "heartbeat_s": 30,
    }


def test_our_own_servers_are_told_what_the_file_says(env_file):
    assert dict(SERVER_SETTINGS) == env_file("server.env")


def test_deployments_and_pools_give_flow_runs_the_heartbeat_of_the_file(env_file):
    beat = env_file("worker.env")["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
    stated = re.findall(r'PREFECT_FLOWS_HEARTBEAT_FREQUENCY: "(\d+)"', (ROOT / "prefect.yaml").read_text())
    for pool in ("docker", "kubernetes"):
        template = json.loads((ROOT / "deploy" / "pools" / f"{pool}.json").read_text())
        stated.append(template["variables"]["properties"]["env"]["default"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
    assert set(stated) == {beat}


def test_variables_of_servers_in_compose_and_kubernetes_are_settings_of_prefect(env_file, understood):
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    secret = next(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "secrets.example.yaml").read_text()))
    told = {*compose["x-server"]["environment"], *env_file("kubernetes/server.env"), *secret["stringData"]}
    assert told <= set(understood["names"])
    assert {*compose["x-server"]["environment"]} == {*env_file("kubernetes/server.env"), *secret["stringData"]}
