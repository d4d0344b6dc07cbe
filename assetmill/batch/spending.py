"""Keeping within budgets while a run goes on: how many pictures may be let in, and the warnings on the way.

The books refuse what does not fit; here is only seen to it that little is refused. As jobs are settled their
reservations come free, and as many pictures are let in as fit then. A run waits for the reservations of other runs too,
by looking every two seconds, and gives up where nobody is left who could free any. What is out is collected whatever
happens. Nothing is sent from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Final

from assetmill.batch.budget import RAISE_HINT, may_be_sent, outlook
from assetmill.batch.context import Batch
from assetmill.batch.purse import Warned
from assetmill.batch.settling import settle_strays
from assetmill.errors import AssetmillError, BudgetExceeded, BudgetTaken
from assetmill.ledger import OpenAttempt, is_gone
from assetmill.money import usd
from assetmill.money.budgets import Kind, Limits, Standing, budgets_of
from assetmill.planning.plan import Plan

LOOK_EVERY_S: Final = 2.0
REACHED: Final = 100
LEVELS: Final = (80, 50)
NOT_LOOKED_AFTER: Final = "the budgets could not be looked after"
EVERY_KIND: Final = Limits(Decimal(0), Decimal(0), Decimal(0))


async def hold_against_budgets(batch: Batch, plan: Plan) -> None:
    """Refuse a plan of which nothing may be sent; say how much of it fits where not all does.

    Raises:
        BudgetExceeded: nothing was sent.
    """
    note = outlook(plan, await standings_of(batch), batch.purse.bounds).check()
    if note:
        batch.progress.say(note)


async def standings_of(batch: Batch) -> tuple[Standing, ...]:
    """What is committed of each budget of a run.

    Raises:
        LedgerError: the books are unavailable.
    """
    if not batch.purse.limits:
        return ()
    return await asyncio.to_thread(
        batch.ledger.standings, batch.purse.limits, run_id=batch.run_id, game=batch.pack.game.id, at=batch.clock.now()
    )


@asynccontextmanager
async def within_budgets(batch: Batch, plan: Plan) -> AsyncIterator[None]:
    """Let as many pictures in as fit into the budgets, for as long as the block lasts."""
    if not batch.purse.limits:
        yield
        return
    batch.purse.need = batch.purse.bounds.largest(may_be_sent(plan)) or Decimal(0)
    batch.admission.allowance.allow(0)
    await _try_to_look(batch)
    keeper = asyncio.create_task(_keep(batch))
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await _last_words(batch)


async def _keep(batch: Batch) -> None:
    while batch.common.ended is None:
        await _moved_within(batch, LOOK_EVERY_S)
        await _try_to_look(batch)


async def _moved_within(batch: Batch, seconds: float) -> None:
    """Wait until something was settled, but no longer than that."""
    moved = asyncio.ensure_future(batch.purse.moved.wait())
    sleeping = asyncio.ensure_future(batch.clock.sleep(seconds))
    try:
        await asyncio.wait({moved, sleeping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (moved, sleeping):
            task.cancel()
        await asyncio.gather(moved, sleeping, return_exceptions=True)
    batch.purse.moved.clear()


async def _try_to_look(batch: Batch) -> None:
    """Look; books or a store that are away are for whoever writes into them to complain of, as long as anybody does.

    Where nothing is out nobody would: the run ends, for pictures that wait to be let in would wait for ever.
    """
    try:
        await _look(batch)
    except AssetmillError as error:
        batch.progress.say(f"{NOT_LOOKED_AFTER}: {error.message}")
        if not batch.in_hand and not batch.admission.allowance.undecided:
            batch.end(error)
    except Exception as error:  # noqa: BLE001  a fault of ours: nobody would let anything in any more
        batch.end(AssetmillError(f"{NOT_LOOKED_AFTER}: unexpected {type(error).__name__}: {error}"))


async def _look(batch: Batch) -> None:
    """Let in as many as fit; where none seems to and nothing is out, let one in for the books to decide."""
    purse, allowance = batch.purse, batch.admission.allowance
    standings = await standings_of(batch)
    await _warn(batch, standings)
    room = max(_fitting(batch, standings) - allowance.undecided, 0)
    if not room and not allowance.undecided and not batch.in_hand:
        refused, purse.refused = purse.refused, None
        if refused is not None and await _held_for_good(batch, standings):
            batch.end(_held_by_nobody(refused))
            return
        room = 1
    allowance.allow(room)


def _fitting(batch: Batch, standings: Sequence[Standing]) -> int:
    """How many more jobs fit into what is left of the budgets."""
    need = batch.purse.need
    return (
        min(int(one.left_usd / need) for one in standings)
        if need
        else sum(lane.admission.full for lane in batch.lanes.values())
    )


async def _held_for_good(batch: Batch, standings: Sequence[Standing]) -> bool:
    """Whether no reservation that is in the way will come free; those of killed runs at this endpoint are settled here.

    The sums are read between two looks at who is out, and count only where both have seen the same: a job that somebody
    else has begun or ended meanwhile is never mistaken for a dead one.
    """
    full = {(one.budget.kind, one.budget.of) for one in standings if one.left_usd < batch.purse.need}
    for lane in batch.lanes.values():
        if await settle_strays(lane):
            return False
    before = await _in_the_way(batch, full)
    standings = await standings_of(batch)
    unchanged = before == await _in_the_way(batch, full)
    held = not _fitting(batch, standings) and any(one.reserved_usd for one in standings)
    return held and unchanged and not any(before.values())


async def _in_the_way(batch: Batch, full: Collection[tuple[Kind, str]]) -> dict[str, bool]:
    """Attempts that are open, and whether somebody looks after each.

    Args:
        batch: the run.
        full: budgets without room; what counts against others frees nothing.
    """
    now, found = batch.clock.now(), await asyncio.to_thread(batch.ledger.open_attempts)
    return {one.attempt_id: _looked_after(batch, one, now) for one in found if _counts_against(one, full)}


def _looked_after(batch: Batch, attempt: OpenAttempt, now: datetime) -> bool:
    """Whether somebody will bring an attempt to its end; one that a fault has left to this run is nobody's."""
    if attempt.owner is None or attempt.claimed_until is None or attempt.claimed_until <= now:
        return False
    left = attempt.owner == batch.owner.id and attempt.attempt_id not in batch.in_hand
    return not left and not attempt.draft and not is_gone(attempt.owner_place)


