"""What the end of a step's job means for its row and for the attempt.

Nothing here asks, waits or writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from assetmill.providers.base import Job, JobState, Step, StepState
from assetmill.providers.scenario.answers import CONTENT, RemoteJob
from assetmill.providers.scenario.chain import Chain, second_try


@dataclass(frozen=True, slots=True)
class Ending:
    """How a step has ended.

    Args:
        rows: what the books have to say of it: its row, and that of its second try where it gets one.
        told: why the attempt ends with it; None where the pipeline goes on.
        state: what the attempt ends as.
    """

    rows: tuple[Step, ...]
    told: Mapping[str, Any] | None = None
    state: JobState = JobState.FAILED


def settled(step: Step, ended: RemoteJob, now: datetime) -> Ending:
    """What follows from the end of a step's job.

    A failed job is refunded, so its step is sent once more, unless its words say that the same request would fail
    again. One that succeeded and names nothing that it made is charged, and is not sent again.

    Args:
        step: as it stood.
        ended: its job, which is terminal.
        now: when that was seen; aware.
    """
    units = step.units if ended.units is None else ended.units
    row = replace(
        step,
        state=StepState.FAILED,
        assets=ended.assets,
        units=units,
        ended_at=now,
        queue_ms=ended.queue_ms,
        execution_ms=ended.execution_ms,
    )
    if ended.state is JobState.COMPLETED and ended.assets:
        return Ending((replace(row, state=StepState.DONE),))
    if ended.state is JobState.COMPLETED:
        return Ending((row,), {"reason": "it succeeded and names nothing that it made"})
    reason = {"reason": ended.error or ended.status}
    if ended.state is JobState.CANCELLED:
        return Ending((row,), reason, JobState.CANCELLED)
    again = None if CONTENT.search(ended.error) else second_try(step)
    return Ending((row,), reason) if again is None else Ending((row, again))


def standing(chain: Chain, job_id: str, job: RemoteJob) -> Job:
    """The attempt as one job, while a step's job is watched: queued only as long as nothing of it has begun."""
    queued = job.state is JobState.QUEUED and not chain.begun()
    now = chain.job(job_id, JobState.QUEUED if queued else JobState.RUNNING)
    return replace(now, raw_status=job.status)


def age_s(since: datetime | None, now: datetime) -> float:
    """Seconds since a moment; 0 where it is not known."""
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
