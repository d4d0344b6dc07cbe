"""Keeping each operation at 80 % of RunPod's documented rate, and asking once what many want to know.

Per endpoint and 10 s: run 1000, status 2000, cancel 100, requests 10; at the same time: run 200, status 400,
cancel 20, requests 2. Beyond them comes 429. A fifth is left to whoever else uses the endpoint. For health no
figure is published: it is kept at the rate of status.
Source: docs.runpod.io, serverless/endpoints/operation-reference and send-requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Generic, Literal, TypeVar

from assetmill.clock import Clock

Operation = Literal["run", "status", "cancel", "health", "requests"]
T = TypeVar("T")
WINDOW_S = 10.0
SHARE = 0.8
DOCUMENTED: Mapping[Operation, int] = {"run": 1000, "status": 2000, "cancel": 100, "health": 2000, "requests": 10}
AT_ONCE: Mapping[Operation, int] = {"run": 200, "status": 400, "cancel": 20, "health": 400, "requests": 2}


class TokenBucket:
    """Lets `rate` calls a second pass, with bursts of up to `burst`."""

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock.monotonic()

    def take(self) -> float:
        """Take one token, on credit if need be, and return the seconds to wait before using it."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)


class RateLimits:
    """One bucket, and one count of calls under way, for each operation of one endpoint."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets = {
            operation: TokenBucket(SHARE * count / WINDOW_S, SHARE * count / WINDOW_S, clock)
            for operation, count in DOCUMENTED.items()
        }
        self._places = {operation: asyncio.Semaphore(max(1, int(SHARE * most))) for operation, most in AT_ONCE.items()}

    async def wait(self, operation: Operation) -> None:
        """Return when the operation may be called."""
        delay = self._buckets[operation].take()
        if delay > 0:
            await self._clock.sleep(delay)

    @asynccontextmanager
    async def admitted(self, operation: Operation) -> AsyncIterator[None]:
        """Hold a place for one call, once its rate allows it, for as long as the block lasts."""
        async with self._places[operation]:
            await self.wait(operation)
            yield


class Shared(Generic[T]):
    """One call for all who ask within `keep_s` seconds, and never two at the same time.

    Args:
        fetch: the call. It answers with a value whatever happens: what it raises is not kept, and everyone who
            waits would call again.
        clock: time source.
        keep_s: how long an answer serves, counted from when it was asked for.
    """

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Clock, keep_s: float) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keep_s = keep_s
        self._lock = asyncio.Lock()  # who waits here is not lost when the caller ahead is cancelled
        self._held: tuple[float, T] | None = None

    async def get(self) -> T:
        """The answer: the one that is held, or a new one."""
        async with self._lock:
            if self._held is None or self._clock.monotonic() - self._held[0] >= self._keep_s:
                asked = self._clock.monotonic()
                self._held = (asked, await self._fetch())
            return self._held[1]
