"""When to stop sending: breakers for a workflow, for a worker and for an endpoint, decided without waiting.

A bad graph, a poisoned worker and a broken endpoint each fail every job that they get, and every one is paid.
So the first job of a workflow is its canary; a worker that breaks twice in a row is left to idle away before one
probe goes out; and an endpoint at which most of the last ten jobs failed gets no more. Once all is stopped it
stays stopped: only a new run tries again.

One `Breakers` serves one batch at one endpoint. It never sleeps, sends or reads a clock of its own. Each Go is
followed by `sent` before anything else is asked, and each `sent` by exactly one `ended` or `unsent`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from assetmill.errors import AssetmillError, AttemptError, ProviderFailing, StartupFailed, WorkerFault, WorkflowError
from assetmill.providers.retry import Blame, rule_for

MOST_CANARIES = 3
FAULTS_IN_A_ROW = 2
MOST_TRIPS = 3
LOOK_BACK = 10
COUNTED = frozenset({Blame.WORKER, Blame.ENDPOINT})  # an asset's own fault, and nobody's, say nothing of the endpoint
_MOMENT_S = 0.001  # clocks add up to almost the time that was asked for


@dataclass(frozen=True, slots=True)
class Go:
    """A job may be sent now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: ask again after `seconds`, or when a job has ended if that is None."""

    why: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Never:
    """Nothing of this workflow is sent any more, or nothing at all: a `WorkflowError`, or a `ProviderFailing`."""

    error: AssetmillError


class _Ended(NamedTuple):
    """What is kept of a job that ended; the error itself would keep its whole answer alive."""

    counts: bool = False
    code: str = ""
    message: str = ""
    hint: str = ""


def _kept(error: AttemptError | None) -> _Ended:
    if error is None:
        return _Ended()
    return _Ended(rule_for(error).blames in COUNTED, error.code, error.message, error.hint)


@dataclass(slots=True)
class _Canary:
    """What is known of one workflow at this endpoint."""

    out: bool = False
    proven: bool = False
    failures: int = 0
    dead: tuple[str, str] | None = None

    def ended(self, workflow: str, error: AttemptError | None) -> None:
        self.out = False
        if error is None:
            self.proven = True
        if error is None or self.proven or self.dead:
            return
        self.failures += 1
        if rule_for(error).hopeless or self.failures >= MOST_CANARIES:
            jobs = "job failed" if self.failures == 1 else f"{self.failures} jobs failed, the last"
            said = f"workflow {workflow}: nothing more of it is sent, because its first {jobs} as {error.code}"
            self.dead = f"{said}: {error.message}", error.hint


class _Guard(Enum):
    """Where the worker breaker stands."""

    CLOSED = auto()
    RESTING = auto()
    PROBING = auto()


@dataclass(slots=True)
class _Workers:
    """Faults in a row of each worker, and the pause that they ask for."""

    idle_s: float
    faults: Counter[str] = field(default_factory=Counter)
    guard: _Guard = _Guard.CLOSED
    trips: int = 0
    busy_at: float = 0.0
    why: str = ""

    def verdict(self, now: float, outstanding: int) -> Wait | None:
        """What to wait for, or None if the workers ask for nothing."""
        if outstanding:
            self.busy_at = now
        if self.guard is _Guard.CLOSED:
            return None
        if outstanding:
            return Wait(self.why)
        remaining = self.busy_at + self.idle_s - now
        if self.guard is _Guard.RESTING and remaining > _MOMENT_S:
            return Wait(self.why, remaining)
        self.guard, self.why = _Guard.PROBING, "one job probes whether the workers are sound again"
        return None

    def ended(self, now: float, worker_id: str | None, error: AttemptError | None) -> None:
        self.busy_at = now
        broken = isinstance(error, WorkerFault | StartupFailed)
        if worker_id is not None and error is None:
            del self.faults[worker_id]
        elif worker_id is not None and broken:
            self.faults[worker_id] += 1
        if self.guard is _Guard.PROBING:
            self._probed(error)
        elif self.guard is _Guard.CLOSED and worker_id is not None and self.faults[worker_id] >= FAULTS_IN_A_ROW:
            self._trip(f"worker {worker_id} broke {self.faults[worker_id]} jobs in a row")

    def _probed(self, error: AttemptError | None) -> None:
        """A failure that is no worker's proves nothing either way: the next job probes again, at once."""
        if error is None:
            self.guard, self.trips = _Guard.CLOSED, 0
            self.faults.clear()
        elif rule_for(error).blames is Blame.WORKER:
            self._trip(f"the probe failed as {error.code}")

    def _trip(self, reason: str) -> None:
        self.guard, self.trips = _Guard.RESTING, self.trips + 1
        self.why = f"{reason}: nothing is sent until the workers have idled away"


