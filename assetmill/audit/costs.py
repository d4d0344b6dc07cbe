"""Figures of an attempt that cannot be: costs out of order, unexplained, or of what is free, times out of order.

What is unknown is None and contradicts nothing. A cost is worked out again from the times and the price of its own row;
rows of before workers' lives were counted say nothing of their worker, and only their lower bound can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from assetmill.audit.findings import Finding, Kind, Row
from assetmill.ledger import OPEN_STATUSES, Status
from assetmill.money import Turn, attempt_cost, usd

COSTS = ("cost_low_usd", "cost_estimate_usd", "cost_high_usd")
STEPS = ("intended_at", "submitted_at", "collected_at", "settled_at")
ON_WORKER = ("started_at", "finished_at")
CLOCKS = timedelta(seconds=5)
"""How far the clocks of two machines may be apart when one sends an attempt and another one settles it."""
HINT = "something other than assetmill has written to the ledger, or a rule of money is broken: compare the receipt"


def compare_costs(attempts: Iterable[Row]) -> Iterator[Finding]:
    """Costs that cannot be, at most one finding an attempt."""
    for attempt in attempts:
        if (found := _cost_fault(attempt)) is not None:
            kind, message = found
            yield Finding(kind, attempt["attempt_id"], attempt["game"], message, HINT)


def compare_times(attempts: Iterable[Row]) -> Iterator[Finding]:
    """Steps that were taken before the one that has to come first."""
    for attempt in attempts:
        wrong = [*_disordered(attempt, STEPS, CLOCKS), *_disordered(attempt, ON_WORKER, timedelta(0))]
        if wrong:
            message = "; ".join(f"{late} {attempt[late]:%F %T} is before {early}" for early, late in wrong)
            yield Finding(Kind.TIMES_DISORDERED, attempt["attempt_id"], attempt["game"], message, HINT)


def never_accepted(attempt: Row) -> bool:
    """Whether no endpoint took the request: settled without a job, and not because nobody knows."""
    return attempt["job_id"] is None and attempt["status"] not in (*OPEN_STATUSES, Status.LOST)


def _cost_fault(attempt: Row) -> tuple[Kind, str] | None:
    amounts: list[Decimal] = [attempt[name] for name in COSTS if attempt[name] is not None]
    said = " to ".join(map(usd, amounts))
    if any(amount < 0 for amount in amounts):
        return Kind.COST_NEGATIVE, f"it cost {said}"
    if any(one > other for one, other in pairwise(amounts)):
        return Kind.COST_DISORDERED, f"low, estimate and high are {said}"
    if any(amounts) and attempt["draft"]:
        return Kind.DRAFT_CHARGED, f"a draft is said to have cost {said}"
    if any(amounts) and never_accepted(attempt):
        words = f"no endpoint accepted it ({attempt['error_class']}), and it is said to have cost {said}"
        return Kind.UNSENT_CHARGED, words
    words = "" if attempt["draft"] else _unexplained(attempt)
    return (Kind.COST_UNEXPLAINED, words) if words else None


def _unexplained(attempt: Row) -> str:
    """How a cost differs from what the row's own times and price make; empty where it does not, or nobody can say."""
    told = attempt["cost_low_usd"], attempt["cost_estimate_usd"], attempt["cost_high_usd"]
    if attempt["execution_ms"] is None or attempt["units"] is not None or told[0] is None:
        return ""
    turn = Turn(attempt["cold"], attempt["start_ms"], attempt["gap_ms"], attempt["idle_ms"], "")
    due = attempt_cost(attempt["price_per_s_usd"], attempt["execution_ms"], attempt["queue_ms"], turn)
    if due.low is None or told[0] != due.low:
        return f"{attempt['execution_ms']} ms come to {usd(due.low)}, and it is said to cost {usd(told[0])} at least"
    if (turn.cold, turn.gap_ms) == (None, None):
        return ""
    if told[1] != due.estimate:
        return f"its times come to {usd(due.estimate)}, and its estimate is {usd(told[1])}"
    if due.high is not None and (told[2] is None or told[2] < due.high):
        return f"it may have cost {usd(due.high)}, and it is said to cost {usd(told[2])} at most"
    return ""


def _disordered(attempt: Row, steps: tuple[str, ...], slack: timedelta) -> list[tuple[str, str]]:
    taken = [name for name in steps if attempt[name] is not None]
    return [(early, late) for early, late in pairwise(taken) if attempt[late] + slack < attempt[early]]
