"""How many jobs may be outstanding at one endpoint: max workers x (1 + queue ahead).

One job waits at the endpoint for every worker, so that a worker that ends one finds the next; more would buy
nothing. RunPod itself never runs more than its max workers. A run that shares its endpoint has less than the whole
window, and now more, now less of it: what it holds is set from outside, and may fall below what is out already.
"""

from __future__ import annotations


class Window:
    """Slots of one endpoint within one run. It counts; who waits for one waits elsewhere.

    Args:
        max_workers: workers that the endpoint may run.
        queue_ahead: jobs that may wait at the endpoint for each worker.

    Attributes:
        full: the whole window of the endpoint.
        size: what this run has of it; the whole, as long as nobody says otherwise.
        taken: slots that have a job.
    """

    def __init__(self, max_workers: int, queue_ahead: int) -> None:
        self.full = max_workers * (1 + queue_ahead)
        self.size = self.full
        self.taken = 0

    @property
    def free(self) -> bool:
        """Whether there is a slot."""
        return self.taken < self.size

    def resize(self, size: int) -> None:
        """Have that many slots from now on, at most the whole window; jobs that are out stay out."""
        self.size = max(0, min(size, self.full))

    def take(self) -> None:
        """Take a slot.

        Raises:
            ValueError: there is none.
        """
        if not self.free:
            raise ValueError("no slot is free")
        self.taken += 1

    def give_back(self) -> None:
        """Give a slot back; its job has ended, or was never sent.

        Raises:
            ValueError: none is taken.
        """
        if not self.taken:
            raise ValueError("no slot is taken")
        self.taken -= 1
