"""Which rows can be looked at at all: a row that somebody edited must not keep an audit from seeing the others.

What receipts hold and the books do not is looked at too, so that an audit says of a lost ledger what can be restored.
"""

from __future__ import annotations

from collections.abc import Iterator

from assetmill.audit.findings import Finding, Kind, Row
from assetmill.audit.snapshot import Snapshot
from assetmill.ledger import Output, Status
from assetmill.ledger.codec import read_map, read_outputs

EDITED = "something other than assetmill has written to the ledger: restore it from a backup, or rebuild it"
STORED = (Status.COLLECTED, Status.KEPT, Status.REJECTED)
"""What an attempt is only when its raw images are stored."""


def compare_rows(snapshot: Snapshot) -> Iterator[Finding]:
    """Rows that cannot be what assetmill wrote."""
    for row in snapshot.rows:
        if (damage := _attempt_damage(row)) is not None:
            yield Finding(Kind.ROW_DAMAGED, row["attempt_id"], row["game"], damage, EDITED)
    for finish in snapshot.finishes:
        if not _readable(finish["files"]):
            message = f"finish {finish['finish_fingerprint'][:16]} lists its files in no way that can be read"
            yield Finding(Kind.ROW_DAMAGED, finish["attempt_id"], finish["game"], message, EDITED)


def sound_rows(snapshot: Snapshot) -> Iterator[Row]:
    """Rows of attempts that can be what assetmill wrote."""
    return (row for row in snapshot.rows if _attempt_damage(row) is None)


def all_attempts(snapshot: Snapshot) -> Iterator[Row]:
    """Sound rows, and what receipts say of attempts that have no row."""
    yield from sound_rows(snapshot)
    known = {row["attempt_id"] for row in snapshot.rows}
    for attempt_id, receipt in snapshot.receipts.items():
        if attempt_id not in known and _attempt_damage(receipt.attempt) is None:
            yield receipt.attempt


def all_finishes(snapshot: Snapshot) -> Iterator[Row]:
    """Finishes of the books, and those of receipts that have no row."""
    yield from (finish for finish in snapshot.finishes if _readable(finish["files"]))
    known = {row["attempt_id"] for row in snapshot.rows}
    for attempt_id, receipt in snapshot.receipts.items():
        if attempt_id not in known:
            yield from (finish for finish in receipt.finishes if _readable(finish["files"]))


def outputs_of(text: str) -> tuple[Output, ...]:
    """Images of a JSON column of a sound row."""
    return tuple(read_outputs(text).values())


def _attempt_damage(row: Row) -> str | None:
    try:
        status = Status(row["status"])
    except ValueError:
        return f"no attempt is ever {row['status']!r}"
    if not _readable(row["outputs"]):
        return "it lists its raw images in no way that can be read"
    if status in STORED and not outputs_of(row["outputs"]):
        return f"it is {status}, and no raw image was stored"
    return None


def _readable(text: str) -> bool:
    """Whether a JSON column describes images."""
    try:
        stored = read_map(text)
        read_outputs(text)
        return all(isinstance(one["key"], str) and isinstance(one["bytes"], int) for one in stored.values())
    except (ValueError, TypeError, AttributeError):
        return False
