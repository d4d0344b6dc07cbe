"""One paid attempt, from intent to final row.

The order is the point: the row is committed before the POST, the job id right after the answer, the raw bytes
are stored before anything else may fail, and only then is the picture finished and the row settled. Whatever is
cut off in between leaves a row that says what to do next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from assetmill import images
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.finish import finish_picture
from assetmill.batch.window import Slot
from assetmill.errors import (
    AssetmillError,
    AttemptError,
    LedgerError,
    NotDelivered,
    OutcomeUnknown,
    ProviderRefused,
    QueueStalled,
    ResultInvalid,
    ResultLost,
    StorageError,
    WorkflowError,
)
from assetmill.guides import draw
from assetmill.ledger import Facts, Finish, Intent, Output, Settlement, Status
from assetmill.money import Cost, attempt_cost, no_cost
from assetmill.packs import put_blob
from assetmill.planning.fingerprint import Generation
from assetmill.planning.plan import PlanItem
from assetmill.providers.base import Collected, InputImage, Job, JobRequest
from assetmill.providers.retry import pause_before_resend
from assetmill.workflows.bind import BoundGraph, bind
from assetmill.workflows.lint import ensure_sound

CONTENT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt that the endpoint has: everything that it takes to collect and settle it."""

    attempt_id: str
    outputs: dict[str, str]
    submitted_at: datetime
    started: float


async def generate(batch: Batch, item: PlanItem, slot: Slot) -> Outcome:
    """Make one picture and settle its attempt. The slot is given back as soon as the job has ended.

    Returns:
        How it ended; an attempt that went wrong is an outcome, not an exception.

    Raises:
        ProviderRefused, LedgerError, StorageError, QueueStalled: the whole batch has to stop.
    """
    made = item.made
    if made is None:
        raise WorkflowError(f"{item.label} is blocked: {item.reason}")
    attempt_id = batch.clock.new_id()
    try:
        request = await _request(batch, item, made, attempt_id)
    except (AttemptError, WorkflowError) as error:
        batch.raws.offer(item.key, None)
        return batch.report(Outcome(item, "failed", error=error))
    try:
        return batch.report(await _run(batch, item, slot, made, request))
    except QueueStalled:
        raise
    except AttemptError as error:
        batch.raws.offer(item.key, None)
        return batch.report(_unsettled(batch, item, attempt_id, error))


async def _request(batch: Batch, item: PlanItem, made: Generation, attempt_id: str) -> JobRequest:
    """Draw or fetch the input image, bind the graph, and check what would be sent."""
    workflow = batch.library.get(made.workflow)
    pictures: tuple[InputImage, ...] = ()
    names: dict[str, str] = {}
    if workflow.needs_image:
        name = f"{attempt_id}.png"
        pictures = (InputImage(name, await _input_image(batch, item, made)),)
        names = dict.fromkeys(workflow.images, name)
    bound: BoundGraph = bind(workflow, {**made.parameters, **names}, prefix=attempt_id)
    ensure_sound(bound, batch.library.contract)
    execution_ms, ttl_ms = batch.limits
    return JobRequest(attempt_id, bound.graph, bound.outputs, pictures, execution_ms, ttl_ms)


async def _input_image(batch: Batch, item: PlanItem, made: Generation) -> bytes:
    if item.asset.references:
        return await batch.raws.of(item.asset.references[0])
    if made.guide is None:
        raise WorkflowError(f"workflow {made.workflow} needs a picture, and {item.label} has no guide")
    return await asyncio.to_thread(draw, made.guide)


async def _run(batch: Batch, item: PlanItem, slot: Slot, made: Generation, request: JobRequest) -> Outcome:
    """Send and watch the job; then, without the slot, collect, finish and settle."""
    tries = await asyncio.to_thread(batch.ledger.tries, made.fingerprint)
    intent = _intent(batch, item, made, request, try_no=tries + 1)
    sent, job_id = await _uninterrupted(_send(batch, intent, request))
    try:
        job = await batch.provider.wait(job_id, batch.progress.observed)
    except QueueStalled as error:
        await withdraw(batch, sent, job_id, error)
        raise
    except ResultLost as error:
        return await _settle_error(batch, item, sent, None, error)
    slot.release()
    try:
        collected, outputs, facts = await take(batch, sent, job)
    except NotDelivered:
        raise
    except AttemptError as error:
        return await _settle_error(batch, item, sent, job, error)
    batch.raws.offer(item.key, {output.role: output for output in outputs})
    return await _conclude(batch, item, sent, job, collected=collected, facts=facts)


