"""What every provider can do, and the plain values that pass through it.

The caller decides when to wait and when to give up; a provider submits, watches and collects one job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class JobState(StrEnum):
    """Where a job stands. Statuses that nobody knows count as running: keep polling."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def terminal(self) -> bool:
        """Whether the job will not change any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image that travels with a request; `name` is a plain file name, unique to the attempt."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One job: a bound graph, its input images and the outputs that must come back.

    Args:
        attempt_id: our own key; it travels in the request so that a lost job can be found.
        graph: what runs, with every parameter set: a ComfyUI API graph, or the steps of a Scenario pipeline.
        outputs: role -> filename prefix of the SaveImage that makes it; of a pipeline only the roles count.
        images: input images.
        execution_timeout_ms: the endpoint ends the job after this long on a worker.
        ttl_ms: the endpoint drops the job after this long since submission, whatever its state.
        low_priority: the endpoint starts no worker for the job; it takes what a worker that is there has time for.
    """

    attempt_id: str
    graph: Mapping[str, Any]
    outputs: Mapping[str, str]
    images: tuple[InputImage, ...] = ()
    execution_timeout_ms: int = 600_000
    ttl_ms: int = 86_400_000
    low_priority: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the endpoint last described it; times in milliseconds, None where it does not say.

    `units` is what it cost in the provider's own currency, where there is one. `handler_told`: the execution is the
    handler's own time, told by a worker that fetches its next job ahead; what the job waited there is delay.
    """

    id: str
    state: JobState
    delay_ms: int | None = None
    execution_ms: int | None = None
    worker_id: str | None = None
    error: Any = None
    output: Any = None
    raw_status: str = ""
    units: float | None = None
    handler_told: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """What a completed job brought back.

    Args:
        images: role -> image bytes, exactly as the worker sent them.
        draft: whether the worker says that it drew placeholders.
        blank: images in which there is nothing to see, in words; they are paid for and kept like any other.
    """

    images: dict[str, bytes] = field(default_factory=dict)
    draft: bool = False
    blank: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a search for a job of unknown outcome has found; with neither an id nor `absent`, nobody can tell.

    Args:
        job_id: the job, found.
        absent: it is proven that no such job was accepted: sending again pays once.
        evidence: what the verdict rests on, in words for the books.
        unanswered: nobody can tell, only because the endpoint could not be asked: a later search may find it.
    """

    job_id: str | None = None
    absent: bool = False
    evidence: str = ""
    unanswered: bool = False

    def __post_init__(self) -> None:
        if self.job_id is not None and self.absent:
            raise ValueError("a job that was found is not absent")


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """What an endpoint's own settings say, as far as they bear on money; what it does not say is None or empty.

    Args:
        idle_timeout_s: a worker without a job is ended after this long.
        pools: GPU pools that its workers come from, the preferred one first.
        gpu_count: GPUs of one worker.
        max_workers: workers that it may have at once.
    """

    idle_timeout_s: float | None = None
    pools: tuple[str, ...] = ()
    gpu_count: int = 1
    max_workers: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker that an endpoint lists as being paid for.

    Args:
        id: its id, as jobs name it.
        gpu: id of its GPU model, if it is told.
        since: earliest moment at which it can have started; aware time.
        until: latest such moment; both None where no uptime is told.
        ready: it has started: it has a job, or waits for one.
    """

    id: str
    gpu: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ready: bool = False


class StepState(StrEnum):
    """How far one call of a pipeline is. What is planned was never sent; what is intended may have been."""

    PLANNED = "planned"
    INTENDED = "intended"
    SUBMITTED = "submitted"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a pipeline: of a picture that takes several jobs at its provider, one after the other.

    Args:
        number: place in the pipeline, from 0.
        call: what is called, as the provider's API names it: `upload`, `txt2img`, `remove-background`, ...
        body: JSON of the call; `{"$step": 1}` in place of an asset id stands for the first asset that step 1 made.
        roles: outputs of the attempt that its assets are, in their order; empty for what only later steps use.
        paid: whether the call may cost anything; one that does not may be repeated at will.
        state: how far it is.
        job_id: the provider's job, once one is known; None for calls that make none.
        assets: ids of what it made.
        units: what it cost in the provider's own currency; None as long as nobody says.
        tries: how often it was sent.
        intended_at: when it was sent the last time; aware time.
        ended_at: when its end was seen.
        queue_ms: time until it began, as the provider tells.
        execution_ms: time that it ran, as the provider tells.
    """

    number: int
    call: str
    body: Mapping[str, Any]
    roles: tuple[str, ...] = ()
    paid: bool = True
    state: StepState = StepState.PLANNED
    job_id: str | None = None
    assets: tuple[str, ...] = ()
    units: float | None = None
    tries: int = 0
    intended_at: datetime | None = None
    ended_at: datetime | None = None
    queue_ms: int | None = None
    execution_ms: int | None = None


