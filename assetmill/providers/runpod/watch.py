"""Watching one job until it ends: long poll where the endpoint offers it, patient polling elsewhere.

Sans-IO where it decides: `Patience` says how long to wait next and when to give up; `watch` does the calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, QueueStalled, ResultLost, Throttled
from assetmill.providers.base import Job, JobState, Observer
from assetmill.providers.runpod.api import JobApi, JobUnknownError

YOUNG_S = 60.0  # a fresh job may answer 404 until it has spread through RunPod
UNREACHABLE_S = 600.0  # results live 30 minutes; giving up earlier leaves time to collect them in another run
LONG_POLL_S = 4.0  # short enough to show a job that has begun; 100 jobs make 25 calls a second of the 160 allowed
FIRST_POLL_S = 1.0
SLOWEST_POLL_S = 5.0
GROWTH = 1.5
JITTER = 0.2


@dataclass
class Patience:
    """Decides the next pause and when a job counts as lost or stalled."""

    clock: Clock
    stall_s: float
    started: float = field(init=False)
    last_answer: float = field(init=False)
    pause: float = FIRST_POLL_S

    def __post_init__(self) -> None:
        self.started = self.last_answer = self.clock.monotonic()

    def next_pause(self) -> float:
        """Seconds to wait before asking again: 1 s growing to 5 s, with 20 % jitter."""
        pause, self.pause = self.pause, min(SLOWEST_POLL_S, self.pause * GROWTH)
        return pause * (1 + JITTER * (2 * self.clock.random.random() - 1))

    def answered(self) -> None:
        """An answer came."""
        self.last_answer = self.clock.monotonic()

    def missing(self, job_id: str) -> None:
        """A 404 came: bear it while the job is young, else it is lost.

        Raises:
            ResultLost: the endpoint has forgotten the job.
        """
        if self.clock.monotonic() - self.started > YOUNG_S:
            raise ResultLost(
                "the endpoint does not know the job any more",
                job_id=job_id,
                hint="results live 30 minutes; it may be charged",
            )

    def unreachable(self, error: NotDelivered | Throttled, job_id: str) -> None:
        """No answer came: bear it for ten minutes.

        Raises:
            NotDelivered: the job may go on; its row stays open and another run collects it.
        """
        if self.clock.monotonic() - self.last_answer > UNREACHABLE_S:
            raise NotDelivered(
                f"no answer for {UNREACHABLE_S:.0f} s: {error.message}", job_id=job_id, hint="run again to collect it"
            ) from error

    def stalled(self, job: Job) -> bool:
        """Whether the job has been queued for longer than is sensible."""
        return job.state is JobState.QUEUED and self.clock.monotonic() - self.started > self.stall_s


@dataclass
class Watcher:
    """Watches jobs of one endpoint; learns once whether long polling works there."""

    api: JobApi
    clock: Clock
    stall_s: float
    why_stalled: Callable[[], Awaitable[str]]
    long_poll: bool = True

    async def watch(self, job_id: str, observe: Observer | None = None) -> Job:
        """Return the job once it has ended.

        Raises:
            ResultLost, NotDelivered, QueueStalled, ProviderRefused.
        """
        patience = Patience(self.clock, self.stall_s)
        while True:
            polled_long = self.long_poll
            try:
                job = await self._ask(job_id, LONG_POLL_S if polled_long else 0.0)
            except JobUnknownError:
                patience.missing(job_id)
            except (NotDelivered, Throttled) as error:
                patience.unreachable(error, job_id)
            else:
                patience.answered()
                if observe:
                    observe(job)
                if job.state.terminal:
                    return job
                if patience.stalled(job):
                    raise QueueStalled(await self.why_stalled(), job_id=job_id)
                if polled_long and self.long_poll:
                    continue
            await self.clock.sleep(patience.next_pause())

    async def _ask(self, job_id: str, wait_s: float) -> Job:
        """One look. A 404 from the long poll alone means that the endpoint has none: never ask it again."""
        if not wait_s:
            return await self.api.status(job_id)
        asked = self.clock.monotonic()
        try:
            job = await self.api.status_sync(job_id, wait_s)
        except JobUnknownError:
            job = await self.api.status(job_id)
            self.long_poll = False
            return job
        if not job.state.terminal and self.clock.monotonic() - asked < 1.0:
            self.long_poll = False  # it answers at once instead of holding: polling it would be a busy loop
        return job
