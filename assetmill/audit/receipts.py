"""Rows against receipts: each settled row has one, each receipt has its row, and both say the same.

A receipt is stored before the final row and neither changes afterwards, so any difference was made by somebody else.
What a run and a finish say may change after the receipt was written; these parts are not held against it.
"""

from __future__ import annotations

from collections.abc import Iterator

from assetmill.audit.findings import Finding, Kind, Row
from assetmill.audit.snapshot import Snapshot
from assetmill.audit.sound import sound_rows
from assetmill.errors import StorageError
from assetmill.ledger import Receipt, Status
from assetmill.ledger.receipts import LEARNED_LATER
from assetmill.packs import receipt_key

MEND = "assetmill ledger check --mend"
REBUILD = "assetmill ledger rebuild"
SETTLE = "assetmill settle"
DIFFERS_HINT = f"neither ever changes: restore the one that was edited, or compare with `{REBUILD} --into` a new ledger"
ALIKE = ("run_id", "game", "pack", "manifest", "provider", "endpoint", "draft", "started_at")
"""Columns of a run that are known when it begins and never change."""
SHOWN, SHOWN_CHARACTERS = 3, 60


def compare_receipts(snapshot: Snapshot) -> Iterator[Finding]:
    """Everything in which rows and receipts do not agree."""
    yield from _damaged(snapshot)
    for row in settled_without_receipt(snapshot):
        message = f"{row['status']} attempt at {row['asset_id']} has no receipt"
        yield Finding(Kind.RECEIPT_MISSING, row["attempt_id"], row["game"], message, MEND)
    settled = {row["attempt_id"]: row for row in sound_rows(snapshot) if Status(row["status"]).settled}
    known = {row["attempt_id"] for row in snapshot.rows}
    finished = {(row["attempt_id"], row["finish_fingerprint"]) for row in snapshot.finishes}
    for receipt in snapshot.receipts.values():
        if receipt.attempt_id not in known:
            yield _without_row(receipt)
        elif receipt.attempt_id in settled:
            yield from _differing(receipt, settled[receipt.attempt_id], snapshot)
            yield from _unfinished(receipt, finished, snapshot)


def settled_without_receipt(snapshot: Snapshot) -> Iterator[Row]:
    """Sound rows that are settled and whose receipt is not there, not even a damaged one."""
    for row in sound_rows(snapshot):
        absent = row["attempt_id"] not in snapshot.receipts and Status(row["status"]).settled
        if absent and _key(row) not in snapshot.damaged:
            yield row


def _key(row: Row) -> str | None:
    try:
        return receipt_key(row["game"], row["attempt_id"])
    except StorageError:
        return None


def _damaged(snapshot: Snapshot) -> Iterator[Finding]:
    settled = {_key(row): row["settled_at"] is not None for row in snapshot.rows}
    for key, why in snapshot.damaged.items():
        hint = "it has no row that could replace it: restore it from a backup of the store"
        if key in settled:
            hint = f"move it away; its row stands, and `{MEND if settled[key] else SETTLE}` writes it anew"
        yield Finding(Kind.RECEIPT_DAMAGED, key, key.split("/")[2], why, hint)


def _without_row(receipt: Receipt) -> Finding:
    attempt = receipt.attempt
    message = f"the receipt says {attempt['status']} of an attempt at {attempt['asset_id']}, and the books know none"
    return Finding(Kind.ROW_MISSING, receipt.attempt_id, str(attempt["game"]), message, REBUILD)


def _differing(receipt: Receipt, row: Row, snapshot: Snapshot) -> Iterator[Finding]:
    run = snapshot.runs.get(row["run_id"], {})
    pairs = {name: (row.get(name), value) for name, value in receipt.attempt.items()}
    pairs |= {f"run.{name}": (run.get(name), receipt.run[name]) for name in ALIKE if run}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    for name in LEARNED_LATER:
        if receipt.attempt.get(name) in (None, "{}"):
            differing.pop(name, None)
    if not differing:
        return
    words = [f"{name} is {_short(one)} and {_short(other)}" for name, (one, other) in differing.items()]
    more = f"; and {len(words) - SHOWN} more: {', '.join(list(differing)[SHOWN:])}" if len(words) > SHOWN else ""
    message = f"in row and receipt {'; '.join(words[:SHOWN])}{more}"
    yield Finding(Kind.ROW_DIFFERS, receipt.attempt_id, row["game"], message, DIFFERS_HINT)


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _unfinished(receipt: Receipt, finished: set[tuple[str, str]], snapshot: Snapshot) -> Iterator[Finding]:
    """Finishes of a receipt that the books have lost. Without their run they cannot be restored, only made again."""
    for finish in receipt.finishes:
        pair = (finish["attempt_id"], finish["finish_fingerprint"])
        if pair not in finished and finish["run_id"] in snapshot.runs:
            message = f"the receipt holds finish {pair[1][:16]}, and the books do not"
            yield Finding(Kind.FINISH_MISSING, receipt.attempt_id, str(finish["game"]), message, REBUILD)
