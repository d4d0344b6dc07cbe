"""The servers of a proof, all on this machine: PostgreSQL, an S3 store, a Prefect server, the endpoint.

They are those of the tests. Each is a child that is ended by its process id when its block ends, whatever happened;
only the endpoint lives in this process, so that its own record can be read.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from borrowed import (
    KEY,
    POOL,
    PostgresServer,
    S3Server,
    Truth,
    Witness,
    answer,
    free_ports,
    postgres_server,
    running,
    seaweedfs_in,
    wait_until,
)

from assetmill.cli.prefect_server import SERVER_SETTINGS
from assetmill.clock import Clock
from assetmill.localpod import PodConfig, running_pod
from assetmill.settings import Settings, load_settings, set_environment, variables_of
from assetmill.storage import Store, open_store
from assetmill.storage.access import S3Access

PREFIX = "proof"
GPU_WORKERS = 3
QUEUE_AHEAD = 1
OURS = ("PREFECT_", "ASSETMILL_", "R2_", "DO_NOT_TRACK")


def bare_environment() -> dict[str, str]:
    """Our environment without any setting of assetmill or Prefect."""
    ours = {variable for name in Settings.model_fields for variable in variables_of(name)}
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("PREFECT_")}
    return kept | {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


class Endpoint:
    """A RunPod-compatible endpoint with paid workers, in a thread of its own.

    Args:
        workers: GPU workers.
        seconds: a job takes at least this long.
    """

    def __init__(self, workers: int, seconds: float) -> None:
        self._config = PodConfig(
            endpoint_id="gpu", api_key=KEY, workers=workers, exec_seconds=seconds, idle_timeout_s=600
        )
        self._up = threading.Event()
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._witness: Witness | None = None

    @contextmanager
    def running(self) -> Iterator[Endpoint]:
        """The endpoint, until the end of the block."""
        thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="endpoint")
        thread.start()
        assert self._up.wait(60), "the endpoint did not come up"
        try:
            yield self
        finally:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._end.set)
            thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with running_pod(self._config, answer, Clock()) as pod:
            self._witness = Witness(pod)
            self._up.set()
            await self._end.wait()

    @property
    def pod(self) -> Any:
        """The running endpoint."""
        assert self._witness is not None
        return self._witness.pod

    def truth(self) -> Truth:
        """What it took in and what it ran."""
        assert self._witness is not None
        return self._witness.truth()


@dataclass
class Servers:
    """All that machines share."""

    folder: Path
    postgres: PostgresServer
    s3: S3Server
    endpoint: Endpoint
    api: str
    ledger_url: str
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The store, as this process reaches it."""
        return open_store(
            f"s3://{self.s3.bucket}/{PREFIX}", S3Access(self.s3.endpoint_url, self.s3.key, self.s3.secret)
        )

    def environment(self, home: Path) -> dict[str, str]:
        """Variables of a machine: nothing but addresses and keys, and a folder of its own for Prefect's files."""
        return bare_environment() | {
            "HOME": str(home),
            "PREFECT_HOME": str(home / ".prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
            "ASSETMILL_LEDGER_URL": self.ledger_url,
            "ASSETMILL_STORE_URL": f"s3://{self.s3.bucket}/{PREFIX}",
            "ASSETMILL_STORE_ENDPOINT_URL": self.s3.endpoint_url,
            "R2_ACCESS_KEY_ID": self.s3.key,
            "R2_SECRET_ACCESS_KEY": self.s3.secret,
            "ASSETMILL_SERVE_KEY": KEY,
            "ASSETMILL_GPU_POOL": POOL,
            "ASSETMILL_MAX_WORKERS": str(self.endpoint.pod.config.workers),
            "ASSETMILL_QUEUE_AHEAD": str(QUEUE_AHEAD),
            **self.more,
        }


@contextmanager
def all_servers(folder: Path, *, workers: int = GPU_WORKERS, seconds: float = 0.0) -> Iterator[Servers]:
    """Start them all; they end with the block."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        (folder / "s3").mkdir()
        s3 = stack.enter_context(seaweedfs_in(folder / "s3"))
        endpoint = stack.enter_context(Endpoint(workers, seconds).running())
        api = stack.enter_context(prefect_server(folder / "prefect", postgres.url("prefect", driver="asyncpg")))
        yield Servers(folder, postgres, s3, endpoint, api, postgres.url("ledger"))


@contextmanager
def prefect_server(folder: Path, database: str) -> Iterator[str]:
    """A Prefect server with our settings; gives the address of its API."""
    folder.mkdir()
    (port,) = free_ports(1)
    api = f"http://127.0.0.1:{port}/api"
    ours = {
        "PREFECT_HOME": str(folder), "PREFECT_API_URL": api, "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_UI_ENABLED": "false", "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    }  # fmt: skip
    command = [sys.executable, "-P", "-m", "assetmill.cli.prefect_child", str(port)]

    def up() -> bool:
        try:
            return httpx.get(f"{api}/health", timeout=5).is_success
        except httpx.TransportError:
            return False

    with running(command, folder, bare_environment() | dict(SERVER_SETTINGS) | ours) as program:
        wait_until(up, program, folder)
        yield api


def set_up(servers: Servers, *, zombie_s: float | None = None) -> None:
    """As `assetmill deploy --endpoint` does; and with less patience, if asked for."""
    home = servers.folder / "operator"
    home.mkdir()
    environment = servers.environment(home)
    set_environment({name: value for name, value in environment.items() if name.startswith(OURS)})
    asyncio.run(_deploy(servers.endpoint.pod.url, zombie_s))


async def _deploy(endpoint: str, zombie_s: float | None) -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415  its settings are in place only now

    from flows.setup.automations import Times, ensure_automations  # noqa: PLC0415  as above
    from flows.setup.deploy import Wish, deploy  # noqa: PLC0415  as above

    settings = load_settings()
    await deploy(settings, Wish(endpoints=(endpoint,)))
    if zombie_s is not None:
        async with get_client() as client:
            await ensure_automations(client, settings, Times(zombie_s=zombie_s))
