"""A job as the queue knows it at one moment, and the values around it: what was asked, who has it, how many there are.

Values only: nothing here changes and nothing here knows the time. What may happen to a job next is `queue`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final


class Status(StrEnum):
    """A job's status, in RunPod's words."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self not in (Status.IN_QUEUE, Status.IN_PROGRESS)


RETRYABLE: Final = frozenset({Status.FAILED, Status.TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Policy:
    """What the sender asks of the queue.

    Args:
        execution_timeout_s: the job times out after this long on a worker.
        ttl_s: the job is deleted this long after submission, whatever its state.
        retention_s: the result is kept this long after the job's end.
        low_priority: the job never makes the endpoint start a worker.
    """

    execution_timeout_s: float
    ttl_s: float
    retention_s: float
    low_priority: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A job at one moment; times are the clock's seconds, None where they have not come yet.

    Args:
        id: the queue's id.
        input: what the worker gets; dropped once nothing can run the job again.
        policy: see there.
        submitted_s: when it came; the time to live counts from here.
        queued_s: when it was queued, the last time.
        status: where it stands.
        started_s: when a worker took it, the last time.
        finished_s: when it ended.
        worker_id: who took it.
        output: the worker's result, None when there is none.
        error: why it failed.
        attempt: how often a worker has taken it.
        lost: a worker has gone with it once since it was sent in or retried.
        chunks: pieces of a streamed result that nobody has fetched yet.
        outline: the input without its images; kept as long as the job.
    """

    id: str
    input: Mapping[str, Any] | None
    policy: Policy
    submitted_s: float
    queued_s: float
    status: Status = Status.IN_QUEUE
    started_s: float | None = None
    finished_s: float | None = None
    worker_id: str | None = None
    output: Any = None
    error: Any = None
    attempt: int = 0
    lost: bool = False
    chunks: tuple[Any, ...] = ()
    outline: Mapping[str, Any] = field(default_factory=dict)

    @property
    def delay_ms(self) -> int | None:
        """Time in the queue before a worker took the job, a cold start included."""
        return None if self.started_s is None else round((self.started_s - self.queued_s) * 1000)

    @property
    def execution_ms(self) -> int | None:
        """Time from being taken to the end; None for a job that no worker took."""
        if self.started_s is None or self.finished_s is None:
            return None
        return round((self.finished_s - self.started_s) * 1000)

    @property
    def expires_s(self) -> float:
        """When the job is deleted, should nothing else happen to it."""
        ttl = self.submitted_s + self.policy.ttl_s
        return ttl if self.finished_s is None else min(ttl, self.finished_s + self.policy.retention_s)

    @property
    def due_s(self) -> float:
        """When the clock next does something to the job."""
        if self.status is Status.IN_PROGRESS and self.started_s is not None:
            return min(self.expires_s, self.started_s + self.policy.execution_timeout_s)
        return self.expires_s


@dataclass(frozen=True, slots=True)
class Script:
    """What a worker does with a job instead of running it; faults are played this way.

    Args:
        after_s: how long it has the job.
        answer: what it then answers; None when it is gone by then and answers nothing.
    """

    after_s: float
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to hand in one job's result, once."""

    job_id: str
    attempt: int
    worker_id: str
    input: Mapping[str, Any]
    script: Script | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs; all but `in_queue` and `in_progress` are totals that outlive the jobs.

    Args:
        completed: ended well, results too large to hand over included.
        failed: ended badly, timeouts included.
        in_progress: on a worker.
        in_queue: waiting.
        retried: sent back into the queue.
        cancelled: cancelled or purged.
        executed: taken by a worker; a retried job counts each time.
    """

    completed: int = 0
    failed: int = 0
    in_progress: int = 0
    in_queue: int = 0
    retried: int = 0
    cancelled: int = 0
    executed: int = 0


def outline(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    """A job's input without the bytes of its images, of which only the names are left."""
    images = job_input.get("images")
    if not isinstance(images, list):
        return job_input
    names = [{"name": one.get("name")} if isinstance(one, Mapping) else None for one in images]
    return {**job_input, "images": names}


def fresh(job: Job, now: float) -> Job:
    """The job as it waits again: nothing of the last attempt is left."""
    return replace(
        job, status=Status.IN_QUEUE, queued_s=now, started_s=None, finished_s=None, worker_id=None,
        output=None, error=None, lost=False, chunks=(),
    )  # fmt: skip
