"""What jobs cost at a provider that charges in units of its own, and how long they take there.

Units are those that its jobs were charged before, those that a dry run has told, or a stated prior for each call; never
a mixture of them. A unit's price is the endpoint's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType

from assetmill.money import NO_PRICE, USD_STEP, Cost
from assetmill.planning.choices import BatchEstimate
from assetmill.planning.estimate import HISTORY, PRIOR
from assetmill.planning.fingerprint import Generation
from assetmill.planning.history import History
from assetmill.planning.spans import NO_TIME, Span
from assetmill.planning.timings import spread
from assetmill.providers.endpoint import Endpoint

DRY_RUN = "dry run"
CALL_UNITS: Mapping[str, Span] = MappingProxyType({
    "txt2img": Span(3, 5, 10),
    "img2img": Span(3, 5, 10),
    "remove-background": Span(1, 5, 16),
    "layered": Span(5, 15, 40),
    "upload": NO_TIME,
})  # fmt: skip
"""Creative units of a call: about 5 an image by Scenario's pages; the others are wide because list prices differ."""
OTHER_CALL = Span(1, 5, 40)
CALL_S = Span(3, 12, 60)
"""Seconds of a call without any history: what such services take for one picture."""


class UnitEstimates:
    """Units, time and money of pipelines at one endpoint.

    Args:
        endpoint: it charges by units.
        history: what jobs have cost before.
    """

    def __init__(self, endpoint: Endpoint, history: History) -> None:
        self._endpoint = endpoint
        self._history = history
        self._units: dict[str, tuple[Span, str]] = {}
        self._seconds: dict[str, tuple[Span, str]] = {}

    def units(self, made: Generation) -> tuple[Span, str]:
        """Units of one picture, and where the figure is from."""
        if made.workflow not in self._units:
            self._units[made.workflow] = self._find_units(made)
        return self._units[made.workflow]

    def _find_units(self, made: Generation) -> tuple[Span, str]:
        measured = spread(self._history.units(made.workflow))
        if measured is not None:
            return measured, HISTORY
        learned = self._history.abilities.get(self._endpoint.url, {}).get(made.workflow)
        told = learned.ability.units if learned and learned.workflow_hash == made.origin["workflow_hash"] else None
        if told is not None:
            return Span(told, told, told), DRY_RUN
        return sum((CALL_UNITS.get(call, OTHER_CALL) for call in made.calls), NO_TIME), PRIOR

    def seconds(self, made: Generation) -> tuple[Span, str]:
        """How long one picture takes there, and where the figure is from."""
        if made.workflow not in self._seconds:
            timings = self._history.timings(made.workflow)
            measured = spread(one.execution_ms / 1000 for one in timings)
            prior = CALL_S.times(max(1, len(made.calls)))
            self._seconds[made.workflow] = (measured, HISTORY) if measured else (prior, PRIOR)
        return self._seconds[made.workflow]

    def cost(self, made: Generation) -> Cost:
        """What one picture costs; all None where nobody knows what a unit does."""
        units, source = self.units(made)
        return cost_of_units(units, self._endpoint.usd_per_unit, source)

    def estimate(self, jobs: list[Generation]) -> BatchEstimate:
        """All pictures together: no worker starts for them, and none idles."""
        workers = min(self._endpoint.max_workers, len(jobs))
        seconds = sum((self.seconds(made)[0] for made in jobs), NO_TIME)
        units = sum((self.units(made)[0] for made in jobs), NO_TIME)
        elapsed = seconds.times(1 / workers) if workers else NO_TIME
        cost = cost_of_units(units, self._endpoint.usd_per_unit, "estimated")
        return BatchEstimate(len(jobs), workers, NO_TIME, elapsed, cost, ())


def cost_of_units(units: Span, usd_per_unit: Decimal | None, source: str) -> Cost:
    """Price of units; all None when the price of one is unknown."""
    if usd_per_unit is None:
        return NO_PRICE
    low, usual, high = ((Decimal(str(part)) * usd_per_unit).quantize(USD_STEP, ROUND_HALF_UP) for part in units.parts)
    return Cost(low, usual, high, f"estimated: units from {source}")
