"""The endpoint's own truth: every time that a worker took a job.

A client's books are compared with this, so it is kept for the endpoint's whole life, long after results have
expired; a record is a few words and never holds an input or a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

ATTEMPT_KEY: Final = "assetmill_attempt"
"""Key of a job's input by which its sender recognises it."""


class Ending(StrEnum):
    """What became of one execution."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    TAKEN_BACK = "TAKEN_BACK"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Execution:
    """One worker, one job, once. Times are the endpoint's clock's seconds.

    Args:
        job_id: the queue's id.
        attempt_key: the sender's own key, out of the input's `assetmill_attempt`; None if it gave none.
        worker_id: who took it.
        started_s: when.
        ended_s: when the queue was done with it, None while it runs.
        status: what became of it; TAKEN_BACK when the platform gave the job to another worker, DELETED when its
            time to live was over.
    """

    job_id: str
    attempt_key: str | None
    worker_id: str
    started_s: float
    ended_s: float | None = None
    status: Ending = Ending.IN_PROGRESS


class ExecutionLog:
    """All executions, oldest first."""

    def __init__(self) -> None:
        self._all: list[Execution] = []
        self._open: dict[str, int] = {}

    def begin(self, job_id: str, job_input: Mapping[str, Any], worker_id: str, at_s: float) -> None:
        """A worker has taken a job."""
        key = job_input.get(ATTEMPT_KEY)
        self._open[job_id] = len(self._all)
        self._all.append(Execution(job_id, key if isinstance(key, str) else None, worker_id, at_s))

    def end(self, job_id: str, status: Ending, at_s: float) -> None:
        """The queue is done with a job; nothing happens for one that no worker has."""
        place = self._open.pop(job_id, None)
        if place is not None:
            self._all[place] = replace(self._all[place], ended_s=at_s, status=status)

    def all(self) -> tuple[Execution, ...]:
        """Every execution so far."""
        return tuple(self._all)
