"""What a run may cost: which budgets hold, what a job has set aside while it is out, and what that leaves of a plan.

What is set aside is a bound, not an estimate: a job runs no longer than its execution limit, and may start a worker of
its own and leave it idle. Under a budget that limit is tightened to what the plan can explain, so that little money
waits. The books hold the budgets when a job is written down (`assetmill.ledger.budgets`, ADR 0016); nothing here sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from types import MappingProxyType

from assetmill.errors import BudgetExceeded
from assetmill.manifest.models import Pack
from assetmill.money import DEAD_TIME_MS, USD_STEP, usd
from assetmill.money.budgets import Limits, Standing, why_spent
from assetmill.planning.estimate import LOAD, START, TAIL
from assetmill.planning.plan import Plan, PlanItem, State
from assetmill.providers.base import EndpointFacts
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.routing import Routes
from assetmill.settings import Settings

NO_FACTS = EndpointFacts()
NO_FACTS_YET: Mapping[str, EndpointFacts] = MappingProxyType({})
SHORTEST_LIMIT_MS = 60_000
LIMIT_FACTOR = 3
ROUNDING_MS = 1000  # a worker's life is billed in whole seconds
NO_PRICE_HINT = "set ASSETMILL_GPU_POOL, so that there is a price, or run `assetmill prices --refresh`"
RAISE_HINT = "raise the budget, or choose less"


def limits_for(settings: Settings, pack: Pack, run_usd: Decimal | None) -> Limits:
    """The budgets of a run: of the settings, the manifest and the command, the smallest of each kind.

    Args:
        settings: the environment.
        pack: resolved manifest.
        run_usd: what was asked for this run; None for nothing.
    """
    of_settings = Limits(settings.run_budget_usd, settings.game_budget_usd, settings.month_budget_usd)
    asked = pack.budget
    of_manifest = Limits(_amount(asked.run_usd), _amount(asked.game_usd), _amount(asked.month_usd))
    return of_settings.lowered(of_manifest).lowered(Limits(run_usd=run_usd))


def _amount(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What bounds the cost of a job at one endpoint.

    Args:
        usd_per_s: price of a worker, of the dearest that may take the job; None when nobody knows it.
        limit_ms: execution limit of a job by the settings.
        tight: there is a budget, so that the limit is tightened.
        idle_ms: idle timeout of the endpoint; a usual long one where nobody says.
        by_units: the endpoint charges for calls, and not for time: what they cost at most is known beforehand.
    """

    usd_per_s: Decimal | None
    limit_ms: int
    tight: bool
    idle_ms: int
    by_units: bool = False

    def execution_ms(self, item: PlanItem) -> int:
        """How long a job may run: three times what the plan allows for, and a model load, where there is a budget."""
        if not self.tight:
            return self.limit_ms
        longest = round(item.seconds.high * 1000)
        with_load = longest + round(LOAD.high * 1000)
        return min(self.limit_ms, max(SHORTEST_LIMIT_MS, LIMIT_FACTOR * longest, with_load))

    def reservation(self, item: PlanItem) -> Decimal | None:
        """What a job may cost at most: its limit, a worker's start, its idle time, and the pause after the job.

        Returns:
            US dollars, rounded up; None when the price is unknown.
        """
        if self.by_units:
            return item.cost.high
        if self.usd_per_s is None:
            return None
        rest_ms = round(START.high * 1000) + self.idle_ms + DEAD_TIME_MS + ROUNDING_MS
        whole_ms = self.execution_ms(item) + rest_ms
        return (self.usd_per_s * whole_ms / 1000).quantize(USD_STEP, ROUND_UP)

    def largest(self, items: Iterable[PlanItem]) -> Decimal | None:
        """The largest reservation among some pictures; None without any, or where the price is unknown."""
        return _largest(self.reservation(item) for item in items)


@dataclass(frozen=True, slots=True)
class RoadBounds:
    """The same of every endpoint of a run: a picture is bounded by whoever is asked for it.

    Args:
        by_url: bounds of each endpoint, by its address.
    """

    by_url: Mapping[str, Bounds]

    def execution_ms(self, item: PlanItem) -> int:
        """How long a job may run."""
        return self._of(item).execution_ms(item)

    def reservation(self, item: PlanItem) -> Decimal | None:
        """What a job may cost at most; None when the price is unknown."""
        return self._of(item).reservation(item)

    def largest(self, items: Iterable[PlanItem]) -> Decimal | None:
        """The largest reservation among some pictures; None without any, or where a price is unknown."""
        return _largest(self.reservation(item) for item in items)

    def _of(self, item: PlanItem) -> Bounds:
        if item.road is None:
            raise ValueError(f"{item.label} is blocked, and costs nothing")
        return self.by_url[item.road.endpoint.url]


