"""Prices and costs: what a GPU second costs, and what one attempt has cost between two bounds.

Prices are data (`prices.json`) with a source and a date, because list prices change and invoices are
argued about. Money is always Decimal US dollars, rounded to 1e-8 as the ledger stores it. This module
never guesses: what nobody knows is None, never 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from assetmill.errors import UsageError

USD_STEP = Decimal("0.00000001")
DEAD_TIME_MS = 900
"""Idle time of a worker after each job, milliseconds: with one job at a time the official worker SDK
sleeps before it fetches the next (0.87 s measured for 2 s jobs, 0.95 s for 1 s jobs with an 8 MB result).
The worker bills while it sleeps."""


@dataclass(frozen=True, slots=True)
class Price:
    """List price of one GPU second.

    Args:
        pool: GPU pool id of the provider, such as `ADA_48_PRO`; None where no pool is configured.
        gpus: models that the pool may hand out.
        memory_gb: memory of one GPU.
        usd_per_s: price of a running worker with one such GPU; None when it is not published.
        source: where the price comes from.
        date: day on which the source said so, `YYYY-MM-DD`.
    """

    pool: str | None
    gpus: tuple[str, ...]
    memory_gb: int | None
    usd_per_s: Decimal | None
    source: str
    date: str

    @property
    def cited(self) -> str:
        """Source and date in one line, as the ledger keeps it beside the price."""
        return f"{self.source}, {self.date}" if self.date else self.source


DRAFT_PRICE = Price("draft", (), None, Decimal(0), "local draft endpoint", "")
UNKNOWN_PRICE = Price(None, (), None, None, "unknown: no GPU pool configured", "")


@cache
def load_prices() -> Mapping[str, Price]:
    """Read the price list of the package: pool id -> price, cheapest first, unpublished prices last."""
    document = json.loads(files("assetmill").joinpath("prices.json").read_text(encoding="utf-8"))
    prices = sorted((_price(row) for row in document["prices"]), key=lambda price: price.usd_per_s or Decimal(1000))
    return MappingProxyType({str(price.pool): price for price in prices})


def _price(row: dict[str, Any]) -> Price:
    usd = row["usd_per_s"]
    return Price(
        pool=row["pool"],
        gpus=tuple(row["gpus"]),
        memory_gb=row["memory_gb"],
        usd_per_s=None if usd is None else Decimal(usd),
        source=row["source"],
        date=row["date"],
    )


def price_of(pool: str | None) -> Price:
    """Find the price of a GPU pool; `draft` is the local draft endpoint, None an unknown price.

    Raises:
        UsageError: no such pool; the hint names the nearest.
    """
    if pool is None:
        return UNKNOWN_PRICE
    prices = {**load_prices(), "draft": DRAFT_PRICE}
    if pool in prices:
        return prices[pool]
    near = get_close_matches(pool.upper(), prices, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"known pools: {', '.join(prices)}"
    raise UsageError(f"unknown GPU pool {pool!r}", hint=hint)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one attempt costs, US dollars between two bounds; each None when it cannot be known.

    Args:
        low: the job's execution alone.
        estimate: execution and the worker's dead time after it.
        high: the estimate and all of the delay before it, as if the worker had been starting throughout.
        source: how the figures were come by.
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
    usd_per_s: Decimal | None, execution_ms: int | None, delay_ms: int | None, *, source: str = "execution x list price"
) -> Cost:
    """Compute the cost of one job from the times that the endpoint reported.

    A job's own fields cannot give the exact bill: a worker bills from its start to its stop, rounded up to
    a second, and the delay mixes unbilled queueing with billed start-up. Hence two bounds and an estimate.

    Args:
        usd_per_s: price of the worker; 0 is a known price (draft), None an unknown one.
        execution_ms: time on the worker. Without it the whole cost is unknown.
        delay_ms: time before that. Without it the upper bound is unknown.
        source: how the price was come by.

    Returns:
        The cost. Negative times, which clocks out of step produce, count as unknown.
    """
    if usd_per_s == 0:
        return no_cost(source)
    if usd_per_s is None:
        return NO_PRICE
    if execution_ms is None or execution_ms < 0:
        return NO_TIMES
    busy_ms = execution_ms + DEAD_TIME_MS
    high = None if delay_ms is None or delay_ms < 0 else _charge(usd_per_s, busy_ms + delay_ms)
    return Cost(_charge(usd_per_s, execution_ms), _charge(usd_per_s, busy_ms), high, source)


def _charge(usd_per_s: Decimal, duration_ms: int) -> Decimal:
    return (usd_per_s * duration_ms / 1000).quantize(USD_STEP, ROUND_HALF_UP)


def usd(amount: Decimal | None) -> str:
    """Write an amount for a reader: `$0.0053`, `$12.85`, `<$0.0001`, or `unknown`."""
    if amount is None:
        return "unknown"
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size and size < Decimal("0.0001"):
        return f"{sign}<$0.0001"
    return f"{sign}${size:,.4f}" if 0 < size < 1 else f"{sign}${size:,.2f}"
