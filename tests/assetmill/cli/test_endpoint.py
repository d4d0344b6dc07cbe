"""`endpoint` on the command line, against a local account: what it says, what it asks, and how it ends."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.localpod import PodConfig, running_pod
from assetmill.settings import Settings, variables_of

KEY = "made-up-key-of-a-studio"
FILE = """name: sprites
image: studio/assetmill-worker:0.1.0
gpu: {pools: [ADA_24, ADA_48_PRO]}
env: {BUCKET_SECRET_ACCESS_KEY: '{{ RUNPOD_SECRET_bucket }}'}
"""


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """Address of a local account; its server has a thread of its own, for the commands have a loop of theirs."""
    ready: list[str] = []
    listening, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running_pod(PodConfig(endpoint_id="local", api_key=KEY), lambda _: {}) as pod:
            ready.append(pod.url.rpartition("/")[0])
            listening.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert listening.wait(60)
    yield ready[0]
    ended.set()
    thread.join()


@pytest.fixture
def endpoint(tmp_path: Path, account: str) -> Callable[..., Any]:
    own = {variable: "" for name in Settings.model_fields for variable in variables_of(name)}
    own |= {
        "ASSETMILL_HOME": str(tmp_path / "out"), "COLUMNS": "160", "RUNPOD_MANAGEMENT_URL": account,
        "RUNPOD_API_KEY": KEY, "ASSETMILL_ENDPOINT_FILE": str(tmp_path / "endpoint.yaml"),
    }  # fmt: skip
    (tmp_path / "endpoint.yaml").write_text(FILE.replace("sprites", tmp_path.name.replace("_", "-")[:60]))

    def run(*arguments: str, **variables: str) -> Any:
        result = CliRunner().invoke(app, ["endpoint", *arguments], env=own | variables, catch_exceptions=False)
        assert KEY not in result.output
        return result

    return run


def document(result: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["exit_code"] == result.exit_code
    return told


def test_from_nothing_to_an_endpoint_and_back(endpoint):
    planned = endpoint("plan")
    assert planned.exit_code == 1, "something is to be done"
    assert "is not there and would be made" in planned.stdout
    assert "an hour at most, 3 workers at work without a pause: $5.72" in planned.stdout
    unasked = endpoint("apply")
    assert (unasked.exit_code, "nobody has agreed" in unasked.stderr) == (3, True)
    made = endpoint("apply", "--yes")
    assert made.exit_code == 0
    [line] = [line for line in made.stdout.splitlines() if "RUNPOD_COMFYUI_ENDPOINT_ID=" in line]
    endpoint_id = line.partition("=")[2]
    known = {"RUNPOD_COMFYUI_ENDPOINT_ID": endpoint_id}

    again = endpoint("plan", **known)
    assert (again.exit_code, "is as the file says" in again.stdout) == (0, True)
    assert document(endpoint("apply", "--yes", "--json"))["changed"] == []
    assert "RUNPOD_COMFYUI_ENDPOINT_ID" not in endpoint("apply", "--yes", **known).stdout, "it is there already"

    assert document(endpoint("scale", "0", "--json"))["max_workers"] == 0
    drifted = document(endpoint("plan", "--json"))
    assert [(one["field"], one["old"], one["new"], one["effect"]) for one in drifted["changes"]] == [
        ("workers.max", "0", "3", "at_once")
    ]
    status = endpoint("status")
    assert "no job is begun: `assetmill endpoint scale file`" in status.stdout
    assert "was 0, and is 3 now" in endpoint("scale", "file").stdout
    assert document(endpoint("status", "--json"))["plan"]["changes"] == []
    assert "is 3, as it was" in endpoint("scale", "file").stdout

    name = document(endpoint("status", "--json"))["plan"]["name"]
    unnamed, misnamed = endpoint("delete"), endpoint("delete", "--confirm", "sprite")
    assert (unnamed.exit_code, misnamed.exit_code) == (3, 3)
    assert endpoint("status").exit_code == 0, "it is still there"
    gone = endpoint("delete", "--confirm", name, **known)
    assert (gone.exit_code, "take it out of .env" in gone.stderr) == (0, True)
    missing = endpoint("scale", "3")
    assert (missing.exit_code, "assetmill endpoint apply makes it" in missing.stderr) == (4, True)


def test_a_duplicate_name_is_refused_with_the_ids_whatever_is_asked(endpoint, account):
    first = document(endpoint("apply", "--yes", "--json"))["endpoint_id"]
    second = copy_of(account, first)
    for command in (("plan",), ("apply", "--yes"), ("status",), ("scale", "1"), ("delete", "--confirm", "x")):
        refused = endpoint(*command)
        assert refused.exit_code == 3, command
        assert f"{first}, {second}" in refused.stderr
        assert "--id" in refused.stderr
    assert endpoint("plan", "--id", second).exit_code == 1
    assert endpoint("status", "--id", first).exit_code == 0
    assert endpoint("plan", "--id", "nobody").exit_code == 4


def copy_of(address: str, endpoint_id: str) -> str:
    """A second endpoint of the same name, as somebody would make it in the console."""
    key = {"Authorization": f"Bearer {KEY}"}
    name = httpx.get(f"{address}/serverless/{endpoint_id}", headers=key).json()["name"]
    body = {"name": name, "type": "QUEUE", "image": "x/y:1.0", "gpu": {"pools": ["ADA_24"]},
            "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}}  # fmt: skip
    made: str = httpx.post(f"{address}/serverless", json=body, headers=key).json()["id"]
    return made


@pytest.mark.parametrize(
    ("change", "code", "words"),
    (
        (("studio/", "your-name/"), 2, "the image is still the placeholder; expected the image that you have pushed"),
        ((":0.1.0", ":latest"), 2, "endpoint.yaml:2:8: image: the tag 'latest' moves on"),
        (("ADA_48_PRO", "A10"), 2, "RunPod has no GPU pool A10"),
    ),
)
def test_a_file_that_cannot_be_used_is_told_by_line_and_nothing_is_asked(endpoint, tmp_path, change, code, words):
    path = tmp_path / "endpoint.yaml"
    path.write_text(path.read_text().replace(*change))
    refused = endpoint("plan", RUNPOD_MANAGEMENT_URL="https://127.0.0.1:9/v2")
    assert refused.exit_code == code
    assert words in refused.stderr


def test_the_placeholder_keeps_nobody_from_looking_scaling_or_deleting(endpoint, tmp_path):
    assert endpoint("apply", "--yes").exit_code == 0
    path = tmp_path / "endpoint.yaml"
    path.write_text(path.read_text().replace("studio/", "your-name/"))
    assert endpoint("status").exit_code == 0
    assert endpoint("scale", "1").exit_code == 0
    assert endpoint("scale", "many").exit_code == 2


def test_without_a_key_nothing_is_asked(endpoint):
    refused = endpoint("plan", RUNPOD_API_KEY="", RUNPOD_MANAGEMENT_URL="https://management.invalid/v2")
    assert (refused.exit_code, "RUNPOD_API_KEY is not set" in refused.stderr) == (4, True)
