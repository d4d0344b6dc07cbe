"""Workers that are processes of their own: who they are, what they hold, and what becomes of it when they go.

RunPod's platform knows its workers only by their calls, and so does this registry: a worker is there from its first
call on, runs while it holds a job, is idle while it asks for one, and is gone after a silence; then its jobs go back
to the queue (`JobQueue.lose` says how often). It is the counterpart of `workers.Pool` for `remote_workers`. It knows
nothing of HTTP, and it never takes a result from anybody but the one worker that holds the job's lease.

Two things that no call tells. A handler that does not await blocks its process, so while it runs only the heartbeats
are heard: a worker that never sends one is not called gone while it holds a job, its job has the execution timeout
instead. And a job that was cancelled or timed out may go on running where it is: its worker counts as running until
it says otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from assetmill.clock import Clock
from assetmill.errors import Throttled
from assetmill.localpod.config import PodConfig
from assetmill.localpod.gpus import LOCAL_GPU, Gpu
from assetmill.localpod.listings import WorkerLine
from assetmill.localpod.meter import Meter
from assetmill.localpod.queue import JobQueue, Lease
from assetmill.localpod.workers import Census, Result, WorkerState, woken

T = TypeVar("T")
ASK_AGAIN_S: Final = 5.0  # what the SDK waits after a 429 whatever it is told


@dataclass(slots=True, eq=False)
class Call:
    """A worker's request that is held open. `wake` is set when it is worth another look."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: bool = False

    def hang_up(self) -> None:
        """The worker has closed the connection: nothing may be given to it any more."""
        self.hung_up = True
        self.wake.set()


@dataclass(slots=True, eq=False)
class _Remote:
    """What is known of one worker.

    Args:
        id: the name it gives itself.
        heard_s: when it was last heard.
        asked: it has asked for a job.
        beats: it has sent a heartbeat.
        unhealthy: its last heartbeat said so.
        leases: the jobs it holds, by id.
        overtaken: jobs that have ended here and may still run there.
        untold: those of them that it has not been told to stop.
        taking: its open request for a job.
        listening: its open requests for jobs to stop.
        since_s: when it was first heard.
        gpu: the GPU that it is said to have.
    """

    id: str
    heard_s: float
    asked: bool = False
    beats: bool = False
    unhealthy: bool = False
    leases: dict[str, Lease] = field(default_factory=dict)
    overtaken: set[str] = field(default_factory=set)
    untold: set[str] = field(default_factory=set)
    taking: Call | None = None
    listening: set[Call] = field(default_factory=set)
    since_s: float = 0.0
    gpu: Gpu = LOCAL_GPU

    @property
    def busy(self) -> bool:
        """Whether a job runs on it, as far as anybody knows."""
        return bool(self.leases or self.overtaken)

    @property
    def state(self) -> WorkerState:
        """What it does, in the words of `/health`."""
        if self.unhealthy:
            return WorkerState.UNHEALTHY
        if self.busy:
            return WorkerState.RUNNING
        return WorkerState.IDLE if self.asked else WorkerState.INITIALIZING

    def keep(self, jobs: frozenset[str]) -> None:
        """Of the jobs that have ended here, only these still run on it."""
        self.overtaken &= jobs
        self.untold &= jobs

    def drop(self, job_id: str) -> None:
        """This job does not run on it any more."""
        self.overtaken.discard(job_id)
        self.untold.discard(job_id)

    def tell(self) -> list[str]:
        """Jobs it is to stop, each told once."""
        told = sorted(self.untold)
        self.untold.clear()
        return told


