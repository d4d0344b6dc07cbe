"""Every file that books or packs name is there, as long as they say, and what its name says.

Raw images come first: they were paid for, and a lost one can only be paid for again. Nothing here reads a file; sizes
and hashes come with the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assetmill.audit.findings import Finding, Kind, Row
from assetmill.audit.snapshot import PublishedIndex, Snapshot
from assetmill.audit.sound import all_attempts, all_finishes, outputs_of
from assetmill.packs import PackAsset

BACKUP = "restore it from a backup of the store"
RAW_HINT = f"{BACKUP}; without it the picture can only be paid for again"
FINISH_HINT = f"{BACKUP}, or change a finishing option: the next run makes it again for free"
PUBLISHED_HINT = f"{BACKUP}, or point latest.json at an older index of the history"
DIFFERS_HINT = "something other than assetmill has written to it: restore it from a backup of the store"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file of the store that something names.

    Args:
        key: where it has to be.
        size: how long it has to be, bytes; None when nobody says.
        sha256: hash that its bytes have to have; None when only its name says.
        kind: what it is called when it is gone.
        subject: who names it: an attempt, or an index.
        game: id of the game.
        what: the file in words.
        hint: what to do when it is gone.
    """

    key: str
    size: int | None
    sha256: str | None
    kind: Kind
    subject: str
    game: str
    what: str
    hint: str


def wanted_files(snapshot: Snapshot) -> Iterator[WantedFile]:
    """Everything that rows, receipts, finishes and indexes name; what one pack took over from another only once."""
    for attempt in all_attempts(snapshot):
        yield from _raw(attempt)
    for finish in all_finishes(snapshot):
        yield from _finished(finish)
    seen: set[tuple[str, str]] = set()
    for published in snapshot.indexes:
        for name, wanted in _named_in(published):
            if (name, wanted.key) not in seen:
                seen.add((name, wanted.key))
                yield wanted


def _named_in(published: PublishedIndex) -> Iterator[tuple[str, WantedFile]]:
    """Files of each asset of an index by the asset's name, and those of the whole pack under none."""
    index, key = published.index, published.key or ""
    if index is None:
        return
    for name, asset in index.assets.items():
        yield from ((name, wanted) for wanted in _published(key, published.game, name, asset))
    for role, file in index.files.items():
        what = f"file {role} of the pack"
        yield "", WantedFile(file, None, None, Kind.ENTRY_MISSING, key, published.game, what, PUBLISHED_HINT)


def compare_files(snapshot: Snapshot) -> Iterator[Finding]:
    """Files that are gone, and files that are not what somebody says of them: of these, each once."""
    told: set[str] = set()
    for wanted in wanted_files(snapshot):
        if wanted.key not in snapshot.blobs:
            message = f"{wanted.what} is gone: {wanted.key}"
            yield Finding(wanted.kind, wanted.subject, wanted.game, message, wanted.hint)
        elif wanted.key not in told and (words := _difference(wanted, snapshot)):
            told.add(wanted.key)
            yield Finding(Kind.BLOB_DIFFERS, wanted.key, wanted.game, f"{wanted.what} {words}", DIFFERS_HINT)


def _difference(wanted: WantedFile, snapshot: Snapshot) -> str | None:
    size = snapshot.blobs[wanted.key]
    if wanted.size is not None and size != wanted.size:
        return f"has {size} bytes, not {wanted.size}"
    if wanted.sha256 is not None and f"/{wanted.sha256}." not in wanted.key:
        return f"has another hash in its name than {wanted.sha256}"
    if wanted.key in snapshot.rotten:
        return f"does not hash to its name, but to {snapshot.rotten[wanted.key]}"
    return None


def _raw(attempt: Row) -> Iterator[WantedFile]:
    whose = f"of {attempt['asset_id']} candidate {attempt['candidate']}"
    for output in outputs_of(attempt["outputs"]):
        what = f"raw image {output.role} {whose}"
        yield WantedFile(
            output.key, output.bytes, output.sha256, Kind.RAW_MISSING, attempt["attempt_id"], attempt["game"], what,
            RAW_HINT,
        )  # fmt: skip


def _finished(finish: Row) -> Iterator[WantedFile]:
    subject, game = finish["attempt_id"], finish["game"]
    for file in outputs_of(finish["files"]):
        what = f"finished file {file.role} of attempt {subject}"
        yield WantedFile(file.key, file.bytes, file.sha256, Kind.FILE_MISSING, subject, game, what, FINISH_HINT)
    if finish["sheet_key"] is not None:
        what = f"sheet metadata of attempt {subject}"
        yield WantedFile(finish["sheet_key"], None, None, Kind.SHEET_MISSING, subject, game, what, FINISH_HINT)


def _published(index_key: str, game: str, name: str, asset: PackAsset) -> Iterator[WantedFile]:
    what = f"published file of {name}"

    def wanted(key: str, size: int | None = None, sha256: str | None = None) -> WantedFile:
        return WantedFile(key, size, sha256, Kind.ENTRY_MISSING, index_key, game, what, PUBLISHED_HINT)

    yield wanted(asset.file, asset.bytes, asset.sha256)
    yield from map(wanted, _without_first(asset.blobs()))


def _without_first(keys: Iterable[str]) -> list[str]:
    return list(keys)[1:]
