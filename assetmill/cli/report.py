"""`report`: the results table, grouped."""

from __future__ import annotations

import sys
from typing import Literal, cast, get_args

from assetmill.errors import UsageError
from assetmill.ledger import Ledger
from assetmill.reports.cost import cost_report
from assetmill.settings import load_settings

Format = Literal["table", "csv", "json"]


def print_report(by: tuple[str, ...], form: str) -> int:
    """Print the cost report."""
    if form not in get_args(Format):
        raise UsageError(f"no format {form!r}", hint=f"one of {', '.join(get_args(Format))}")
    ledger = Ledger.open(load_settings().ledger_url)
    try:
        text = cost_report(ledger, by, cast("Format", form))
    finally:
        ledger.close()
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    return 0
