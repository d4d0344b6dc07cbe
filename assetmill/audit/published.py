"""Published packs against books: every pointer leads to an index, and every file in it was finished by an attempt.

An index that has been published never changes, so an older one may hold what has been finished anew since; only what
is current has to be known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from assetmill.audit.findings import Finding, Kind
from assetmill.audit.snapshot import PublishedIndex, Snapshot
from assetmill.audit.sound import all_finishes, outputs_of
from assetmill.packs import latest_key

RUN_AGAIN = "run its manifest again: it is finished anew for free, and published"
RESTORE = "restore it from a backup of the store"


def compare_published(snapshot: Snapshot) -> Iterator[Finding]:
    """Everything in which pointers, indexes and books do not agree."""
    told: set[str] = set()
    for published in snapshot.indexes:
        found = _pointer_fault(published)
        if found is not None and found.subject not in told:
            told.add(found.subject)
            yield found
    yield from _unknown_files(snapshot)
    yield from _never_current(snapshot)


def _pointer_fault(published: PublishedIndex) -> Finding | None:
    game, holder = published.game, published.holder
    if published.problem is not None:
        hint = f"{RESTORE}, or point latest.json at an older index of the history" if published.current else RESTORE
        return Finding(Kind.INDEX_DAMAGED, published.key or holder, game, published.problem, hint)
    if published.index is not None:
        return None
    message = f"{holder} names {published.key}, which is gone"
    if published.current:
        hint = f"{RESTORE}, or point latest.json at an older index of the history"
        return Finding(Kind.POINTER_BROKEN, holder, game, message, hint)
    return Finding(Kind.INDEX_MISSING, published.key or holder, game, message, f"{RESTORE}; the game is not concerned")


def _unknown_files(snapshot: Snapshot) -> Iterator[Finding]:
    """Entries that no finish accounts for: each once, the current pack before the history."""
    known = _finished_files(snapshot)
    told: set[tuple[str, str, str]] = set()
    for published in snapshot.indexes:
        for name, asset in published.index.assets.items() if published.index else ():
            unknown = sorted(set(asset.blobs()) - known[published.game])
            entry = (published.game, name, asset.file)
            if not unknown or entry in told:
                continue
            told.add(entry)
            kind = Kind.ENTRY_UNKNOWN if published.current else Kind.UNKNOWN_IN_HISTORY
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            message = f"{name} in channel {published.channel}: no attempt of the books made {unknown[0]}{more}"
            hint = RUN_AGAIN if published.current else ""
            yield Finding(kind, published.key or published.holder, published.game, message, hint)


def _finished_files(snapshot: Snapshot) -> defaultdict[str, set[str]]:
    """Keys of all finished files by game."""
    known: defaultdict[str, set[str]] = defaultdict(set)
    for finish in all_finishes(snapshot):
        known[finish["game"]].update(file.key for file in outputs_of(finish["files"]))
        if finish["sheet_key"] is not None:
            known[finish["game"]].add(finish["sheet_key"])
    return known


def _never_current(snapshot: Snapshot) -> Iterator[Finding]:
    current = {(published.game, published.channel) for published in snapshot.indexes if published.current}
    for game, channel in sorted({(published.game, published.channel) for published in snapshot.indexes} - current):
        message = f"channel {channel} has a history and no latest.json"
        yield Finding(Kind.NEVER_CURRENT, latest_key(game, channel), game, message, "run its manifest again")
