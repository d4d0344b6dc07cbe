"""How many jobs may be outstanding at one endpoint: max workers x (1 + queue ahead).

One job waits at the endpoint for every worker, so that a worker that ends one finds the next; more would buy
nothing. RunPod itself never runs more than its max workers.
"""

from __future__ import annotations

import asyncio


class Slot:
    """The right to have one job outstanding; giving it back twice is harmless."""

    def __init__(self, window: Window) -> None:
        self._window: Window | None = window

    def release(self) -> None:
        """Give it back: the job has ended, or was never sent."""
        window, self._window = self._window, None
        if window is not None:
            window.give_back()


class Window:
    """Slots of one endpoint within one run.

    Args:
        max_workers: workers that the endpoint may run.
        queue_ahead: jobs that may wait at the endpoint for each worker.
    """

    def __init__(self, max_workers: int, queue_ahead: int) -> None:
        self.size = max_workers * (1 + queue_ahead)
        self._slots = asyncio.Semaphore(self.size)

    async def acquire(self) -> Slot:
        """Wait for a slot, in the order of asking."""
        await self._slots.acquire()
        return Slot(self)

    def give_back(self) -> None:
        """Let the next one in; `Slot.release` calls this once."""
        self._slots.release()
