"""Slots of a real Prefect limit: counted by the server, kept by leases, and given back."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from assetmill.batch.prepare import Request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.batch.slots import Limit
from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.ledger import Ledger
from assetmill.localpod import PodConfig, running_pod
from assetmill.localpod.draft import render
from assetmill.planning.plan import ALL
from assetmill.settings import Settings
from flows.setup.limits import endpoints_of, ensure_limits
from flows.sharing import PrefectSlots, shared_slots

pytestmark = pytest.mark.timeout(600)
SLOTS = 4  # 2 workers, and one job ahead for each


class Server:
    """The server's own word on a limit."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def make(self, slots: int) -> str:
        name = f"endpoint-{uuid4().hex[:12]}"
        self._client.post("/", json={"name": name, "limit": slots}).raise_for_status()
        return name

    def change(self, name: str, **values: int | bool) -> None:
        self._client.patch(f"/{name}", json=values).raise_for_status()

    def delete(self, name: str) -> None:
        self._client.delete(f"/{name}").raise_for_status()

    def read(self, name: str) -> Limit:
        found = self._client.get(f"/{name}").raise_for_status().json()
        return Limit(found["limit"], found["active_slots"])


@pytest.fixture
def server(api_url: str) -> Iterator[Server]:
    with (
        temporary_settings(updates={PREFECT_API_URL: api_url, PREFECT_CLIENT_MAX_RETRIES: 0}),
        httpx.Client(base_url=f"{api_url}/v2/concurrency_limits", timeout=300) as client,
    ):
        yield Server(client)


@asynccontextmanager
async def slots_of(name: str) -> AsyncIterator[PrefectSlots]:
    async with get_client() as client:
        yield PrefectSlots(client, name)


async def test_slots_are_taken_one_by_one_until_the_limit_is_full_and_given_back_one_by_one(server):
    name = server.make(2)
    async with slots_of(name) as slots, slots_of(name) as others:
        first, second = await slots.take(), await others.take()
        assert None not in (first, second)
        assert await slots.take() is None, "full, and no waiting for it"
        assert await slots.limit() == server.read(name) == Limit(2, 2)
        assert await slots.renew(first)
        await slots.give_back(first)
        assert server.read(name) == Limit(2, 1)
        await slots.give_back(first)
        assert server.read(name) == Limit(2, 1), "given back already"
        assert not await slots.renew(first)
        assert await others.take() is not None
        await others.give_back(second)
        assert server.read(name) == Limit(2, 1)


async def test_a_limit_of_nothing_gives_nothing_and_one_that_is_not_there_is_an_error(server):
    name = server.make(0)
    async with slots_of(name) as slots:
        assert await slots.take() is None
        server.delete(name)
        with pytest.raises(UsageError, match=f"no concurrency limit {name}.*assetmill deploy"):
            await slots.limit()
        with pytest.raises(UsageError, match="no concurrency limit"):
            await slots.take()


async def test_limits_are_made_as_large_as_the_window_and_an_operators_value_stays(server, monkeypatch):
    url = f"http://127.0.0.1:9/v2/{uuid4().hex[:12]}"
    monkeypatch.setenv("ASSETMILL_MAX_WORKERS", "2")
    settings = Settings()
    (endpoint,) = endpoints_of(settings, [url, url])
    name = f"endpoint-{endpoint.id}@127.0.0.1:9"
    async with get_client() as client:
        assert await ensure_limits(client, [endpoint], settings) == [f"concurrency limit {name} created (4 slots)"]
        assert await ensure_limits(client, [endpoint], settings) == []
        server.change(name, limit=1, active=False)
        assert await ensure_limits(client, [endpoint], settings) == []
        assert server.read(name).slots == 1
        said = await ensure_limits(client, [endpoint], settings, reset=True)
        assert said == [f"concurrency limit {name} set from 1 to 4 slots"]
        assert server.read(name).slots == 4


def test_the_endpoints_of_the_settings_are_those_with_a_key_and_an_id(monkeypatch):
    monkeypatch.setenv("RUNPOD_COMFYUI_ENDPOINT_ID", "abc123def456")
    monkeypatch.setenv("RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID", "abc123def456")
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    assert endpoints_of(Settings()) == []
    monkeypatch.setenv("RUNPOD_API_KEY", "made-up-key")
    assert [one.id for one in endpoints_of(Settings())] == ["abc123def456"], "one endpoint under two names"
    assert endpoints_of(Settings(), ["draft"])[1:] == [], "a draft endpoint of the run's own is nobody else's"


