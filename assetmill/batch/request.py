"""What one attempt sends, and what is written down before it does: the bound request and the intent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from assetmill.batch.context import Batch
from assetmill.batch.sharing import BACKFILL
from assetmill.errors import WorkflowError
from assetmill.guides import draw
from assetmill.ledger import Intent
from assetmill.planning.fingerprint import Generation, with_seed
from assetmill.planning.plan import PlanItem
from assetmill.planning.recipes import GraphRecipe, Recipe, recipe_for
from assetmill.providers.base import InputImage, JobRequest
from assetmill.providers.endpoint import SCENARIO
from assetmill.workflows.bind import bind
from assetmill.workflows.contract import Contract
from assetmill.workflows.lint import ensure_sound

if TYPE_CHECKING:
    from assetmill.providers.scenario.pipelines import Pipeline


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
    """Draw or fetch the input image, bind the graph or the pipeline, and check what would be sent.

    Raises:
        AttemptError, WorkflowError: it cannot be made; nothing was sent.
    """
    way = _way(batch, item, made)
    picture = await _input_image(batch, item, made) if way.needs_image else None
    values = made.parameters if one.seed == made.seed else with_seed(made.parameters, one.seed)
    bound = bound_request(way, values, one.attempt_id, picture, batch.library.contract)
    if batch.endpoint.kind == SCENARIO:
        return replace(bound, execution_timeout_ms=batch.limits[0], ttl_ms=batch.limits[1])
    execution_ms, low = batch.purse.bounds.execution_ms(item), batch.priority == BACKFILL
    return replace(bound, execution_timeout_ms=execution_ms, ttl_ms=batch.limits[1], low_priority=low)


def _way(batch: Batch, item: PlanItem, made: Generation) -> Recipe:
    if batch.endpoint.kind == SCENARIO:
        return recipe_for(item.asset, SCENARIO, batch.endpoint.model, batch.library)
    return GraphRecipe(batch.library.get(made.workflow).part(made.roles))


def bound_request(
    way: Recipe, values: Mapping[str, Any], attempt_id: str, picture: bytes | None, contract: Contract
) -> JobRequest:
    """A graph or a pipeline with its values, as an attempt sends it, with the usual limits.

    Args:
        way: what makes the picture.
        values: of its parameters; the picture's name is added.
        attempt_id: prefix of the files, and name of the picture.
        picture: bytes of what it draws from; None where it draws from words.
        contract: what nodes accept.

    Raises:
        WorkflowError: a value or the picture is missing, or no ComfyUI would take the graph.
    """
    pictures = () if picture is None else (InputImage(f"{attempt_id}.png", picture),)
    name = pictures[0].name if pictures else None
    if not isinstance(way, GraphRecipe):
        pipeline = cast("Pipeline", way)
        sent = pipeline.bind(values, prefix=attempt_id, image=name)
        return JobRequest(attempt_id, sent.graph, sent.outputs, pictures)
    names = {} if name is None else dict.fromkeys(way.workflow.images, name)
    bound = bind(way.workflow, {**values, **names}, prefix=attempt_id)
    ensure_sound(bound, contract)
    return JobRequest(attempt_id, bound.graph, bound.outputs, pictures)


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
