"""Token buckets: keep each operation at 80 % of RunPod's documented rate.

Rates per 10 s and endpoint: run 1000, status 2000, cancel 100, purge-queue 2; 429 beyond them. A fifth is
left to whoever else uses the endpoint.
Source: docs.runpod.io, serverless/endpoints/operation-reference and send-requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from assetmill.clock import Clock

Operation = Literal["run", "status", "cancel", "health"]
WINDOW_S = 10.0
SHARE = 0.8
DOCUMENTED: Mapping[Operation, int] = {"run": 1000, "status": 2000, "cancel": 100, "health": 2000}


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
    """One bucket for each operation of one endpoint."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets = {
            operation: TokenBucket(SHARE * count / WINDOW_S, SHARE * count / WINDOW_S, clock)
            for operation, count in DOCUMENTED.items()
        }

    async def wait(self, operation: Operation) -> None:
        """Return when the operation may be called."""
        delay = self._buckets[operation].take()
        if delay > 0:
            await self._clock.sleep(delay)
