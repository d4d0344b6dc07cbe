"""Column types that keep their meaning in SQLite as well as in PostgreSQL.

SQLite has neither time zones nor decimals: a plain DateTime comes back naive and a plain Numeric goes
through floats with a warning. These two types give back exactly what was put in, or refuse it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric
from sqlalchemy.types import TypeDecorator, TypeEngine

from assetmill.errors import LedgerError
from assetmill.money import USD_STEP

MAX_USD = Decimal(1_000_000)
"""Bound of NUMERIC(14,8). Below it a double still holds eight decimals exactly (2**53 = 9.0e15 > 1e14)."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: stored as UTC, given back aware. A naive time is refused, because nobody knows its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn to UTC."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise LedgerError(f"a time without a zone cannot be written: {value.isoformat()}", hint="give UTC")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back that SQLite dropped."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Usd(TypeDecorator[Decimal]):
    """US dollars, NUMERIC(14,8), exact to 1e-8; None is unknown.

    SQLite keeps the number as a double, which holds fourteen digits exactly, so SQL may add and compare.
    """

    impl = Numeric(14, 8)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Hand floats to SQLite, which has no decimals."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Numeric(14, 8, asdecimal=False))
        return dialect.type_descriptor(Numeric(14, 8))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Round to 1e-8 and refuse what is no amount."""
        if value is None:
            return None
        if not value.is_finite() or abs(value) >= MAX_USD:
            raise LedgerError(f"not an amount of US dollars that can be written: {value}")
        amount = value.quantize(USD_STEP, ROUND_HALF_UP)
        return float(amount) if dialect.name == "sqlite" else amount

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Give the decimal back."""
        del dialect
        return None if value is None else Decimal(f"{value:.8f}")
