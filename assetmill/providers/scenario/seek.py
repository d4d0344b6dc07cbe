"""Looking for the job of a call whose answer was lost, in the project's list of jobs.

Scenario takes no key of ours with a call, but repeats a job's input: a job is ours if it was asked for the same words,
seed and picture, and no step in the books has it. An uploaded picture's id is unique to its attempt, and seeds differ
by picture. Absence is said only of a list that was read to its end, late enough for a fresh job to show, and in which
no job hides its input; in any doubt nobody can tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from assetmill.clock import Clock
from assetmill.errors import AttemptError, ProviderRefused
from assetmill.providers.base import Sighting, StepBook
from assetmill.providers.scenario.answers import RemoteJob
from assetmill.providers.scenario.api import ScenarioApi, UnknownHereError

SKEW = timedelta(minutes=10)
"""Our clock and Scenario's may differ by this much; jobs that are that much older are looked at too."""

FIRST_PAUSE_S = 1.0
SLOWEST_PAUSE_S = 5.0
GROWTH = 1.5
MOST_PAGES = 20
MOST_ASKED = 20

SUBJECTS = ("prompt", "image", "images", "referenceImages", "description")
"""Fields that say what a call is about: a job that shows one which was not sent is another call's."""

TELLING = (*SUBJECTS, "seed")
"""Fields that tell one request from another; a job that lacks one of those that were sent is in doubt."""

BESIDE = ("width", "height", "aspectRatio", "strength", "modelId", "layersCount", "numLayers")
"""Fields that must not differ, where a job shows them."""


NEVER_OURS = frozenset({
    "assets-download", "canvas-export", "caption", "describe-style", "detection", "embed", "flux-model-training",
    "generate-prompt", "mesh-preview-rendering", "model-download", "model-import", "model-training",
    "musubi-model-training", "splat", "translate", "upload", "workflow",
})  # fmt: skip
"""Types of jobs that none of our paid calls makes; the list is the SDK's."""


class Likeness(Enum):
    """Whether a job was asked for what was sent."""

    SAME = "same"
    OTHER = "other"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Listing:
    """One reading of the list.

    Args:
        jobs: those that were accepted since shortly before the call, and that no step in the books has.
        whole: the list was read to its end.
        trouble: why it could not be had; empty where it could.
    """

    jobs: tuple[RemoteJob, ...] = ()
    whole: bool = True
    trouble: str = ""


class Seeker:
    """Searches at one endpoint.

    Args:
        api: verbs of the endpoint.
        book: steps of all attempts.
        clock: time.
        look_for_s: how long after its sending a job is looked for.
    """

    def __init__(self, api: ScenarioApi, book: StepBook, clock: Clock, look_for_s: float) -> None:
        self._api = api
        self._book = book
        self._clock = clock
        self._look_for_s = look_for_s

    async def find(self, body: Mapping[str, Any], intended_at: datetime, age_s: float) -> Sighting:
        """Look until the job is found, or until it would have shown.

        Args:
            body: what was sent.
            intended_at: when it was written down, shortly before it left; aware.
            age_s: seconds since it left.

        Raises:
            LedgerError: the books cannot be read.
        """
        ends, pause = self._clock.monotonic() - age_s + self._look_for_s, FIRST_PAUSE_S
        while True:
            listing = await self._read(intended_at - SKEW)
            alike = [(likeness(body, job.input), job) for job in listing.jobs]
            if found := [job for same, job in alike if same is Likeness.SAME]:
                first = min(found, key=lambda job: (job.created_at or intended_at, job.id))
                return Sighting(job_id=first.id, evidence=f"the list of jobs shows it as {first.id}")
            left = ends - self._clock.monotonic()
            if left <= 0:
                return _judged(listing, [job for same, job in alike if same is Likeness.DOUBT])
            await self._clock.sleep(min(pause, left))
            pause = min(SLOWEST_PAUSE_S, pause * GROWTH)

    async def _read(self, since: datetime) -> Listing:
        jobs: list[RemoteJob] = []
        token: str | None = None
        for _ in range(MOST_PAGES):
            try:
                page, token = await self._api.jobs(since, token)
            except (AttemptError, ProviderRefused, UnknownHereError) as error:
                return Listing(whole=False, trouble=str(error))
            jobs += [job for job in page if job.created_at is None or job.created_at >= since]
            if token is None or (page and all(job.created_at and job.created_at < since for job in page)):
                return Listing(await self._unknown(jobs))
        return Listing(await self._unknown(jobs), whole=False)

    async def _unknown(self, jobs: list[RemoteJob]) -> tuple[RemoteJob, ...]:
        """Those that no step has, with the input that the job itself shows where the list shows none."""
        able = [job for job in jobs if job.type not in NEVER_OURS]
        strange = [job for job in able if await self._book.attempt_of(job.id) is None]
        hidden = {job.id for job in strange if job.input is None}
        asked = {job_id: await self._input(job_id) for job_id in sorted(hidden)[:MOST_ASKED]}
        return tuple(replace(job, input=asked.get(job.id)) if job.id in hidden else job for job in strange)

    async def _input(self, job_id: str) -> Mapping[str, Any] | None:
        try:
            return (await self._api.job(job_id)).input
        except (AttemptError, ProviderRefused, UnknownHereError):
            return None


def likeness(sent: Mapping[str, Any], shown: Mapping[str, Any] | None) -> Likeness:
    """Whether a job that shows this input was asked for what was sent."""
    if shown is None:
        return Likeness.DOUBT
    if any(name in shown and not _equal(sent[name], shown[name]) for name in (*TELLING, *BESIDE) if name in sent):
        return Likeness.OTHER
    if any(name in shown for name in SUBJECTS if name not in sent):
        return Likeness.OTHER
    return Likeness.SAME if all(name in shown for name in TELLING if name in sent) else Likeness.DOUBT


def _judged(listing: Listing, doubtful: list[RemoteJob]) -> Sighting:
    if listing.trouble:
        return Sighting(evidence=f"nobody can tell: {listing.trouble}", unanswered=True)
    if not listing.whole:
        return Sighting(evidence="nobody can tell: the list of jobs is too long to be read to its end")
    if doubtful:
        names = ", ".join(job.id for job in doubtful[:3])
        return Sighting(evidence=f"nobody can tell: {names} may be it, and does not show what it was asked for")
    return Sighting(absent=True, evidence="no job in the list of jobs was asked for it")


def _equal(sent: Any, shown: Any) -> bool:
    """Whether a value comes back as it was sent: ids may stand in an address, and numbers may be text."""
    if isinstance(sent, list) and isinstance(shown, list):
        return len(sent) == len(shown) and all(_equal(one, other) for one, other in zip(sent, shown, strict=True))
    if isinstance(sent, str) and isinstance(shown, str):
        plain, other = " ".join(sent.split()), " ".join(shown.split())
        return plain == other or (plain.startswith("asset_") and plain in other)
    try:
        return math.isclose(float(sent), float(shown), rel_tol=0, abs_tol=1e-6)
    except (TypeError, ValueError, OverflowError):
        return bool(sent == shown)
