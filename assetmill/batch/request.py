"""What one attempt sends, and what is written down before it does: the bound request and the intent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from assetmill.batch.context import Batch
from assetmill.batch.sharing import BACKFILL
from assetmill.errors import WorkflowError
from assetmill.guides import draw
from assetmill.ledger import Intent
from assetmill.planning.fingerprint import Generation, with_seed
from assetmill.planning.plan import PlanItem
from assetmill.providers.base import InputImage, JobRequest
from assetmill.providers.endpoint import SCENARIO
from assetmill.workflows.bind import BoundGraph, bind
from assetmill.workflows.lint import ensure_sound


@dataclass(frozen=True, slots=True)
class Try:
    """One try at a picture.

    Args:
        attempt_id: its own id, which is also the prefix of its files.
        seed: seed that is sent; the planned one, unless the last try drew an empty picture.
        retry_of: attempt of this run that it replaces.
    """

    attempt_id: str
    seed: int
    retry_of: str | None = None


async def build_request(batch: Batch, item: PlanItem, made: Generation, one: Try) -> JobRequest:
    """Draw or fetch the input image, bind the graph, and check what would be sent.

    Raises:
        AttemptError, WorkflowError: it cannot be made; nothing was sent.
    """
    if batch.endpoint.kind == SCENARIO:
        return await _pipeline_request(batch, item, made, one)
    workflow = batch.library.get(made.workflow).part(made.roles)
    pictures: tuple[InputImage, ...] = ()
    names: dict[str, str] = {}
    if workflow.needs_image:
        name = f"{one.attempt_id}.png"
        pictures = (InputImage(name, await _input_image(batch, item, made)),)
        names = dict.fromkeys(workflow.images, name)
    parameters = made.parameters if one.seed == made.seed else with_seed(made.parameters, one.seed)
    bound: BoundGraph = bind(workflow, {**parameters, **names}, prefix=one.attempt_id)
    ensure_sound(bound, batch.library.contract)
    execution_ms, ttl_ms = batch.purse.bounds.execution_ms(item), batch.limits[1]
    low = batch.priority == BACKFILL
    return JobRequest(one.attempt_id, bound.graph, bound.outputs, pictures, execution_ms, ttl_ms, low_priority=low)


async def _pipeline_request(batch: Batch, item: PlanItem, made: Generation, one: Try) -> JobRequest:
    """The calls of a pipeline, and the picture that is uploaded for them."""
    from assetmill.providers.scenario.pipelines import pipeline_for  # noqa: PLC0415  most runs need none

    pipeline = pipeline_for(item.asset, batch.endpoint.model)
    pictures: tuple[InputImage, ...] = ()
    if pipeline.needs_image:
        pictures = (InputImage(f"{one.attempt_id}.png", await _input_image(batch, item, made)),)
    values = made.parameters if one.seed == made.seed else with_seed(made.parameters, one.seed)
    bound = pipeline.bind(values, prefix=one.attempt_id, image=pictures[0].name if pictures else None)
    return JobRequest(one.attempt_id, bound.graph, bound.outputs, pictures, batch.limits[0], batch.limits[1])


async def _input_image(batch: Batch, item: PlanItem, made: Generation) -> bytes:
    if item.asset.references:
        return await batch.raws.of(item.asset.references[0])
    if made.guide is None:
        raise WorkflowError(f"workflow {made.workflow} needs a picture, and {item.label} has no guide")
    async with batch.drawing:
        return await asyncio.to_thread(draw, made.guide)


def intent_of(batch: Batch, item: PlanItem, made: Generation, request: JobRequest, *, one: Try, try_no: int) -> Intent:
    """The row that is written before the request leaves. Its fingerprint is the planned one, whatever its seed."""
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
        seed=one.seed,
        workflow=made.workflow,
        workflow_hash=str(made.origin["workflow_hash"]),
        width=made.size[0],
        height=made.size[1],
        expected_outputs=request.outputs,
        price_per_s_usd=endpoint.usd_per_s,
        price_source=endpoint.price_source,
        draft=endpoint.draft,
        intended_at=batch.clock.now(),
        retry_of=one.retry_of,
        planned_usd=item.cost.estimate,
        planned_high_usd=item.cost.high,
        reserved_usd=batch.purse.bounds.reservation(item),
        instead_of=item.instead_of,
        instead_why=item.instead_why or None,
    )
