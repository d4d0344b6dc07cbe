"""What a run may cost: its plan is held against its budget after planning and before anything is sent.

The plan's estimate is what counts. Money is not set aside for single jobs: tries again, and jobs of earlier runs that
turn out to be lost, come on top of the estimate.
"""

from __future__ import annotations

from decimal import Decimal

from assetmill.errors import BudgetExceeded
from assetmill.money import usd
from assetmill.planning.plan import Plan


def check_budget(plan: Plan, budget_usd: Decimal | None) -> None:
    """Refuse a plan that costs more than its budget, or of which nobody knows what it costs.

    Args:
        plan: what would be sent.
        budget_usd: the most that it may cost; None for no limit.

    Raises:
        BudgetExceeded: nothing may be sent.
    """
    words = over_budget(plan, budget_usd)
    if words:
        unknown = plan.total.cost.estimate is None
        hint = "set ASSETMILL_GPU_POOL, so that there is a price" if unknown else "raise the budget, or choose less"
        raise BudgetExceeded(f"{words}; nothing was sent", hint=hint)


def over_budget(plan: Plan, budget_usd: Decimal | None) -> str:
    """Why a plan is above its budget, with both figures; empty if it is not, or if nothing would be paid for."""
    if budget_usd is None or not plan.to_pay or not plan.endpoint.paid:
        return ""
    estimate = plan.total.cost.estimate
    if estimate is None:
        return f"the plan's cost is unknown, and the budget is {usd(budget_usd)}"
    return (
        f"the plan's estimate of {usd(estimate)} is above the budget of {usd(budget_usd)}"
        if estimate > budget_usd
        else ""
    )
