"""The budgets of one run, and what of them was told. What it may do about them stands in `assetmill.batch.spending`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from assetmill.batch.budget import RoadBounds
from assetmill.errors import BudgetTaken
from assetmill.money.budgets import NO_LIMITS, Budget, Limits, Standing


@dataclass(frozen=True, slots=True)
class Warned:
    """A budget of which much is spent; told once, whichever run is first.

    Args:
        budget: which.
        percent: 50, 80, or 100 for one that is reached.
        words: in one sentence.
    """

    budget: Budget
    percent: int
    words: str


@dataclass
class Purse:
    """The budgets of one run.

    Args:
        limits: how much each may be; none where nothing is paid for.
        bounds: what bounds the cost of a job.
        told: hears of each warning of this run.
        warnings: those that were told in this run.
        known: (key of a budget, percent) that need not be asked for again.
        need: what the largest job of the run has set aside, of those that are planned or were turned away.
        refused: the books have had no room for a picture since somebody looked last.
        standings: how the budgets stood when nothing was out any more.
        moved: something was settled, so that it is worth to look.
    """

    limits: Limits
    bounds: RoadBounds
    told: Callable[[Warned], None] | None = None
    warnings: list[Warned] = field(default_factory=list)
    known: set[tuple[str, int]] = field(default_factory=set)
    need: Decimal = Decimal(0)
    refused: BudgetTaken | None = None
    standings: tuple[Standing, ...] = ()
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def turned_away(self, error: BudgetTaken, need: Decimal | None) -> None:
        """The books have no room for a job now; whoever takes over may set more aside than anybody that was planned."""
        self.refused = error
        self.need = max(self.need, need or Decimal(0))

    def warn(self, warned: Warned) -> None:
        """Tell of a warning."""
        self.warnings.append(warned)
        if self.told is not None:
            self.told(warned)


def new_purse(limits: Limits, bounds: RoadBounds, *, paid: bool) -> Purse:
    """The budgets of a run; what costs nothing has none."""
    return Purse(limits if paid else NO_LIMITS, bounds)
