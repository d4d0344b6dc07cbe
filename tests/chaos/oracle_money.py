"""Money: what the books say was spent is what the endpoint's executions come to, and each job's share of its worker.

The shares are worked out here again, from the columns of each row alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from scenario import POOL

from assetmill.ledger import Ledger
from assetmill.money import USD_STEP, price_of
from assetmill.reports.cost import cost_report

if TYPE_CHECKING:
    from oracle import Evidence, Verdict

Row = dict[str, Any]
BOUNDS = ("cost_low_usd", "cost_estimate_usd", "cost_high_usd")


def added_up(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """Each row's cost follows from its last execution, and all of them add up to the report's total."""
    true_sum = Decimal(0)
    for row in evidence.rows:
        yield from _bounds(row)
        if row["execution_ms"] is None:
            verdict.counts["executed at a cost that nobody told"] += bool(evidence.ran(row))
            continue
        ran = evidence.ran(row)
        if not ran:
            yield f"attempt {row['attempt_id']} has {row['execution_ms']} ms of an execution that was none"
            continue
        if ran[-1].ms != row["execution_ms"]:
            yield f"attempt {row['attempt_id']} ran for {ran[-1].ms} ms, and its row says {row['execution_ms']}"
        due = _due(ran[-1].ms or 0)
        true_sum += due
        if row["cost_low_usd"] != due:
            yield f"attempt {row['attempt_id']} cost {due}, and its row says {row['cost_low_usd']}"
    yield from _total(evidence, true_sum)


def _due(ms: int) -> Decimal:
    price = price_of(POOL).usd_per_s or Decimal(0)
    return (price * ms / 1000).quantize(USD_STEP, ROUND_HALF_UP)


def _bounds(row: Row) -> Iterator[str]:
    amounts = [row[name] for name in BOUNDS if row[name] is not None]
    if any(amount < 0 for amount in amounts) or amounts != sorted(amounts):
        yield f"attempt {row['attempt_id']} costs {amounts}: below nothing, or out of order"
    if row["draft"] or row["execution_ms"] is None or row["cost_estimate_usd"] is None:
        return
    share_ms = sum(row[name] or 0 for name in ("start_ms", "gap_ms", "idle_ms"))
    if row["cost_estimate_usd"] != _due(row["execution_ms"] + share_ms):
        yield f"attempt {row['attempt_id']} and {share_ms} ms of its worker cost {row['cost_estimate_usd']}"
    if (row["cold"] is True) == (row["gap_ms"] is not None):
        yield f"attempt {row['attempt_id']} is cold: {row['cold']}, and has a gap of {row['gap_ms']} ms before it"


def _total(evidence: Evidence, true_sum: Decimal) -> Iterator[str]:
    rows_sum = sum((row["cost_low_usd"] for row in evidence.rows if row["cost_low_usd"] is not None), Decimal(0))
    if rows_sum != true_sum:
        yield f"the rows' costs add up to {rows_sum}, the executions to {true_sum}"
    with Ledger.open(evidence.ledger_url) as ledger:
        report = json.loads(cost_report(ledger, ["status"], "json"))
    told = report["total"].get("paid", {}).get("cost_low_usd") if evidence.rows else "0"
    if told is None or Decimal(told) != rows_sum:
        yield f"the report's total is {told}, the rows add up to {rows_sum}"
