"""`smoke full` at the local endpoint passes with a worker process on RunPod's own SDK, unmodified.

The worker speaks worker-comfyui's dialect and passes for real (`fixtures/sdk_comfy_worker.py`), and the endpoint has a
GPU with a price: what is tested is the whole way that a studio's first smoke test takes, all but the GPU.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import Pod, PodConfig, known_gpus, running_pod
from assetmill.localpod.remote import worker_environment
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings, variables_of
from assetmill.smoke import KINDS, Shot
from assetmill.smoke.run import Wanted, smoke

KEY = "a-key-made-for-this-test"
SCRIPT = Path(__file__).parents[1] / "fixtures" / "sdk_comfy_worker.py"
pytestmark = pytest.mark.timeout(300)


@contextmanager
def sdk_worker(pod: Pod, folder: Path) -> Iterator[None]:
    """One worker process; it ends with the heartbeat process that it started, and no other does."""
    variables = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "RUNPOD_AI_API_KEY": KEY, "SDK_WORKER_AS_REAL": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SCRIPT), "plain"],
            env=variables | worker_environment(pod.url, "sdk-1"),
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in Settings.model_fields:
        for variable in variables_of(name):
            monkeypatch.delenv(variable, raising=False)
    given: dict[str, Any] = {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_SERVE_KEY": KEY}
    return Settings(_env_file=None, **given)


async def test_smoke_full_passes_at_an_endpoint_that_an_official_sdk_worker_serves(settings, tmp_path):
    gpus = tuple(gpu for gpu in known_gpus() if gpu.pool == "ADA_24")[:1]
    config = PodConfig(
        endpoint_id="own", api_key=KEY, remote_workers=True, workers=1, gpus=gpus, catalog=known_gpus()
    )  # fmt: skip
    told: list[Shot] = []
    async with running_pod(config) as pod:
        with sdk_worker(pod, tmp_path):
            endpoint = resolve_endpoint(settings, pod.url)
            wanted = Wanted("full", "a grumpy mushroom", folder=tmp_path / "pictures", once=True)
            report = await smoke(settings, endpoint, Clock(), wanted, lambda *_: None, told.append)
    assert report.exit_code == 0, [(shot.name, shot.problems) for shot in report.shots]
    assert report.passed == KINDS
    assert {shot.worker_id for shot in report.shots} == {"sdk-1"}
    assert [shot.drawn_from for shot in report.shots[:3]] == [
        "words", "the picture of txt2img", "the picture of img2img",
    ]  # fmt: skip
    assert report.cost_usd is not None
    assert report.cost_usd > 0
    with Ledger.open(settings.ledger_url) as ledger:
        rows = [dict(row) for row in ledger.rows()]
        assert ledger.open_attempts() == []
    assert {(row["game"], row["status"], row["draft"]) for row in rows} == {("smoke", "kept", False)}
    assert {row["asset_type"] for row in rows} == set(KINDS)
    saved = {path.name: path.stat().st_size for path in (tmp_path / "pictures").iterdir()}
    assert sorted(saved.values()) == sorted(file.bytes for shot in report.shots for file in shot.files)
