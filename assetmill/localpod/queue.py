"""The queue's state machine: which job stands where, and what may happen to it next.

It is what RunPod's queue does, without its wires: no HTTP, no threads, no waiting. Time comes from a clock that
is passed in, and everything that falls due (execution timeouts, time to live, retention) is carried out at the
start of every call, so nobody ever sees a state that the clock has already ended. It never runs a job: whoever
takes one gets a lease, and a lease that has been overtaken (cancelled, timed out, retried) is worth nothing.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from assetmill.errors import RequestRejected


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
class Lease:
    """The right to hand in one job's result, once."""

    job_id: str
    attempt: int
    worker_id: str
    input: Mapping[str, Any]


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


class JobQueue:
    """All jobs of one endpoint.

    Args:
        now: seconds that never jump.
        on_end: told the id of every job that has ended or is gone, so that someone who waits can look.
    """

    def __init__(self, now: Callable[[], float], on_end: Callable[[str], None] = lambda _id: None) -> None:
        self._now = now
        self._on_end = on_end
        self._jobs: dict[str, Job] = {}
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._running: set[str] = set()
        self._due: list[tuple[float, str]] = []
        self._demand = 0
        self._totals = Counts()

    def submit(self, job_id: str, job_input: Mapping[str, Any], policy: Policy) -> Job:
        """Queue a new job under an id that nobody else has."""
        now = self._sweep()
        job = Job(job_id, job_input, policy, submitted_s=now, queued_s=now)
        self._enqueue(job)
        return job

    def find(self, job_id: str) -> Job | None:
        """The job as it stands now; None if it never was, or is gone."""
        self._sweep()
        return self._jobs.get(job_id)

    def take(self, worker_id: str) -> Lease | None:
        """Give the oldest waiting job to a worker; None when none waits."""
        now = self._sweep()
        if not self._waiting:
            return None
        job = self._dequeue(next(iter(self._waiting)))
        attempt = job.attempt + 1
        self._running.add(job.id)
        self._count(executed=1)
        self._store(
            replace(job, status=Status.IN_PROGRESS, started_s=now, worker_id=worker_id, attempt=attempt, error=None)
        )
        return Lease(job.id, attempt, worker_id, job.input or {})

    def complete(self, lease: Lease, output: Any) -> bool:
        """Hand a result in; false when the lease has been overtaken and the result is dropped."""
        return self._hand_in(lease, Status.COMPLETED, output=output)

    def fail(self, lease: Lease, error: Any, output: Any = None) -> bool:
        """Hand a failure in, with whatever the worker said beside it; false when it is dropped."""
        return self._hand_in(lease, Status.FAILED, output=output, error=error)

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job that has not ended; one that has stays as it is. None if there is no such job."""
        now = self._sweep()
        job = self._jobs.get(job_id)
        if job is None or job.status.terminal:
            return job
        if job.status is Status.IN_QUEUE:
            self._dequeue(job_id)
        return self._end(job, Status.CANCELLED, now)

    def retry(self, job_id: str) -> Job | None:
        """Queue a failed or timed-out job again, same id and input; None if there is no such job.

        Raises:
            RequestRejected: the job has not failed.
        """
        now = self._sweep()
        job = self._jobs.get(job_id)
        if job is None:
            return None
        if job.status not in RETRYABLE:
            raise RequestRejected(f"job is {job.status}: only FAILED and TIMED_OUT jobs can be retried", job_id=job_id)
        again = replace(
            job, status=Status.IN_QUEUE, queued_s=now, started_s=None, finished_s=None, worker_id=None,
            output=None, error=None,
        )  # fmt: skip
        self._count(retried=1)
        self._enqueue(again)
        return again

    def purge(self) -> int:
        """Cancel everything that waits; what runs is left alone. Returns how many."""
        now = self._sweep()
        waiting = list(self._waiting)
        for job_id in waiting:
            self._end(self._dequeue(job_id), Status.CANCELLED, now)
        return len(waiting)

    def set_ttl(self, job_id: str, ttl_s: float) -> None:
        """Change a job's time to live, counted from its submission; unknown ids are let pass."""
        self._sweep()
        job = self._jobs.get(job_id)
        if job is not None:
            self._store(replace(job, policy=replace(job.policy, ttl_s=ttl_s)))

    def sweep(self) -> None:
        """Carry out what has fallen due; needed only so that those who wait hear of it in time."""
        self._sweep()

    def counts(self) -> Counts:
        """How many jobs stand where, and how many ever did."""
        self._sweep()
        return replace(self._totals, in_progress=len(self._running), in_queue=len(self._waiting))

    @property
    def demand(self) -> int:
        """Waiting jobs that may make the endpoint start a worker."""
        self._sweep()
        return self._demand

    def _enqueue(self, job: Job) -> None:
        self._waiting[job.id] = None
        self._demand += not job.policy.low_priority
        self._store(job)

    def _dequeue(self, job_id: str) -> Job:
        del self._waiting[job_id]
        job = self._jobs[job_id]
        self._demand -= not job.policy.low_priority
        return job

    def _store(self, job: Job) -> None:
        self._jobs[job.id] = job
        heapq.heappush(self._due, (job.due_s, job.id))

    def _hand_in(self, lease: Lease, status: Status, *, output: Any, error: Any = None) -> bool:
        now = self._sweep()
        job = self._jobs.get(lease.job_id)
        if job is None or job.status is not Status.IN_PROGRESS or job.attempt != lease.attempt:
            return False
        self._end(job, status, now, output=output, error=error)
        return True

    def _end(self, job: Job, status: Status, at_s: float, *, output: Any = None, error: Any = None) -> Job:
        self._running.discard(job.id)
        kept = job.input if status in RETRYABLE else None
        ended = replace(job, status=status, finished_s=at_s, output=output, error=error, input=kept)
        self._count(
            completed=status is Status.COMPLETED, failed=status in RETRYABLE, cancelled=status is Status.CANCELLED
        )
        self._store(ended)
        self._on_end(job.id)
        return ended

    def _count(self, **more: int) -> None:
        self._totals = replace(self._totals, **{name: getattr(self._totals, name) + n for name, n in more.items()})

    def _sweep(self) -> float:
        now = self._now()
        while self._due and self._due[0][0] <= now:
            _, job_id = heapq.heappop(self._due)
            job = self._jobs.get(job_id)
            if job is not None and job.due_s <= now:  # later entries of the same job stand further down the heap
                self._fall_due(job)
        return now

    def _fall_due(self, job: Job) -> None:
        if job.due_s < job.expires_s:
            seconds = job.policy.execution_timeout_s
            self._end(job, Status.TIMED_OUT, job.due_s, error=f"job timed out after {seconds:g} s on a worker")
        else:
            self._delete(job)

    def _delete(self, job: Job) -> None:
        if job.status is Status.IN_QUEUE:
            self._dequeue(job.id)
        self._running.discard(job.id)
        del self._jobs[job.id]
        self._on_end(job.id)
