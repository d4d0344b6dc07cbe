"""A home of its own with books and a store, local endpoints whose workers lack what a test says, and a registry."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
        own = {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_ENDPOINT_FILE": str(tmp_path / "endpoint.yaml")}
        given: dict[str, Any] = own | {"ASSETMILL_SERVE_KEY": KEY} | variables
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


TOKEN = "a-token-for-anybody"


class Registry(ThreadingHTTPServer):
    """A registry in the manner of Docker Hub: public images for whoever fetches a token first, private ones for none.

    Args:
        images: `name:which` of public images.
        realm: where tokens are said to be given; None for its own address.
    """

    digest = "sha256:" + "0a" * 32

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.images: set[str] = {"you/worker:0.1.0", f"you/worker:{self.digest}"}
        self.realm: str | None = None
        self.busy = False
        self.calls: list[tuple[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_HEAD(self) -> None:
        _, _, *name, _, which = urlsplit(self.path).path.split("/")
        if self.server.busy:
            return self._answer(429)
        scope = f"repository:{'/'.join(name)}:pull"
        if self.headers["authorization"] != f"Bearer {TOKEN} {scope}":
            realm = self.server.realm or f"http://{self.server.host}/token"
            return self._answer(401, {"www-authenticate": f'Bearer realm="{realm}",service="r",scope="{scope}"'})
        if "/".join(name) == "you/private":
            return self._answer(401)
        return self._answer(200 if f"{'/'.join(name)}:{which}" in self.server.images else 404)

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        assert asked["service"] == ["r"]
        self._answer(200, {}, json.dumps({"token": f"{TOKEN} {asked['scope'][0]}"}).encode())

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.server.calls.append((self.command, str(status)))
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the standard library's name
        """Keep the tests' output clean."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
