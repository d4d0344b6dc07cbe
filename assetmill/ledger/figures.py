"""Many attempts at once, as bare columns for whoever adds them up.

A report reads a hundred thousand rows, and making a Decimal or an aware time of every cell costs more than everything
that is done with them. So numbers come as the database has them (dollars as doubles, which hold 1e-8 exactly below
90 million), unknown ones as UNKNOWN, and times as text. Whoever needs single rows asks for them by `rows` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Boolean, Connection, Integer, String, case, func, literal, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import Double

from assetmill.errors import LedgerError
from assetmill.ledger.columns import UtcDateTime
from assetmill.ledger.tables import attempts

UNKNOWN = -1.0
"""Stands for NULL among numbers, none of which can be below 0."""

NO_TIME = "NaT"
"""Stands for NULL among times, as numpy writes and reads it."""

AT_A_TIME = 1000
"""Rows in hand at once: few enough to stay in the processor's cache until they are taken."""

Taken = TypeVar("Taken")


def figures(
    connection: Connection,
    conditions: Sequence[ColumnElement[bool]],
    columns: Sequence[str],
    take: Callable[[Sequence[Sequence[Any]]], Taken],
) -> list[Taken]:
    """Read columns of attempts, in no order.

    Args:
        connection: of a transaction.
        conditions: which attempts.
        columns: names of columns of the attempts table.
        take: is given some rows at a time, which are then forgotten. A row has text or None; a number, UNKNOWN for
            NULL, 0 or 1 for what is true or not; a time as `2026-10-01 09:30:00.000000` in UTC, NO_TIME for NULL.

    Returns:
        What was taken, in the order in which it was.

    Raises:
        LedgerError: no such column.
    """
    missing = [name for name in columns if name not in attempts.c]
    if missing:
        raise LedgerError(f"the attempts table has no column {missing[0]!r}")
    sqlite = connection.dialect.name == "sqlite"
    wanted = [_bare(attempts.c[name], sqlite=sqlite) for name in columns]
    found = connection.execute(select(*wanted).where(*conditions))
    return [take(rows) for rows in found.partitions(AT_A_TIME)]


def _bare(column: ColumnElement[Any], *, sqlite: bool) -> ColumnElement[Any]:
    """A column without the types that would make a value of Python's out of each cell."""
    kind = column.type
    if isinstance(kind, String):
        return column
    if isinstance(kind, UtcDateTime):
        text = type_coerce(column, String) if sqlite else _as_text(column)
        return func.coalesce(text, NO_TIME, type_=String)
    if isinstance(kind, Boolean):
        truth = type_coerce(column, Integer) if sqlite else case((column, 1), (~column, 0))
        return func.coalesce(truth, int(UNKNOWN), type_=Integer)
    return func.coalesce(type_coerce(column, Double), UNKNOWN, type_=Double)  # beside a double, all become doubles


def _as_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A time of PostgreSQL as SQLite keeps it."""
    return func.to_char(func.timezone(literal("UTC"), column), "YYYY-MM-DD HH24:MI:SS.US", type_=String)
