"""Watching one job of a ComfyUI server until it ends.

The server ends no job by itself and never says why one waits, so both are judged here: a job that has run for longer
than it may is withdrawn, and a queue in which nothing moves for too long ends the run. A queue that moves may be as
long as it likes: other people's graphs stand in it too. Polling is quick, because the server is asked by nobody else
and knows no limits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from assetmill.clock import Clock
from assetmill.errors import AttemptError, NotDelivered, QueueStalled, Throttled, TimedOut
from assetmill.providers.base import Job, JobState, Observer
from assetmill.providers.comfyui.jobs import Jobs

FIRST_POLL_S = 0.25
SLOWEST_POLL_S = 3.0
GROWTH = 1.5
JITTER = 0.2
NOTICE_S = 60.0
MISSING_S = 2.0  # a job that looks have seen nowhere for so long is not there
UNREACHABLE_S = 600.0  # a server that starts again needs minutes at most, and what it had written is still there
LONGEST_RETRY_AFTER_S = 60.0


@dataclass
class Patience:
    """Decides the next pause, and when a job counts as lost, stalled or stuck.

    Args:
        clock: time source.
        stall_s: how long the queue before the job may stand still.
        execution_timeout_s: how long the job may run.
    """

    clock: Clock
    stall_s: float
    execution_timeout_s: float
    pause: float = FIRST_POLL_S
    ahead: tuple[str, ...] | None = None
    since: float = field(init=False)
    moved: float = field(init=False)
    answered: float = field(init=False)
    running_since: float | None = field(init=False, default=None)
    missing_since: float | None = field(init=False, default=None)
    asked_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.since = self.moved = self.answered = self.clock.monotonic()

    def next_pause(self) -> float:
        """Seconds until the next look: a quarter, growing to three, with 20 % jitter, or as long as a 429 asked."""
        pause, self.pause = self.pause, min(SLOWEST_POLL_S, self.pause * GROWTH)
        asked, self.asked_s = self.asked_s, 0.0
        return max(asked, pause * (1 + JITTER * (2 * self.clock.random.random() - 1)))

    def seen(self, job: Job) -> None:
        """An answer came."""
        self.answered = self.clock.monotonic()
        self.missing_since = None
        if job.state is JobState.RUNNING and self.running_since is None:
            self.running_since = self.answered
            self.pause = FIRST_POLL_S

    def queued(self, ahead: tuple[str, ...]) -> None:
        """The job waits behind these; any change means that the queue moves."""
        self.running_since = None
        if ahead != self.ahead:
            self.ahead, self.moved = ahead, self.clock.monotonic()

    def missing(self) -> bool:
        """The job was seen nowhere; whether that is to be believed, which one look alone never is."""
        self.answered = self.clock.monotonic()
        if self.missing_since is None:
            self.missing_since = self.answered
        return self.answered - self.missing_since >= MISSING_S

    def unreachable(self, error: NotDelivered | Throttled, job_id: str) -> None:
        """No answer: bear it for ten minutes.

        Raises:
            NotDelivered: the job may go on; its row stays open and another run collects it.
        """
        if isinstance(error, Throttled) and error.retry_after_s is not None:
            self.asked_s = min(error.retry_after_s, LONGEST_RETRY_AFTER_S)
        if self.clock.monotonic() - self.answered > UNREACHABLE_S:
            raise NotDelivered(
                f"no answer for {UNREACHABLE_S:.0f} s: {error.message}", job_id=job_id, hint="run again to collect it"
            ) from error

    @property
    def stalled(self) -> bool:
        """Whether nothing before the job has moved for too long."""
        return self.clock.monotonic() - self.moved > self.stall_s

    @property
    def stuck(self) -> bool:
        """Whether the job runs for longer than it may."""
        return self.running_since is not None and self.clock.monotonic() - self.running_since > self.execution_timeout_s


@dataclass
class Watcher:
    """Watches jobs of one server.

    Args:
        jobs: where they are.
        clock: time source.
        cancel: withdraws a job.
        stall_s: how long the queue before a job may stand still.
        execution_timeout_s: how long a job may run.
        notice: told what holds jobs up, once for each change of words.
    """

    jobs: Jobs
    clock: Clock
    cancel: Callable[[str], Awaitable[None]]
    stall_s: float
    execution_timeout_s: float
    notice: Callable[[str], None] | None = None
    noticed: str = ""

    async def watch(self, job_id: str, observe: Observer | None = None) -> Job:
        """Return the job once it has ended.

        Raises:
            ResultExpired, TimedOut, QueueStalled, NotDelivered, ProviderRefused.
        """
        patience = Patience(self.clock, self.stall_s, self.execution_timeout_s)
        while True:
            try:
                job = await self._ask(job_id, patience)
            except (NotDelivered, Throttled) as error:
                patience.unreachable(error, job_id)
                job = None
            if job is not None:
                patience.seen(job)
                if observe:
                    observe(job)
                if job.state.terminal:
                    return job
                if patience.stuck:
                    return await self._end(job_id, observe)
            await self.clock.sleep(patience.next_pause())

    async def _ask(self, job_id: str, patience: Patience) -> Job | None:
        """The job, or None while it is nowhere to be seen and that may pass."""
        job = await self.jobs.look(job_id)
        if job is None:
            return await self.jobs.forgotten(job_id) if patience.missing() else None
        if job.state is JobState.QUEUED:
            await self._consider(job_id, patience)
        return job

    async def _consider(self, job_id: str, patience: Patience) -> None:
        """Say what a job waits for; raise QueueStalled where waiting is over."""
        ahead = (await self.jobs.queue()).ahead(job_id)
        patience.queued(ahead)
        jobs = "1 job is" if len(ahead) == 1 else f"{len(ahead)} jobs are"
        words = f"{jobs} ahead of ours at this ComfyUI"
        if patience.stalled:
            raise QueueStalled(
                f"nothing has moved in ComfyUI's queue for {patience.stall_s:.0f} s; {words}",
                job_id=job_id,
                hint="look at ComfyUI's own log; interrupt what runs, or start it again",
                cause="standstill",
            )
        waited = self.clock.monotonic() - patience.since > NOTICE_S
        if waited and self.notice and words != self.noticed:
            self.noticed = words
            self.notice(f"{words} (it runs one graph at a time, whoever sent it)")

    async def _end(self, job_id: str, observe: Observer | None) -> Job:
        """Withdraw a job that should have ended. It may have, just now: then its result counts.

        Raises:
            TimedOut: it is withdrawn.
            NotDelivered: it could not be; it may go on.
        """
        await self.cancel(job_id)
        try:
            job = await self.jobs.look(job_id, now=True)
        except AttemptError:
            job = None
        if job is not None and job.state is JobState.COMPLETED:
            if observe:
                observe(job)
            return job
        raise TimedOut(
            f"it ran for more than {self.execution_timeout_s:.0f} s: interrupted",
            job_id=job_id,
            hint="raise ASSETMILL_EXECUTION_TIMEOUT_S if this ComfyUI is slow",
        )
