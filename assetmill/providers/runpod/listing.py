"""The endpoint's list of requests, read without trust: nothing documents it, and it may be anything.

Seen in the wild: `{"requests": [{"id", "status", ...}]}`. Also understood: a bare list, `jobs` instead of
`requests`, entries with or without `input`. To *find* a job in it, one entry that bears our key is enough. To
prove that a job is *not* there takes a list that is whole, as far as anybody can tell; see `Listing.doubt`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from assetmill.providers.base import JobState
from assetmill.providers.runpod.answers import STATES

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
PAGE = 10  # a list of 10, 20, 50, 100 entries may be the first page of a longer one
# Of several jobs with our key (an edge may send a request twice) the one that is worth most.
WORTH = (JobState.COMPLETED, JobState.RUNNING, JobState.QUEUED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of the list. `attempt` is our key if it bears one; without `shown`, nobody knows."""

    job_id: str
    state: JobState
    shown: bool
    attempt: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The list as it was at one moment, and what our books held at that moment.

    Args:
        at: when it was asked for, by the monotonic clock.
        entries: its requests.
        whole: whether all of it could be read, and it does not say that there is more.
        known: ids of jobs that are in our books.
        outstanding: those that had not ended, as far as we knew.
        finished: job id -> when we saw it end.
    """

    at: float
    entries: tuple[Entry, ...]
    whole: bool
    known: AbstractSet[str]
    outstanding: AbstractSet[str]
    finished: Mapping[str, float]

    def jobs_of(self, attempt_id: str) -> tuple[str, ...]:
        """Jobs that bear our key, the one to collect first."""
        ours = [entry for entry in self.entries if entry.attempt == attempt_id]
        return tuple(entry.job_id for entry in sorted(ours, key=_worth))

    def doubt(self, sent: float) -> str:
        """Why a job that was sent at `sent` may exist although it is not listed, or "" if it cannot.

        The list must be read in full, be no page of a longer one, hold every job that we know to be out and
        every one that ended since, and hold some job that has ended at all (else a job that was quick may have
        left it). Each entry must be a job of our books, or show an input that does not bear our key.
        """
        ids = {entry.job_id for entry in self.entries}
        ended_since = {job_id for job_id, at in self.finished.items() if at >= sent}
        if not self.whole or len(self.entries) % PAGE == 0:
            return "the endpoint's list of requests may not be whole"
        if not (self.outstanding | ended_since) <= ids:
            return "the endpoint's list of requests lacks jobs that are known"
        if not any(entry.state.terminal for entry in self.entries):
            return "the endpoint's list of requests shows no ended job"
        if any(not entry.shown for entry in self.foreign()):
            return "the endpoint's list of requests has jobs that show no input"
        return ""

    def foreign(self) -> tuple[Entry, ...]:
        """Entries that are not in our books."""
        return tuple(entry for entry in self.entries if entry.job_id not in self.known)


def read_entries(body: Any) -> tuple[tuple[Entry, ...], bool] | None:
    """Entries of a parsed answer and whether they are all there are, or None where it is no list of requests."""
    rows = body
    if isinstance(body, Mapping):
        rows = next((body[key] for key in ("requests", "jobs") if isinstance(body.get(key), list)), None)
    if not isinstance(rows, list):
        return None
    entries = tuple(entry for entry in map(_entry, rows) if entry is not None)
    return entries, len(entries) == len(rows) and not _says_more(body, len(rows))


def attempt_in(body: Mapping[str, Any]) -> tuple[bool, str | None]:
    """Whether a job shows its input, and our key if that bears it."""
    given = body.get("input")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return False, None
    if isinstance(given, Mapping) and isinstance(given.get("input"), Mapping):
        given = given["input"]
    if not isinstance(given, Mapping) or not given:
        return False, None
    attempt = given.get("assetmill_attempt")
    return True, attempt if isinstance(attempt, str) else None


def _entry(row: Any) -> Entry | None:
    if not isinstance(row, Mapping) or not isinstance(row.get("id"), str) or not JOB_ID.fullmatch(row["id"]):
        return None
    return Entry(row["id"], STATES.get(str(row.get("status", "")), JobState.RUNNING), *attempt_in(row))


def _says_more(body: Any, rows: int) -> bool:
    if not isinstance(body, Mapping):
        return False
    total = body.get("total", rows)
    return total != rows or any(body.get(key) for key in ("hasMore", "next", "cursor", "nextCursor", "nextToken"))


def _worth(entry: Entry) -> int:
    return WORTH.index(entry.state) if entry.state in WORTH else len(WORTH)
