"""An endpoint file, settings that point at a local account, and the account itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.localpod import NO_FAULTS, Faults, Pod, PodConfig, running_pod
from assetmill.settings import Settings, variables_of

KEY = "made-up-key"
FILE = """version: 1
name: sprites
image: studio/assetmill-worker:0.1.0
disk_gb: 30
gpu:
  pools: [ADA_24, AMPERE_48]
  min_cuda: '12.6'
workers: {min: 0, max: 3, idle_timeout_s: 5}
scaling: {queue_delay_s: 4}
env:
  RUNPOD_INIT_TIMEOUT: '800'
  BUCKET_SECRET_ACCESS_KEY: '{{ RUNPOD_SECRET_bucket }}'
"""


class Account:
    """A local account, and what it has been asked."""

    def __init__(self, pod: Pod, client: httpx.AsyncClient, settings: Settings, naps: list[float]) -> None:
        self.pod, self.client, self.settings, self.naps = pod, client, settings, naps

    @property
    def address(self) -> str:
        return str(self.client.base_url).rstrip("/")

    @property
    def clock(self) -> Clock:
        async def sleep(seconds: float) -> None:
            self.naps.append(seconds)

        return Clock(monotonic=lambda: sum(self.naps), sleep=sleep)

    async def endpoints(self) -> list[dict[str, Any]]:
        """All but the server's own."""
        listed = (await self.client.get(self.address)).json()["endpoints"]
        return [one for one in listed if one["id"] != self.pod.config.endpoint_id]

    async def create(self, **body: Any) -> httpx.Response:
        whole = {"name": "sprites", "type": "QUEUE", "image": "x/y:1.0", "gpu": {"pools": ["ADA_24"]},
                 "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}}  # fmt: skip
        return await self.client.post(self.address, json=whole | body)


@pytest.fixture
def endpoint_file(tmp_path: Path) -> Path:
    path = tmp_path / "endpoint.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture
def make_settings(tmp_path: Path, endpoint_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        for variable in variables_of(name):
            monkeypatch.delenv(variable, raising=False)

    def make(address: str, **variables: str) -> Settings:
        values = {
            "ASSETMILL_HOME": str(tmp_path / "out"),
            "ASSETMILL_ENDPOINT_FILE": str(endpoint_file),
            "RUNPOD_MANAGEMENT_URL": address,
            "RUNPOD_API_KEY": KEY,
        }
        for name, value in (values | variables).items():
            monkeypatch.setenv(name, value)
        return Settings()

    return make


@pytest.fixture
def open_account(make_settings: Callable[..., Settings]) -> Callable[..., Any]:
    @asynccontextmanager
    async def opened(faults: Faults = NO_FAULTS, **options: Any) -> AsyncIterator[Account]:
        config = PodConfig(endpoint_id="local", api_key=KEY, faults=faults, **options)
        async with running_pod(config, lambda _: {}) as pod:
            address = pod.url.rpartition("/")[0]
            headers = {"Authorization": f"Bearer {KEY}"}
            async with httpx.AsyncClient(base_url=f"{address}/serverless", headers=headers) as client:
                yield Account(pod, client, make_settings(address), [])

    return opened