class StepBook(Protocol):
    """Where the steps of attempts are written down, so that whoever goes on after a crash repeats nothing paid."""

    async def steps(self, attempt_id: str) -> tuple[Step, ...]:
        """The steps of an attempt, in their order; none as long as nothing was noted.

        Raises:
            LedgerError.
        """
        ...

    async def attempt_of(self, job_id: str) -> str | None:
        """The attempt that a job of any of its steps belongs to.

        Raises:
            LedgerError.
        """
        ...

    async def note(self, attempt_id: str, *steps: Step) -> None:
        """Write steps down, new or changed, all or none; committed when it returns.

        Raises:
            ClaimLost: somebody else looks after the attempt: nothing may be sent for it any more.
            LedgerError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether an endpoint can run a workflow, as a probe has found.

    Args:
        workflow: its name.
        able: None where the probe could not tell.
        why: in plain words; names every node and model that is missing.
        missing: their names.
        units: what a job costs in the provider's own currency, where it has told.
    """

    workflow: str
    able: bool | None
    why: str = ""
    missing: tuple[str, ...] = ()
    units: float | None = None


Observer = Callable[[Job], None]
"""Told of every look at a job while it is watched."""


class Provider(Protocol):
    """A service that runs jobs."""

    async def submit(self, request: JobRequest) -> str:
        """Hand a job over and return its id.

        Raises:
            NotDelivered, Throttled, RequestRejected, OutcomeUnknown, ProviderRefused.
        """
        ...

    async def look(self, job_id: str, *, age_s: float) -> Job:
        """Ask once how a job stands, without waiting for it.

        Args:
            job_id: the job.
            age_s: seconds since it was submitted; a young job may not be visible yet.

        Raises:
            ResultExpired: the endpoint does not know the job, and it is no longer young.
            NotDelivered: no usable answer, or the job is not visible yet.
            Throttled, ProviderRefused.
        """
        ...

    async def wait(self, job_id: str, observe: Observer | None = None, *, age_s: float = 0.0) -> Job:
        """Watch a job until it is terminal; `observe` sees every answer on the way. The first terminal answer counts.

        Args:
            job_id: the job.
            observe: told of every answer.
            age_s: seconds since the job was submitted, for a job of an earlier run.

        Raises:
            ResultExpired: the endpoint does not know the job any more.
            TimedOut: it stayed on a worker far beyond its execution timeout, and has been cancelled.
            QueueStalled: nothing takes the job; message and hint say why, and what to do.
            NotDelivered: the endpoint could not be reached for too long; the job may go on.
            ProviderRefused.
        """
        ...

    async def find(self, attempt_id: str, *, age_s: float) -> Sighting:
        """Look for the job of an attempt whose answer was lost; it takes up to a minute after the sending.

        It raises nothing of its own: a search that no endpoint answers ends as a sighting that is `unanswered`.

        Args:
            attempt_id: our own key, which travelled in the request.
            age_s: seconds since the request was sent the last time. Too small an age only makes the search longer;
                too large a one may miss a fresh job that does not show yet.
        """
        ...

    async def collect(self, job: Job, request_outputs: Mapping[str, str]) -> Collected:
        """Take the images out of a terminal job.

        Raises:
            JobFailed, ResultLost, ResultInvalid.
        """
        ...

    async def cancel(self, job_id: str) -> None:
        """Ask the endpoint to drop a job; never raises for a job that is gone."""
        ...

    async def facts(self) -> EndpointFacts:
        """What the endpoint's settings say about its workers; never raises, what cannot be read is not known."""
        ...

    async def workers(self) -> tuple[WorkerSeen, ...]:
        """Workers that are being paid for now; never raises, and is empty where nobody tells."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
