"""`reconcile`: what was billed, hour by hour, beside what was estimated."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.markup import escape

from assetmill.cli.outcome import ERR, print_json
from assetmill.clock import Clock
from assetmill.errors import AttemptError, ProviderRefused
from assetmill.money import usd
from assetmill.reports.reconcile import Reconciled, reconcile
from assetmill.reports.reconciliation import NOTE, reconciliation_table
from assetmill.reports.spans import Span, read_span
from assetmill.reports.tables import Cell
from assetmill.settings import load_settings, reach_this_machine_directly

NOTHING = "no hour of this time has a bill"


def show_reconciliation(
    endpoint: str | None, since: str | None, until: str | None, timezone: str, *, as_json: bool
) -> int:
    """Ask for the bills, write them down, and print them beside the estimates.

    Returns:
        0; 4 where a key was refused, 1 where another bill could not be had. What there is is printed all the same.
    """
    reach_this_machine_directly()
    span = read_span(since, until, timezone)
    done = asyncio.run(reconcile(load_settings(), Clock(), endpoint=endpoint, since=span.since, until=span.until))
    code = exit_code(done)
    if as_json:
        print_json(_document(done, span, code))
        return code
    sys.stdout.write(_table(done, span))
    for url, words in done.failures.items():
        ERR.print(f"[yellow]no bill[/] {escape(url)}: {escape(words)}")
    ERR.print(escape(done.sentence))
    return code


def exit_code(done: Reconciled) -> int:
    """How the command ends."""
    if done.refused:
        return ProviderRefused.exit_code
    return AttemptError.exit_code if done.failures else 0


def _document(done: Reconciled, span: Span, code: int) -> dict[str, Any]:
    hours = [{name: _plain(value, span) for name, value in asdict(hour).items()} for hour in done.hours]
    return {
        "hours": hours,
        "failures": dict(done.failures),
        "asked_at": _plain(done.asked_at, span),
        "timezone": span.timezone,
        "currency": "USD",
        "exit_code": code,
    }


def _plain(value: Any, span: Span) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.8f}"
    return value.astimezone(span.zone).isoformat() if isinstance(value, datetime) else value


def _table(done: Reconciled, span: Span) -> str:
    if not done.hours:
        return f"{NOTHING}\n"
    table = reconciliation_table(done.hours, span.zone)
    lines = [[column.title for column in table.columns], *([_cell(cell) for cell in row] for row in table.rows)]
    return f"{_aligned(lines)}\nCosts in US dollars, times in {span.timezone}. {NOTE}\n"


def _cell(value: Cell) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return value if isinstance(value, str) else usd(value if isinstance(value, Decimal) else None)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns side by side: words flush left, amounts flush right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    words = 4  # endpoint, from, to, state
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
