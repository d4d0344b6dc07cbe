"""A local ComfyUI whose time moves only when somebody sleeps, providers that talk to it, and small graphs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest
from pydantic import SecretStr

from assetmill.clock import Clock
from assetmill.localpod.comfyui import Comfy, ComfyConfig, running_comfyui
from assetmill.providers.base import InputImage, JobRequest
from assetmill.providers.comfyui import ComfyUIProvider
from assetmill.providers.endpoint import Endpoint

ATTEMPT = "0123456789abcdef0123456789abcdef"


class Ticking(Protocol):
    """The fixture `time` of the room above."""

    seconds: float

    async def sleep(self, seconds: float) -> None: ...


OpenComfy = Callable[..., AbstractAsyncContextManager[Comfy]]
NewProvider = Callable[..., ComfyUIProvider]


@pytest.fixture
def clock(time: Ticking) -> Clock:
    """Today, and moved on by sleeping alone."""
    start = datetime.now(UTC)
    return Clock(now=lambda: start + timedelta(seconds=time.seconds), monotonic=lambda: time.seconds, sleep=time.sleep)


@pytest.fixture
def open_comfy(clock: Clock) -> OpenComfy:
    """Start a server that behaves as said; with `real` its own time is the world's, and stands still for a test."""

    @asynccontextmanager
    async def opened(*, real: bool = False, **settings: Any) -> AsyncIterator[Comfy]:
        async with running_comfyui(ComfyConfig(**settings), None if real else clock) as comfy:
            yield comfy

    return opened


@pytest.fixture
async def comfy(open_comfy: OpenComfy) -> AsyncIterator[Comfy]:
    async with open_comfy() as running:
        yield running


@pytest.fixture
async def new_provider(clock: Clock) -> AsyncIterator[NewProvider]:
    """A provider for an address, as a process of its own would have it."""
    async with AsyncExitStack() as stack:

        def made(url: str, key: str | None = None, **settings: Any) -> ComfyUIProvider:
            secret = None if key is None else SecretStr(key)
            endpoint = Endpoint("comfyui", "comfyui", f"comfyui+{url}", secret, "flux", 1, None, "")
            provider = ComfyUIProvider(
                endpoint, clock, **{"window": 4, "stall_s": 900.0, "look_for_s": 20.0} | settings
            )
            stack.push_async_callback(provider.aclose)
            return provider

        yield made


@pytest.fixture
def provider(comfy: Comfy, new_provider: NewProvider) -> ComfyUIProvider:
    return new_provider(comfy.url)


@pytest.fixture
def request_of() -> Callable[..., JobRequest]:
    """A graph that needs no model: a red square, saved once for each role."""

    def made(attempt_id: str = ATTEMPT, *roles: str, images: tuple[InputImage, ...] = (), **more: Any) -> JobRequest:
        outputs = {role: f"{attempt_id}-{role}" for role in roles or ("image",)}
        graph: dict[str, Any] = {
            "1": {
                "class_type": "EmptyImage",
                "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0xFF0000},
            }
        }
        for number, prefix in enumerate(outputs.values(), 2):
            graph[str(number)] = {
                "class_type": "SaveImage",
                "inputs": {"images": ["1", 0], "filename_prefix": prefix},
            }
        return JobRequest(attempt_id, graph, outputs, images, **more)

    return made
