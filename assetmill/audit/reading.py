"""The reader of an audit: lists and reads books and store once, and judges nothing.

While runs go on, books and store change under it. A run stores files first, then the receipt, then the row, and the
published index last; so what is written last is read first, and nothing that is read can be ahead of what proves it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from assetmill.audit.files import wanted_files
from assetmill.audit.findings import Row
from assetmill.audit.packs import read_indexes
from assetmill.audit.snapshot import Snapshot
from assetmill.errors import KeyMissing, LedgerError, StorageError, UsageError
from assetmill.ledger import Ledger, Receipt, RowFilter, Status, read_receipt
from assetmill.packs import receipt_key
from assetmill.packs.keys import BLOBS, RECEIPTS, sha256_of
from assetmill.packs.parallel import in_threads
from assetmill.storage import Store

_GAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SETTLED = frozenset(status for status in Status if status.settled)


def read_snapshot(ledger: Ledger, store: Store, *, game: str | None = None, deep: bool = False) -> Snapshot:
    """Read what an audit compares.

    Args:
        ledger: the books.
        store: where receipts, files and packs are.
        game: only this one.
        deep: read every file that something names, and hash it.

    Raises:
        UsageError: nobody knows that game.
        LedgerError, StorageError: books or store cannot be read, or the store is another one than that of the books.
    """
    if game is not None:
        _refuse_unknown_game(ledger, store, game)
    indexes = read_indexes(store, game)
    receipts, damaged = read_receipts(store, game)
    rows = tuple(ledger.rows(RowFilter(game=game)))
    if _without_receipt(rows, receipts, damaged):  # settled while the first ones were read, or truly without
        late, late_damaged = read_receipts(store, game, known={*map(_key, receipts.values()), *damaged})
        receipts, damaged = receipts | late, damaged | late_damaged
    finishes = tuple(row for row in ledger.finish_rows() if game in (None, row["game"]))
    snapshot = Snapshot(
        rows=rows,
        runs={run["run_id"]: run for run in ledger.runs(game)},
        finishes=finishes,
        receipts=receipts,
        damaged=damaged,
        blobs={info.key: info.size for info in store.list(BLOBS)},
        indexes=indexes,
        deep=deep,
    )
    _refuse_other_store(snapshot, store)
    return _with_hashes(snapshot, store) if deep else snapshot


def read_receipts(
    store: Store, game: str | None = None, *, known: Iterable[str] = ()
) -> tuple[dict[str, Receipt], dict[str, str]]:
    """Read the receipts of a store.

    Args:
        store: where they are.
        game: only this one's.
        known: keys that need not be read.

    Returns:
        Receipts by attempt id, and key -> why of those that are damaged.

    Raises:
        StorageError: the store cannot be read.
    """
    prefix = RECEIPTS if game is None else f"{RECEIPTS}{game}/"
    keys = sorted({info.key for info in store.list(prefix)} - set(known))
    receipts: dict[str, Receipt] = {}
    damaged: dict[str, str] = {}
    for key, found in zip(keys, in_threads(lambda key: _receipt(store, key), keys), strict=True):
        if isinstance(found, Receipt):
            receipts[found.attempt_id] = found
        elif found is not None:
            damaged[key] = found
    return receipts, damaged


def _receipt(store: Store, key: str) -> Receipt | str | None:
    """The receipt under a key, why there is none, or None when it has just been deleted."""
    try:
        receipt = read_receipt(store.get(key), key)
    except KeyMissing:
        return None
    except LedgerError as error:
        return error.message
    return receipt if _lies_at(receipt, key) else f"{key} holds the receipt of attempt {receipt.attempt_id[:100]}"


def _lies_at(receipt: Receipt, key: str) -> bool:
    try:
        return _key(receipt) == key
    except StorageError:  # an id that cannot be part of a key at all
        return False


def _key(receipt: Receipt) -> str:
    return receipt_key(str(receipt.attempt["game"]), receipt.attempt_id)


def _without_receipt(rows: Iterable[Row], receipts: dict[str, Receipt], damaged: dict[str, str]) -> bool:
    missing = (row for row in rows if row["status"] in _SETTLED and row["attempt_id"] not in receipts)
    return any(receipt_key(row["game"], row["attempt_id"]) not in damaged for row in missing)


def _with_hashes(snapshot: Snapshot, store: Store) -> Snapshot:
    """Read all files that something names; keep the hashes that are not what a file's name says."""
    keys = sorted({wanted.key for wanted in wanted_files(snapshot)} & set(snapshot.blobs))

    def rot(key: str) -> str | None:
        try:
            sha256 = sha256_of(store.get(key))
        except KeyMissing:
            return "none: it was deleted meanwhile"
        return None if f"/{sha256}." in key else sha256

    hashes = zip(keys, in_threads(rot, keys), strict=True)
    return replace(snapshot, rotten={key: sha256 for key, sha256 in hashes if sha256 is not None})


def _refuse_unknown_game(ledger: Ledger, store: Store, game: str) -> None:
    games = {str(run["game"]) for run in ledger.runs()}
    if game in games:
        return
    known = _GAME.fullmatch(game) is not None
    if known and any(True for prefix in (f"{RECEIPTS}{game}/", f"packs/{game}/") for _ in store.list(prefix)):
        return
    near = get_close_matches(game, games, n=1)
    hint = f"did you mean {near[0]}?" if near else f"games: {', '.join(sorted(games)) or 'none yet'}"
    raise UsageError(f"no game {game!r} in the books or in the store", hint=hint)


def _refuse_other_store(snapshot: Snapshot, store: Store) -> None:
    paid = sum(row["key"] is not None for row in snapshot.rows)
    if paid and not (snapshot.blobs or snapshot.receipts or snapshot.damaged or snapshot.indexes):
        raise StorageError(
            f"{store.url} holds nothing at all, and the books name {paid} pictures in their store",
            hint="is ASSETMILL_STORE_URL the store of these books? If it is, restore it from a backup",
        )
