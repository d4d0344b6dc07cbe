"""How many jobs may be outstanding at one endpoint: max workers x (1 + queue ahead).

One job waits at the endpoint for every worker, so that a worker that ends one finds the next; more would buy
nothing. RunPod itself never runs more than its max workers.
"""

from __future__ import annotations


class Window:
    """Slots of one endpoint within one run. It counts; who waits for one waits elsewhere.

    Args:
        max_workers: workers that the endpoint may run.
        queue_ahead: jobs that may wait at the endpoint for each worker.
    """

    def __init__(self, max_workers: int, queue_ahead: int) -> None:
        self.size = max_workers * (1 + queue_ahead)
        self._taken = 0

    @property
    def free(self) -> bool:
        """Whether there is a slot."""
        return self._taken < self.size

    def take(self) -> None:
        """Take a slot.

        Raises:
            ValueError: there is none.
        """
        if not self.free:
            raise ValueError("no slot is free")
        self._taken += 1

    def give_back(self) -> None:
        """Give a slot back; its job has ended, or was never sent.

        Raises:
            ValueError: none is taken.
        """
        if not self._taken:
            raise ValueError("no slot is taken")
        self._taken -= 1
