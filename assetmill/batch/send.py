"""Getting one job out: the row first, then the POST, then the job id; and looking for it when the answer is lost.

What a cancelled run must not leave half done is not interrupted: between the row and the job id nothing stops. The
claim is looked at before every POST, because a process may sleep in between for longer than a claim is good, and
somebody else may have taken the attempt over and sent a replacement by then.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

from assetmill.batch.admission import Pass
from assetmill.batch.collect import ending
from assetmill.batch.context import Batch
from assetmill.batch.sent import Sent, possible_cost
from assetmill.errors import (
    AssetmillError,
    AttemptError,
    ClaimLost,
    LedgerError,
    NeverArrived,
    NotDelivered,
    OutcomeUnknown,
    ProviderAway,
    ProviderRefused,
    Throttled,
)
from assetmill.ledger import Claim, Intent, Status
from assetmill.money import no_cost
from assetmill.providers.base import JobRequest
from assetmill.providers.retry import pause_before_resend
from assetmill.uninterrupted import uninterrupted


async def send(batch: Batch, intent: Intent, request: JobRequest, entry: Pass) -> Sent | None:
    """Commit the row, submit (sending again only what was not accepted), and commit the job id.

    Args:
        batch: the run.
        intent: the row.
        request: the job.
        entry: the right to send it.

    Returns:
        The sent attempt; None when its answer was lost and the endpoint says nothing at all: its row stays open.

    Raises:
        AlreadyTaken, UnknownTooOften, BudgetTaken, BudgetExceeded: nothing was written and nothing sent.
        ClaimLost: somebody else looks after the attempt; what was sent is cancelled.
        OutcomeUnknown, Throttled, NotDelivered, RequestRejected, ProviderRefused: the row is settled.
    """
    try:
        return await uninterrupted(_deliver(batch, intent, request, entry))
    except OutcomeUnknown as error:
        return await _search(batch, intent, request, error)


async def _deliver(batch: Batch, intent: Intent, request: JobRequest, entry: Pass) -> Sent:
    claim = batch.owner.claim(batch.clock.now())
    limit = batch.resend_unknown if batch.endpoint.paid else None
    limits = batch.purse.limits
    await asyncio.to_thread(batch.ledger.intend, intent, claim, most_unknown=limit, limits=limits)
    entry.intended()
    try:
        job_id = await _submit_patiently(batch, request, claim)
    except (OutcomeUnknown, ClaimLost):
        raise
    except (AttemptError, ProviderRefused) as error:
        await _settle_unsent(batch, intent, error)
        raise
    return await _note(batch, intent, job_id, batch.clock.now())


async def _note(batch: Batch, intent: Intent, job_id: str, at: datetime) -> Sent:
    """Commit the job id. A job that somebody else has replaced meanwhile is cancelled."""
    try:
        await asyncio.to_thread(batch.ledger.submitted, intent.attempt_id, job_id=job_id, at=at, by=batch.owner.id)
    except ClaimLost:
        if (await asyncio.to_thread(batch.ledger.open_attempt, intent.attempt_id)) is None:
            with suppress(AttemptError):
                await batch.provider.cancel(job_id)
        raise
    except LedgerError as error:
        error.job_id = job_id  # the message is now the only place that names the job
        raise
    batch.progress.submitted(job_id)
    return _sent(intent, job_id, at)


def _sent(intent: Intent, job_id: str, at: datetime) -> Sent:
    return Sent(
        attempt_id=intent.attempt_id,
        job_id=job_id,
        outputs=dict(intent.expected_outputs),
        submitted_at=at,
        usd_per_s=intent.price_per_s_usd,
        high_usd=intent.planned_high_usd,
    )


async def _search(batch: Batch, intent: Intent, request: JobRequest, error: OutcomeUnknown) -> Sent | None:
    """Look for a job whose answer was lost; a run that is ended at once leaves its row for whoever settles."""
    sighting = await batch.provider.find(request.attempt_id, age_s=0.0)
    if sighting.job_id is not None:
        batch.progress.say(f"a job whose answer was lost was found again: {sighting.evidence}")
        return await uninterrupted(_note(batch, intent, sighting.job_id, intent.intended_at))  # it ran meanwhile
    if sighting.unanswered:
        return None
    told: AttemptError = OutcomeUnknown(f"{error.message}; {sighting.evidence}", hint=error.hint)
    if sighting.absent:
        told = NeverArrived(f"{error.message}; it never arrived: {sighting.evidence}")
    await _settle_unsent(batch, intent, told)
    raise told from error


async def _submit_patiently(batch: Batch, request: JobRequest, claim: Claim) -> str:
    tries = 0
    while True:
        tries += 1
        await _still_ours(batch, request.attempt_id, claim)
        try:
            return await batch.provider.submit(request)
        except AttemptError as error:
            if await batch.stopped_within(_pause(batch, error, tries)):
                raise


def _pause(batch: Batch, error: AttemptError, tries: int) -> float:
    """Seconds to wait before the same request is sent again.

    Raises:
        ProviderAway: the endpoint cannot be reached, or wants to be left alone for long.
        AttemptError: it is not sent again.
    """
    try:
        pause = pause_before_resend(error, tries, batch.clock.random)
    except Throttled as throttled:
        raise ProviderAway(throttled.message, hint=throttled.hint or "run again then") from throttled
    if pause is None and isinstance(error, NotDelivered):
        words = f"the endpoint cannot be reached: {error.message}"
        raise ProviderAway(words, hint="check its address and the network") from error
    if pause is None and isinstance(error, Throttled):
        words = f"the endpoint takes nothing: {error.message}, {tries} times in a row"
        raise ProviderAway(words, hint="run again later, or with fewer workers") from error
    if pause is None:
        raise error
    return pause


async def _still_ours(batch: Batch, attempt_id: str, claim: Claim) -> None:
    """Make sure, once the claim is no longer fresh, that nobody has taken the attempt over.

    Raises:
        ClaimLost: somebody has; nothing may be sent for it any more.
    """
    now = batch.clock.now()
    if (claim.until - now).total_seconds() < batch.owner.lease_s / 2:
        await asyncio.to_thread(batch.ledger.confirm, attempt_id, batch.owner.claim(now))


async def _settle_unsent(batch: Batch, intent: Intent, error: AssetmillError) -> None:
    unknown = isinstance(error, OutcomeUnknown)
    free = no_cost("nothing was accepted")
    cost = possible_cost(intent.price_per_s_usd, intent.planned_high_usd) if unknown else free
    status = Status.LOST if unknown else Status.FAILED
    await batch.settle(intent.attempt_id, ending(batch.clock.now(), status, cost, error))
