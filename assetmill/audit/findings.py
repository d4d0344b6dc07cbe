"""What an audit can find, as values: each finding names one thing that does not agree, and what to do about it.

Most kinds are violations: something that cannot be if every step was taken in its order. The others are information:
lawful, and worth a look, because money hangs on them. Nothing here reads or decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]
"""A row of the ledger: column name -> value."""


class Kind(StrEnum):
    """What is wrong, or worth knowing; TITLES says each in words."""

    RECEIPT_MISSING = "receipt_missing"
    RECEIPT_DAMAGED = "receipt_damaged"
    ROW_MISSING = "row_missing"
    ROW_DIFFERS = "row_differs"
    ROW_DAMAGED = "row_damaged"
    FINISH_MISSING = "finish_missing"
    RAW_MISSING = "raw_missing"
    FILE_MISSING = "file_missing"
    SHEET_MISSING = "sheet_missing"
    BLOB_DIFFERS = "blob_differs"
    INDEX_MISSING = "index_missing"
    INDEX_DAMAGED = "index_damaged"
    POINTER_BROKEN = "pointer_broken"
    ENTRY_MISSING = "entry_missing"
    ENTRY_UNKNOWN = "entry_unknown"
    COST_NEGATIVE = "cost_negative"
    COST_DISORDERED = "cost_disordered"
    COST_UNEXPLAINED = "cost_unexplained"
    DRAFT_CHARGED = "draft_charged"
    UNSENT_CHARGED = "unsent_charged"
    JOB_TWICE = "job_twice"
    TIMES_DISORDERED = "times_disordered"
    PAID_TWICE = "paid_twice"
    EXECUTED_AGAIN = "executed_again"
    OUTCOME_UNKNOWN = "outcome_unknown"
    OPEN = "open"
    UNKNOWN_IN_HISTORY = "unknown_in_history"
    NEVER_CURRENT = "never_current"

    @property
    def violation(self) -> bool:
        """Whether it must not be."""
        return self not in INFORMATION


TITLES = {
    Kind.RECEIPT_MISSING: "a settled row has no receipt",
    Kind.RECEIPT_DAMAGED: "a receipt cannot be read, or lies under a key that is another's",
    Kind.ROW_MISSING: "a receipt has no row",
    Kind.ROW_DIFFERS: "a row and its receipt differ",
    Kind.ROW_DAMAGED: "a row cannot be what assetmill wrote",
    Kind.FINISH_MISSING: "a receipt holds a finish that the books do not",
    Kind.RAW_MISSING: "a raw image that was paid for is gone",
    Kind.FILE_MISSING: "a finished file is gone",
    Kind.SHEET_MISSING: "the metadata of a sheet are gone",
    Kind.BLOB_DIFFERS: "a stored file has another size, or another hash, than the books or an index say",
    Kind.INDEX_MISSING: "a record of the history names an index that is gone",
    Kind.INDEX_DAMAGED: "an index or a pointer cannot be read, or its bytes do not hash to its name",
    Kind.POINTER_BROKEN: "a latest.json names an index that is gone",
    Kind.ENTRY_MISSING: "a published file is gone",
    Kind.ENTRY_UNKNOWN: "a file of the current pack was finished by no attempt of the books",
    Kind.COST_NEGATIVE: "a cost is below nothing",
    Kind.COST_DISORDERED: "the lower bound, the estimate and the upper bound of a cost are not in this order",
    Kind.COST_UNEXPLAINED: "a cost does not follow from the times and the price of its own row",
    Kind.DRAFT_CHARGED: "a draft is said to have cost something",
    Kind.UNSENT_CHARGED: "an attempt that no endpoint accepted is said to have cost something",
    Kind.JOB_TWICE: "two attempts claim one job of one endpoint",
    Kind.TIMES_DISORDERED: "the steps of an attempt are not in the order in which they are taken",
    Kind.PAID_TWICE: "one and the same picture is stored for two attempts",
    Kind.EXECUTED_AGAIN: "a picture took more than one job, because one failed or was lost",
    Kind.OUTCOME_UNKNOWN: "nobody knows whether a job ran, and what it cost",
    Kind.OPEN: "an attempt has no end yet",
    Kind.UNKNOWN_IN_HISTORY: "a file of an older pack was finished by no attempt of the books",
    Kind.NEVER_CURRENT: "a channel has a history and no current pack; its first publish was cut off",
}

INFORMATION = frozenset(
    {Kind.EXECUTED_AGAIN, Kind.OUTCOME_UNKNOWN, Kind.OPEN, Kind.UNKNOWN_IN_HISTORY, Kind.NEVER_CURRENT}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree.

    Args:
        kind: what is the matter.
        subject: what it is about: the id of an attempt, or a key of the store.
        game: id of the game; empty where it cannot be known.
        message: what was found, in one line.
        hint: what can be done about it; empty when nothing has to be.
    """

    kind: Kind
    subject: str
    game: str
    message: str
    hint: str = ""
