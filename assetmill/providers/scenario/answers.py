"""What Scenario says of a job and an asset, read without trust.

Statuses are `failure` and `canceled`, not `failed` and `cancelled`; both spellings are understood, and one that nobody
knows counts as running. Whatever JSON an answer holds, it becomes a value or none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assetmill.errors import CancelledElsewhere, ExecutionFailed, JobFailed, ValidationFailed
from assetmill.providers.base import Job, JobState
from assetmill.providers.words import one_line

STATES = {
    "pending": JobState.QUEUED,
    "queued": JobState.QUEUED,
    "warming-up": JobState.QUEUED,
    "in-progress": JobState.RUNNING,
    "finalizing": JobState.RUNNING,
    "success": JobState.COMPLETED,
    "succeeded": JobState.COMPLETED,
    "failure": JobState.FAILED,
    "failed": JobState.FAILED,
    "canceled": JobState.CANCELLED,
    "cancelled": JobState.CANCELLED,
}
BEGUN = frozenset({"in-progress", "finalizing"})
ID = re.compile(r"[A-Za-z0-9_.:-]{1,120}")
CONTENT = re.compile(r"nsfw|moderat|content policy|safety|not safe", re.IGNORECASE)
"""Words of a failure that the same request would meet again."""


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """A job as Scenario describes it.

    Args:
        id: its id.
        state: where it stands.
        status: Scenario's own word for that.
        type: what kind of job it is, in Scenario's words.
        assets: ids of what it made.
        error: why it failed, in words fit to be repeated.
        units: creative units that it is charged with; None as long as nobody says; 0 where they are refunded.
        queue_ms: time until it began.
        execution_ms: time that it ran.
        created_at: when it was accepted, by Scenario's clock.
        input: what it was asked for; None where the answer does not tell.
    """

    id: str
    state: JobState
    status: str = ""
    type: str = ""
    assets: tuple[str, ...] = ()
    error: str = ""
    units: float | None = None
    queue_ms: int | None = None
    execution_ms: int | None = None
    created_at: datetime | None = None
    input: Mapping[str, Any] | None = None


def read_job(value: Any) -> RemoteJob | None:
    """A job from an answer or a listing; None where it is none."""
    if not isinstance(value, Mapping) or (job_id := read_id(value.get("jobId") or value.get("id"))) is None:
        return None
    status, metadata = value.get("status"), _mapping(value.get("metadata"))
    raw = one_line(status) if isinstance(status, str) else ""
    state = STATES.get(raw.lower(), JobState.RUNNING)
    created, history = read_time(value.get("createdAt")), _history(value.get("statusHistory"))
    ended = next((at for status, at in history if STATES.get(status, JobState.RUNNING).terminal), None)
    began = next((at for status, at in history if status in BEGUN), None)
    given = metadata.get("input")
    return RemoteJob(
        id=job_id,
        state=state,
        status=raw,
        type=one_line(value.get("jobType")),
        assets=_ids(metadata.get("assetIds")),
        error="; ".join(one_line(told) for told in (metadata.get("error"), metadata.get("hint")) if told),
        units=_charged(value.get("billing"), state),
        queue_ms=_between(created or (history[0][1] if history else None), began),
        execution_ms=_between(began, ended),
        created_at=created,
        input=given if isinstance(given, Mapping) else None,
    )


def failure_of(job: Job) -> JobFailed:
    """The error that a pipeline which did not complete ended with."""
    told = job.error if isinstance(job.error, Mapping) else {}
    words = one_line(told.get("reason")) or "no reason given"
    where = f"step {told.get('step')} ({told.get('call')})" if told else "the job"
    if job.state is JobState.CANCELLED:
        return CancelledElsewhere(f"{where} was cancelled, and not by this run", job_id=job.id)
    if told.get("rejected"):
        return ValidationFailed(f"{where} was refused: {words}", job_id=job.id, hint="assetmill doctor tells more")
    if CONTENT.search(words):
        hint = "Scenario refuses what it shows: change the words"
        return ExecutionFailed(f"{where} failed: {words}", job_id=job.id, hint=hint)
    return JobFailed(f"{where} failed: {words}", job_id=job.id, hint="Scenario refunds what failed")


def read_id(value: Any) -> str | None:
    """An id that can stand in an address; None for anything else."""
    return value if isinstance(value, str) and ID.fullmatch(value) else None


def read_units(value: Any) -> float | None:
    """A count of creative units; None for anything else."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if sound else None


def read_time(value: Any) -> datetime | None:
    """A moment in ISO 8601; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _charged(billing: Any, state: JobState) -> float | None:
    """What a job costs: a failed or cancelled one is refunded, unless its model is excepted from that."""
    told = _mapping(billing)
    if state in (JobState.FAILED, JobState.CANCELLED) and told.get("disableRefund") is not True:
        return 0.0
    return read_units(told.get("cuCost"))


def _history(value: Any) -> list[tuple[str, datetime]]:
    entries = value if isinstance(value, list) else []
    read = [(entry.get("status"), read_time(entry.get("date"))) for entry in entries if isinstance(entry, Mapping)]
    return sorted(((status, at) for status, at in read if isinstance(status, str) and at), key=lambda one: one[1])


def _between(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None or end < start:
        return None
    return round((end - start).total_seconds() * 1000)


def _ids(value: Any) -> tuple[str, ...]:
    found: Sequence[Any] = value if isinstance(value, list) else []
    return tuple(asset for entry in found if (asset := read_id(entry)) is not None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
