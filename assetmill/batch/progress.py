"""How far a batch is, for whoever watches: the terminal, a Prefect artifact, a test.

Counting only: nothing here prints. A listener is set around the run and told after every change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal

from assetmill.money import Cost, usd
from assetmill.providers.base import Job, JobState


@dataclass
class Progress:
    """Counts of one batch; only its own batch writes them.

    `cost_usd` adds up estimates of settled attempts; `unpriced` counts those without one. Of these, `bounded` have a
    known most that they may have cost, `unpriced_high_usd` in all: nobody knows whether they ran. `message` is what
    was said last, `step` the phase that the batch is in, and `notes` counts what was said that is more than a phase.
    """

    total: int = 0
    cached: int = 0
    kept: int = 0
    failed: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    bounded: int = 0
    unpriced_high_usd: Decimal = Decimal(0)
    jobs: dict[str, JobState] = field(default_factory=dict)
    message: str = ""
    step: str = ""
    notes: int = 0
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

    @property
    def known_usd(self) -> Decimal | None:
        """Sum of the estimates; None where there are attempts, and none of them has one."""
        return None if self.unpriced and not self.cost_usd else self.cost_usd

    @property
    def spent(self) -> str:
        """The cost so far in words."""
        return spent_words(self.known_usd, self.unpriced, self.bounded, self.unpriced_high_usd)

    def phase(self, step: str) -> None:
        """Name the step that the batch is at; the next one takes its place."""
        self.step = self.message = step
        self._tell()

    def say(self, message: str) -> None:
        """Say something that happened on the way, and that is to stay on the screen."""
        self.message = message
        self.notes += 1
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
            if cost.high is not None:
                self.bounded += 1
                self.unpriced_high_usd += cost.high

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


def spent_words(cost_usd: Decimal | None, unpriced: int, bounded: int, high_usd: Decimal | None) -> str:
    """A cost in words: what is known, what the jobs of unknown outcome may add, and how many have no price at all.

    Args:
        cost_usd: sum of the estimates; None if none is known.
        unpriced: charged attempts without an estimate.
        bounded: of these, those of which the most is known.
        high_usd: that most, all of them together.
    """
    parts = [usd(cost_usd)] if cost_usd is not None else []
    if bounded:
        parts.append(f"up to {usd(high_usd)} for {bounded} {'job' if bounded == 1 else 'jobs'} of unknown outcome")
    if unpriced > bounded:
        count = unpriced - bounded
        noun = "" if parts else " job" if count == 1 else " jobs"
        parts.append(f"{count}{noun} of unknown price")
    return " and ".join(parts) or usd(None)


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
