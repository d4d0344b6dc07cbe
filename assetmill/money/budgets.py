"""Budgets as values: how much may be spent by a run, a game and a month, and how much of it is.

The sums come from the books, which also hold the budgets when an attempt is written down (`assetmill.ledger.budgets`,
ADR 0016). Nothing here reads a database, so that a first plan need not wait for one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from assetmill.money.amounts import usd

NOTHING: Final = Decimal(0)


class Kind(StrEnum):
    """What a budget is for; locks are taken in this order."""

    MONTH = "month"
    GAME = "game"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may be committed, US dollars; None for no limit.

    Args:
        run_usd: by one run.
        game_usd: by all runs of one game, ever.
        month_usd: by all games in one month, UTC.
    """

    run_usd: Decimal | None = None
    game_usd: Decimal | None = None
    month_usd: Decimal | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def lowered(self, other: Limits) -> Limits:
        """The smaller of both, one by one."""
        return Limits(*(_smaller(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)))


NO_LIMITS: Final = Limits()


def _smaller(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else min(one, other)


@dataclass(frozen=True, slots=True)
class Budget:
    """One limit and what it is for.

    Args:
        kind: run, game or month.
        of: id of the run or the game, or the month as `2026-11`.
        limit_usd: the most that may be committed.
    """

    kind: Kind
    of: str
    limit_usd: Decimal

    @property
    def key(self) -> str:
        """A name by which warnings are remembered: a budget that is raised warns again."""
        return f"{self.kind}:{self.of}:{self.limit_usd.normalize():f}"

    @property
    def words(self) -> str:
        """`the run's budget of $5.00`."""
        whose = {Kind.RUN: "the run's budget", Kind.GAME: f"the budget of {self.of}"}
        return f"{whose.get(self.kind, f'the budget of {self.of} for all games')} of {usd(self.limit_usd)}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget and what is committed of it.

    Args:
        budget: the limit.
        spent_usd: what settled attempts have cost; where nobody knows that, the most that it can be.
        reserved_usd: what is set aside for open ones.
    """

    budget: Budget
    spent_usd: Decimal
    reserved_usd: Decimal

    @property
    def committed_usd(self) -> Decimal:
        """Both together."""
        return self.spent_usd + self.reserved_usd

    @property
    def left_usd(self) -> Decimal:
        """What may still be committed; never below 0."""
        return max(self.budget.limit_usd - self.committed_usd, NOTHING)

    @property
    def unspent_usd(self) -> Decimal:
        """What would be left if everything that is open turned out to cost nothing; never below 0."""
        return max(self.budget.limit_usd - self.spent_usd, NOTHING)

    @property
    def percent(self) -> Decimal:
        """Spent share of the limit, percent; a limit of 0 is spent."""
        limit = self.budget.limit_usd
        return self.spent_usd * 100 / limit if limit else Decimal(100)


def budgets_of(limits: Limits, *, run_id: str, game: str, at: datetime) -> tuple[Budget, ...]:
    """The budgets that an attempt counts against, in the order of their locks.

    Args:
        limits: how much each may be.
        run_id: whose attempt.
        game: of which game.
        at: when it is intended; its month is that of UTC.
    """
    wanted = (
        (Kind.MONTH, f"{at.astimezone(UTC):%Y-%m}", limits.month_usd),
        (Kind.GAME, game, limits.game_usd),
        (Kind.RUN, run_id, limits.run_usd),
    )
    return tuple(Budget(kind, of, limit) for kind, of, limit in wanted if limit is not None)


def why_spent(standing: Standing, need: Decimal) -> str:
    """Why no job fits any more, with the figures."""
    reserved = f", {usd(standing.reserved_usd)} set aside for jobs that are out" if standing.reserved_usd else ""
    return (
        f"{standing.budget.words} is reached: {usd(standing.spent_usd)} spent{reserved}, "
        f"and a job needs {usd(need)} set aside"
    )
