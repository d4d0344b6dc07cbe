"""Budgets: what a run, a game and a month have committed, and no attempt beyond it.

Committed is what settled attempts have cost and what is set aside for open ones. An attempt is written down only where
its reservation fits into every budget that it counts against, in the very transaction that writes it: SQLite lets one
writer in at a time, and on PostgreSQL a writer takes a lock for each budget, always in the same order. So whoever sends
and from however many machines, no budget is overspent by more than a reservation was too small (ADR 0016). Sums of what
is settled are remembered per process, because a settled row never changes. Nothing here knows what a job may cost.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, func, select, text, true

from assetmill.errors import BudgetExceeded, BudgetTaken
from assetmill.ledger.columns import Usd
from assetmill.ledger.tables import attempts, budget_warnings
from assetmill.ledger.values import OPEN_STATUSES, Intent
from assetmill.money.budgets import NOTHING, Budget, Kind, Limits, Standing, budgets_of, why_spent

LAG: Final = timedelta(minutes=10)
"""Attempts that were intended earlier than this are taken to be in the books: longer than any transaction may wait, and
than clocks of machines may differ. One that comes in later all the same is seen at the next full sum."""

EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)
KEPT_FOR: Final = timedelta(minutes=5)
PENDING_AT_ONCE: Final = 500


def refuse_overspending(connection: Connection, sums: Sums, intent: Intent, limits: Limits, *, lock: bool) -> None:
    """Refuse an attempt whose reservation does not fit into what is left of a budget.

    Args:
        connection: in a transaction that writes, and that will write this attempt.
        sums: of this ledger.
        intent: what is about to be sent; a draft counts against nothing.
        limits: the budgets.
        lock: ask the database to let one writer of a budget in at a time; SQLite does that by itself. It is taken for
            every paid attempt, whether this process knows of a budget or not, so that others can rely on their sums.

    Raises:
        BudgetTaken: it would fit if what is open came back cheap enough.
        BudgetExceeded: it would not, or nobody knows what to set aside for it.
    """
    if intent.draft:
        return
    if lock:
        _lock(connection, intent)
    budgets = budgets_of(limits, run_id=intent.run_id, game=intent.game, at=intent.intended_at)
    if not budgets:
        return
    need = intent.reserved_usd
    if need is None:
        words = f"nobody knows what a job may cost, and there is {budgets[0].words}"
        hint = "set ASSETMILL_GPU_POOL, or OWN_GPU_USD_PER_HOUR for workers of your own, so that there is a price"
        raise BudgetExceeded(words, hint=hint, scope=budgets[0].key)
    if not need:
        return
    standings = [sums.standing(connection, budget, intent.intended_at) for budget in budgets]
    over = [one for one in standings if need > one.left_usd]
    for one in over:
        if need > one.unspent_usd:
            hint = "what is left is not lost: run again once the budget is raised"
            raise BudgetExceeded(why_spent(one, need), hint=hint, scope=one.budget.key)
    if over:
        raise BudgetTaken(why_spent(over[0], need), scope=over[0].budget.key)


def _lock(connection: Connection, intent: Intent) -> None:
    """Be the only one that commits to this month, this game and this run, until the transaction ends."""
    everything = Limits(NOTHING, NOTHING, NOTHING)
    for budget in budgets_of(everything, run_id=intent.run_id, game=intent.game, at=intent.intended_at):
        name = hashlib.sha256(f"budget\0{budget.kind}\0{budget.of}".encode()).digest()
        key = int.from_bytes(name[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def tell_once(connection: Connection, insert: Any, budget: Budget, percent: int, at: datetime) -> bool:
    """Remember that a warning is told; says whether it had not been.

    Args:
        connection: in a transaction that writes.
        insert: the database's own `insert`.
        budget: which.
        percent: 50, 80 or 100.
        at: aware time.
    """
    row = {"scope": budget.key, "percent": percent, "told_at": at}
    fresh = insert(budget_warnings).values(row).on_conflict_do_nothing(index_elements=["scope", "percent"])
    return connection.execute(fresh.returning(budget_warnings.c.scope)).first() is not None


_OPEN = attempts.c.status.in_(OPEN_STATUSES)
_SET_ASIDE = func.coalesce(attempts.c.reserved_usd, attempts.c.planned_high_usd, 0, type_=Usd)
_COST = func.coalesce(
    attempts.c.cost_estimate_usd,
    attempts.c.reserved_usd,  # it may have run to its limit: what was set aside stays taken
    attempts.c.cost_high_usd,
    attempts.c.planned_high_usd,
    0,
    type_=Usd,
)


@dataclass(frozen=True, slots=True)
class _Old:
    """What a budget's attempts of before a moment have cost.

    Args:
        upto: the moment; all but `pending` of before it are settled for good.
        spent: their sum.
        pending: ids of those that were open, with what was set aside for them.
        made_at: when it was summed up.
    """

    upto: datetime
    spent: Decimal
    pending: dict[str, Decimal]
    made_at: datetime


class Sums:
    """Sums of a ledger's attempts by budget; remembers what is old and settled. One for each open ledger."""

    def __init__(self) -> None:
        self._old: dict[tuple[Kind, str], _Old] = {}
        self._turn = threading.Lock()

    def standing(self, connection: Connection, budget: Budget, at: datetime) -> Standing:
        """What is committed of a budget.

        Args:
            connection: in a transaction.
            budget: which.
            at: now, aware.
        """
        with self._turn:
            old = self._fresh(connection, budget, at)
            spent, reserved = _recent(connection, budget, old.upto)
            old, held = _still_pending(connection, old)
            self._old[budget.kind, budget.of] = old
        return Standing(budget, old.spent + spent, reserved + held)

    def _fresh(self, connection: Connection, budget: Budget, at: datetime) -> _Old:
        known = self._old.get((budget.kind, budget.of))
        if known is not None and abs(at - known.made_at) <= KEPT_FOR:
            return known
        upto = at - LAG
        before = _counts(budget, before=upto)
        # The open ones first: what is settled between the two statements is pending still, and counted once.
        found = connection.execute(select(attempts.c.attempt_id, _SET_ASIDE).where(before, _OPEN))
        pending = dict(found.tuples().all())
        settled = and_(before, ~_OPEN, attempts.c.attempt_id.not_in(list(pending)))
        spent = connection.execute(select(func.sum(_COST, type_=Usd)).where(settled)).scalar()
        return _Old(upto, spent or NOTHING, pending, at)


