"""Watching one job until it ends: long poll where the endpoint offers it, patient polling elsewhere.

Sans-IO where it decides: `Patience` says how long to wait next and when to give up; `watch` does the calls.
The first terminal answer ends it: what the endpoint says of the job after that is not asked for. All ages count
from the job's submission, which may lie in an earlier run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from assetmill.clock import Clock
from assetmill.errors import (
    AttemptError,
    NotDelivered,
    ProviderRefused,
    QueueStalled,
    ResultExpired,
    Throttled,
    TimedOut,
)
from assetmill.providers.base import Job, JobState, Observer
from assetmill.providers.runpod.answers import STATES
from assetmill.providers.runpod.api import JobApi, JobUnknownError
from assetmill.providers.runpod.diagnosis import Diagnosis

YOUNG_S = 60.0  # a fresh job may answer 404 until it has spread through RunPod
MISSING_TIMES = 3  # 404s in a row that are believed of an old job, if they lie far enough apart
MISSING_S = 15.0  # a fault of RunPod's store or of an edge that says 404 for a moment is over by then
DIAGNOSE_S = 60.0  # a job that has waited this long asks why
UNREACHABLE_S = 600.0  # results live 30 minutes; giving up earlier leaves time to collect them in another run
OVERTIME_S = 60.0  # RunPod ends a job at its execution timeout; one that goes on after that has ended unseen
LONGEST_RETRY_AFTER_S = 60.0  # whatever a 429 asks for
LONG_POLL_TRIES = 2  # unusable answers, where plain polling answers, that end the long poll
LONG_POLL_S = 4.0  # short enough to show a job that has begun; 100 jobs make 25 calls a second of the 160 allowed
FIRST_POLL_S = 1.0
SLOWEST_POLL_S = 5.0
GROWTH = 1.5
JITTER = 0.2


def missing_job(job_id: str, age_s: float) -> ResultExpired | None:
    """What a 404 means for a job of this age: an error once it is no longer young, None before."""
    if age_s <= YOUNG_S:
        return None
    return ResultExpired(
        "the endpoint does not know the job any more",
        job_id=job_id,
        hint="results live 30 minutes; it may be charged",
    )


@dataclass
class Patience:
    """Decides the next pause and when a job counts as lost, stalled or stuck.

    Args:
        clock: time source.
        stall_s: how long a job may be in the queue.
        execution_timeout_s: how long it may be on a worker.
        age_s: how old it is already.
    """

    clock: Clock
    stall_s: float
    execution_timeout_s: float
    age_s: float = 0.0
    submitted: float = field(init=False)
    queued_since: float = field(init=False)
    running_since: float | None = field(init=False, default=None)
    last_answer: float = field(init=False)
    pause: float = FIRST_POLL_S
    retry_after_s: float = field(init=False, default=0.0)
    missing_times: int = field(init=False, default=0)
    missing_since: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.last_answer = self.clock.monotonic()
        self.submitted = self.queued_since = self.last_answer - self.age_s

    def next_pause(self) -> float:
        """Seconds to wait before asking again: 1 s growing to 5 s, with 20 % jitter, or as long as a 429 asked."""
        pause, self.pause = self.pause, min(SLOWEST_POLL_S, self.pause * GROWTH)
        asked, self.retry_after_s = self.retry_after_s, 0.0
        return max(asked, pause * (1 + JITTER * (2 * self.clock.random.random() - 1)))

    def answered(self, job: Job) -> None:
        """An answer came. RunPod may put a job back into the queue: both times count anew then."""
        self.last_answer = self.clock.monotonic()
        self.missing_times = 0
        if job.state is JobState.QUEUED:
            self.running_since = None
            return
        self.queued_since = self.last_answer
        if self.running_since is None and STATES.get(job.raw_status) is JobState.RUNNING:
            self.running_since = self.last_answer  # by its own word, not because nobody knows the status

    def missing(self, job_id: str) -> None:
        """A 404 came: bear it while the job is young, and after that until nothing else has come for a while.

        Raises:
            ResultExpired: the endpoint has forgotten the job.
        """
        now = self.clock.monotonic()
        error = missing_job(job_id, now - self.submitted)
        if error is None:
            return
        if not self.missing_times:
            self.missing_since = now
        self.missing_times += 1
        if self.missing_times >= MISSING_TIMES and now - self.missing_since >= MISSING_S:
            raise error

    def unreachable(self, error: NotDelivered | Throttled, job_id: str) -> None:
        """No answer came, or none that tells of the job: bear it for ten minutes.

        Raises:
            NotDelivered: the job may go on; its row stays open and another run collects it.
        """
        self.missing_times = 0
        if isinstance(error, Throttled) and error.retry_after_s is not None:
            self.retry_after_s = min(error.retry_after_s, LONGEST_RETRY_AFTER_S)
        if self.clock.monotonic() - self.last_answer > UNREACHABLE_S:
            raise NotDelivered(
                f"no answer for {UNREACHABLE_S:.0f} s: {error.message}", job_id=job_id, hint="run again to collect it"
            ) from error

    def queued_s(self, job: Job) -> float:
        """How long the job has been in the queue; 0 when it is not there."""
        return self.clock.monotonic() - self.queued_since if job.state is JobState.QUEUED else 0.0

    def stuck(self) -> bool:
        """Whether the job has been on a worker for longer than it can be."""
        allowed = self.execution_timeout_s + OVERTIME_S
        return self.running_since is not None and self.clock.monotonic() - self.running_since > allowed


@dataclass
class Watcher:
    """Watches jobs of one endpoint; learns once whether long polling works there.

    Args:
        api: verbs of the endpoint.
        clock: time source.
        diagnose: why the queue stands still; asked by every waiting job, so it answers from memory.
        cancel: withdraws a job.
        stall_s: how long a job may be in the queue.
        execution_timeout_s: how long it may be on a worker.
        notice: told what holds jobs up that may still be taken, once for each change of words.
        long_poll: whether to try the long poll.
    """

    api: JobApi
    clock: Clock
    diagnose: Callable[[], Awaitable[Diagnosis]]
    cancel: Callable[[str], Awaitable[None]]
    stall_s: float
    execution_timeout_s: float
    notice: Callable[[str], None] | None = None
    long_poll: bool = True
    noticed: str = ""
    unusable: int = field(init=False, default=0)

    async def watch(self, job_id: str, observe: Observer | None = None, *, age_s: float = 0.0) -> Job:
        """Return the job once it has ended.

        Raises:
            ResultExpired, TimedOut, NotDelivered, QueueStalled, ProviderRefused.
        """
        patience = Patience(self.clock, self.stall_s, self.execution_timeout_s, age_s)
        while True:
            polled_long = self.long_poll
            try:
                job = await self._ask(job_id, LONG_POLL_S if polled_long else 0.0)
            except JobUnknownError:
                patience.missing(job_id)
            except (NotDelivered, Throttled) as error:
                patience.unreachable(error, job_id)
            else:
                patience.answered(job)
                if observe:
                    observe(job)
                if job.state.terminal:
                    return job
                if patience.stuck():
                    return await self._end(job_id, observe)
                await self._consider(job, patience.queued_s(job))
                if polled_long and self.long_poll:
                    continue
            await self.clock.sleep(patience.next_pause())

    async def _consider(self, job: Job, queued_s: float) -> None:
        """Ask why a job waits; say it, or raise QueueStalled where waiting is over."""
        if queued_s <= min(DIAGNOSE_S, self.stall_s):
            return
        diagnosis = await self.diagnose()
        if diagnosis.fatal or queued_s > self.stall_s:
            raise QueueStalled(diagnosis.message, job_id=job.id, hint=diagnosis.hint, cause=diagnosis.cause)
        if self.notice and diagnosis.message != self.noticed:
            self.noticed = diagnosis.message
            self.notice(f"{diagnosis.message} ({diagnosis.hint})")

    async def _end(self, job_id: str, observe: Observer | None) -> Job:
        """Cancel a job that should have ended. It may have, just now: then its result counts.

        Raises:
            TimedOut: it is cancelled.
            NotDelivered: the cancel was not carried out; the job may go on.
        """
        await self.cancel(job_id)
        try:
            job = await self.api.glance(job_id)
        except (AttemptError, JobUnknownError):
            job = None
        if job is not None and job.state is JobState.COMPLETED:
            if observe:
                observe(job)
            return job
        waited_s = self.execution_timeout_s + OVERTIME_S
        raise TimedOut(
            f"still in progress {waited_s:.0f} s after it was seen to begin: cancelled",
            job_id=job_id,
            hint="a late progress report can hide a result; else raise ASSETMILL_EXECUTION_TIMEOUT_S",
        )

    async def _ask(self, job_id: str, wait_s: float) -> Job:
        """One look. Where the long poll gives no usable answer, plain polling has the word, in the same step."""
        if not wait_s:
            return await self.api.glance(job_id)
        asked = self.clock.monotonic()
        try:
            job = await self.api.status_sync(job_id, wait_s)
        except JobUnknownError:
            return await self._ask_plainly(job_id, LONG_POLL_TRIES)  # the endpoint has no long poll: never again
        except (NotDelivered, ProviderRefused):
            return await self._ask_plainly(job_id, 1)
        if not job.state.terminal and self.clock.monotonic() - asked < 1.0:
            self.long_poll = False  # it answers at once instead of holding: polling it would be a busy loop
        return job

    async def _ask_plainly(self, job_id: str, weight: int) -> Job:
        """Ask without the long poll; where that is answered, it counts against the long poll."""
        job = await self.api.glance(job_id)
        self.unusable += weight
        if self.unusable >= LONG_POLL_TRIES:
            self.long_poll = False
        return job
