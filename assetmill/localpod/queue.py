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
from dataclasses import replace
from typing import Any

from assetmill.errors import RequestRejected
from assetmill.localpod.executions import Ending, ExecutionLog
from assetmill.localpod.jobs import RETRYABLE, Counts, Job, Lease, Policy, Script, Status, fresh, outline

__all__ = ["Counts", "Job", "JobQueue", "Lease", "Policy", "Script", "Status"]


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
        self.most_outstanding = 0  # jobs that ever waited or ran at the same time; only a job that comes makes it more
        self.executions = ExecutionLog()

    def submit(self, job_id: str, job_input: Mapping[str, Any], policy: Policy) -> Job:
        """Queue a new job under an id that nobody else has."""
        now = self._sweep()
        job = Job(job_id, job_input, policy, submitted_s=now, queued_s=now, outline=outline(job_input))
        self._enqueue(job)
        return job

    def find(self, job_id: str) -> Job | None:
        """The job as it stands now; None if it never was, or is gone."""
        self._sweep()
        return self._jobs.get(job_id)

    def take(self, worker_id: str) -> Lease | None:
        """Give the oldest waiting job to a worker; None when none waits."""
        now = self._sweep()
        waiting = self._oldest_waiting()
        if waiting is None:
            return None
        job = self._dequeue(waiting)
        attempt = job.attempt + 1
        self._running.add(job.id)
        self._count(executed=1)
        self.executions.begin(job.id, job.outline, worker_id, now)
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

    def progress(self, lease: Lease, output: Any) -> bool:
        """Show a job's progress as its output until the result comes; false when it is dropped."""
        return self._amend(lease, lambda job: replace(job, output=output))

    def stream(self, lease: Lease, chunk: Any) -> bool:
        """Add a piece of a streamed result; false when it is dropped."""
        return self._amend(lease, lambda job: replace(job, chunks=(*job.chunks, chunk)))

    def drain(self, job_id: str) -> tuple[Any, ...]:
        """Hand out the pieces that nobody has fetched yet, each once; none for an unknown job."""
        self._sweep()
        job = self._jobs.get(job_id)
        if job is None or not job.chunks:
            return ()
        self._jobs[job_id] = replace(job, chunks=())
        return job.chunks

    def lose(self, lease: Lease) -> bool:
        """The worker is gone: its job waits again, before all others; the second time it times out.

        RunPod promises at-least-once execution and counts `retried`, and lets a job time out whose worker failed to
        report; how often it tries again is not published, so a job that ends its workers cannot end them all.

        Returns:
            False when the lease has been overtaken.
        """
        now = self._sweep()
        job = self._held(lease)
        if job is None:
            return False
        if job.lost:
            self._end(job, Status.TIMED_OUT, now, error="job timed out: two workers went away with it")
            return True
        self._running.discard(job.id)
        self.executions.end(job.id, Ending.TAKEN_BACK, now)
        self._count(retried=1)
        self._enqueue(replace(fresh(job, now), lost=True))
        self._waiting.move_to_end(job.id, last=False)
        return True

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
        again = fresh(job, now)
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

    def jobs(self) -> tuple[Job, ...]:
        """Every job that is known, the newest first."""
        self._sweep()
        return tuple(sorted(self._jobs.values(), key=lambda job: job.submitted_s, reverse=True))

    def counts(self) -> Counts:
        """How many jobs stand where, and how many ever did."""
        self._sweep()
        return replace(self._totals, in_progress=len(self._running), in_queue=len(self._waiting))

    @property
    def demand(self) -> int:
        """Waiting jobs that may make the endpoint start a worker."""
        self._sweep()
        return self._demand

    def _oldest_waiting(self) -> str | None:
        return next(iter(self._waiting), None)

    def _enqueue(self, job: Job) -> None:
        self._waiting[job.id] = None
        self._demand += not job.policy.low_priority
        self.most_outstanding = max(self.most_outstanding, len(self._waiting) + len(self._running))
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
        job = self._held(lease)
        if job is None:
            return False
        self._end(job, status, now, output=output, error=error)
        return True

    def _amend(self, lease: Lease, change: Callable[[Job], Job]) -> bool:
        """Change what a running job shows; nothing that the clock watches, so no entry falls due."""
        self._sweep()
        job = self._held(lease)
        if job is not None:
            self._jobs[job.id] = change(job)
        return job is not None

    def _held(self, lease: Lease) -> Job | None:
        """The lease's job, unless it has been overtaken."""
        job = self._jobs.get(lease.job_id)
        held = job is not None and job.status is Status.IN_PROGRESS and job.attempt == lease.attempt
        return job if held else None

    def _end(self, job: Job, status: Status, at_s: float, *, output: Any = None, error: Any = None) -> Job:
        self._running.discard(job.id)
        self.executions.end(job.id, Ending(status), at_s)
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
        self.executions.end(job.id, Ending.DELETED, job.expires_s)
        del self._jobs[job.id]
        self._on_end(job.id)
