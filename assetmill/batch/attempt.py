"""One paid attempt, from intent to final row.

The order is the point: the row is committed before the POST, the job id right after the answer, the raw bytes
are stored before anything else may fail, and only then is the picture finished and the row settled. Whatever is
cut off in between leaves a row that says what to do next. Whether it is tried again is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from assetmill.batch.admission import Pass
from assetmill.batch.collect import Sent, ending, ms, possible_cost, take
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.finish import finish_picture
from assetmill.batch.request import Try, build_request, intent_of
from assetmill.batch.withdraw import withdraw
from assetmill.errors import (
    AssetmillError,
    AttemptError,
    BlankImage,
    LedgerError,
    NeverArrived,
    NotDelivered,
    OutcomeUnknown,
    ProviderRefused,
    QueueStalled,
    ResultLost,
    WorkflowError,
)
from assetmill.ledger import Facts, Finish, Intent, Settlement, Status
from assetmill.money import no_cost
from assetmill.planning.fingerprint import Generation
from assetmill.planning.plan import PlanItem
from assetmill.providers.base import Collected, Job, JobRequest
from assetmill.providers.retry import pause_before_resend

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """One try of one picture, on its way."""

    item: PlanItem
    made: Generation
    one: Try
    entry: Pass
    started: float


async def attempt(batch: Batch, item: PlanItem, made: Generation, one: Try, entry: Pass) -> Outcome:
    """Make one try, and settle its row; the slot is given back as soon as the job has ended.

    Returns:
        How it ended; a try that went wrong is an outcome, not an exception.

    Raises:
        AlreadyTaken, ClaimLost: somebody else is at this picture.
        ProviderRefused, LedgerError, StorageError, QueueStalled: the whole batch has to stop.
    """
    work = Work(item, made, one, entry, batch.clock.monotonic())
    try:
        request = await build_request(batch, item, made, one)
    except (AttemptError, WorkflowError) as error:
        return Outcome(item, "failed", error=error)
    tries = await asyncio.to_thread(batch.ledger.tries, made.fingerprint)
    intent = intent_of(batch, item, made, request, one=one, try_no=tries + 1)
    try:
        sent = await _uninterrupted(_send(batch, intent, request))
    except QueueStalled:
        raise
    except AttemptError as error:
        return await _never_sent(batch, work, error)
    if sent is None:
        lost = OutcomeUnknown("its answer was lost and the endpoint is out of reach", hint="assetmill settle finds it")
        return Outcome(item, "open", one.attempt_id, error=lost)
    return await _see_through(batch, work, sent)


async def _see_through(batch: Batch, work: Work, sent: Sent) -> Outcome:
    """Watch the job; then, without the slot, collect, finish and settle."""
    job: Job | None = None
    try:
        job = await batch.provider.wait(sent.job_id, batch.progress.observed)
        work.entry.job_ended()
        collected, outputs, facts = await take(batch, sent, job)
    except QueueStalled as error:
        await withdraw(batch, sent, error)
        raise
    except NotDelivered as error:
        return Outcome(work.item, "open", sent.attempt_id, error=error, job_id=sent.job_id)
    except AttemptError as error:
        work.entry.job_ended()
        work.entry.came_back(job.worker_id if job else None, error)
        return await _settle_error(batch, work, sent, job, error)
    work.entry.came_back(job.worker_id, None)
    if not collected.blank:  # what is drawn from it waits for the next try
        batch.raws.offer(work.item.key, {output.role: output for output in outputs})
    return await _conclude(batch, work, sent, job, collected=collected, facts=facts)


async def _uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await something that a cancelled run must not leave half done: it ends first, then the cancellation goes on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _send(batch: Batch, intent: Intent, request: JobRequest) -> Sent | None:
    """Commit the row, submit (sending again only what was not accepted), and commit the job id.

    Returns:
        The sent attempt; None when its answer was lost and the endpoint says nothing at all: its row stays open.

    Raises:
        AlreadyTaken: nothing was written and nothing sent.
        OutcomeUnknown, Throttled, NotDelivered, RequestRejected, ProviderRefused: the row is settled.
    """
    await asyncio.to_thread(batch.ledger.intend, intent, batch.owner.claim(batch.clock.now()))
    try:
        job_id = await _submit_or_find(batch, request)
    except (AttemptError, ProviderRefused) as error:
        await _settle_unsent(batch, intent, error)
        raise
    if job_id is None:
        return None
    now = batch.clock.now()
    try:
        await asyncio.to_thread(batch.ledger.submitted, intent.attempt_id, job_id=job_id, at=now, by=batch.owner.id)
    except LedgerError as error:
        error.job_id = job_id  # the message is now the only place that names the job
        raise
    batch.progress.submitted(job_id)
    return sent_of(intent, job_id, now)


def sent_of(intent: Intent, job_id: str, at: datetime) -> Sent:
    """A sent attempt, from what was intended."""
    return Sent(
        attempt_id=intent.attempt_id,
        job_id=job_id,
        outputs=dict(intent.expected_outputs),
        submitted_at=at,
        usd_per_s=intent.price_per_s_usd,
        price_source=intent.price_source,
        high_usd=intent.planned_high_usd,
    )


async def _submit_or_find(batch: Batch, request: JobRequest) -> str | None:
    """Job id of the request; one whose answer was lost is looked for. None while the endpoint cannot be reached.

    Raises:
        NotDelivered: proven never to have arrived. OutcomeUnknown: nobody can tell.
    """
    try:
        return await _submit_patiently(batch, request)
    except OutcomeUnknown as error:
        sighting = await batch.provider.find(request.attempt_id, age_s=0.0)
        if sighting.job_id is not None:
            batch.progress.say(f"a job whose answer was lost was found again: {sighting.evidence}")
            return sighting.job_id
        if sighting.unanswered:
            return None
        if sighting.absent:
            raise NeverArrived(f"{error.message}; it never arrived: {sighting.evidence}") from error
        raise OutcomeUnknown(f"{error.message}; {sighting.evidence}", hint=error.hint) from error


async def _submit_patiently(batch: Batch, request: JobRequest) -> str:
    tries = 0
    while True:
        tries += 1
        try:
            return await batch.provider.submit(request)
        except AttemptError as error:
            pause = pause_before_resend(error, tries, batch.clock.random)
            if pause is None and isinstance(error, NotDelivered):
                raise ProviderRefused(
                    f"the endpoint cannot be reached: {error.message}", hint="check its address and the network"
                ) from error
            if pause is None:
                raise
            if await batch.stopped_within(pause):
                raise


async def _never_sent(batch: Batch, work: Work, error: AttemptError) -> Outcome:
    """A try that no endpoint has accepted for certain; its row is settled already."""
    unknown = isinstance(error, OutcomeUnknown)  # perhaps charged: as in the books, the sum must not pass it over
    if unknown:
        work.entry.came_back(None, error)
    cost = possible_cost(batch.endpoint.usd_per_s, work.item.cost.high) if unknown else None
    status = Status.LOST if unknown else Status.FAILED
    return Outcome(work.item, status, work.one.attempt_id, error=error, cost=cost, job_id=error.job_id)


async def _settle_unsent(batch: Batch, intent: Intent, error: AssetmillError) -> None:
    unknown = isinstance(error, OutcomeUnknown)
    cost = (
        possible_cost(intent.price_per_s_usd, intent.planned_high_usd) if unknown else no_cost("nothing was accepted")
    )
    status = Status.LOST if unknown else Status.FAILED
    await batch.settle(intent.attempt_id, ending(batch.clock.now(), status, cost, error))


async def _conclude(batch: Batch, work: Work, sent: Sent, job: Job, *, collected: Collected, facts: Facts) -> Outcome:
    """Finish the picture and settle the row; finishing that fails loses nothing, the raw image is stored."""
    finish: Finish | None = None
    problem: AssetmillError | None = None
    began = batch.clock.monotonic()
    try:
        finish = await finish_picture(batch, work.item, sent.attempt_id, collected.images, draft=collected.draft)
    except AttemptError as error:
        problem = error
    good = finish is not None and finish.rejected is None
    if collected.blank and not good:
        problem = BlankImage("; ".join(collected.blank), job_id=job.id, hint="another seed may draw it")
    now = batch.clock.monotonic()
    facts = replace(facts, finish_ms=ms(now - began), latency_ms=ms(now - work.started))
    cost = sent.cost(job)
    settlement = Settlement(
        Status.KEPT if good else Status.REJECTED,
        batch.clock.now(),
        cost,
        facts,
        quality_score=finish.score if finish else None,
        error_class=None if good else "rejected" if problem is None else problem.code,
        error_text=None if good else problem.message if problem else (finish.rejected if finish else None),
    )
    await batch.settle(sent.attempt_id, settlement)
    status = settlement.status
    return Outcome(work.item, status, sent.attempt_id, finish, problem, cost, facts.latency_ms, job_id=job.id)


async def _settle_error(batch: Batch, work: Work, sent: Sent, job: Job | None, error: AttemptError) -> Outcome:
    latency = ms(batch.clock.monotonic() - work.started)
    cost = sent.cost(job)
    status = Status.LOST if isinstance(error, ResultLost) else Status.FAILED
    facts = replace(sent.facts(job), latency_ms=latency)
    await batch.settle(sent.attempt_id, ending(batch.clock.now(), status, cost, error, facts))
    return Outcome(work.item, status, sent.attempt_id, None, error, cost, latency, job_id=sent.job_id)
