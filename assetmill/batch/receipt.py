"""Settling an attempt: its receipt is stored, and then its final row is written.

A receipt is stored once and never changes. When one is there already, an earlier process came as far as this and no
further: what it wrote down holds, whatever is known now.
"""

from __future__ import annotations

from assetmill.errors import Conflict, KeyMissing
from assetmill.ledger import Ledger, Receipt, Settlement, read_receipt, write_receipt
from assetmill.packs import receipt_key
from assetmill.packs.kinds import PRIVATE
from assetmill.packs.pointers import JSON_TYPE
from assetmill.storage import Store


def settle_with_receipt(ledger: Ledger, store: Store, attempt_id: str, settlement: Settlement, *, by: str) -> Receipt:
    """Settle an attempt and return its receipt, whose row is the one that stands.

    Raises:
        ClaimLost: somebody else looks after the attempt; that one's receipt and row hold.
        LedgerError, StorageError: the attempt stays open and can be settled again.
    """
    receipt = ledger.receipt(attempt_id, settlement, by=by)
    key = receipt_key(str(receipt.attempt["game"]), attempt_id)
    try:
        store.create(key, write_receipt(receipt), content_type=JSON_TYPE, cache_control=PRIVATE)
    except Conflict:
        receipt = read_receipt(store.get(key), key)
    ledger.settle_as(receipt, by=by)
    return receipt


def stored_receipt(store: Store, game: str, attempt_id: str) -> Receipt | None:
    """The receipt of an attempt, if one is stored.

    Raises:
        StorageError, LedgerError: it cannot be read, or is damaged.
    """
    key = receipt_key(game, attempt_id)
    try:
        return read_receipt(store.get(key), key)
    except KeyMissing:
        return None
