"""`report`: the results table, grouped."""

from __future__ import annotations

import sys
from typing import cast, get_args

from assetmill.errors import UsageError
from assetmill.ledger import Ledger
from assetmill.reports.cost import Format, cost_report
from assetmill.settings import load_settings


def print_report(by: tuple[str, ...], form: str) -> int:
    """Print the cost report."""
    if form not in get_args(Format):
        raise UsageError(f"no format {form!r}", hint=f"one of {', '.join(get_args(Format))}")
    with Ledger.open(load_settings().ledger_url) as ledger:
        text = cost_report(ledger, by, cast("Format", form))
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    return 0