def _counts(budget: Budget, *, since: datetime = EARLIEST, before: datetime = LATEST) -> ColumnElement[bool]:
    """Attempts that count against a budget and were intended in a span; one bound a side, for an index knows one."""
    begins, ends = EARLIEST, LATEST
    whose: ColumnElement[bool] = true()
    if budget.kind is Kind.RUN:
        whose = attempts.c.run_id == budget.of
    elif budget.kind is Kind.GAME:
        whose = attempts.c.game == budget.of
    else:
        begins = datetime.strptime(budget.of, "%Y-%m").replace(tzinfo=UTC)
        ends = (begins + timedelta(days=32)).replace(day=1)
    return and_(whose, attempts.c.intended_at >= max(begins, since), attempts.c.intended_at < min(ends, before))


def _recent(connection: Connection, budget: Budget, since: datetime) -> tuple[Decimal, Decimal]:
    """Cost of the settled attempts since a moment, and what is set aside for the open ones."""
    spent = func.sum(case((_OPEN, 0), else_=_COST), type_=Usd)
    reserved = func.sum(case((_OPEN, _SET_ASIDE), else_=0), type_=Usd)
    found = connection.execute(select(spent, reserved).where(_counts(budget, since=since))).one()
    return found[0] or NOTHING, found[1] or NOTHING


def _still_pending(connection: Connection, old: _Old) -> tuple[_Old, Decimal]:
    """Move what has been settled since from the pending to the spent; and what is still set aside for the rest."""
    ids = list(old.pending)
    spent, pending = old.spent, dict(old.pending)
    for start in range(0, len(ids), PENDING_AT_ONCE):
        some = attempts.c.attempt_id.in_(ids[start : start + PENDING_AT_ONCE])
        for attempt_id, cost in connection.execute(select(attempts.c.attempt_id, _COST).where(some, ~_OPEN)):
            spent += cost
            del pending[attempt_id]
    return replace(old, spent=spent, pending=pending), sum(pending.values(), NOTHING)
