"""How many jobs may be outstanding at one endpoint: max workers x (1 + queue ahead).

One job waits at the endpoint for every worker, so that a worker that ends one finds the next; more would buy
nothing. RunPod itself never runs more than its max workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Window:
    """Slots of one endpoint within one run.

    Args:
        max_workers: workers that the endpoint may run.
        queue_ahead: jobs that may wait at the endpoint for each worker.
    """

    def __init__(self, max_workers: int, queue_ahead: int) -> None:
        self.size = max_workers * (1 + queue_ahead)
        self.outstanding = 0
        self.peak = 0
        self._slots = asyncio.Semaphore(self.size)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one slot; waits until one is free."""
        async with self._slots:
            self.outstanding += 1
            self.peak = max(self.peak, self.outstanding)
            try:
                yield
            finally:
                self.outstanding -= 1