async def _uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await something that a cancelled run must not leave half done: it ends first, then the cancellation goes on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _intent(batch: Batch, item: PlanItem, made: Generation, request: JobRequest, *, try_no: int) -> Intent:
    endpoint, asset = batch.endpoint, item.asset
    return Intent(
        attempt_id=request.attempt_id,
        run_id=batch.run_id,
        game=batch.pack.game.id,
        pack=batch.pack.pack.id,
        asset_id=asset.id,
        asset_type=asset.type,
        candidate=item.candidate,
        try_no=try_no,
        fingerprint=made.fingerprint,
        inputs=made.fields,
        provider=endpoint.kind,
        endpoint=endpoint.name,
        endpoint_url=endpoint.url,
        gpu=endpoint.gpu,
        seed=made.seed,
        workflow=made.workflow,
        workflow_hash=str(made.origin["workflow_hash"]),
        width=made.size[0],
        height=made.size[1],
        expected_outputs=request.outputs,
        price_per_s_usd=endpoint.usd_per_s,
        price_source=endpoint.price_source,
        draft=endpoint.draft,
        intended_at=batch.clock.now(),
    )


async def _send(batch: Batch, intent: Intent, request: JobRequest) -> tuple[Sent, str]:
    """Commit the row, submit (sending again only what was not accepted), and commit the job id."""
    await asyncio.to_thread(batch.ledger.intend, intent)
    started = batch.clock.monotonic()
    try:
        job_id = await _submit_patiently(batch, request)
    except OutcomeUnknown as error:
        await _settle_unsent(batch, intent.attempt_id, Status.LOST, error, None)
        raise
    except (AttemptError, ProviderRefused) as error:
        await _settle_unsent(batch, intent.attempt_id, Status.FAILED, error, no_cost("nothing was accepted"))
        raise
    now = batch.clock.now()
    try:
        await asyncio.to_thread(batch.ledger.submitted, intent.attempt_id, job_id=job_id, at=now)
    except LedgerError as error:
        error.job_id = job_id  # the message is now the only place that names the job
        raise
    batch.progress.submitted(job_id)
    return Sent(intent.attempt_id, dict(request.outputs), now, started), job_id


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
            await batch.clock.sleep(pause)


async def take(batch: Batch, sent: Sent, job: Job) -> tuple[Collected, tuple[Output, ...], Facts]:
    """Collect a job's images and store them as they came, before anything else may fail.

    Raises:
        JobFailed, ResultLost, ResultInvalid: the attempt has ended badly.
        NotDelivered, StorageError: the attempt stays open and can be collected again.
    """
    began = batch.clock.monotonic()
    collected = await batch.provider.collect(job, sent.outputs)
    if collected.draft and not batch.endpoint.draft:
        hint = "an endpoint of drafts has the id draft"
        raise ResultInvalid("a draft worker answered where real art was asked", job_id=job.id, hint=hint)
    fetched = batch.clock.monotonic()
    collected = replace(collected, draft=collected.draft or batch.endpoint.draft)  # whoever stands behind it
    outputs = await asyncio.to_thread(store_raw, batch, collected)
    stored = batch.clock.monotonic()
    facts = replace(
        job_facts(job, sent.submitted_at),
        download_ms=_ms(fetched - began),
        upload_ms=_ms(stored - fetched),
        draft=collected.draft,
    )
    now = batch.clock.now()
    await asyncio.to_thread(batch.ledger.collected, sent.attempt_id, outputs=outputs, at=now, facts=facts)
    return collected, outputs, facts


def store_raw(batch: Batch, collected: Collected) -> tuple[Output, ...]:
    """Put raw images into the store under their own hashes, named by what their bytes are."""
    outputs = []
    for role, data in collected.images.items():
        kind = images.sniff(data)
        if kind is None:
            raise ResultInvalid(f"output {role} is no image of a known format")
        ref = put_blob(batch.store, data, ext=EXTENSIONS[kind], content_type=CONTENT_TYPES[kind])
        width, height = images.decode(data).size
        outputs.append(Output(role, ref.key, ref.sha256, ref.bytes, width, height))
    return tuple(outputs)


