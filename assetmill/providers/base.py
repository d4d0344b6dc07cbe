"""What every provider can do, and the plain values that pass through it.

The caller decides when to wait and when to give up; a provider submits, watches and collects one job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
        graph: ComfyUI API graph with every parameter set.
        outputs: role -> filename prefix of the SaveImage that makes it.
        images: input images.
        execution_timeout_ms: the endpoint ends the job after this long on a worker.
        ttl_ms: the endpoint drops the job after this long since submission, whatever its state.
    """

    attempt_id: str
    graph: Mapping[str, Any]
    outputs: Mapping[str, str]
    images: tuple[InputImage, ...] = ()
    execution_timeout_ms: int = 600_000
    ttl_ms: int = 86_400_000


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the endpoint last described it; times in milliseconds, None where it does not say."""

    id: str
    state: JobState
    delay_ms: int | None = None
    execution_ms: int | None = None
    worker_id: str | None = None
    error: Any = None
    output: Any = None
    raw_status: str = ""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a completed job brought back: role -> image bytes, exactly as the worker sent them."""

    images: dict[str, bytes] = field(default_factory=dict)
    draft: bool = False


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

    async def wait(self, job_id: str, observe: Observer | None = None) -> Job:
        """Watch a job until it is terminal; `observe` sees every answer on the way.

        Raises:
            ResultLost: the endpoint does not know the job any more.
            QueueStalled: nothing takes the job; the message says why.
            NotDelivered: the endpoint could not be reached for too long; the job may go on.
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

    async def aclose(self) -> None:
        """Close connections."""
        ...
