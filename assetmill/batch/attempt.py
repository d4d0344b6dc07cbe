"""One paid attempt, from intent to final row.

The order is the point: the row is committed before the POST, the job id right after the answer, the raw bytes
are stored before anything else may fail, and only then is the picture finished and the row settled. Whatever is
cut off in between leaves a row that says what to do next. Whether it is tried again is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from assetmill.batch.admission import Pass
from assetmill.batch.collect import ending, ms, take
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.costing import account
from assetmill.batch.finish import finish_picture
from assetmill.batch.request import Try, build_request, intent_of
from assetmill.batch.send import send
from assetmill.batch.sent import Sent, possible_cost
from assetmill.batch.sharing import BACKFILL
from assetmill.batch.withdraw import withdraw
from assetmill.errors import (
    AssetmillError,
    AttemptError,
    BlankImage,
    NotDelivered,
    OutcomeUnknown,
    OutOfSight,
    ProviderRefused,
    QueueStalled,
    RequestRejected,
    RequestTooLarge,
    ResultLost,
    WorkflowError,
)
from assetmill.ledger import Finish, Settlement, Status
from assetmill.ledger.codec import read_outputs
from assetmill.planning.fingerprint import Generation
from assetmill.planning.plan import PlanItem
from assetmill.providers.base import Collected, Job

STARTS_NO_WORKER = "a backfill job starts no worker: run it while others run, or with priority normal"


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
        BudgetTaken, BudgetExceeded: nothing was sent: it does not fit into a budget now, or not any more.
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
        sent = await send(batch, intent, request, entry)
    except QueueStalled:
        raise
    except AttemptError as error:
        return _never_sent(batch, work, error)
    if sent is None:
        lost = OutcomeUnknown("its answer was lost and the endpoint is out of reach", hint="assetmill settle finds it")
        return Outcome(item, "open", one.attempt_id, error=lost)
    return await _see_through(batch, work, sent)


async def _see_through(batch: Batch, work: Work, sent: Sent) -> Outcome:
    """Watch the job; then, without the slot, collect, finish and settle."""
    job: Job | None = None
    try:
        job = await batch.provider.wait(sent.job_id, batch.observed)
        work.entry.job_ended()
        collected, outputs, _ = await take(batch, sent, job)
    except QueueStalled as error:
        if batch.priority == BACKFILL:
            error.hint = f"{STARTS_NO_WORKER}; {error.hint}" if error.hint else STARTS_NO_WORKER
        if await withdraw(batch, sent, error):
            raise
        return _left_open(batch, work, sent, error)
    except (NotDelivered, ProviderRefused) as error:
        return _left_open(batch, work, sent, error)
    except AttemptError as error:
        work.entry.job_ended()
        work.entry.came_back(job.worker_id if job else None, error)
        return await _settle_error(batch, work, sent, job, error)
    blank = BlankImage("; ".join(collected.blank), job_id=job.id) if collected.blank else None
    work.entry.came_back(job.worker_id, blank)
    if blank is None:  # what is drawn from it waits for the next try
        batch.raws.offer(work.item.key, {output.role: output for output in outputs}, work.made.fingerprint)
    return await _conclude(batch, work, sent, job, collected)


def _left_open(batch: Batch, work: Work, sent: Sent, error: NotDelivered | ProviderRefused | QueueStalled) -> Outcome:
    """A job that goes on out of our sight; a refused key or a queue that stands closes the endpoint all the same."""
    if isinstance(error, ProviderRefused | QueueStalled):
        batch.end(error)
    words = OutOfSight(f"its job goes on: {error.message}", job_id=sent.job_id, hint="assetmill settle collects it")
    return Outcome(work.item, "open", sent.attempt_id, error=words, job_id=sent.job_id)


def _never_sent(batch: Batch, work: Work, error: AttemptError) -> Outcome:
    """A try that no endpoint has accepted for certain; its row is settled already."""
    unknown = isinstance(error, OutcomeUnknown)  # perhaps charged: as in the books, the sum must not pass it over
    if unknown or (isinstance(error, RequestRejected) and not isinstance(error, RequestTooLarge)):
        work.entry.came_back(None, error)
    cost = possible_cost(batch.endpoint.usd_per_s, work.item.cost.high) if unknown else None
    status = Status.LOST if unknown else Status.FAILED
    return Outcome(work.item, status, work.one.attempt_id, error=error, cost=cost, job_id=error.job_id)


async def _conclude(batch: Batch, work: Work, sent: Sent, job: Job, collected: Collected) -> Outcome:
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
    told = await account(batch, sent, job)
    facts = replace(told.facts, finish_ms=ms(now - began), latency_ms=ms(now - work.started))
    cost = told.cost
    settlement = Settlement(
        Status.KEPT if good else Status.REJECTED,
        batch.clock.now(),
        cost,
        facts,
        quality_score=finish.score if finish else None,
        error_class=None if good else "rejected" if problem is None else problem.code,
        error_text=None if good else problem.message if problem else (finish.rejected if finish else None),
    )
    receipt = await batch.settle(sent.attempt_id, settlement)
    status = Status(receipt.attempt["status"])
    if status is not settlement.status:  # an earlier receipt holds, whatever is known now
        finish = None
    elif good:
        batch.raws.offer(work.item.key, read_outputs(receipt.attempt["outputs"]), work.made.fingerprint)
    return Outcome(work.item, status, sent.attempt_id, finish, problem, cost, facts.latency_ms, job_id=job.id)


async def _settle_error(batch: Batch, work: Work, sent: Sent, job: Job | None, error: AttemptError) -> Outcome:
    latency = ms(batch.clock.monotonic() - work.started)
    told = await account(batch, sent, job)
    status = Status.LOST if isinstance(error, ResultLost) else Status.FAILED
    facts = replace(told.facts, latency_ms=latency)
    await batch.settle(sent.attempt_id, ending(batch.clock.now(), status, told.cost, error, facts))
    return Outcome(work.item, status, sent.attempt_id, None, error, told.cost, latency, job_id=sent.job_id)
