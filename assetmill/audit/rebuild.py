"""The books made again from the receipts of a store.

What receipts could not know does not come back: attempts that were open, how the last runs ended, and finishes made
after an attempt was settled, which the next run makes again for free. A settled row is never changed or deleted, so
it may be run again, also after it was cut off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError

from assetmill.audit.findings import Row
from assetmill.audit.reading import read_receipts
from assetmill.errors import LedgerError
from assetmill.ledger import Ledger, Receipt, Status
from assetmill.storage import Store

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to.

    Args:
        restored: ids of attempts that were put back, were open and are settled now, or got finishes back.
        present: how many receipts the books held already.
        damaged: key -> why of receipts that cannot be read.
        refused: attempt id -> why the books, as they stand, contradict its receipt.
        left_out: how many finishes were left out, because no receipt knows the run that made them.
    """

    restored: tuple[str, ...]
    present: int
    damaged: Mapping[str, str]
    refused: Mapping[str, str]
    left_out: int


def rebuild(ledger: Ledger, store: Store) -> Rebuilt:
    """Put back what the receipts of a store hold and the books do not.

    Args:
        ledger: the books to restore.
        store: where the receipts are.

    Raises:
        LedgerError, StorageError: books or store are unavailable; what was restored stays.
    """
    receipts, damaged = read_receipts(store)
    runs = _best_runs(receipts.values())
    known_runs = {*runs, *(run["run_id"] for run in ledger.runs())}
    held = _held(ledger)
    absent = [receipt for receipt in _in_order(receipts.values()) if not _holds(held, receipt, known_runs)]
    refused: dict[str, str] = {}
    for whole in (False, True):  # first all runs: the one that made a finish may come with another receipt
        for receipt in absent:
            if receipt.attempt_id in refused or (whole and not _of_other_runs(receipt)):
                continue
            part = _part(receipt, runs, known_runs if whole else {receipt.run["run_id"]})
            if (why := _restore(ledger, part)) is not None:
                refused[receipt.attempt_id] = why
    restored = tuple(receipt.attempt_id for receipt in absent if receipt.attempt_id not in refused)
    left_out = sum(row["run_id"] not in known_runs for receipt in absent for row in receipt.finishes)
    return Rebuilt(restored, len(receipts) - len(absent), damaged, refused, left_out)


def _in_order(receipts: Iterable[Receipt]) -> list[Receipt]:
    return sorted(receipts, key=lambda receipt: (receipt.attempt["intended_at"], receipt.attempt_id))


def _best_runs(receipts: Iterable[Receipt]) -> dict[str, Row]:
    """Of each run the row that knows most: receipts are written while a run goes on, and some after it."""
    best: dict[str, Row] = {}
    for receipt in receipts:
        run = receipt.run
        if run["run_id"] not in best or (run["ended_at"] or _NEVER) > (best[run["run_id"]]["ended_at"] or _NEVER):
            best[run["run_id"]] = run
    return best


def _held(ledger: Ledger) -> set[tuple[str, str]]:
    """What the books hold: (attempt id, "") of settled attempts, (attempt id, finish fingerprint) of finishes."""
    rows = ledger.rows(columns=["attempt_id", "status"])
    settled = {(row["attempt_id"], "") for row in rows if Status(row["status"]).settled}
    return settled | {(row["attempt_id"], row["finish_fingerprint"]) for row in ledger.finish_rows()}


def _holds(held: set[tuple[str, str]], receipt: Receipt, known_runs: Collection[str]) -> bool:
    finishes = (row for row in receipt.finishes if row["run_id"] in known_runs)
    names = {(receipt.attempt_id, ""), *((receipt.attempt_id, row["finish_fingerprint"]) for row in finishes)}
    return names <= held


def _of_other_runs(receipt: Receipt) -> bool:
    return any(row["run_id"] != receipt.run["run_id"] for row in receipt.finishes)


def _part(receipt: Receipt, runs: Mapping[str, Row], of_runs: Collection[str]) -> Receipt:
    """A receipt with the best row of its run, and only the finishes of these runs."""
    finishes = tuple(row for row in receipt.finishes if row["run_id"] in of_runs)
    return replace(receipt, run=runs[receipt.run["run_id"]], finishes=finishes)


def _restore(ledger: Ledger, receipt: Receipt) -> str | None:
    """Why the books refuse a receipt, or None when it is restored.

    Raises:
        LedgerError: the books are unavailable.
    """
    try:
        ledger.restore(receipt)
    except LedgerError as error:
        if error.__cause__ is None or isinstance(error.__cause__, IntegrityError):
            return error.message
        raise
    return None