ASSET = "  - {{id: a{n}, type: entity, prompt: thing {n}, shape: circle, silhouette: {{canvas: 64x64}}}}\n"


def manifest(folder: Path, game: str, pictures: int) -> Path:
    path = folder / f"{game}.yaml"
    head = f"version: 1\ngame: {{id: {game}, title: {game}}}\npack: {{id: default, name: Default}}\nassets:\n"
    path.write_text(head + "".join(ASSET.format(n=n) for n in range(pictures)))
    return path


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    variables = {
        "ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_SERVE_KEY": "made-up-key", "ASSETMILL_MAX_WORKERS": "2",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


async def run(settings: Settings, request: Request) -> int:
    clock = Clock()
    async with open_batch(settings, request, clock, clock.new_id()) as batch, shared_slots(batch):
        report, _ = await run_batch(batch, ALL, "main", Steps())
    return report.generated


async def test_two_runs_share_the_window_and_leave_nothing_behind(server, settings, tmp_path):
    config = PodConfig(api_key="made-up-key", workers=2, exec_seconds=0.5)
    async with running_pod(config, render) as pod, get_client() as client:
        (endpoint,) = endpoints_of(settings, [pod.url])
        name = f"endpoint-draft@{pod.url.split('/')[2]}"
        with pytest.raises(UsageError, match="no concurrency limit"):
            await run(settings, Request(manifest(tmp_path, "early", 1), pod.url))
        assert pod.counts().executed == 0
        await ensure_limits(client, [endpoint], settings)
        requests = [Request(manifest(tmp_path, game, 5), pod.url) for game in ("one", "two")]
        assert await asyncio.gather(*(run(settings, request) for request in requests)) == [5, 5]
        assert len(pod.executions()) == 10
        assert 2 < pod.most_outstanding() <= SLOTS
        assert server.read(name) == Limit(SLOTS, 0)
    with Ledger.open(settings.ledger_url) as ledger:
        assert ledger.seats.at(name) == []


HOLDER = """
import asyncio, sys
from pathlib import Path
from assetmill.batch.prepare import Request
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.settings import load_settings
from flows.sharing import shared_slots

async def main():
    request = Request(Path(sys.argv[1]), sys.argv[2])
    async with open_batch(load_settings(), request, Clock(), "killed") as batch, shared_slots(batch):
        await batch.admission.enter("entity")
        print("sends", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def hold_and_die(command: list[str], environment: dict[str, str], ledger_url: str, name: str) -> None:
    """Kill the holder once its seat says by which leases it holds its slots."""
    with (
        Ledger.open(ledger_url) as ledger,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder,
    ):
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "sends\n"
            while not any(seat.leases for seat in ledger.seats.at(name)):
                with pytest.raises(subprocess.TimeoutExpired):  # it lives
                    holder.wait(0.1)
        finally:
            holder.kill()


async def test_what_a_killed_run_held_is_given_back_by_the_next_run_on_its_machine(server, settings, tmp_path, api_url):
    """Without it, the next run would wait for a minute and more until the lease has ended."""
    async with running_pod(PodConfig(api_key="made-up-key", workers=2), render) as pod, get_client() as client:
        (endpoint,) = endpoints_of(settings, [pod.url])
        name = f"endpoint-draft@{pod.url.split('/')[2]}"
        await ensure_limits(client, [endpoint], settings)
        server.change(name, limit=1)
        path = manifest(tmp_path, "one", 1)
        command = [sys.executable, "-P", "-c", HOLDER, str(path), pod.url]
        environment = os.environ | {"PREFECT_API_URL": api_url, "PREFECT_HOME": str(tmp_path / "prefect")}
        await asyncio.to_thread(hold_and_die, command, environment, settings.ledger_url, name)
        assert server.read(name) == Limit(1, 1)
        assert await asyncio.wait_for(run(settings, Request(path, pod.url)), timeout=40) == 1
        assert server.read(name) == Limit(1, 0)
