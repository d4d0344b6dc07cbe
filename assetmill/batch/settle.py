"""Attempts that an earlier run left open: paid for, and perhaps still to be had.

A job is asked for at the endpoint that it was sent to, by its own id. What is collected counts as a picture
that is there; what is gone is settled as lost. Nothing is ever sent from here.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx

from assetmill.batch.attempt import Sent, job_facts, take, withdraw
from assetmill.batch.context import Batch
from assetmill.errors import AssetmillError, AttemptError, NotDelivered, OutcomeUnknown, QueueStalled, ResultLost
from assetmill.ledger import NO_FACTS, Facts, OpenAttempt, Settlement, Status
from assetmill.money import Cost, attempt_cost, no_cost

PROBE_S = 5.0
ANSWER_DUE = timedelta(minutes=10)  # longer than all tries at sending one request take


async def settle_open(batch: Batch) -> int:
    """Settle every open attempt of this game that can be decided, and return how many that were.

    An attempt that nobody can make sense of stays open, and is told; it does not keep the others waiting.

    Raises:
        ProviderRefused, LedgerError, StorageError: once all have been tried.
    """
    attempts = await asyncio.to_thread(batch.ledger.open_attempts, game=batch.pack.game.id)
    results = await asyncio.gather(*(_settle(batch, attempt) for attempt in attempts), return_exceptions=True)
    for attempt, result in zip(attempts, results, strict=True):
        if isinstance(result, AssetmillError):
            raise result
        if isinstance(result, BaseException):
            batch.progress.say(f"attempt {attempt.attempt_id} stays open: {type(result).__name__}: {result}")
    return sum(result is True for result in results)


async def _settle(batch: Batch, attempt: OpenAttempt) -> bool:
    here = attempt.endpoint_url == batch.endpoint.url
    if attempt.status is Status.COLLECTED:
        return await _keep(batch, attempt)
    if attempt.draft and not here and not await _answers(attempt.endpoint_url):
        gone = ResultLost("the draft endpoint that ran it has ended", job_id=attempt.job_id)
        return await _close(batch, attempt, Status.LOST, gone, no_cost("draft"))
    if not here:
        return False
    if attempt.job_id is None:
        if batch.clock.now() - attempt.intended_at < ANSWER_DUE:
            return False  # another run may be sending it at this moment
        unknown = OutcomeUnknown("sent, and no answer was seen; it may have been charged")
        return await _close(batch, attempt, Status.LOST, unknown, attempt_cost(attempt.price_per_s_usd, None, None))
    return await _collect(batch, attempt, attempt.job_id)


async def _keep(batch: Batch, attempt: OpenAttempt) -> bool:
    """Its raw images are stored: only the final row is missing."""
    cost = attempt_cost(attempt.price_per_s_usd, attempt.execution_ms, attempt.queue_ms, source=attempt.price_source)
    settlement = Settlement(Status.KEPT, batch.clock.now(), cost)
    await asyncio.to_thread(batch.ledger.settle, attempt.attempt_id, settlement)
    return True


async def _answers(url: str) -> bool:
    """Whether anything listens at an endpoint's address, so that another run may still be at its job."""
    try:
        async with httpx.AsyncClient(timeout=PROBE_S) as client:
            await client.get(f"{url}/health")
    except httpx.HTTPError:
        return False
    return True


async def _collect(batch: Batch, attempt: OpenAttempt, job_id: str) -> bool:
    """Watch the job to its end and keep what it made; an endpoint out of reach leaves the attempt open."""
    started = batch.clock.monotonic()
    sent = Sent(attempt.attempt_id, attempt.expected_outputs, attempt.submitted_at or attempt.intended_at, started)
    cost, facts = attempt_cost(attempt.price_per_s_usd, None, None), NO_FACTS
    try:
        job = await batch.provider.wait(job_id)
        facts = job_facts(job, sent.submitted_at)
        cost = attempt_cost(attempt.price_per_s_usd, job.execution_ms, job.delay_ms, source=attempt.price_source)
        await take(batch, sent, job)
    except NotDelivered:
        return False
    except QueueStalled as error:
        return await withdraw(batch, sent, job_id, error)
    except AttemptError as error:
        status = Status.LOST if isinstance(error, ResultLost) else Status.FAILED
        return await _close(batch, attempt, status, error, cost, facts)
    settlement = Settlement(Status.KEPT, batch.clock.now(), cost)
    await asyncio.to_thread(batch.ledger.settle, attempt.attempt_id, settlement)
    return True


async def _close(
    batch: Batch, attempt: OpenAttempt, status: Status, error: AttemptError, cost: Cost, facts: Facts = NO_FACTS
) -> bool:
    settlement = Settlement(status, batch.clock.now(), cost, facts, error_class=error.code, error_text=error.message)
    await asyncio.to_thread(batch.ledger.settle, attempt.attempt_id, settlement)
    return True
