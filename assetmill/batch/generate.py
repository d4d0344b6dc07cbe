"""One picture, from its first try to its last: what is sent again, and what somebody else has made meanwhile.

Which failures are worth another try stands in `providers.retry`; every try is an attempt of its own, with its own
row, prefix and cost. A picture that another run is paying for is waited for, never paid for twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from assetmill.batch.admission import Pass
from assetmill.batch.attempt import attempt
from assetmill.batch.context import Batch, Outcome, Tries
from assetmill.batch.follow import follow
from assetmill.batch.request import Try
from assetmill.errors import (
    AlreadyTaken,
    AssetmillError,
    AttemptError,
    BlankImage,
    BudgetExceeded,
    BudgetTaken,
    ClaimLost,
    NotDelivered,
    OutcomeUnknown,
    ProviderFailing,
    ResultExpired,
    Throttled,
    TimedOut,
    UnknownTooOften,
    WorkflowError,
)
from assetmill.planning.fingerprint import Generation
from assetmill.planning.plan import PlanItem
from assetmill.providers.retry import Again, decide, new_seed


async def generate(batch: Batch, item: PlanItem, entry: Pass) -> Outcome:
    """Make one picture at one endpoint, trying again where that makes sense.

    Args:
        batch: the run at that endpoint.
        item: what is planned.
        entry: the right to send the first job; it is used up.

    Raises:
        ProviderRefused, LedgerError, StorageError, QueueStalled: the whole batch has to stop.
    """
    made = item.made
    if made is None:
        entry.close()
        raise WorkflowError(f"{item.label} is blocked: {item.reason}")
    tries = batch.tries_of(item)
    while True:
        try:
            outcome = await _once(batch, item, made, entry, tries)
        finally:
            entry.close()
        outcome = outcome or same_fate(item, tries)
        verdict = _verdict(batch, made, outcome, tries)
        if outcome is not None and (verdict is None or not await _dropped(batch, outcome)):
            return await _ended(batch, outcome, tries)
        try:
            entry = await batch.admission.enter(made.workflow, again=True)
        except AssetmillError as error:
            if isinstance(error, ProviderFailing):
                batch.end(error)
            return outcome or Outcome(item, "unsent", error=error)
        if outcome is not None and verdict is not None:
            _note(batch, item, outcome, verdict, tries)


def same_fate(item: PlanItem, tries: Tries) -> Outcome | None:
    """How another asset with the same wish ended for good; None while none has."""
    return replace(tries.given_up, item=item, followed=True, cost=None) if tries.given_up is not None else None


async def _once(batch: Batch, item: PlanItem, made: Generation, entry: Pass, tries: Tries) -> Outcome | None:
    """One try, or what became of somebody else's; None when there was none and it is our turn again."""
    seed = new_seed(made.seed, tries.seed_no) if tries.seed_no > 1 else made.seed
    one = Try(batch.clock.new_id(), seed, tries.last)
    batch.in_hand.add(one.attempt_id)
    try:
        return await attempt(batch, item, made, one, entry)
    except AlreadyTaken as taken:
        entry.close()
        return await follow(batch, item, taken.attempt_id)
    except BudgetTaken as error:  # back into the line: the run lets it in again when there is room
        batch.purse.turned_away(error, batch.purse.bounds.reservation(item))
        return None
    except BudgetExceeded as error:
        batch.end(error)
        return Outcome(item, "unsent", error=error)
    except UnknownTooOften as error:
        return Outcome(item, "blocked", error=error)
    except ClaimLost:
        entry.close()
        batch.in_hand.discard(one.attempt_id)
        return await follow(batch, item, one.attempt_id)
    finally:
        batch.in_hand.discard(one.attempt_id)


async def _ended(batch: Batch, outcome: Outcome, tries: Tries) -> Outcome:
    """The last word on a picture in this run; an attempt that stays open is anybody's to settle from now on."""
    if outcome.status == "open" and outcome.attempt_id is not None:
        now = batch.clock.now()
        await asyncio.to_thread(batch.ledger.let_go, outcome.attempt_id, batch.owner.id, now)
    if not outcome.good and outcome.attempt_id is not None and not outcome.followed:
        tries.given_up = outcome
    return outcome


def _verdict(batch: Batch, made: Generation, outcome: Outcome | None, tries: Tries) -> Again | None:
    """Whether the picture is tried again."""
    if outcome is None or outcome.attempt_id is None or outcome.followed or batch.ended is not None:
        return None
    if not isinstance(outcome.error, AttemptError) or not _came_to_nothing(outcome):
        return None
    if isinstance(outcome.error, OutcomeUnknown) and outcome.item.fallbacks:
        return None  # if it is sent once more at all, then to an endpoint that answers
    left = batch.resend_unknown - batch.common.unknowns.get(made.fingerprint, 0)
    verdict = decide(outcome.error, tries.failures, resend_unknown=max(0, left))
    return verdict if isinstance(verdict, Again) else None


def _came_to_nothing(outcome: Outcome) -> bool:
    """Whether there is no picture: a rejected one is there, unless there is nothing on it."""
    return outcome.status in ("failed", "lost") or isinstance(outcome.error, BlankImage)


async def _dropped(batch: Batch, outcome: Outcome) -> bool:
    """Make sure that the old job does not go on beside its replacement."""
    if outcome.job_id is None or not isinstance(outcome.error, TimedOut | ResultExpired):
        return True  # there is none, or it has ended for certain
    try:
        await batch.provider.cancel(outcome.job_id)
    except (NotDelivered, Throttled):
        return False
    return True


def _note(batch: Batch, item: PlanItem, outcome: Outcome, verdict: Again, tries: Tries) -> None:
    """Count the try that is being replaced."""
    batch.spent(outcome)
    error = outcome.error
    tries.failures.append(type(error) if isinstance(error, AttemptError) else AttemptError)
    tries.last = outcome.attempt_id
    tries.seed_no += verdict.new_seed
    batch.progress.say(f"{item.label}: {verdict.why}")
