"""What one attempt has cost: an estimate between two bounds, or unknown where a figure is missing.

The figures follow from columns of the attempt's row and from nothing else, so that an audit can work them out again:

- low: price x execution;
- estimate: price x (execution + start + gap + idle);
- high: price x (that, and the worker's dead time, a second of rounding, and all of the delay if it may have been cold).

This module never guesses: what nobody knows is None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from assetmill.money.amounts import charge
from assetmill.money.turns import DEAD_TIME_MS, UNKNOWN_TURN, Turn

ROUNDING_MS = 1000
"""A worker's life is billed up to the next second."""

UNKNOWN_TAIL_MS = 30_000
"""Idle tail, at most, of a worker that nobody has named: the longest prior of a plan."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one attempt costs, US dollars between two bounds; each None when it cannot be known.

    Args:
        low: the job's execution alone.
        estimate: execution, and the job's share of its worker's start, pauses and idle tail.
        high: the estimate at its worst: all of the delay, as if the worker had been starting throughout.
        source: how the figures were come by: `measured`, `estimated: ...`, `unknown: ...`.
    """

    low: Decimal | None
    estimate: Decimal | None
    high: Decimal | None
    source: str


UNKNOWN_COST = Cost(None, None, None, "unknown")
NO_PRICE = Cost(None, None, None, "unknown: nobody has published a price for this GPU")
NO_TIMES = Cost(None, None, None, "unknown: the endpoint told no execution time")


def no_cost(source: str) -> Cost:
    """Make the cost of something that is known to be free, such as a request that no endpoint accepted."""
    return Cost(Decimal(0), Decimal(0), Decimal(0), source)


def attempt_cost(
    usd_per_s: Decimal | None,
    execution_ms: int | None,
    delay_ms: int | None,
    turn: Turn = UNKNOWN_TURN,
    *,
    hidden_ms: int = 0,
) -> Cost:
    """Compute the cost of one job from its times, and from what it was to its worker.

    A job's own fields cannot give the exact bill: a worker bills from its start to its stop, rounded up to
    a second, and the delay mixes unbilled queueing with billed start-up. Hence two bounds and an estimate.

    Args:
        usd_per_s: price of the worker; 0 is a known price (draft), None an unknown one.
        execution_ms: time on the worker. Without it the whole cost is unknown.
        delay_ms: time before that. Without it the upper bound of a job that may have been cold is unknown.
        turn: its share of the worker's life.
        hidden_ms: time in which the endpoint may have run it once before and taken it back; for the upper bound.

    Returns:
        The cost. Negative times, which clocks out of step produce, count as unknown.
    """
    if usd_per_s == 0:
        return no_cost("free of charge")
    if usd_per_s is None:
        return NO_PRICE
    if execution_ms is None or execution_ms < 0:
        return NO_TIMES
    paid_ms = execution_ms + (turn.start_ms or 0) + (turn.gap_ms or 0) + (turn.idle_ms or 0)
    most_ms = _most_ms(paid_ms, delay_ms, turn)
    high = None if most_ms is None else charge(usd_per_s, most_ms + hidden_ms)
    return Cost(charge(usd_per_s, execution_ms), charge(usd_per_s, paid_ms), high, turn.source)


def _most_ms(paid_ms: int, delay_ms: int | None, turn: Turn) -> int | None:
    """Milliseconds that the job can have cost at most; None where nobody says what it waited for."""
    most_ms = paid_ms + DEAD_TIME_MS + ROUNDING_MS
    if turn.cold is False:
        return most_ms
    if delay_ms is None or delay_ms < 0:
        return None
    tail_ms = UNKNOWN_TAIL_MS if turn.cold is None else 0
    return most_ms + max(0, delay_ms - (turn.start_ms or 0)) + tail_ms