class RemotePool:
    """The workers that serve one queue from outside.

    Args:
        queue: where jobs come from and results go; its `on_end` has to call `ended`.
        config: how many workers may hold jobs at once, how long they are held and may be silent.
        clock: time, sleep and chance.
        meter: counts what the workers cost: from their first call to their last.
        most: how many of them may hold jobs at this moment; None for `config.workers`.
    """

    def __init__(
        self,
        queue: JobQueue,
        config: PodConfig,
        clock: Clock,
        meter: Meter,
        most: Callable[[], int] | None = None,
    ) -> None:
        self._most = most or (lambda: config.workers)
        self._queue = queue
        self._config = config
        self._clock = clock
        self._meter = meter
        self._workers: dict[str, _Remote] = {}
        self._holders: dict[str, _Remote] = {}
        self._closed = False

    def census(self) -> Census:
        """How many workers are in which state now."""
        states = [worker.state for worker in self._workers.values()]
        return Census(**{state.value: states.count(state) for state in WorkerState})

    def listing(self) -> tuple[WorkerLine, ...]:
        """The workers one by one."""
        now = self._clock.monotonic()
        return tuple(
            WorkerLine(one.id, one.state.value, now - one.since_s, one.gpu.id) for one in self._workers.values()
        )

    def poke(self) -> None:
        """Let every worker that asks look again: a job waits, or one more worker may hold one."""
        for worker in self._workers.values():
            if worker.taking is not None:
                worker.taking.wake.set()

    async def aclose(self) -> None:
        """Answer every held request now, and hold none from now on."""
        self._closed = True
        for worker in self._workers.values():
            for call in (worker.taking, *worker.listening):
                if call is not None:
                    call.wake.set()
            self._meter.stopped(worker.id)

    def ended(self, job_id: str) -> None:
        """A job has ended. If a worker holds it, it was not that worker who ended it: tell it to stop."""
        worker = self._holders.pop(job_id, None)
        if worker is None:
            return
        del worker.leases[job_id]
        worker.overtaken.add(job_id)
        worker.untold.add(job_id)
        for call in worker.listening:
            call.wake.set()

    def sweep(self) -> None:
        """Send off the workers that have been silent for too long, and queue their jobs again."""
        for worker in [worker for worker in self._workers.values() if self._silent(worker)]:
            del self._workers[worker.id]
            self._meter.stopped(worker.id, worker.heard_s)
            for lease in reversed(worker.leases.values()):  # each goes before all others
                del self._holders[lease.job_id]
                self._queue.lose(lease)
            self.poke()

    async def take(self, worker_id: str, call: Call, *, most: int, empty_handed: bool) -> list[Lease]:
        """Give up to `most` jobs to a worker, as soon as there is one; none when it has waited long enough.

        Args:
            worker_id: who asks.
            call: its request.
            most: jobs that it has room for.
            empty_handed: it says that no job is on it.

        Raises:
            Throttled: it asks twice at the same time; two processes may have the same id.
        """
        worker = self._heard(worker_id)
        if worker.taking is not None and not worker.taking.hung_up:
            raise Throttled(f"worker {worker_id} is waiting for a job already", retry_after_s=ASK_AGAIN_S)
        if empty_handed:
            worker.keep(frozenset())
        worker.asked, worker.taking = True, call
        try:
            return await self._held(call, lambda: self._lease(worker, most))
        finally:
            worker.taking = None if worker.taking is call else worker.taking
            worker.heard_s = self._clock.monotonic()

    async def stops(self, worker_id: str, call: Call) -> list[str]:
        """Jobs that a worker is to stop, as soon as there are any; none when it has waited long enough."""
        worker = self._heard(worker_id)
        worker.listening.add(call)
        try:
            return await self._held(call, worker.tell)
        finally:
            worker.listening.discard(call)
            worker.heard_s = self._clock.monotonic()

    def beat(self, worker_id: str, jobs: frozenset[str], *, healthy: bool) -> None:
        """A heartbeat: the worker is there, and these are the jobs on it."""
        worker = self._heard(worker_id)
        worker.beats = True
        worker.unhealthy = not healthy
        worker.keep(jobs)
        self.poke()

    def hand_in(self, worker_id: str, job_id: str, result: Result) -> bool:
        """A job's end, said by a worker; false when it is not this worker's to end, and the result is dropped."""
        worker = self._heard(worker_id)
        worker.drop(job_id)
        lease = worker.leases.pop(job_id, None)
        self.poke()
        if lease is None:
            return False
        del self._holders[job_id]
        if result.error is not None:
            return self._queue.fail(lease, result.error, result.output)
        return self._queue.complete(lease, result.output)

    def progress(self, worker_id: str, job_id: str, output: Any) -> bool:
        """A job's progress; false when it comes after the end, or from somebody else, and is dropped."""
        lease = self._heard(worker_id).leases.get(job_id)
        return lease is not None and self._queue.progress(lease, output)

    def stream(self, worker_id: str, job_id: str, chunk: Any) -> bool:
        """A piece of a job's streamed result; false when it is dropped."""
        lease = self._heard(worker_id).leases.get(job_id)
        return lease is not None and self._queue.stream(lease, chunk)

    def _heard(self, worker_id: str) -> _Remote:
        now = self._clock.monotonic()
        worker = self._workers.get(worker_id)
        if worker is None:
            worker = self._workers[worker_id] = _Remote(worker_id, now, since_s=now, gpu=self._gpu())
            if not self._closed:
                self._meter.started(worker_id, worker.gpu)
        worker.heard_s = now
        return worker

    def _gpu(self) -> Gpu:
        gpus = self._config.gpus
        return gpus[0] if len(gpus) == 1 else self._clock.random.choice(gpus)

    def _silent(self, worker: _Remote) -> bool:
        if worker.taking is not None or worker.listening:  # an open connection is a sign of life
            return False
        if worker.leases and not worker.beats:
            return False
        return self._clock.monotonic() - worker.heard_s > self._config.worker_silence_s

    def _lease(self, worker: _Remote, most: int) -> list[Lease]:
        if worker.unhealthy or not self._may_run(worker):
            return []
        leases: list[Lease] = []
        while len(leases) < most and (lease := self._queue.take(worker.id)) is not None:
            leases.append(lease)
            worker.leases[lease.job_id] = lease
            worker.drop(lease.job_id)  # a retried job may come back to its worker
            self._holders[lease.job_id] = worker
        return leases

    def _may_run(self, worker: _Remote) -> bool:
        return worker.busy or sum(other.busy for other in self._workers.values()) < self._most()

    async def _held(self, call: Call, look: Callable[[], list[T]]) -> list[T]:
        """Look, and look again whenever the call is woken, until something is there or the time is over."""
        until_s = self._clock.monotonic() + self._config.worker_hold_s
        found: list[T] = []
        while not (call.hung_up or self._closed or (found := look())):
            call.wake.clear()
            left_s = until_s - self._clock.monotonic()
            if left_s <= 0 or not await woken(call.wake, left_s, self._clock):
                break
        return found
