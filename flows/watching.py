"""Watching a batch while it runs: its progress goes to Prefect, and a request to cancel comes back from there.

A batch may run inside another flow's run. Prefect does not tell the inner one that the outer is cancelled, so every
flow run above is asked about as well. No rules here; what an interruption does is for assetmill to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext

from assetmill.batch.context import Batch
from assetmill.batch.interrupt import Interruption
from flows.showing import Log, Shown

LOOK_EVERY_S = 5.0
CANCELLED = (StateType.CANCELLING, StateType.CANCELLED)


@asynccontextmanager
async def watched(batch: Batch, shown: Shown, interruption: Interruption, log: Log) -> AsyncIterator[None]:
    """For as long as the block lasts: progress at most a few seconds behind, and an ear for being cancelled."""
    watcher = asyncio.create_task(_watch(batch, shown, interruption, log))
    try:
        yield
    finally:
        watcher.cancel()


async def _watch(batch: Batch, shown: Shown, interruption: Interruption, log: Log) -> None:
    family: tuple[UUID, ...] = ()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await shown.moved()
            family = family or await flow_runs_above()
            if batch.common.ended is None and await any_cancelled(family):
                interruption.ask()
        except Exception as error:  # noqa: BLE001  a server that is away for a while must not make the run deaf
            log.warning("progress could not be shown: %s", type(error).__name__)


async def flow_runs_above() -> tuple[UUID, ...]:
    """Ids of this flow run and of all that it runs inside of, innermost first; none outside of a flow run."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return ()
    ids = [context.flow_run.id]
    task_run_id = context.flow_run.parent_task_run_id
    async with get_client() as client:
        while task_run_id is not None:
            above = (await client.read_task_run(task_run_id)).flow_run_id
            if above is None or above in ids:
                break
            ids.append(above)
            task_run_id = (await client.read_flow_run(above)).parent_task_run_id
    return tuple(ids)


async def any_cancelled(flow_run_ids: tuple[UUID, ...]) -> bool:
    """Whether somebody has asked Prefect to cancel one of these flow runs."""
    if not flow_run_ids:
        return False
    async with get_client() as client:
        found = await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(flow_run_ids))))
    return any(run.state is not None and run.state.type in CANCELLED for run in found)