def _largest(reservations: Iterable[Decimal | None]) -> Decimal | None:
    found = list(reservations)
    return None if not found or None in found else max(one for one in found if one is not None)


def bounds_for(
    routes: Routes, settings: Settings, limits: Limits, facts: Mapping[str, EndpointFacts] = NO_FACTS_YET
) -> RoadBounds:
    """What bounds a job's cost at each endpoint of a run.

    Args:
        routes: with prices.
        settings: the environment.
        limits: the budgets.
        facts: what endpoints say of themselves, by their address.
    """
    return RoadBounds({
        one.url: bounds_at(one, settings, limits, facts.get(one.url, NO_FACTS)) for one in routes.endpoints
    })  # fmt: skip


def bounds_at(endpoint: Endpoint, settings: Settings, limits: Limits, facts: EndpointFacts = NO_FACTS) -> Bounds:
    """What bounds a job's cost at an endpoint, under these budgets.

    Args:
        endpoint: with its price.
        settings: the environment.
        limits: the budgets.
        facts: what the endpoint says of itself; nothing, as long as nobody has asked it.
    """
    prices = [
        endpoint.prices.of_pool(pool).times(facts.gpu_count) for pool in facts.pools if pool in endpoint.prices.pools
    ]
    known = [price.usd_per_s for price in prices if price.usd_per_s is not None]
    dearest = None if endpoint.usd_per_s is None else max(endpoint.usd_per_s, *known, Decimal(0))
    idle_s = TAIL.high if facts.idle_timeout_s is None else facts.idle_timeout_s
    limit_ms = settings.execution_timeout_s * 1000
    return Bounds(
        dearest, limit_ms, tight=bool(limits) and endpoint.paid, idle_ms=round(idle_s * 1000),
        by_units=endpoint.by_units and endpoint.paid,
    )  # fmt: skip


def may_be_sent(plan: Plan) -> tuple[PlanItem, ...]:
    """Pictures that a run may have to pay for: an open job that turns out to be lost is sent again."""
    return tuple(item for item in plan.items if item.state.paid or item.state is State.OPEN)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What budgets leave of a plan.

    Args:
        refusal: why nothing may be sent at all; empty if something may.
        hint: what to do about that.
        note: what is to be said of a plan that does not fit as a whole; empty if it does.
    """

    refusal: str = ""
    hint: str = ""
    note: str = ""

    @property
    def words(self) -> str:
        """Either of them."""
        return self.refusal or self.note

    def check(self) -> str:
        """Refuse a plan of which nothing may be sent; else what is to be said of it.

        Raises:
            BudgetExceeded: not one job fits, or nobody knows what one costs.
        """
        if self.refusal:
            raise BudgetExceeded(f"{self.refusal}; nothing was sent", hint=self.hint)
        return self.note


def outlook(plan: Plan, standings: Sequence[Standing], bounds: RoadBounds) -> Outlook:
    """Hold a plan against what its budgets have left. What costs nothing passes every budget.

    Args:
        plan: what would be sent.
        standings: the budgets; none where nothing is limited.
        bounds: of its endpoints.
    """
    items = may_be_sent(plan)
    if not standings or not items or not plan.paid:
        return Outlook()
    need = bounds.largest(items)
    if need is None:
        return Outlook(f"nobody knows what a job costs, and there is {standings[0].budget.words}", NO_PRICE_HINT)
    smallest = min(filter(None, (bounds.reservation(item) for item in items)), default=need)
    spent = next((one for one in standings if smallest > one.unspent_usd), None)
    if spent is not None:
        return Outlook(why_spent(spent, smallest), RAISE_HINT)
    tightest = min(standings, key=lambda one: one.unspent_usd)
    return Outlook(note=_note(plan, tightest, need))


def _note(plan: Plan, tightest: Standing, need: Decimal) -> str:
    """About how many pictures fit, where not all do: the last one needs its whole reservation, not its estimate."""
    count, estimate = len(plan.to_pay), plan.total.cost.estimate
    if not count or not estimate:
        return ""
    room = max(tightest.unspent_usd - need, Decimal(0))
    fit = min(count, int(room * count / estimate) + 1)
    if fit == count:
        return ""
    left = f"{usd(tightest.unspent_usd)} left of {tightest.budget.words}"
    return (
        f"about {fit} of {count} pictures fit: there are {left}, the plan's estimate is {usd(estimate)}, "
        f"and a job has {usd(need)} set aside while it is out"
    )
