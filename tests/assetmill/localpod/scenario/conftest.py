"""A client on a real local Scenario."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from assetmill.clock import Clock
from assetmill.localpod.scenario import LocalScenario, ScenarioConfig, running_scenario


@dataclass(frozen=True)
class Caller:
    """Calls that tests make.

    Args:
        server: the endpoint.
        api: a client with the keys.
        bare: one without.
    """

    server: LocalScenario
    api: httpx.AsyncClient
    bare: httpx.AsyncClient

    async def post(self, path: str, body: Any, **query: str) -> httpx.Response:
        return await self.api.post(path, json=body, params=query)

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.api.get(path, params=query)

    async def made(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """The job of a call under `/generate` that was taken, when it has ended."""
        answer = await self.post(f"/generate/{call}", body)
        assert answer.status_code == 200, answer.text
        await self.server.settled()
        job: dict[str, Any] = (await self.get(f"/jobs/{answer.json()['job']['jobId']}")).json()["job"]
        return job

    async def asset(self, asset_id: str) -> dict[str, Any]:
        asset: dict[str, Any] = (await self.get(f"/assets/{asset_id}")).json()["asset"]
        return asset

    async def file(self, asset_id: str) -> bytes:
        answer = await self.bare.get((await self.asset(asset_id))["url"])
        assert answer.status_code == 200, answer.text
        return answer.content

    async def picture(self, asset_id: str) -> Image.Image:
        image = Image.open(io.BytesIO(await self.file(asset_id)))
        image.load()
        return image

    async def uploaded(self, file: bytes) -> str:
        answer = await self.post("/assets", {"image": base64.b64encode(file).decode(), "name": "guide.png"})
        asset_id: str = answer.json()["asset"]["id"]
        return asset_id


OpenScenario = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture
def open_scenario() -> OpenScenario:
    """`async with open_scenario(config, clock) as caller`."""

    @asynccontextmanager
    async def opened(config: ScenarioConfig | None = None, clock: Clock | None = None) -> AsyncIterator[Caller]:
        async with running_scenario(config, clock) as server:
            keys = (server.config.api_key or "", server.config.secret or "")
            async with (
                httpx.AsyncClient(base_url=server.url, auth=keys, timeout=30, trust_env=False) as api,
                httpx.AsyncClient(timeout=30, trust_env=False) as bare,
            ):
                yield Caller(server, api, bare)

    return opened


@pytest.fixture(scope="session")
def guide() -> bytes:
    """A rounded box on white, as entities have it: PNG, 192 pixels."""
    image = Image.new("RGB", (192, 192), "white")
    ImageDraw.Draw(image).rounded_rectangle((40, 20, 150, 170), 8, fill="#e08030")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
