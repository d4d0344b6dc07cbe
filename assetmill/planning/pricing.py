"""Times and money of a plan: of every road that a picture may take, and of all first roads together.

Each endpoint has its own history, its own workers and its own currency; sums are made only at the end, and a total of
which one part is unknown is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from assetmill.money import Cost
from assetmill.planning.cards import Pools
from assetmill.planning.choices import Batch, BatchEstimate
from assetmill.planning.estimate import Estimator, cost_of, job_seconds
from assetmill.planning.fingerprint import Generation
from assetmill.planning.history import History
from assetmill.planning.plan import PlanItem, Road, State
from assetmill.planning.spans import NO_TIME, Span
from assetmill.planning.timings import Kind, kind_of
from assetmill.planning.units import UnitEstimates
from assetmill.providers.endpoint import Endpoint


class _Pricing(Protocol):
    """What an endpoint's jobs take and cost."""

    def road(self, road: Road) -> Road:
        """A road with its time and money."""
        ...

    def total(self) -> BatchEstimate:
        """All its jobs together."""
        ...


class _ByTime:
    """An endpoint whose workers are paid by the second."""

    def __init__(self, endpoint: Endpoint, history: History, jobs: Sequence[Generation]) -> None:
        self._estimator = Estimator(
            history.timings,
            history.starts,
            model=endpoint.model,
            pools=Pools(endpoint.prices),
            draft=endpoint.draft,
            standing=endpoint.standing,
        )
        self._endpoint = endpoint
        self._batch = Batch(Counter(_kind(made) for made in jobs), self._estimator, endpoint)
        self._known: dict[Kind, tuple[Span, str, Cost]] = {}

    def road(self, road: Road) -> Road:
        kind = _kind(road.made)
        if kind not in self._known:
            warm = self._estimator.expected(kind, self._endpoint.gpu)
            paid = job_seconds(warm.seconds, self._batch.life, self._batch.share)
            self._known[kind] = warm.seconds, warm.source, cost_of(paid, self._endpoint.usd_per_s)
        seconds, source, cost = self._known[kind]
        return replace(road, seconds=seconds, time_source=source, cost=cost)

    def total(self) -> BatchEstimate:
        return self._batch.estimate()


class _ByUnits:
    """An endpoint that charges call by call."""

    def __init__(self, endpoint: Endpoint, history: History, jobs: Sequence[Generation]) -> None:
        self._estimates = UnitEstimates(endpoint, history)
        self._jobs = list(jobs)

    def road(self, road: Road) -> Road:
        seconds, source = self._estimates.seconds(road.made)
        return replace(road, seconds=seconds, time_source=source, cost=self._estimates.cost(road.made))

    def total(self) -> BatchEstimate:
        return self._estimates.estimate(self._jobs)


def priced(
    items: Iterable[PlanItem], history: History, main: Endpoint
) -> tuple[tuple[PlanItem, ...], BatchEstimate, Mapping[str, BatchEstimate]]:
    """The same items with times and costs, their total, and that of each endpoint by its name.

    A picture that is out already is no part of the total: it has times and a cost should it be lost and sent again.

    Args:
        items: as they are planned, without figures.
        history: measured times, and what was charged.
        main: whose figures stand for a plan without a job.
    """
    listed = list(items)
    due = [item for item in listed if item.road is not None and (item.state.paid or item.state is State.OPEN)]
    endpoints = {road.endpoint.url: road.endpoint for item in due for road in _roads(item)} or {main.url: main}
    firsts = [item.road for item in due if item.road is not None and item.state.paid]
    pricing: dict[str, _Pricing] = {}
    for url, endpoint in endpoints.items():
        jobs = [road.made for road in firsts if road.endpoint.url == url]
        pricing[url] = (_ByUnits if endpoint.by_units else _ByTime)(endpoint, history, jobs)
    waiting = {item.key for item in due}
    done = tuple(_with_figures(item, pricing) if item.key in waiting else item for item in listed)
    totals = {endpoints[url].name: one.total() for url, one in pricing.items()}
    by_endpoint = {name: total for name, total in totals.items() if total.jobs}
    return done, _sum(list(by_endpoint.values() or totals.values())), by_endpoint


def _roads(item: PlanItem) -> tuple[Road, ...]:
    return () if item.road is None else (item.road, *item.fallbacks)


def _with_figures(item: PlanItem, pricing: Mapping[str, _Pricing]) -> PlanItem:
    first, *rest = (pricing[road.endpoint.url].road(road) for road in _roads(item))
    return replace(item, road=first, fallbacks=tuple(rest))


def _kind(made: Generation) -> Kind:
    return kind_of(made.workflow, made.size, made.parameters)


def _sum(parts: Sequence[BatchEstimate]) -> BatchEstimate:
    """Several endpoints side by side; choices are of one alone."""
    if len(parts) == 1:
        return parts[0]
    longest = max(parts, key=lambda part: part.elapsed.estimate)
    paid = sum((part.paid_seconds for part in parts), NO_TIME)
    elapsed = Span(*(max(part.elapsed.parts[i] for part in parts) for i in range(3)))
    jobs, workers = sum(part.jobs for part in parts), sum(part.workers for part in parts)
    cost = added([part.cost for part in parts])
    return replace(
        longest,
        jobs=jobs,
        workers=workers,
        paid_seconds=paid,
        elapsed=elapsed,
        cost=cost,
        choices=(),
    )


def added(costs: Sequence[Cost]) -> Cost:
    """Sum of costs; a part of which one is unknown is unknown."""

    def together(amounts: Iterable[Decimal | None]) -> Decimal | None:
        listed = list(amounts)
        return None if None in listed else sum((one for one in listed if one is not None), Decimal(0))

    return Cost(
        together(one.low for one in costs),
        together(one.estimate for one in costs),
        together(one.high for one in costs),
        "estimated",
    )
