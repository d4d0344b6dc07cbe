"""What the same pictures would have cost on Scenario, beside what they did cost.

Scenario bills by the operation in creative units, whose price depends on the plan. So the comparison is a range from
stated data (`scenario_prices.json`: which operations a type of asset takes there, and what each has been said to cost,
with source and date), unless the ledger has pictures that Scenario itself has made: then what those have cost counts.
Our side is everything that was spent, failures, rejects, starts and idle tails included; theirs only the pictures kept,
which favours Scenario. The two are never added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from assetmill.ledger import Status
from assetmill.money import USD_STEP
from assetmill.reports.columns import Attempts
from assetmill.reports.measures import Groups, usd_of

if TYPE_CHECKING:
    from assetmill.reports.columns import Bools, Floats

# ruff: noqa: PLC0415  numpy is heavy, and only whoever makes a report needs it

SCENARIO = "scenario"
MEASURED_FROM = 5
"""So many pictures of Scenario's own say more than the listed price does."""

COMPARED = ("scenario_low_usd", "scenario_high_usd", "saving_low_share", "saving_high_share")
"""What `compare` says of a group. A saving is a share of Scenario's price, below 0 where Scenario is cheaper."""


@dataclass(frozen=True, slots=True)
class WorkPrice:
    """What Scenario takes for one picture of a type.

    Args:
        low: US dollars, at least.
        high: US dollars, at most.
        source: where the figures come from, with dates.
    """

    low: Decimal
    high: Decimal
    source: str


@cache
def listed_prices() -> Mapping[str, WorkPrice]:
    """What is said that Scenario takes, by type of asset."""
    document = json.loads(files("assetmill.reports").joinpath("scenario_prices.json").read_text(encoding="utf-8"))
    operations = document["operations"]
    prices = {}
    for kind, names in document["types"].items():
        steps = [operations[name] for name in names]
        low, high = (sum((Decimal(step[bound]) for step in steps), Decimal(0)) for bound in ("low", "high"))
        sources = dict.fromkeys(f"{step['source']}, {step['date']}" for step in steps)
        prices[kind] = WorkPrice(low, high, f"{' + '.join(names)}: {'; '.join(sources)}")
    return MappingProxyType(prices)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Our attempts and Scenario's prices, ready to be added up by any groups.

    Args:
        prices: type -> what Scenario takes for a picture.
        own_steps: of each attempt: what it cost us, 1e-8 dollars; 0 where it is not ours or of unknown cost.
        kept: which attempts are pictures of ours that were kept, at a known cost.
        low_steps: of each attempt: Scenario's lower price for it, 1e-8 dollars; 0 where it is none of `kept`.
        high_steps: the same of the higher price.
    """

    prices: Mapping[str, WorkPrice]
    own_steps: Floats
    kept: Bools
    low_steps: Floats
    high_steps: Floats


def comparison(attempts: Attempts) -> Comparison:
    """Lay our attempts beside Scenario's prices; of attempts read with `type` and `provider`."""
    import numpy as np

    prices = _prices(attempts)
    ours = ours_and_paid(attempts)
    estimate = attempts.steps["cost_estimate_usd"]
    types = attempts.labels["type"]
    low, high = (
        np.array([float(_bound(prices.get(kind), bound)) * 1e8 for kind in types.values] or [0.0]).round()
        for bound in ("low", "high")
    )
    priced = np.array([kind in prices for kind in types.values] or [False])[types.codes]
    kept = ours & attempts.is_status(Status.KEPT) & ~np.isnan(estimate) & priced
    return Comparison(
        prices=prices,
        own_steps=np.where(ours & priced, np.nan_to_num(estimate), 0),
        kept=kept,
        low_steps=np.where(kept, low[types.codes], 0),
        high_steps=np.where(kept, high[types.codes], 0),
    )


def ours_and_paid(attempts: Attempts) -> Bools:
    """Which attempts were made for money, and not by Scenario."""
    providers = attempts.labels["provider"]
    theirs = providers.values.index(SCENARIO) if SCENARIO in providers.values else -1
    ours: Bools = ~attempts.draft & (providers.codes != theirs)
    return ours


def _bound(price: WorkPrice | None, name: str) -> Decimal:
    return Decimal(0) if price is None else Decimal(getattr(price, name))


def _prices(attempts: Attempts) -> dict[str, WorkPrice]:
    """Listed prices, and in their place what Scenario's own pictures in the ledger have cost."""
    import numpy as np

    prices = dict(listed_prices())
    providers, types = attempts.labels["provider"], attempts.labels["type"]
    estimate = attempts.steps["cost_estimate_usd"]
    if SCENARIO not in providers.values:
        return prices
    theirs = (providers.codes == providers.values.index(SCENARIO)) & ~attempts.draft & ~np.isnan(estimate)
    made = theirs & attempts.is_status(Status.KEPT)
    images = np.bincount(types.codes[made], minlength=len(types.values))
    spent = np.bincount(types.codes[theirs], weights=estimate[theirs], minlength=len(types.values))
    for kind, count, steps in zip(types.values, images.tolist(), spent.tolist(), strict=True):
        if count >= MEASURED_FROM:
            each = (usd_of(steps) / count).quantize(USD_STEP)
            prices[kind] = WorkPrice(each, each, f"measured: {count} kept images of Scenario's own")
    return prices


def compare(attempts: Attempts, compared: Comparison, groups: Groups) -> list[dict[str, Any]]:
    """What COMPARED names of each group: dollars, and shares of them; None where no picture can be compared."""
    import numpy as np

    size = len(groups.keys)

    def added(values: Floats) -> list[float]:
        return np.bincount(groups.codes, weights=values, minlength=size).tolist() if attempts.count else []

    own, low, high = (added(steps) for steps in (compared.own_steps, compared.low_steps, compared.high_steps))
    return [_said(*steps) for steps in zip(own, low, high, strict=True)]


def _said(own: float, low: float, high: float) -> dict[str, Any]:
    amounts = [usd_of(low) if low else None, usd_of(high) if high else None]
    return dict(zip(COMPARED, (*amounts, saving(own, low), saving(own, high)), strict=True))


def saving(own: float, other: float) -> float | None:
    """Share of another price that is saved; None where there is no other price."""
    return round(1 - own / other, 6) if other else None
