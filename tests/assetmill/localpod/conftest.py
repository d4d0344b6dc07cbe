"""Time that moves when a test says so, and a client on a real endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.localpod import Pod, PodConfig, Worker, running_pod


@dataclass(eq=False)
class HandTime:
    """A clock that stands still until `advance`."""

    seconds: float = 1_000.0
    sleepers: list[tuple[float, asyncio.Future[None]]] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        entry = (self.seconds + seconds, asyncio.get_running_loop().create_future())
        self.sleepers.append(entry)
        try:
            await entry[1]
        finally:
            self.sleepers.remove(entry)

    async def advance(self, seconds: float) -> None:
        self.seconds += seconds
        for due, future in list(self.sleepers):
            if due <= self.seconds and not future.done():
                future.set_result(None)
        await asyncio.sleep(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until something is so; a test that waits in vain fails."""
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - the loop must turn; no event tells of a sleeper
                await asyncio.sleep(0)

    async def sleeping(self, count: int) -> None:
        await self.until(lambda: len(self.sleepers) == count)

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=self.monotonic, sleep=self.sleep)


OpenPod = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]


@pytest.fixture
def hand_time() -> HandTime:
    return HandTime()


@pytest.fixture
def open_pod() -> OpenPod:
    """`async with open_pod(config, worker, clock) as (client, pod)`."""

    @asynccontextmanager
    async def opened(
        config: PodConfig, worker: Worker, clock: Clock | None = None
    ) -> AsyncIterator[tuple[httpx.AsyncClient, Pod]]:
        async with running_pod(config, worker, clock) as pod:
            headers = {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
            async with httpx.AsyncClient(base_url=pod.url, headers=headers, timeout=10, trust_env=False) as client:
                yield client, pod

    return opened
