"""`assetmill serve --no-draft`: what it prints is what a worker needs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

KEY = "a-key-made-for-this-test"


@pytest.fixture
def printed(tmp_path: Path) -> Iterator[list[str]]:
    """Lines on stderr, up to the last one for a worker, of a server that runs as long as the test."""
    command = [sys.executable, "-m", "assetmill.cli", "serve", "--no-draft", "--port", "0"]
    root = str(Path(__file__).parents[3])
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": root, "ASSETMILL_SERVE_KEY": KEY}
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            lines = []
            for line in server.stderr:
                lines.append(line)
                if "RUNPOD_AI_API_KEY" in line:
                    break
            yield lines
        finally:
            server.terminate()


def test_a_worker_with_the_printed_environment_gets_a_job_and_the_key_is_not_printed(printed: list[str]) -> None:
    assert KEY not in "".join(printed)
    exports = [shlex.split(line)[1].partition("=") for line in printed if line.lstrip().startswith("export ")]
    told = {name: value for name, _, value in exports}
    assert told["RUNPOD_AI_API_KEY"] == "$ASSETMILL_SERVE_KEY"
    take = told["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", told["RUNPOD_POD_ID"])
    with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=30) as client:
        run = f"{take.partition('/job-take/')[0]}/run"
        assert "/v2/draft/" not in run  # what comes back is no placeholder
        job_id = client.post(run, json={"input": {"n": 1}}).json()["id"]
        assert client.get(f"{take}&job_in_progress=0", headers={"Authorization": KEY}).json()["id"] == job_id
