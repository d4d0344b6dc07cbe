"""How a figure of a cost report is worded for a reader, wherever on the page it stands.

One function words every cell, so that a figure on a card and the same figure in its table read alike. It must never
round an unknown amount to 0, and never show a figure so coarsely that two digits of it are not left: who needs all of
them takes the rows, which the page carries whole.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from assetmill.money import usd
from assetmill.reports.tables import Cell, Column

NONE = "\N{EN DASH}"
"""There is none: what a share of nothing is, or a budget that nobody set."""

_SUMS = frozenset(
    {"cost_low_usd", "cost_estimate_usd", "cost_high_usd", "cost_usd", "spent_usd", "own_usd", "usd_per_s", "usd_per_h"}
)
_TEXTS = frozenset({"status"})  # of a worker's time without a job there is no outcome
_OPEN_END = frozenset({"to_usd", "to_s"})
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
# Below each limit seconds are written with so many decimals; from 10 minutes on in minutes, then hours, then days.
_DECIMALS = ((0.1, 4), (10, 2), (600, 1))


def cell_text(column: Column, value: Cell, zone: ZoneInfo) -> str:
    """Word a cell: `$0.0053`, `12.4 s`, `1 h 05 min`, `4.2 %`, `1,204`, `2026-02-10 14:03:21`.

    None reads `unknown` where it is a name, or a sum that something is missing from; `and more` as the end of the last
    step of a distribution; and as NONE where there simply is none.
    """
    if value is None:
        return _none_text(column)
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Decimal):
        return amount_text(value)
    if isinstance(value, str):
        return value
    if column.kind == "share":
        return share_text(float(value))
    return duration_text(float(value)) if column.kind == "seconds" else f"{value:,}"


def _none_text(column: Column) -> str:
    if column.name in _OPEN_END:
        return "and more"
    named = column.kind == "text" and column.name not in _TEXTS
    return "unknown" if named or column.name in _SUMS else NONE


def amount_text(amount: Decimal) -> str:
    """Word an amount: `$12.85`, `$0.0053`, and with three digits one below a tenth of a cent: `$0.00053`."""
    size = abs(amount)
    if not size or size >= Decimal("0.001"):
        return usd(amount)
    whole = f"{size:.{min(2 - size.adjusted(), 8)}f}"
    return f"{'-' if amount < 0 else ''}${whole[:6]}{whole[6:].rstrip('0')}"


def share_text(share: float) -> str:
    """Word a share of 1: `4.2 %`; one between nothing and a tenth of a percent is `<0.1 %`."""
    if share and abs(share) < 0.0005:  # noqa: PLR2004  half of the last digit that is written
        return f"{'-' if share < 0 else ''}<0.1 %"
    return f"{share * 100:.1f} %"


def duration_text(seconds: float) -> str:
    """Word a duration: `0.0042 s`, `3.25 s`, `65.2 s`, `12 min 05 s`, `27 h 14 min`, `4 d 03 h`."""
    if seconds < 0:
        return f"-{duration_text(-seconds)}"
    for limit, decimals in _DECIMALS:
        if seconds < limit:
            return f"{seconds:.{decimals}f} s"
    whole = round(seconds)
    if whole < 2 * _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    minutes = round(seconds / _MINUTE_S)
    if minutes < 4 * _DAY_S // _MINUTE_S:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / _HOUR_S)
    return f"{hours // 24:,} d {hours % 24:02d} h"
