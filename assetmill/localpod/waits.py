"""Calls that wait for a job: long polls, streams, `runsync`.

Whoever waits is woken by the job's end, by the time, or by the endpoint's own end; it must never be kept longer.
"""

from __future__ import annotations

import asyncio

from assetmill.clock import Clock
from assetmill.localpod.workers import woken


class Waiters:
    """Requests that wait for a job's end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: dict[str, list[asyncio.Event]] = {}
        self._closed = False

    def tell(self, job_id: str) -> None:
        """Wake everybody who waits for this job."""
        for event in self._events.get(job_id, ()):
            event.set()

    def close(self) -> None:
        """Wake everybody, now and from now on."""
        self._closed = True
        for job_id in self._events:
            self.tell(job_id)

    async def wait(self, job_id: str, seconds: float) -> None:
        """Return when the job ends, when `seconds` are over, or when the endpoint goes."""
        if self._closed:
            return
        event = asyncio.Event()
        self._events.setdefault(job_id, []).append(event)
        try:
            await woken(event, seconds, self._clock)
        finally:
            self._events[job_id].remove(event)
            if not self._events[job_id]:
                del self._events[job_id]
