"""Whether a person has to agree before a submission costs money, and to what.

The plan's estimate is what counts; what is agreed to is the budget of the run, so one job has to fit into it
(docs/budgets.md). A price that nobody knows is not a small one: it always asks. Placeholder art costs nothing and never
does.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from assetmill.batch.budget import Bounds, RoadBounds, may_be_sent
from assetmill.money import usd
from assetmill.planning.estimate import TAIL
from assetmill.planning.plan import Plan, State
from assetmill.submissions.records import Figures

LONGEST_LIMIT_MS = 600_000  # RunPod's own; what a plan asks of a job is nearly always less


def needs_approval(plan: Plan, limit: Decimal) -> str | None:
    """Why a person has to agree to a plan; None when nobody has to.

    Args:
        plan: what would be sent.
        limit: the most that a submission may be estimated to cost without a word, US dollars.
    """
    if not plan.paid or not plan.may_pay:
        return None
    estimate, aside = expected_cost(plan)[1], set_aside(plan)
    if estimate is None:
        return "nobody knows what it costs: the endpoint has no price"
    if estimate > limit:
        return f"the estimate of {usd(estimate)} is above the {usd(limit)} that need no approval"
    if aside is not None and aside > limit:
        return f"a job has {usd(aside)} set aside while it is out, more than the {usd(limit)} that need no approval"
    return None


def set_aside(plan: Plan) -> Decimal | None:
    """What the largest job of a plan has set aside while it is out; None where nobody knows the price, or none is."""
    if not plan.paid:
        return None
    idle_ms = round(TAIL.high * 1000)
    bounds = RoadBounds({
        one.url: Bounds(one.usd_per_s, LONGEST_LIMIT_MS, tight=True, idle_ms=idle_ms, by_units=one.by_units)
        for one in plan.endpoints
    })  # fmt: skip
    return bounds.largest(may_be_sent(plan))


def expected_cost(plan: Plan) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """What a plan costs, US dollars: low, estimate, high; None where nobody knows.

    Jobs that are out and not collected count as well: one that turns out to be lost is sent again.
    """
    costs = [plan.total.cost] if plan.to_pay else []
    costs += [item.cost for item in plan.items if item.state is State.OPEN]
    return _sum(one.low for one in costs), _sum(one.estimate for one in costs), _sum(one.high for one in costs)


def _sum(parts: Iterable[Decimal | None]) -> Decimal | None:
    """Their sum; None as soon as one is unknown."""
    total = Decimal(0)
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def unasked_budget(plan: Plan, limit: Decimal) -> Decimal | None:
    """Budget of a run that nobody had to agree to: what it may become is bounded by what needs no approval."""
    return limit if plan.paid else None


def why_not_amount(figures: Figures | None, amount_usd: Decimal | None) -> str:
    """Why an amount cannot be what the run may cost at most; empty if it can."""
    if amount_usd is None:
        return ""
    if not amount_usd.is_finite() or amount_usd < 0:
        return "an amount is a number of US dollars, 0 or more"
    if figures is None or figures.estimate_usd is None:
        return "nobody knows what it costs, so no amount can be kept to: approve it without one, or set a price first"
    if amount_usd < figures.estimate_usd:
        return (
            f"{usd(amount_usd)} is less than the estimate of {usd(figures.estimate_usd)}: not all of it could be made"
        )
    if figures.aside_usd is not None and amount_usd < figures.aside_usd:
        aside = usd(figures.aside_usd)
        return f"{usd(amount_usd)} is less than the {aside} that a job has set aside: the run would not begin"
    return ""


def agreed_usd(figures: Figures | None, amount_usd: Decimal | None) -> Decimal | None:
    """What a run may cost that was agreed to: the amount that was said, else the most that its plan tells.

    Returns:
        US dollars; never so little that not one job fits. None where nobody knows a price.
    """
    if amount_usd is not None or figures is None or figures.high_usd is None:
        return amount_usd
    return max(figures.high_usd, figures.aside_usd or Decimal(0))
