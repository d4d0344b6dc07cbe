"""The batch flow: a manifest in, a published and accounted pack out.

It fans out one task run for each picture that has to be paid for, none for cached ones, and shows the run in
Prefect. Every rule it applies stands in assetmill.batch, which knows nothing of Prefect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.artifacts import (
    acreate_link_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Completed, Failed

from assetmill.batch.admission import Pass
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.interrupt import Interruption, interruptible
from assetmill.batch.prepare import Request
from assetmill.batch.report import BatchReport
from assetmill.batch.results import Choice
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.batch.settling import open_for_run
from assetmill.clock import Clock
from assetmill.errors import Stopped
from assetmill.ledger import Output
from assetmill.manifest.models import AssetType
from assetmill.money import usd
from assetmill.packs import Published
from assetmill.planning.plan import PlanItem, Selection
from assetmill.settings import load_settings
from tasks.generate_asset import generate_asset
from tasks.publish_pack import publish_pack
from tasks.refinish_assets import refinish_assets
from tasks.settle_attempts import settle_attempts

SHOW_EVERY_S = 5.0


class TaskSteps(Steps):
    """Each step as a Prefect task run. Steps with nothing to do make none."""

    async def settle(self, batch: Batch) -> int:
        """One task run if an earlier run left something open."""
        if not await open_for_run(batch):
            return 0
        work = super().settle
        return await settle_attempts(lambda: work(batch))

    async def generate(self, batch: Batch, item: PlanItem, entry: Pass) -> Outcome:
        """One task run a picture. What the work raises comes back as it is, not wrapped in a state."""
        work = super().generate
        raised: list[BaseException] = []

        async def keep() -> Outcome:
            try:
                return await work(batch, item, entry)
            except Exception as error:
                raised.append(error)
                raise

        await generate_asset(item.label, keep, return_state=True)  # type: ignore[misc]  # Prefect types it as not async
        if raised:
            raise raised[0]
        return batch.outcomes[item.key]

    async def refinish(
        self, batch: Batch, items: tuple[PlanItem, ...], raws: Mapping[str, Mapping[str, Output]]
    ) -> None:
        """One task run for all of them."""
        work = super().refinish
        await refinish_assets(len(items), lambda: work(batch, items, raws))

    async def publish(self, batch: Batch, choices: dict[str, Choice], channel: str) -> Published | None:
        """One task run."""
        work = super().publish
        return await publish_pack(batch.pack.game.id, lambda: work(batch, choices, channel))


@flow(
    name="generate-batch",
    description="Plans a manifest, generates what is missing, publishes the pack and writes the books.",
    flow_run_name="{manifest}",
    persist_result=False,
    validate_parameters=True,
)
async def generate_batch(
    manifest: str,
    *,
    endpoint: str | None = None,
    only: list[str] | None = None,
    types: list[AssetType] | None = None,
    overrides: dict[str, Any] | None = None,
    run_id: str | None = None,
) -> State[BatchReport]:
    """Run a batch. Starting it is the consent to what it costs.

    Args:
        manifest: Path of the manifest, YAML or CSV.
        endpoint: draft, runpod, custom, a RunPod endpoint id or an address; empty: as the worker is configured.
        only: Asset ids to make; empty: all.
        types: Asset types to make; empty: all.
        overrides: Asset fields set for all assets, such as candidates: 2.
        run_id: Id of the run in the books; empty: a new one.

    Returns:
        Completed, or CompletedWithFailures when some pictures are missing, or Failed when the run had to stop or
        made nothing, or Cancelled when somebody ended it; the data is the report.
    """
    settings, clock = load_settings(), Clock()
    selection = Selection(tuple(only or ()), tuple(types or ()))
    request = Request(Path(manifest), endpoint, selection, overrides or {})
    async with open_batch(settings, request, clock, run_id or clock.new_id()) as batch:
        shown = await acreate_progress_artifact(
            0.0, key="batch-progress", description=f"{batch.pack.game.title}: starting"
        )
        with interruptible(batch) as interruption:
            watcher = asyncio.create_task(_watch(batch, shown, interruption))
            try:
                report, _ = await run_batch(batch, selection, settings.channel, TaskSteps())
            finally:
                watcher.cancel()
            try:
                await _show_results(batch, report, shown)
            except Exception as error:  # noqa: BLE001  the pack is published and the books are written
                get_run_logger().warning("results could not be shown: %s", type(error).__name__)
    get_run_logger().info(report.sentence)
    return _final_state(report)


def _final_state(report: BatchReport) -> State[BatchReport]:
    if report.exit_code == 0:
        return Completed(message=report.sentence, data=report)
    if report.exit_code == Stopped.exit_code:
        return Cancelled(message=f"stopped by hand; {report.sentence}", data=report)
    if report.stopped is None and (report.generated or report.cached):
        return Completed(name="CompletedWithFailures", message=report.sentence, data=report)
    return Failed(message=f"{report.stopped or 'nothing could be made'}; {report.sentence}", data=report)


async def _watch(batch: Batch, artifact: UUID, interruption: Interruption) -> None:
    """Keep the progress artifact at most a few seconds behind, and hear of it when the run is cancelled in the UI."""
    while True:
        await asyncio.sleep(SHOW_EVERY_S)
        try:
            await aupdate_progress_artifact(artifact, _percent(batch), description=_moved(batch))
            if batch.ended is None and await _cancelled():
                interruption.ask()
        except Exception as error:  # noqa: BLE001  a server that is away for a while must not make the run deaf
            get_run_logger().warning("progress could not be shown: %s", type(error).__name__)


async def _cancelled() -> bool:
    """Whether somebody has asked Prefect to cancel this flow run."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    async with get_client() as client:
        run = await client.read_flow_run(context.flow_run.id)
    return run.state is not None and run.state.type in (StateType.CANCELLING, StateType.CANCELLED)


def _percent(batch: Batch) -> float:
    progress = batch.progress
    return 100.0 * progress.ended / progress.total if progress.total else 100.0


def _moved(batch: Batch) -> str:
    progress = batch.progress
    return (
        f"{batch.pack.game.title}: {progress.kept} kept, {progress.failed} failed, {progress.running} running, "
        f"{progress.queued} queued of {progress.total}; {progress.cached} cached; {usd(progress.cost_usd)}"
    )


async def _show_results(batch: Batch, report: BatchReport, progress: UUID) -> None:
    """Final progress, a table of every picture, and where to look."""
    await aupdate_progress_artifact(progress, 100.0, description=report.sentence)
    rows = [_row(outcome) for outcome in batch.outcomes.values()]
    await acreate_table_artifact(rows, key="batch-assets", description=f"Pictures of run {report.run_id}")
    for name, key in (("gallery", report.gallery), ("pack", report.latest)):
        address = batch.store.public_url(key) if key else None
        if address:
            await acreate_link_artifact(address, key=f"batch-{name}", link_text=f"{report.game} {name}")


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "picture": outcome.item.label,
        "planned": str(outcome.item.state),
        "state": str(outcome.status),
        "cost": usd(outcome.cost.estimate) if outcome.cost else "",
        "latency s": round(outcome.latency_ms / 1000, 1) if outcome.latency_ms is not None else "",
        "reason": outcome.note,
    }
