"""Why an attempt stays open after it was looked at: in words for a person, and typed for whoever decides by it.

The endpoint is asked once more where its job stands. Nothing is written here and nothing is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from assetmill.batch.desk import Desk
from assetmill.errors import AssetmillError, NotDelivered, Throttled
from assetmill.ledger import OpenAttempt
from assetmill.providers.base import JobState

MINUTE_S, HOUR_S = 60, 3600


class Why(StrEnum):
    """What keeps an attempt open."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    """Its job has ended and could not be collected, or ended only just now."""
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    REFUSED = "refused"
    """The endpoint refused key, permission or address, or there is no key for it."""
    UNUSABLE = "unusable"
    """Nobody can be asked: no key may be sent to its address, or it is none."""
    FAULT = "fault"


WORDS = {
    Why.QUEUED: "still waiting for a worker",
    Why.RUNNING: "still running",
    Why.ENDED: "ended, and not collected yet: settle again",
}


@dataclass(frozen=True, slots=True)
class StillOpen:
    """An attempt that stays open.

    Args:
        attempt_id: the attempt.
        game: game id.
        asset: asset id.
        candidate: candidate, from 0.
        job_id: the provider's id; None while no answer to the request is known.
        age_s: seconds since it was sent.
        why: what keeps it open.
        message: the same in words.
    """

    attempt_id: str
    game: str
    asset: str
    candidate: int
    job_id: str | None
    age_s: int
    why: Why
    message: str

    def __str__(self) -> str:
        asset = self.asset + (f"#{self.candidate}" if self.candidate else "")
        job = f"job {self.job_id}" if self.job_id else "no job id known"
        return f"{self.game} {asset}, {job}, {age(self.age_s)} old, {self.message}"


def still_open(attempt: OpenAttempt, now: datetime, why: Why, message: str = "") -> StillOpen:
    """Describe an attempt that stays open; without a message it is the one that goes with `why`."""
    sent_at = attempt.submitted_at or attempt.intended_at
    age_s = max(0, int((now - sent_at).total_seconds()))
    return StillOpen(
        attempt.attempt_id, attempt.game, attempt.asset_id, attempt.candidate, attempt.job_id, age_s, why,
        message or WORDS[why],
    )  # fmt: skip


async def ask_why(desk: Desk, attempt: OpenAttempt) -> StillOpen:
    """Ask the endpoint once where the job of an attempt stands that could not be settled.

    Raises:
        ProviderRefused, AttemptError: the endpoint's own word on it.
    """
    now = desk.clock.now()
    if attempt.job_id is None:
        return still_open(attempt, now, Why.UNREACHABLE, "the endpoint cannot be reached to look for it")
    age_s = (now - (attempt.submitted_at or attempt.intended_at)).total_seconds()
    try:
        job = await desk.provider.look(attempt.job_id, age_s=age_s)
    except NotDelivered as error:
        return still_open(attempt, now, Why.UNREACHABLE, f"the endpoint cannot be reached: {in_words(error)}")
    except Throttled as error:
        return still_open(attempt, now, Why.THROTTLED, f"the endpoint answers too many already: {in_words(error)}")
    if job.state.terminal:
        return still_open(attempt, now, Why.ENDED)
    return still_open(attempt, now, Why.QUEUED if job.state is JobState.QUEUED else Why.RUNNING)


def in_words(error: AssetmillError) -> str:
    """An error's message and hint; the job is named beside it already."""
    return error.message + (f" ({error.hint})" if error.hint else "")


def age(seconds: int) -> str:
    """A length of time as a reader wants it: 40 s, 3 min, 2 h."""
    if seconds < MINUTE_S:
        return f"{seconds} s"
    return f"{seconds // MINUTE_S} min" if seconds < HOUR_S else f"{seconds // HOUR_S} h"
