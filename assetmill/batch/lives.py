"""One life of a worker as sightings of it tell it: its start lies between two moments, which they bring together.

A listing tells uptimes in whole seconds, and an answer takes time, so that each sighting leaves a second or more open;
two that leave no moment in common are of two lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from assetmill.ledger import WorkerLife
from assetmill.providers.base import WorkerSeen

LOOK_EVERY_S = 15.0
STARTING = timedelta(seconds=LOOK_EVERY_S)
"""A worker that was starting when it was seen has its first job so soon, or nobody knows in which life it was."""

ALIKE = timedelta(seconds=2)
"""Two listings that tell starts so far apart speak of one start: answers take time, and uptimes are whole seconds."""


@dataclass
class Life:
    """One life of a worker: its start lies between two moments, which every look brings closer together."""

    seen: WorkerSeen
    first_seen_at: datetime
    last_seen_at: datetime
    ready_at: datetime | None = None
    written: WorkerLife | None = None
    """What the books say of it, where another process has seen it."""

    @property
    def up_since(self) -> datetime | None:
        """Its start, in the middle of what is possible."""
        since, until = self.seen.since, self.seen.until
        return None if since is None or until is None else since + (until - since) / 2

    def fits(self, seen: WorkerSeen) -> bool:
        """Whether a sighting is of this very life."""
        if None in (self.seen.since, self.seen.until, seen.since, seen.until):
            return True
        mine, other = self.seen, seen
        return not_after(mine.since, other.until) and not_after(other.since, mine.until)

    def reaches(self, moment: datetime) -> bool:
        """Whether it went on at a moment, as far as it was seen."""
        return self.last_seen_at + (STARTING if self.ready_at is None else ALIKE) >= moment

    def narrow(self, seen: WorkerSeen, at: datetime) -> None:
        """Take another sighting in."""
        self.last_seen_at = at
        if seen.ready and self.ready_at is None:
            self.ready_at = at
        since = _latest(self.seen.since, seen.since)
        until = _earliest(self.seen.until, seen.until)
        if since is not None and until is not None and since > until:  # within what answers may be out by
            since = until = since + (until - since) / 2
        self.seen = WorkerSeen(seen.id, seen.gpu or self.seen.gpu, since, until)


def not_after(one: datetime | None, other: datetime | None) -> bool:
    """Whether one moment is no later than another, as far as anybody can tell."""
    return one is None or other is None or one <= other + ALIKE


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one is not None and other is not None else one or other


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one is not None and other is not None else one or other
