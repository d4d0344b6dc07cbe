"""Attempts that were left open: paid for, and perhaps still to be had.

A job is asked for at the endpoint that it was sent to, by its own id; one whose answer was lost is looked for by our
own key. What is collected counts as a picture that is there; what is gone is settled as lost. Only the holder of an
attempt's claim settles it. Nothing new is ever sent from here; but where somebody waits, a picture that takes several
jobs at its provider is carried on to its end: it was agreed to, and its money is set aside.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from assetmill.batch.collect import ending, take
from assetmill.batch.costing import account, account_collected
from assetmill.batch.desk import Desk
from assetmill.batch.receipt import stored_receipt
from assetmill.batch.sent import Sent, possible_cost, sent_before
from assetmill.batch.withdraw import withdraw
from assetmill.clock import Clock
from assetmill.errors import (
    AttemptError,
    BlankImage,
    ClaimLost,
    NeverArrived,
    NotDelivered,
    OutcomeUnknown,
    ProviderRefused,
    QueueStalled,
    ResultExpired,
    ResultLost,
    Throttled,
)
from assetmill.ledger import NO_FACTS, Facts, Ledger, OpenAttempt, Owner, Settlement, Status, is_gone
from assetmill.money import Cost, no_cost
from assetmill.providers.base import Job

LOOK_ONCE_AGE_S = 600.0  # a draft costs nothing: as old as the longest search, it is looked for just once


async def claim_of(ledger: Ledger, owner: Owner, clock: Clock, attempt_id: str) -> OpenAttempt | None:
    """Claim an attempt that is open and nobody's; it as it stands now, or None if it cannot be had.

    Its `claimed_until` is that of whoever had it before: until then that one may have been sending.

    Raises:
        LedgerError: the books are unavailable.
    """

    def work() -> OpenAttempt | None:
        seen = ledger.open_attempt(attempt_id)
        if seen is None:
            return None
        now = clock.now()
        gone = seen.owner if is_gone(seen.owner_place) else None
        if not ledger.claim(attempt_id, owner.claim(now), now=now, gone=gone):
            return None
        mine = ledger.open_attempt(attempt_id)
        return replace(mine, claimed_until=seen.claimed_until) if mine else None

    return await asyncio.to_thread(work)


async def carry_on(desk: Desk, attempt: OpenAttempt, *, wait: bool) -> bool:
    """Bring a claimed attempt to its end, if that can be done.

    Args:
        desk: of the endpoint that it was sent to.
        attempt: as it stands.
        wait: watch a job that still runs to its end; otherwise leave it open.

    Returns:
        Whether it is settled.

    Raises:
        ProviderRefused, LedgerError, StorageError.
    """
    try:
        if await _by_its_receipt(desk, attempt):
            return True
        if attempt.status is Status.COLLECTED:
            return await _keep(desk, attempt)
        if attempt.job_id is None:
            return await _find(desk, attempt, wait=wait)
        return await _collect(desk, attempt, attempt.job_id, wait=wait)
    except ClaimLost:
        return False
    except ProviderRefused as error:
        if not attempt.draft:
            raise
        return await _gone(desk, attempt, error)


async def _by_its_receipt(desk: Desk, attempt: OpenAttempt) -> bool:
    """Settle an attempt whose receipt an earlier process has stored: what it says holds, and nobody need be asked."""
    receipt = await asyncio.to_thread(stored_receipt, desk.store, attempt.game, attempt.attempt_id)
    if receipt is None:
        return False
    await asyncio.to_thread(desk.ledger.settle_as, receipt, by=desk.owner.id)
    return True


async def _keep(desk: Desk, attempt: OpenAttempt) -> bool:
    """Its raw images are stored: only the final row is missing; finishing them is free and comes later."""
    told = await account_collected(desk, attempt)
    await desk.settle(attempt.attempt_id, Settlement(Status.KEPT, desk.clock.now(), told.cost, told.facts))
    return True


async def _find(desk: Desk, attempt: OpenAttempt, *, wait: bool) -> bool:
    """Sent, and no answer was written down: look for the job by our own key before anybody sends again."""
    last_sent = max(attempt.intended_at, attempt.claimed_until or attempt.intended_at)
    age_s = max(LOOK_ONCE_AGE_S if attempt.draft else 0.0, (desk.clock.now() - last_sent).total_seconds())
    sighting = await desk.provider.find(attempt.attempt_id, age_s=age_s)
    if sighting.unanswered:
        return await _unreachable(desk, attempt, NotDelivered(sighting.evidence))
    if sighting.job_id is not None:
        job_id, at, by = sighting.job_id, attempt.intended_at, desk.owner.id
        await asyncio.to_thread(desk.ledger.submitted, attempt.attempt_id, job_id=job_id, at=at, by=by)
        return await _collect(desk, attempt, job_id, wait=wait)
    if sighting.absent:
        never = NeverArrived(f"it never arrived: {sighting.evidence}")
        return await _close(desk, attempt, Status.FAILED, never, no_cost("nothing was accepted"))
    words = f"sent, and no answer was seen; it may have been charged: {sighting.evidence}"
    return await _close(desk, attempt, Status.LOST, OutcomeUnknown(words), _possible(attempt))


async def _collect(desk: Desk, attempt: OpenAttempt, job_id: str, *, wait: bool) -> bool:
    """Watch the job and keep what it made; an endpoint out of reach leaves the attempt open."""
    sent = sent_before(attempt, job_id)
    job: Job | None = None
    try:
        job = await _job(desk, sent, wait=wait)
        if not job.state.terminal:
            return False
        collected, _, _ = await take(desk, sent, job)
    except NotDelivered as error:
        return await _unreachable(desk, attempt, error)
    except Throttled:  # it was the question that was refused; the job goes on
        return False
    except QueueStalled as error:
        return await withdraw(desk, sent, error)
    except AttemptError as error:
        status = Status.LOST if isinstance(error, ResultLost) else Status.FAILED
        told = await account(desk, sent, job)
        return await _close(desk, attempt, status, error, told.cost, told.facts)
    told = await account(desk, sent, job)
    settlement = Settlement(Status.KEPT, desk.clock.now(), told.cost, told.facts)
    if collected.blank:
        blank = BlankImage("; ".join(collected.blank))
        settlement = ending(desk.clock.now(), Status.REJECTED, told.cost, blank, told.facts)
    await desk.settle(attempt.attempt_id, settlement)
    return True


async def _job(desk: Desk, sent: Sent, *, wait: bool) -> Job:
    age_s = (desk.clock.now() - sent.submitted_at).total_seconds()
    try:
        job = await desk.provider.look(sent.job_id, age_s=age_s)
    except NotDelivered:
        if not wait or desk.endpoint.draft:
            raise
    except Throttled:
        if not wait:
            raise
    else:
        if job.state.terminal or not wait:
            return job
    return await desk.provider.wait(sent.job_id, desk.observed, age_s=age_s)


async def _unreachable(desk: Desk, attempt: OpenAttempt, error: NotDelivered) -> bool:
    """Out of reach: it stays open, unless it was a draft, whose endpoint ends with its run and cost nothing."""
    return await _gone(desk, attempt, error) if attempt.draft else False


async def _gone(desk: Desk, attempt: OpenAttempt, error: NotDelivered | ProviderRefused) -> bool:
    words = f"the draft endpoint that had it has ended: {error.message}"
    return await _close(desk, attempt, Status.LOST, ResultExpired(words), no_cost("draft"))


def _possible(attempt: OpenAttempt) -> Cost:
    return possible_cost(attempt.price_per_s_usd, attempt.planned_high_usd)


async def _close(
    desk: Desk, attempt: OpenAttempt, status: Status, error: AttemptError, cost: Cost, facts: Facts = NO_FACTS
) -> bool:
    await desk.settle(attempt.attempt_id, ending(desk.clock.now(), status, cost, error, facts))
    return True
