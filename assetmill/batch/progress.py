"""How far a batch is, for whoever watches: the terminal, a Prefect artifact, a test.

Counting only: nothing here prints. A listener is set around the run and told after every change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal

from assetmill.money import Cost
from assetmill.providers.base import Job, JobState


@dataclass
class Progress:
    """Counts of one batch; only its own batch writes them.

    `cost_usd` adds up estimates of settled attempts; `unpriced` counts those without a known price.
    """

    total: int = 0
    cached: int = 0
    kept: int = 0
    failed: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    jobs: dict[str, JobState] = field(default_factory=dict)
    message: str = ""
    listener: Listener | None = None

    @property
    def queued(self) -> int:
        """Jobs that wait at the endpoint."""
        return sum(state is JobState.QUEUED for state in self.jobs.values())

    @property
    def running(self) -> int:
        """Jobs that a worker is at."""
        return sum(state is JobState.RUNNING for state in self.jobs.values())

    @property
    def ended(self) -> int:
        """Pictures that will not change any more in this run."""
        return self.kept + self.failed

    def say(self, message: str) -> None:
        """Name the step that the batch is at."""
        self.message = message
        self._tell()

    def submitted(self, job_id: str) -> None:
        """A job was accepted."""
        self.jobs[job_id] = JobState.QUEUED
        self._tell()

    def observed(self, job: Job) -> None:
        """The endpoint said where a job stands."""
        if self.jobs.get(job.id) != job.state:
            self.jobs[job.id] = job.state
            self._tell()

    def charged(self, cost: Cost | None) -> None:
        """An attempt was settled that cost something, or may have; None for one that cost nothing for certain."""
        if cost is None:
            return
        if cost.estimate is not None:
            self.cost_usd += cost.estimate
        else:
            self.unpriced += 1

    def forget(self, job_id: str | None) -> None:
        """A job is out of sight; its picture is not done."""
        self.jobs.pop(job_id or "", None)
        self._tell()

    def done(self, job_id: str | None, *, kept: bool) -> None:
        """A picture will not change any more in this run."""
        self.jobs.pop(job_id or "", None)
        self.kept += kept
        self.failed += not kept
        self._tell()

    def _tell(self) -> None:
        if self.listener is not None:
            self.listener(self)


Listener = Callable[[Progress], None]
_LISTENER: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell `listener` about every batch that is run inside the block."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def new_progress() -> Progress:
    """Counts for a new batch, wired to the listener in force."""
    return Progress(listener=_LISTENER.get())