def _counts_against(attempt: OpenAttempt, full: Collection[tuple[Kind, str]]) -> bool:
    theirs = budgets_of(EVERY_KIND, run_id=attempt.run_id, game=attempt.game, at=attempt.intended_at)
    return any((budget.kind, budget.of) in full for budget in theirs)


def _held_by_nobody(refused: BudgetTaken) -> BudgetExceeded:
    words = f"{refused.message}; nobody looks after the jobs that are out"
    return BudgetExceeded(words, hint=f"assetmill settle brings them to an end; else {RAISE_HINT}", scope=refused.scope)


async def _warn(batch: Batch, standings: Sequence[Standing]) -> None:
    """Tell which budgets are half spent, or mostly; of both at once the graver one."""
    for one in standings:
        due = [level for level in LEVELS if one.percent >= level]
        fresh = [level for level in due if await _first_told(batch, one, level)]
        if fresh and fresh[0] == due[0]:
            budget = one.budget
            words = f"{budget.words}: {due[0]} % is spent, {usd(one.spent_usd)} of {usd(budget.limit_usd)}"
            _tell(batch, Warned(budget, due[0], words))


async def _first_told(batch: Batch, standing: Standing, percent: int) -> bool:
    """Whether nobody has told this warning before."""
    budget, known = standing.budget, batch.purse.known
    if (budget.key, percent) in known:
        return False
    fresh = await asyncio.to_thread(batch.ledger.warn_once, budget, percent, batch.clock.now())
    known.add((budget.key, percent))
    return fresh


def _tell(batch: Batch, warned: Warned) -> None:
    batch.progress.say(warned.words)
    batch.purse.warn(warned)


async def _last_words(batch: Batch) -> None:
    """Warnings that the last settlements have brought, and that a budget is reached."""
    try:
        standings = batch.purse.standings = await standings_of(batch)
        await _warn(batch, standings)
        ended = batch.common.ended
        for one in standings:
            reached = isinstance(ended, BudgetExceeded) and one.budget.key == ended.scope
            if reached and ended is not None and await _first_told(batch, one, REACHED):
                _tell(batch, Warned(one.budget, REACHED, ended.message))
    except AssetmillError as error:
        batch.progress.say(f"{NOT_LOOKED_AFTER}: {error.message}")
