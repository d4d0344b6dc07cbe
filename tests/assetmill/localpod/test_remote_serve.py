"""`assetmill serve --no-draft`: what it prints is what a worker needs."""

from __future__ import annotations

import base64
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from assetmill.workflows.bind import bind
from assetmill.workflows.library import load_library

WORKER = Path(__file__).parents[2] / "fixtures" / "sdk_comfy_worker.py"
KEY = "a-key-made-for-this-test"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Lines on stderr, up to the command for the image, of a server that runs as long as these tests."""
    command = [sys.executable, "-m", "assetmill.cli", "serve", "--no-draft", "--port", "0"]
    root, folder = str(Path(__file__).parents[3]), tmp_path_factory.mktemp("served")
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": root, "ASSETMILL_SERVE_KEY": KEY}
    with subprocess.Popen(command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            lines = []
            for line in server.stderr:
                lines.append(line)
                if "docker run" in line:
                    break
            yield lines
        finally:
            server.terminate()


def variables_of(printed: list[str]) -> dict[str, str]:
    exports = [shlex.split(line)[1].partition("=") for line in printed if line.lstrip().startswith("export ")]
    return {name: value for name, _, value in exports}


def test_a_worker_with_the_printed_environment_gets_a_job_and_the_key_is_not_printed(printed: list[str]) -> None:
    assert KEY not in "".join(printed)
    told = variables_of(printed)
    assert told["RUNPOD_AI_API_KEY"] == "$ASSETMILL_SERVE_KEY"
    take = told["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", told["RUNPOD_POD_ID"])
    with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=30) as client:
        run = f"{take.partition('/job-take/')[0]}/run"
        assert "/v2/draft/" not in run  # what comes back is no placeholder
        job_id = client.post(run, json={"input": {"n": 1}}).json()["id"]
        assert client.get(f"{take}&job_in_progress=0", headers={"Authorization": KEY}).json()["id"] == job_id


def test_the_command_for_the_image_passes_every_variable_on_and_shows_none(printed: list[str]) -> None:
    [command] = [shlex.split(line) for line in printed if "docker run" in line]
    passed = {name for flag, name in pairwise(command) if flag == "-e"}
    assert passed == variables_of(printed).keys()
    assert ("--gpus", "all") in pairwise(command)


@pytest.mark.parametrize("way", ("plain", "prefetch"))
def test_an_unmodified_sdk_worker_draws_what_a_client_of_the_endpoint_asks_for(
    printed: list[str], tmp_path: Path, way: str
) -> None:
    told = variables_of(printed) | {"RUNPOD_AI_API_KEY": KEY, "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    workflow = load_library().get("txt2img")
    bound = bind(workflow, {"prompt": "a toad", "width": 64, "height": 64, "seed": 7}, prefix="toad")
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(WORKER), way],
            env=told, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        url = told["RUNPOD_WEBHOOK_GET_JOB"].partition("/job-take/")[0]
        with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=90) as client:
            job_id = client.post(f"{url}/run", json={"input": {"workflow": bound.graph}}).json()["id"]
            job = client.get(f"{url}/status-sync/{job_id}?wait=60000").json()
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # its own group: the heartbeat process outlives its parent
        worker.wait()
    assert (job["status"], job["workerId"]) == ("COMPLETED", told["RUNPOD_POD_ID"])
    [image] = job["output"]["images"]
    assert image["filename"].startswith("toad")
    assert base64.b64decode(image["data"]).startswith(b"\x89PNG")
    assert ("assetmill_worker" in job["output"]) is (way == "prefetch")