class Breakers:
    """The breakers of one batch at one endpoint.

    Args:
        now: seconds that never jump.
        worker_idle_s: how long a worker without a job stays, with a margin (RunPod's `idleTimeout`, 5 s or more).
    """

    def __init__(self, now: Callable[[], float], worker_idle_s: float) -> None:
        self._now = now
        self._workers = _Workers(worker_idle_s)
        self._canaries: dict[str, _Canary] = {}
        self._last: deque[_Ended] = deque(maxlen=LOOK_BACK)
        self._out = 0
        self._stopped: tuple[str, str] | None = None

    def may_send(self, workflow: str, *, outstanding: int) -> Go | Wait | Never:
        """Whether a job of this workflow may be sent now.

        Args:
            workflow: its name.
            outstanding: jobs at the endpoint that have not ended, whoever sent them.
        """
        never = self.hopeless(workflow)
        if never is not None:
            return Never(never)
        wait = self._workers.verdict(self._now(), max(outstanding, self._out))
        if wait is not None:
            return wait
        if self._canary(workflow).out:
            return Wait(f"the first job of workflow {workflow} is out, and nothing else of it before it came back good")
        return Go()

    def hopeless(self, workflow: str) -> WorkflowError | ProviderFailing | None:
        """Why nothing of a workflow is sent any more; None while something may be. Asking changes nothing."""
        if self._stopped is not None:
            message, hint = self._stopped
            return ProviderFailing(message, hint=hint)
        dead = self._canary(workflow).dead
        return WorkflowError(dead[0], hint=dead[1]) if dead is not None else None

    def room(self, workflow: str, waiting: int) -> int:
        """How many of a workflow's waiting jobs could be sent at once, as things stand. Asking changes nothing."""
        canary = self._canary(workflow)
        if self.hopeless(workflow) is not None or canary.out:
            return 0
        sure = canary.proven and self._workers.guard is _Guard.CLOSED
        return waiting if sure else min(waiting, 1)

    def sent(self, workflow: str) -> None:
        """A job is on its way, after a Go and before anything else is asked."""
        self._out += 1
        canary = self._canary(workflow)
        canary.out = not canary.proven

    def sent_before(self) -> None:
        """A job is out that was sent before anything here was known; its end is told like any other's."""
        self._out += 1

    def unsent(self, workflow: str) -> None:
        """A job that was `sent` never was, or is withdrawn, or nobody knows: it says nothing of anybody."""
        self._out = max(0, self._out - 1)
        self._canary(workflow).out = False

    def ended(self, workflow: str, worker_id: str | None, error: AttemptError | None) -> None:
        """A job's outcome is known.

        Args:
            workflow: its name.
            worker_id: who ran it, if the endpoint says so.
            error: None for a job that brought its pictures, whatever the art checks think of them.
        """
        self._out = max(0, self._out - 1)
        self._last.append(_kept(error))
        self._canary(workflow).ended(workflow, error)
        self._workers.ended(self._now(), worker_id, error)
        if self._stopped is None:
            self._stopped = self._too_many_failures() or self._too_many_trips()

    def _canary(self, workflow: str) -> _Canary:
        return self._canaries.setdefault(workflow, _Canary())

    def _too_many_failures(self) -> tuple[str, str] | None:
        """More than half of the last ten; with fewer so far, as many as cannot be outweighed any more."""
        counted = [job for job in self._last if job.counts]
        if len(counted) * 2 <= LOOK_BACK:
            return None
        shares = Counter(job.code for job in counted).most_common()
        told = ", ".join(f"{count} {code}" for code, count in shares)
        typical = next(job for job in reversed(counted) if job.code == shares[0][0])
        message = f"{len(counted)} of the last {len(self._last)} jobs failed, whatever they asked ({told}): "
        return message + typical.message, typical.hint or "look at the endpoint's logs before running again"

    def _too_many_trips(self) -> tuple[str, str] | None:
        if self._workers.trips < MOST_TRIPS:
            return None
        pauses = MOST_TRIPS - 1
        message = f"workers broke again after {pauses} pauses in which they could go idle: {self._last[-1].message}"
        return message, "every new worker breaks: read their logs, then roll out another image or GPU pool"
