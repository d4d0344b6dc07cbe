"""Deleting what nobody needs any more, without ever guessing that nobody does.

Needed is all that was paid for (every raw image that a receipt or a row names), every file that a receipt
names, the newest finish of each attempt, whatever a kept publish of any game and channel names, and anything
young. What is left are files of finishing options that were given up and never published, and files that a
killed program left behind. Gallery pages keep nothing alive: a page older than the grace may lack a picture.

All of it rests on the books, so books that are not these of this store, or that are damaged, end the matter.
A plan believes in the finishes that are in the books: they are forgotten before their files go, while no run
is under way that might have read them. Going back to an older pack needs no run and no books, so before anything
goes it is looked whether anybody has published since. The order of deleting is records, indexes, blobs, so that a
pointer never leads to something that is gone, wherever it stops.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assetmill.audit.check import findings
from assetmill.audit.findings import Kind
from assetmill.audit.reading import read_snapshot
from assetmill.audit.snapshot import PublishedIndex, Snapshot
from assetmill.errors import Conflict, LedgerError, StorageError, UsageError
from assetmill.ledger import Ledger
from assetmill.ledger.codec import read_outputs
from assetmill.packs.keys import BLOBS
from assetmill.packs.parallel import in_threads
from assetmill.storage.base import ObjectInfo, Store

GRACE_DAYS = 14
LEAST_GRACE = timedelta(days=1)
RUN_LASTS = timedelta(days=1)  # a run that began earlier and has no end was killed
RUNNING = "running"
CHECK = "assetmill ledger check"

_BLOB = re.compile(rf"{BLOBS}[0-9a-f]{{2}}/[0-9a-f]{{64}}\.[a-z0-9]{{1,8}}")
_INDEX = re.compile(r"packs/[a-z0-9][a-z0-9_-]{0,63}/index\.[0-9a-f]{16}\.json")
_RECORD = re.compile(r"packs/[^/]+/[^/]+/history/[^/]+")
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_UNSURE = frozenset(
    {
        Kind.RECEIPT_DAMAGED, Kind.ROW_MISSING, Kind.ROW_DAMAGED, Kind.INDEX_MISSING, Kind.INDEX_DAMAGED,
        Kind.POINTER_BROKEN, Kind.ENTRY_UNKNOWN,
    }
)  # fmt: skip
"""Findings after which nobody can say what is needed: a document that cannot be read, or books of another store."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What could be deleted, and what stays.

    Args:
        blobs: key of each blob that nobody needs -> its size in bytes.
        indexes: keys of indexes that no record names any more.
        records: keys of the history records that are given up.
        finishes: how many finishes of the books would be forgotten.
        needed: how many blobs somebody needs.
        needed_bytes: their size.
        young: how many blobs nobody needs and that are too young to go.
        ageless: how many of these are young only because the store does not say when they were written.
        under_way: ids of runs that may be going on.
        runs: ids of all runs that the books knew when the reading began.
        published: keys of all history records that were there when the reading began.
    """

    blobs: Mapping[str, int]
    indexes: tuple[str, ...]
    records: tuple[str, ...]
    finishes: int
    needed: int
    needed_bytes: int
    young: int
    ageless: int
    under_way: tuple[str, ...]
    runs: frozenset[str]
    published: frozenset[str]

    @property
    def bytes(self) -> int:
        """What deleting the blobs frees."""
        return sum(self.blobs.values())


def find_garbage(ledger: Ledger, store: Store, *, now: datetime, grace: timedelta, keep: int | None = None) -> Garbage:
    """Say what nobody needs any more; changes nothing.

    Args:
        ledger: the books of this store.
        store: where everything is; blobs are shared, so all games are looked at.
        now: aware time.
        grace: nothing younger goes, at least a day.
        keep: publishes of each channel that can be gone back to; None keeps all. The current one, and those
            younger than the grace, are always kept.

    Raises:
        UsageError: the grace is shorter than a day, or fewer than one publish would be kept.
        LedgerError, StorageError: books or store cannot be read, are damaged, or do not belong together.
    """
    if grace < LEAST_GRACE or (keep is not None and keep < 1):
        raise UsageError("at least one day and one publish are kept", hint="--grace 1 or more, --keep 1 or more")
    runs, records = ledger.runs(), _records(store)
    blobs = [info for info in store.list(BLOBS) if _BLOB.fullmatch(info.key)]  # before all that may name them
    indexes = [info for info in store.list("packs/") if _INDEX.fullmatch(info.key)]
    snapshot = read_snapshot(ledger, store)
    _refuse_unsure(snapshot, now)
    if blobs and not snapshot.rows:
        raise LedgerError(
            "these books are empty, and the store is not",
            hint="set ASSETMILL_LEDGER_URL, or `assetmill ledger rebuild`",
        )
    horizon = _horizon(ledger, now - grace)
    kept = list(_kept(snapshot.indexes, horizon, keep))
    packs = {one.key: one.index for one in kept}
    published = (key for index in packs.values() if index is not None for key in index.blobs())
    needed = {*_paid(snapshot), *_newest_finishes(snapshot), *published}
    unneeded = [info for info in blobs if info.key not in needed]
    old = {info.key: info.size for info in unneeded if _older(info, horizon)}
    holders = {one.holder for one in kept}
    return Garbage(
        blobs=old,
        indexes=tuple(sorted(info.key for info in indexes if _older(info, horizon) and info.key not in packs)),
        records=tuple(sorted(one.holder for one in snapshot.indexes if one.holder not in holders)),
        finishes=sum(not old.keys().isdisjoint(_files(row)) for row in snapshot.finishes),
        needed=len(blobs) - len(unneeded),
        needed_bytes=sum(info.size for info in blobs if info.key in needed),
        young=len(unneeded) - len(old),
        ageless=sum(info.modified is None for info in unneeded),
        under_way=_under_way(runs, now),
        runs=frozenset(run["run_id"] for run in runs),
        published=records,
    )


def delete_garbage(ledger: Ledger, store: Store, garbage: Garbage) -> int:
    """Delete what was found, and return how many finishes were forgotten.

    Raises:
        Conflict: a run is under way, or began since, or somebody has published since; no file was deleted.
        LedgerError, StorageError: books or store are unavailable. What is deleted by then nobody needed, and it
            may be done again.
    """
    if garbage.under_way:
        raise Conflict(
            f"run {garbage.under_way[0]} may be going on; nothing was deleted",
            hint="wait for its end; a run that was killed is given up a day after it began",
        )
    _refuse_published(store, garbage)
    forgotten = ledger.forget_finishes(garbage.blobs.keys())
    if {run["run_id"] for run in ledger.runs()} != garbage.runs:
        raise Conflict("a run has begun meanwhile; no file was deleted", hint="do it again when it has ended")
    _refuse_published(store, garbage)  # again: to go back takes no longer than to forget
    in_threads(store.delete, garbage.records)
    in_threads(store.delete, garbage.indexes)
    in_threads(store.delete, garbage.blobs)
    # A run that began after all and made the very same bytes meanwhile found them there, and may have believed it.
    return forgotten + ledger.forget_finishes(garbage.blobs.keys())


def _records(store: Store) -> frozenset[str]:
    """Keys of all records of all histories: whoever publishes or goes back writes one before anything is current."""
    return frozenset(info.key for info in store.list("packs/") if _RECORD.fullmatch(info.key))


def _refuse_published(store: Store, garbage: Garbage) -> None:
    if _records(store) - garbage.published:
        raise Conflict("a pack was published meanwhile; no file was deleted", hint="do it again")


def _refuse_unsure(snapshot: Snapshot, now: datetime) -> None:
    """Refuse to go by books or packs of which a part cannot be read or is another's.

    Raises:
        StorageError: names the first thing.
    """
    unsure = [one for one in findings(snapshot, now) if one.kind in _UNSURE]
    if unsure:
        more = f", and {len(unsure) - 1} more" if len(unsure) > 1 else ""
        raise StorageError(
            f"nothing can be said to be unneeded: {unsure[0].subject}: {unsure[0].message}{more}",
            hint=f"`{CHECK}` names all, and says what to do",
        )


def _under_way(runs: Iterable[Mapping[str, Any]], now: datetime) -> tuple[str, ...]:
    """Runs without an end that began less than a day ago."""
    recent = (run for run in runs if run["state"] == RUNNING and run["started_at"] > now - RUN_LASTS)
    return tuple(str(run["run_id"]) for run in recent)


def _horizon(ledger: Ledger, limit: datetime) -> datetime:
    """Before this, everything that was paid for is written down: an open attempt may have stored what no row names."""
    return min([limit, *(attempt.intended_at for attempt in ledger.open_attempts())])


def _older(info: ObjectInfo, horizon: datetime) -> bool:
    return info.modified is not None and info.modified < horizon


def _paid(snapshot: Snapshot) -> Iterator[str]:
    """Raw images of rows and receipts, and everything else that a receipt names: a rebuild would believe in it."""
    for row in (*snapshot.rows, *(receipt.attempt for receipt in snapshot.receipts.values())):
        yield from (output.key for output in read_outputs(row["outputs"]).values())
        if row["key"] is not None:
            yield row["key"]
    for receipt in snapshot.receipts.values():
        for finish in receipt.finishes:
            yield from _files(finish)


def _newest_finishes(snapshot: Snapshot) -> Iterator[str]:
    """Files of the finish of each attempt that a plan is most likely to ask for."""
    newest: dict[str, datetime] = {}
    for row in snapshot.finishes:
        newest[row["attempt_id"]] = max(row["finished_at"], newest.get(row["attempt_id"], row["finished_at"]))
    for row in snapshot.finishes:
        if row["finished_at"] == newest[row["attempt_id"]]:
            yield from _files(row)


def _files(finish: Mapping[str, Any]) -> set[str]:
    """Keys of what a finish made."""
    sheet = finish["sheet_key"]
    return {output.key for output in read_outputs(finish["files"]).values()} | ({sheet} if sheet else set())


def _kept(indexes: Iterable[PublishedIndex], horizon: datetime, keep: int | None) -> Iterator[PublishedIndex]:
    """Pointers that stay: all `latest.json`, and of each history what is current, the newest and the young."""
    newest_first = sorted(indexes, key=lambda one: one.holder, reverse=True)
    current = {(one.game, one.channel, one.key) for one in newest_first if one.current}
    counts: Counter[tuple[str, str]] = Counter()
    for one in newest_first:
        place = counts[one.game, one.channel]
        counts[one.game, one.channel] += not one.current
        among = keep is None or place < keep or _written(one.holder) >= horizon
        if among or (one.game, one.channel, one.key) in current:
            yield one


def _written(record: str) -> datetime:
    """When a record was written, by its name; one that nobody here named was written just now."""
    stamp = record.rpartition("/")[2].partition("-")[0]
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
