"""Receipts: the books of one attempt as a JSON document that can be kept apart from the database.

One is stored before the final row is written, so that the table can be made again from receipts alone. A receipt
holds the final row of the attempt, its run and its finishes, column by column; who was at it (the claim) is no part
of it. Nothing here reads or writes a store.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import Table

from assetmill.errors import LedgerError
from assetmill.ledger.columns import MAX_USD, Usd, UtcDateTime
from assetmill.ledger.tables import attempts, finishes, runs
from assetmill.ledger.values import Status
from assetmill.money import USD_STEP

VERSION = 1
MAX_INTEGER = 2**63  # of a database column
PASSING = frozenset({"owner", "owner_place", "claimed_until"})
"""Columns of an attempt that say who is at it, not what became of it."""

LEARNED_LATER = frozenset({"job_id", "submitted_at", "collected_at", "outputs", "bytes", "sha256", "key"})
"""Columns that somebody who learned of the job late may have written; a receipt without them erases none."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """One settled attempt.

    Args:
        attempt: final row of the attempts table, without its claim.
        run: row of the run that sent it.
        finishes: rows of its finishes, as far as they were there when it was settled.
    """

    attempt: Row
    run: Row
    finishes: tuple[Row, ...] = ()

    @property
    def attempt_id(self) -> str:
        """Id of the attempt."""
        return str(self.attempt["attempt_id"])


def write_receipt(receipt: Receipt) -> bytes:
    """Write a receipt as canonical JSON: equal receipts are equal bytes."""
    document = {
        "receipt": VERSION,
        "attempt": _plain(receipt.attempt),
        "run": _plain(receipt.run),
        "finishes": [_plain(row) for row in receipt.finishes],
    }
    return json.dumps(document, sort_keys=True, indent=1, allow_nan=False).encode()


def read_receipt(data: bytes, name: str = "receipt") -> Receipt:
    """Read what `write_receipt` wrote.

    Args:
        data: bytes of the document.
        name: what to call it in an error, such as its key.

    Raises:
        LedgerError: damaged, of a newer version, or not a receipt.
    """
    try:
        document = json.loads(data)
        version = document["receipt"]
        if version != VERSION:
            raise LedgerError(f"{name} has version {version}, this assetmill reads {VERSION}", hint="upgrade assetmill")
        receipt = Receipt(
            _typed(attempts, document["attempt"]),
            _typed(runs, document["run"]),
            tuple(_typed(finishes, row) for row in document["finishes"]),
        )
        _belong_together(receipt)
        settled = Status(receipt.attempt["status"]).settled
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise LedgerError(f"{name} is no receipt: {type(error).__name__}: {error}", hint="it is damaged") from error
    if not settled:
        raise LedgerError(f"{name} is of an attempt that is not settled")
    return receipt


def attempt_of(row: Row) -> dict[str, Any]:
    """What of a row belongs into its receipt."""
    return {name: value for name, value in row.items() if name not in PASSING}


def _plain(row: Row) -> dict[str, Any]:
    return {name: _as_json(value) for name, value in row.items()}


def _as_json(value: Any) -> Any:
    """As the columns keep it, so that a receipt made before its row and one made from it are the same."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return f"{value.quantize(USD_STEP, ROUND_HALF_UP):.8f}" if isinstance(value, Decimal) else value


def _belong_together(receipt: Receipt) -> None:
    """Refuse a document that was put together from the rows of several attempts."""
    if receipt.attempt["run_id"] != receipt.run["run_id"]:
        raise ValueError("its run is another attempt's")
    if any(row["attempt_id"] != receipt.attempt_id for row in receipt.finishes):
        raise ValueError("a finish in it is another attempt's")


def _typed(table: Table, row: Any) -> dict[str, Any]:
    """Column values of a JSON object; columns that came later are empty, unknown ones are not ours."""
    if not isinstance(row, dict):
        raise TypeError(f"{table.name} is no object")
    unknown = sorted(set(row) - set(table.c.keys()))
    if unknown:
        raise ValueError(f"the {table.name} table has no column {unknown[0]!r}")
    typed: dict[str, Any] = {}
    for column in table.c:
        if column.name in PASSING:
            continue
        value = row.get(column.name)
        if value is None and not column.nullable:
            raise ValueError(f"{table.name} without {column.name}")
        typed[column.name] = None if value is None else _value(column.type, value)
    return typed


def _value(kind: Any, value: Any) -> Any:
    """A value that its column can hold, so that a damaged receipt is found out before anything is restored."""
    if isinstance(kind, UtcDateTime):
        return _moment(value)
    if isinstance(kind, Usd):
        return _amount(value)
    expected = kind.python_type
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not expected:
        raise TypeError(f"{value!r} is no {expected.__name__}")
    if expected is str:
        value.encode()  # half a surrogate pair cannot be stored
    elif expected is float and not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    elif expected is int and abs(value) >= MAX_INTEGER:
        raise ValueError("a number that is too large")
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value} is a time without a zone")
    return moment.astimezone(UTC)


def _amount(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no amount")  # a number of JSON would not be exact
    amount = Decimal(value)
    if not amount.is_finite() or abs(amount) >= MAX_USD:
        raise ValueError(f"{value} is no amount of US dollars")
    return amount
