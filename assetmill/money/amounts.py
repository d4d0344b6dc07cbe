"""Amounts of US dollars: how fine they are kept, and how they are written for a reader.

Money is always Decimal, rounded to 1e-8 as the ledger stores it. An amount that nobody knows is None, never 0.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

USD_STEP = Decimal("0.00000001")


def rounded(amount: Decimal) -> Decimal:
    """Round an amount to 1e-8."""
    return amount.quantize(USD_STEP, ROUND_HALF_UP)


def charge(usd_per_s: Decimal, duration_ms: int) -> Decimal:
    """Price a duration in milliseconds, rounded to 1e-8."""
    return rounded(usd_per_s * duration_ms / 1000)


def usd(amount: Decimal | None) -> str:
    """Write an amount for a reader: `$0.0053`, `$12.85`, `<$0.0001`, or `unknown`."""
    if amount is None:
        return "unknown"
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size and size < Decimal("0.0001"):
        return f"{sign}<$0.0001"
    return f"{sign}${size:,.4f}" if 0 < size < 1 else f"{sign}${size:,.2f}"
