"""Receipts for rows that have none, such as those from before there were receipts.

Only ever adds: a receipt that is there, damaged or not, is never written again, and no row changes.
"""

from __future__ import annotations

from contextlib import suppress

from assetmill.audit.findings import Row
from assetmill.audit.receipts import settled_without_receipt
from assetmill.audit.snapshot import Snapshot
from assetmill.errors import Conflict
from assetmill.ledger import Receipt, write_receipt
from assetmill.ledger.receipts import attempt_of
from assetmill.packs import receipt_key
from assetmill.packs.kinds import PRIVATE
from assetmill.packs.parallel import in_threads
from assetmill.packs.pointers import JSON_TYPE
from assetmill.storage import Store


def mend(store: Store, snapshot: Snapshot) -> tuple[str, ...]:
    """Store the missing receipts of settled rows.

    Args:
        store: where to.
        snapshot: what was read; its rows are copied as they stand.

    Returns:
        Ids of the attempts that have one now, in the order of their rows.

    Raises:
        StorageError: the store cannot be written; what was written stays, and it may be done again.
    """
    finishes: dict[str, list[Row]] = {}
    for finish in snapshot.finishes:
        finishes.setdefault(finish["attempt_id"], []).append(finish)
    receipts = [
        Receipt(attempt_of(row), snapshot.runs[row["run_id"]], tuple(finishes.get(row["attempt_id"], ())))
        for row in settled_without_receipt(snapshot)
    ]
    in_threads(lambda receipt: _keep(store, receipt), receipts)
    return tuple(receipt.attempt_id for receipt in receipts)


def _keep(store: Store, receipt: Receipt) -> None:
    key = receipt_key(str(receipt.attempt["game"]), receipt.attempt_id)
    with suppress(Conflict):  # whoever settled it has stored it since
        store.create(key, write_receipt(receipt), content_type=JSON_TYPE, cache_control=PRIVATE)