def job_facts(job: Job, submitted_at: datetime) -> Facts:
    """Times of a job on our own clock: the endpoint gives only durations."""
    started = None if job.delay_ms is None else submitted_at + timedelta(milliseconds=job.delay_ms)
    ended = None
    if started is not None and job.execution_ms is not None:
        ended = started + timedelta(milliseconds=job.execution_ms)
    return Facts(
        worker_id=job.worker_id,
        started_at=started,
        finished_at=ended,
        queue_ms=job.delay_ms,
        execution_ms=job.execution_ms,
    )


async def _conclude(
    batch: Batch, item: PlanItem, sent: Sent, job: Job, *, collected: Collected, facts: Facts
) -> Outcome:
    """Finish the picture and settle the row; finishing that fails loses nothing, the raw image is stored."""
    finish: Finish | None = None
    problem: AssetmillError | None = None
    began = batch.clock.monotonic()
    try:
        finish = await finish_picture(batch, item, sent.attempt_id, collected.images, draft=collected.draft)
    except AttemptError as error:
        problem = error
    now = batch.clock.monotonic()
    facts = replace(facts, finish_ms=_ms(now - began), latency_ms=_ms(now - sent.started))
    cost = job_cost(batch, job)
    good = finish is not None and finish.rejected is None
    settlement = Settlement(
        Status.KEPT if good else Status.REJECTED,
        batch.clock.now(),
        cost,
        facts,
        quality_score=finish.score if finish else None,
        error_class=None if good else "rejected" if problem is None else problem.code,
        error_text=None if good else problem.message if problem else (finish.rejected if finish else None),
    )
    await asyncio.to_thread(batch.ledger.settle, sent.attempt_id, settlement)
    return Outcome(item, settlement.status, sent.attempt_id, finish, problem, cost, facts.latency_ms, job_id=job.id)


def job_cost(batch: Batch, job: Job) -> Cost:
    """What a job cost, by the times that the endpoint tells."""
    return attempt_cost(batch.endpoint.usd_per_s, job.execution_ms, job.delay_ms, source=batch.endpoint.price_source)


async def _settle_error(batch: Batch, item: PlanItem, sent: Sent, job: Job | None, error: AttemptError) -> Outcome:
    latency = _ms(batch.clock.monotonic() - sent.started)
    facts = replace(job_facts(job, sent.submitted_at) if job else Facts(), latency_ms=latency)
    cost = job_cost(batch, job) if job else attempt_cost(batch.endpoint.usd_per_s, None, None)
    status = Status.LOST if isinstance(error, ResultLost) else Status.FAILED
    settlement = Settlement(status, batch.clock.now(), cost, facts, error_class=error.code, error_text=error.message)
    await asyncio.to_thread(batch.ledger.settle, sent.attempt_id, settlement)
    batch.raws.offer(item.key, None)
    job_id = job.id if job else error.job_id
    return Outcome(item, status, sent.attempt_id, None, error, cost, latency, job_id=job_id)


async def _settle_unsent(
    batch: Batch, attempt_id: str, status: Status, error: AssetmillError, cost: Cost | None
) -> None:
    cost = cost or attempt_cost(batch.endpoint.usd_per_s, None, None)
    settlement = Settlement(status, batch.clock.now(), cost, error_class=error.code, error_text=error.message)
    await asyncio.to_thread(batch.ledger.settle, attempt_id, settlement)


async def withdraw(batch: Batch, sent: Sent, job_id: str, error: QueueStalled) -> bool:
    """A job that nobody takes: cancel it, and settle it as never run. False: it may still run and stays open."""
    try:
        await batch.provider.cancel(job_id)
    except NotDelivered:
        return False
    await _settle_unsent(batch, sent.attempt_id, Status.CANCELLED, error, no_cost("never started"))
    return True


def _unsettled(batch: Batch, item: PlanItem, attempt_id: str, error: AttemptError) -> Outcome:
    """An attempt that was settled on the way (never accepted, unknown) or that stays open (unreachable)."""
    is_open = isinstance(error, NotDelivered) and error.job_id is not None
    unknown = isinstance(error, OutcomeUnknown)  # perhaps charged: as in the books, the sum must not pass it over
    cost = attempt_cost(batch.endpoint.usd_per_s, None, None) if unknown else None
    status = "open" if is_open else Status.LOST if unknown else "failed"
    return Outcome(item, status, attempt_id, error=error, cost=cost, job_id=error.job_id)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


STOPS_BATCH = (ProviderRefused, LedgerError, StorageError, QueueStalled)
