"""What this process knows of an endpoint's jobs, set against what the endpoint counts.

/health counts jobs (completed + failed + in progress + in queue). Noted before a send (the base) and again
after it, the counts can show that a request of unknown outcome was *not* accepted:

    surplus = total now - total at the base - accepted + cancelled
            = lost sends that were accepted + jobs of others - vanished - forgotten - not counted yet

Surplus 0 proves that no lost send was accepted only if the last three terms are 0. So a look counts only when
- nothing is vanishing: at the base no unfinished jobs but our known ones; a known job that timed out, was
  cancelled by others or is unknown to the endpoint makes the base void, and so does a cancel without an answer;
- nothing is forgotten: `completed` and `failed` never fall, hold all that we saw end, and the base is young. Jobs
  that had ended before the base may drop out of the counts as others end: there are none, or all of them are ours
  and too young for that. A negative surplus means that the counts forget, and they are never believed again;
- nothing is late: no send or cancel was under way during the look or ended just before it, and every job that we
  know to be out has been seen by its status, so that it has spread through the endpoint.
Sends at the same time therefore make a look worthless, never wrong: one of theirs might hide one of ours. A send
that began before the base, or in another process, is never judged at all. Others on the endpoint only add to the
surplus, which ends the proof. Wherever there is doubt the answer is None: a wrong "absent" pays twice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from assetmill.clock import Clock
from assetmill.errors import AttemptError, NotDelivered, ProviderRefused, RequestRejected, Throttled
from assetmill.providers.base import Job, JobState
from assetmill.providers.runpod.api import JobApi

QUIET_S = 5.0  # between the last send or cancel and a look that counts
OLD_S = 300.0  # a base is noted anew after this, if the moment allows it
TOO_OLD_S = 1500.0  # results live 30 minutes, and perhaps counts with them
TRY_AGAIN_S = 60.0  # between two tries to note a base
NOT_ACCEPTED = (NotDelivered, Throttled, RequestRejected, ProviderRefused)


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs as /health counts them."""

    completed: int
    failed: int
    in_progress: int
    in_queue: int

    @property
    def finished(self) -> int:
        """Jobs that have ended."""
        return self.completed + self.failed

    @property
    def unfinished(self) -> int:
        """Jobs that wait or run."""
        return self.in_progress + self.in_queue


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the counts; `surplus` is None where it proves nothing, and `why` says so."""

    at: float
    surplus: int | None
    why: str = ""


@dataclass
class Base:
    """Counts before a send, and what has been done since; only `serial` outlives it."""

    serial: int
    at: float
    counts: Counts
    highest: Counts
    accepted: int
    cancelled: set[str]
    finished: int
    ended: tuple[float, ...]
    """When our jobs that had completed or failed by then were last seen unfinished, seconds of the clock."""

    def may_forget(self, now: float) -> bool:
        """Whether jobs that had ended before the base may have left the counts since, or may do so now."""
        if not self.counts.finished:
            return False
        return len(self.ended) != self.counts.finished or now - min(self.ended) > TOO_OLD_S


class Census:
    """Books of one endpoint's jobs for one process.

    Args:
        api: verbs of the endpoint.
        clock: time source.
    """

    def __init__(self, api: JobApi, clock: Clock) -> None:
        self.known: set[str] = set()
        self.outstanding: dict[str, bool] = {}  # job id -> whether a status of it has been seen
        self.finished_at: dict[str, float] = {}
        self._api = api
        self._clock = clock
        self._lock = asyncio.Lock()
        self._unfinished_at: dict[str, float] = {}  # job id -> when it was last known not to have ended
        self._ended: list[float] = []  # the same, of those that have completed or failed since
        self._base: Base | None = None
        self._no_base = "the endpoint's jobs were not counted before it was sent"
        self._serials = 0
        self._tried = -math.inf
        self._sends: dict[str, int | None] = {}  # sends without a verdict: attempt -> serial of the base before it
        self._under_way = 0
        self._changes = 0
        self._changed_at = -math.inf
        self._forgets = ""

    async def before_send(self) -> None:
        """Note a base if one is due. Whoever sends at the same time waits for it, so that it precedes all of them."""
        async with self._lock:
            if not self._base_due():
                return
            self._tried = self._clock.monotonic()
            changes, ended, counts = self._changes, tuple(self._ended), await self._counts()
            if counts is None:
                self._no_base = "the endpoint's health shows no counts of jobs"
            elif counts.unfinished > len(self.outstanding):
                self._no_base = "others had jobs on the endpoint"
            elif changes == self._changes:
                self._serials += 1
                self._base = Base(self._serials, self._tried, counts, counts, 0, set(), 0, ended)

    @contextmanager
    def sending(self, attempt_id: str) -> Iterator[None]:
        """Wrap a POST: until it is answered, its outcome counts as unknown, also when it is cut off."""
        self._sends[attempt_id] = self._base.serial if self._base else None
        try:
            with self._change():
                yield
        except NOT_ACCEPTED:
            self._sends.pop(attempt_id, None)
            raise

    def accepted(self, attempt_id: str, job_id: str, *, shown: bool = False) -> None:
        """A send was answered with a job id, or its job was found in what the endpoint shows."""
        serial = self._sends.pop(attempt_id, None)
        if self._base and serial == self._base.serial:
            self._base.accepted += 1
        self._touch()
        if job_id not in self.known:
            self.known.add(job_id)
            self.outstanding[job_id] = shown
            if not shown:  # one that was found may have ended long ago
                self._unfinished_at[job_id] = self._clock.monotonic()

    @contextmanager
    def cancelling(self, job_id: str) -> Iterator[None]:
        """Wrap a cancel. One without an answer may have taken a job out of the counts: the base is void."""
        try:
            with self._change():
                yield
        except AttemptError:
            self._drop_base("a cancel had no answer")
            raise
        if self.outstanding.pop(job_id, None) is None and job_id not in self.finished_at:
            self._drop_base("a job that is not in the books was cancelled")
        elif self._base and job_id not in self.finished_at:
            self._base.cancelled.add(job_id)

    def seen(self, job: Job) -> None:
        """A status of a job was read. Its first ending stands, whatever the endpoint says later."""
        self.known.add(job.id)
        if job.id in self.finished_at:
            return
        if not job.state.terminal:
            self.outstanding[job.id] = True
            self._unfinished_at[job.id] = self._clock.monotonic()
            return
        self.finished_at[job.id] = self._clock.monotonic()
        unfinished_at = self._unfinished_at.pop(job.id, None)
        if unfinished_at is not None and job.state in (JobState.COMPLETED, JobState.FAILED):
            self._ended.append(unfinished_at)
        was_out = self.outstanding.pop(job.id, None) is not None
        withdrawn = self._base is not None and job.id in self._base.cancelled
        if job.state in (JobState.CANCELLED, JobState.TIMED_OUT):
            if not withdrawn:
                self._drop_base("a job was cancelled by others or timed out")
        elif self._base and withdrawn:
            self._base.cancelled.remove(job.id)  # it ended before the cancel reached it
        elif self._base and was_out:
            self._base.finished += 1

    def gone(self, job_id: str) -> None:
        """The endpoint has forgotten a job."""
        if self.outstanding.pop(job_id, None) is not None:
            self._drop_base("a job vanished from the endpoint")

    def verdict(self, attempt_id: str) -> None:
        """Nothing more is asked about a send."""
        self._sends.pop(attempt_id, None)

    def why_not(self, attempt_id: str) -> str:
        """Why the counts cannot speak for a send, or "" if they may."""
        if self._forgets:
            return self._forgets
        if self._base is None:
            return self._no_base
        if self._sends.get(attempt_id) != self._base.serial:
            return "the endpoint's jobs were not counted before it was sent"
        return ""

    async def look(self) -> Look:
        """Count now. Never raises; many may share one look, for it judges all sends since the base alike."""
        at, doubt, changes = self._clock.monotonic(), self._unsettled(), self._changes
        if doubt:
            return Look(at, None, doubt)
        counts = await self._counts()
        if counts is None:
            return Look(at, None, "the endpoint's health shows no counts of jobs")
        if changes != self._changes:
            return Look(at, None, "other requests were under way")
        surplus, why = self._judge(counts)
        return Look(at, surplus, why)

    def _judge(self, counts: Counts) -> tuple[int | None, str]:
        base = self._base
        if base is None:
            return None, self._no_base
        if self._clock.monotonic() - base.at > TOO_OLD_S:
            return None, "the jobs were last counted too long ago"
        surplus = counts.finished + counts.unfinished - base.counts.finished - base.counts.unfinished
        surplus += len(base.cancelled) - base.accepted
        if surplus < 0 or counts.completed < base.highest.completed or counts.failed < base.highest.failed:
            self._forgets = "the endpoint's counts have fallen: they prove nothing"
            return None, self._forgets
        base.highest = counts
        if counts.finished < base.counts.finished + base.finished:
            return None, "a finished job is not counted as finished"
        if base.may_forget(self._clock.monotonic()):
            return None, "jobs that had ended before may have dropped out of the endpoint's counts"
        return surplus, ""

    def _base_due(self) -> bool:
        if self._forgets or self._sends or self._unsettled():
            return False
        now = self._clock.monotonic()
        return now - self._tried >= TRY_AGAIN_S and (self._base is None or now - self._base.at >= OLD_S)

    def _drop_base(self, why: str) -> None:
        self._base, self._no_base = None, why

    def _unsettled(self) -> str:
        """Why the counts may lag behind the books at this moment, or ""."""
        if self._under_way:
            return "other requests were under way"
        if self._clock.monotonic() - self._changed_at < QUIET_S:
            return "another request had only just been answered"
        if not all(self.outstanding.values()):
            return "a job that was accepted does not show yet"
        return ""

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._under_way += 1
        self._touch()
        try:
            yield
        finally:
            self._under_way -= 1
            self._touch()

    def _touch(self) -> None:
        self._changes += 1
        self._changed_at = self._clock.monotonic()

    async def _counts(self) -> Counts | None:
        try:
            return counts_of(await self._api.health())
        except (NotDelivered, ProviderRefused):
            return None


def counts_of(health: Mapping[str, Any]) -> Counts | None:
    """Job counts of a health answer, or None where one of them is missing or no count."""
    jobs = health.get("jobs")
    if not isinstance(jobs, Mapping):
        return None
    values = [_whole(jobs.get(name)) for name in ("completed", "failed", "inProgress", "inQueue")]
    counts = [value for value in values if value is not None]
    return Counts(*counts) if len(counts) == len(values) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
