"""`assetmill serve` as a process, in the protocols that are not RunPod's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

SERVE = (sys.executable, "-P", "-m", "assetmill.cli", "serve")
ROOT = Path(__file__).parents[3]


@contextmanager
def served(folder: Path, *options: str, **variables: str) -> Iterator[str]:
    """A server in a process of its own; its address, with the protocol before it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    command = [*SERVE, "--port", "0", "--announce", *options]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield json.loads(child.stdout.readline())["url"]
        finally:
            child.terminate()
    assert child.returncode == 0, "it ends in good order"


def test_scenario_is_served_with_keys_and_faults_and_says_that_it_draws_placeholders(tmp_path):
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "cool-down", "call": "jobs", "seconds": 3}]')
    keys = {"SCENARIO_API_KEY": "a-made-up-name", "SCENARIO_SECRET_API_KEY": "a-made-up-secret"}
    with served(tmp_path, "--protocol", "scenario", "--faults", str(faults), **keys) as url:
        address = url.removeprefix("scenario+")
        answers = [
            httpx.get(f"{address}/jobs", auth=auth, trust_env=False)
            for auth in (None, *[("a-made-up-name", "a-made-up-secret")] * 2)
        ]
    assert url.startswith("scenario+http://127.0.0.1:")
    assert address.endswith("/draft/v1")
    assert [answer.status_code for answer in answers] == [401, 429, 200]
    assert answers[1].json()["remainingSeconds"] == 3


def test_a_comfyui_server_may_pass_for_a_real_one(tmp_path):
    with served(tmp_path, "--protocol", "comfyui", "--as-real") as url:
        answer = httpx.get(f"{url.removeprefix('comfyui+')}/queue", trust_env=False)
    assert url.startswith("comfyui+http://127.0.0.1:")
    assert "draft" not in url
    assert answer.json() == {"queue_running": [], "queue_pending": []}


@pytest.mark.parametrize(
    "options",
    (
        ("--protocol", "scenario", "--gpu", "ADA_24"),
        ("--protocol", "comfyui", "--no-draft"),
        ("--protocol", "comfyui", "--host", "10.0.0.5"),
        ("--reached-at", "http://10.0.0.5:8000"),
        ("--no-draft", "--reached-at", "http://10.0.0.5:8000/v2"),
        ("--no-draft", "--host", "10.0.0.5"),
        ("--protocol", "comfyui", "--cold-start", "3"),
        ("--as-real",),
    ),
)
def test_options_that_mean_nothing_to_a_protocol_are_refused(tmp_path, monkeypatch, options):
    from assetmill.cli import main  # noqa: PLC0415  the command itself, after the folder is set

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["assetmill", "serve", "--port", "0", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
