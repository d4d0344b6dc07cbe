"""A home of its own with books and a store, and real local endpoints whose workers lack what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from assetmill.clock import Clock
from assetmill.doctor import Examination, examine
from assetmill.ledger import Ledger
from assetmill.localpod import Gpu, Pod, PodConfig, Worker, known_gpus, running_pod
from assetmill.localpod.draft import render
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings, variables_of

KEY = "doctors-key-0123456789"


@pytest.fixture
def settings_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings of a home of its own, with no variable from outside but those given."""
    for name in Settings.model_fields:
        for variable in variables_of(name):
            monkeypatch.delenv(variable, raising=False)

    def make(**variables: str) -> Settings:
        given: dict[str, Any] = {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_SERVE_KEY": KEY} | variables
        return Settings(_env_file=None, **given)

    return make


class Clinic:
    """One endpoint that is examined."""

    key = SecretStr(KEY)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @asynccontextmanager
    async def pod(self, *lacks: str, worker: Worker | None = None, **config: Any) -> AsyncIterator[Pod]:
        """An endpoint that is no draft, so that it costs something, and whose worker lacks classes and files."""
        gpus: tuple[Gpu, ...] = tuple(gpu for gpu in known_gpus() if gpu.pool == "ADA_24")[:1]
        values = {"endpoint_id": "ep", "api_key": KEY, "gpus": gpus, "catalog": known_gpus(), **config}
        async with running_pod(PodConfig(**values), worker or partial(render, lacks=lacks), Clock()) as pod:
            yield pod

    async def examine(self, pod: Pod, **changes: Any) -> Examination:
        return await examine(self.settings, resolve_endpoint(self.settings, pod.url), Clock(), **changes)

    def rows(self) -> list[dict[str, Any]]:
        with Ledger.open(self.settings.ledger_url) as ledger:
            return [dict(row) for row in ledger.rows()]


@pytest.fixture
def clinic(settings_with: Callable[..., Settings]) -> Clinic:
    return Clinic(settings_with())
