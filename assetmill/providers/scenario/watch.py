"""Watching one job of Scenario's until it ends, patiently: the documented way is to ask every few seconds.

The first terminal answer counts. All ages are those of the job at hand, not of the whole pipeline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from assetmill.clock import Clock
from assetmill.errors import (
    AttemptError,
    NotDelivered,
    QueueStalled,
    ResultExpired,
    Throttled,
    TimedOut,
)
from assetmill.providers.base import JobState
from assetmill.providers.scenario.answers import BEGUN, RemoteJob
from assetmill.providers.scenario.api import ScenarioApi, UnknownHereError

YOUNG_S = 60.0  # a fresh job may not show yet
MISSING_TIMES = 3  # 404s in a row that are believed of an older one
UNREACHABLE_S = 600.0
OVERTIME_S = 60.0
LONGEST_RETRY_AFTER_S = 60.0
FIRST_POLL_S = 1.0
SLOWEST_POLL_S = 5.0
GROWTH = 1.5
JITTER = 0.2


@dataclass
class Patience:
    """Decides the next pause, and when a job counts as lost, stalled or stuck.

    Args:
        clock: time.
        job_id: the job.
        stall_s: how long it may wait to be begun.
        execution_timeout_s: how long it may run.
        age_s: how old it is already.
    """

    clock: Clock
    job_id: str
    stall_s: float
    execution_timeout_s: float
    age_s: float = 0.0
    sent: float = field(init=False)
    last_answer: float = field(init=False)
    running_since: float | None = field(init=False, default=None)
    missing: int = field(init=False, default=0)
    pause_s: float = field(init=False, default=FIRST_POLL_S)
    asked_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.last_answer = self.clock.monotonic()
        self.sent = self.last_answer - self.age_s

    def next_pause(self) -> float:
        """Seconds until the next question: 1 s growing to 5 s with 20 % jitter, or as long as a 429 asked for."""
        pause, self.pause_s = self.pause_s, min(SLOWEST_POLL_S, self.pause_s * GROWTH)
        asked, self.asked_s = self.asked_s, 0.0
        return max(asked, pause * (1 + JITTER * (2 * self.clock.random.random() - 1)))

    def answered(self, job: RemoteJob) -> None:
        """An answer came.

        Raises:
            QueueStalled: it has waited for too long.
        """
        self.last_answer, self.missing = self.clock.monotonic(), 0
        if self.running_since is None and job.status.lower() in BEGUN:
            self.running_since = self.last_answer
        waited_s = self.last_answer - self.sent
        if job.state is JobState.QUEUED and waited_s > self.stall_s:
            raise QueueStalled(
                f"Scenario has not begun a job in {waited_s:.0f} s (status {job.status})",
                job_id=self.job_id,
                hint="look at Scenario's status page, or have it made by another provider",
                cause="scenario_queue",
            )

    def unknown(self) -> None:
        """A 404 came.

        Raises:
            ResultExpired: it came again and again, and the job is no longer young.
        """
        self.missing += 1
        if self.missing >= MISSING_TIMES and self.clock.monotonic() - self.sent > YOUNG_S:
            raise ResultExpired("Scenario does not know the job any more", job_id=self.job_id, hint="it may be charged")

    def unreachable(self, error: AttemptError) -> None:
        """No usable answer came.

        Raises:
            NotDelivered: none has come for ten minutes; the job may go on.
        """
        if isinstance(error, Throttled) and error.retry_after_s is not None:
            self.asked_s = min(error.retry_after_s, LONGEST_RETRY_AFTER_S)
        if self.clock.monotonic() - self.last_answer > UNREACHABLE_S:
            raise NotDelivered(
                f"no answer for {UNREACHABLE_S:.0f} s: {error.message}",
                job_id=self.job_id,
                hint="run again to collect it",
            ) from error

    @property
    def stuck(self) -> bool:
        """Whether it has been running for longer than it can be."""
        allowed = self.execution_timeout_s + OVERTIME_S
        return self.running_since is not None and self.clock.monotonic() - self.running_since > allowed


@dataclass(frozen=True, slots=True)
class Watcher:
    """Watches jobs of one endpoint.

    Args:
        api: verbs of the endpoint.
        clock: time.
        stall_s: how long a job may wait to be begun.
        execution_timeout_s: how long it may run.
    """

    api: ScenarioApi
    clock: Clock
    stall_s: float
    execution_timeout_s: float

    async def until_ended(self, job_id: str, seen: Callable[[RemoteJob], None], age_s: float) -> RemoteJob:
        """Return the job once it has ended.

        Args:
            job_id: the job.
            seen: told of every answer.
            age_s: seconds since it was accepted.

        Raises:
            ResultExpired, TimedOut, NotDelivered, QueueStalled, ProviderRefused.
        """
        patience = Patience(self.clock, job_id, self.stall_s, self.execution_timeout_s, age_s)
        while True:
            try:
                job = await self.api.job(job_id)
            except UnknownHereError:
                patience.unknown()
            except AttemptError as error:
                patience.unreachable(error)
            else:
                seen(job)
                if job.state.terminal:
                    return job
                patience.answered(job)
                if patience.stuck:
                    await self._end(job_id)
            await self.clock.sleep(patience.next_pause())

    async def _end(self, job_id: str) -> None:
        """Cancel a job that should have ended.

        Raises:
            TimedOut: it is cancelled.
            NotDelivered: it is not, and may go on.
        """
        ran_s = self.execution_timeout_s + OVERTIME_S
        words = f"still in progress {ran_s:.0f} s after it was seen to begin"
        if not await self.api.cancel(job_id):
            raise NotDelivered(f"{words}, and Scenario does not cancel it", job_id=job_id, hint="run again later")
        raise TimedOut(f"{words}: cancelled", job_id=job_id, hint="raise ASSETMILL_EXECUTION_TIMEOUT_S")
