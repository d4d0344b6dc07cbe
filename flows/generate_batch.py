"""The batch flow: a manifest in, a published and accounted pack out.

It fans out one task run for each picture that has to be paid for, none for cached ones, and shows the run in
Prefect. Every rule it applies stands in assetmill.batch, which knows nothing of Prefect. docs/prefect.md tells what
is to be seen of it, and which final state it has when.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any, Literal

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field

from assetmill.batch.admission import Pass
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.interrupt import interruptible
from assetmill.batch.prepare import Priority, Request, budget_outlook, free_run_id, plan_only
from assetmill.batch.report import BatchReport, dry_report
from assetmill.batch.results import Choice
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.batch.settling import open_for_run
from assetmill.batch.source import Local, manifest_from
from assetmill.clock import Clock
from assetmill.errors import AssetmillError
from assetmill.ledger import Output
from assetmill.manifest import ManifestError
from assetmill.manifest.models import AssetType
from assetmill.packs import Published
from assetmill.planning.plan import Plan, PlanItem, Selection
from assetmill.settings import ScalePolicy, Settings, load_settings
from flows.events import budget_warned, run_ended
from flows.sharing import shared_slots
from flows.showing import Log, Shown, first_name, name_run, show_plan, show_plan_table
from flows.watching import watched
from tasks.generate_asset import generate_asset
from tasks.publish_pack import publish_pack
from tasks.refinish_assets import refinish_assets
from tasks.settle_attempts import settle_attempts

PROBLEMS_LOGGED = 50


class TaskSteps(Steps):
    """Each step as a Prefect task run. Steps with nothing to do make none.

    Args:
        shown: where the plan is shown.
    """

    def __init__(self, shown: Shown) -> None:
        self._shown = shown

    async def planned(self, batch: Batch, plan: Plan) -> None:  # noqa: ARG002  the step of another kind needs it
        """Name, tags and plan in Prefect."""
        await self._shown.planned(plan)

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
        outcomes: list[Outcome] = []

        async def keep() -> Outcome:
            try:
                outcomes.append(await work(batch, item, entry))
            except Exception as error:
                raised.append(error)
                raise
            return outcomes[0]

        self._shown.has_task(item)
        await generate_asset(item.label, keep, return_state=True)  # type: ignore[misc]  # Prefect types it as not async
        if raised:
            raise raised[0]
        return outcomes[0]

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
    flow_run_name=first_name,
    persist_result=False,
    validate_parameters=True,
)
async def generate_batch(
    manifest: Annotated[str, Field(min_length=1)],
    *,
    provider: Literal["draft", "runpod", "custom", "scenario", "comfyui"] | None = None,
    endpoint: str | None = None,
    only: list[str] | None = None,
    types: list[AssetType] | None = None,
    budget_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None,
    priority: Priority = "normal",
    scale: ScalePolicy | None = None,
    dry_run: bool = False,
    overrides: dict[str, Any] | None = None,
    run_id: str | None = None,
    source: str | None = None,
) -> State[BatchReport]:
    """Run a batch. Starting it is the consent to what it costs.

    Prefect shows the words below in its run form; it does not look for descriptions in annotations.

    Args:
        manifest: A path on the worker, an http(s) address, or store:KEY for an object of the asset store. YAML, CSV
            or TSV.
        provider: Who draws: draft (placeholder art, free), runpod, custom (the second RunPod endpoint), scenario, or
            comfyui (a server of your own). Empty: as the manifest and the worker are configured.
        endpoint: A RunPod endpoint id or an address, or several with commas between them, of which the later ones take
            over; it goes above the provider. Empty: the provider's own.
        only: Ids of the assets to make. Empty: all.
        types: Asset types to make. Empty: all.
        budget_usd: The most that the run may cost, US dollars: what does not fit is not sent, and left for another
            run. Where the price is unknown, nothing is. Empty: no limit but those of the worker and the manifest.
        priority: Among runs that share an endpoint: urgent goes first, backfill takes what is left.
        scale: What the run does to max workers of its RunPod endpoint: keep them, restore them before its first job, or
            set them to 0 after its last one too (around). Empty: as the worker is configured.
        dry_run: Only plan: say what would be made and what it would cost. Sends nothing.
        overrides: Fields set for every asset that has them, such as {"candidates": 2, "post.colors": 16}.
        run_id: Name of the run in the books. Empty: a new one. One that is taken gets a number at its end.
        source: What the books call the manifest, where that is not the name above. For a copy, where it came from.

    Returns:
        Completed, or CompletedWithFailures when some pictures are missing, or Failed when the run had to stop or
        made nothing, or Cancelled when somebody ended it; the data is the report.
    """
    settings, clock = load_settings(), Clock()
    log = get_run_logger()
    try:
        async with fetched(manifest, settings, clock) as local:
            request = Request(
                local.path,
                endpoint or provider,
                Selection(tuple(only or ()), tuple(types or ())),
                overrides or {},
                source=source or local.source,
                priority=priority,
                scale=scale,
                budget_usd=None if budget_usd is None else Decimal(str(budget_usd)),
            )
            if dry_run:
                report = await _plan(settings, request, run_id or clock.new_id())
            else:
                name = await asyncio.to_thread(free_run_id, settings, run_id) if run_id else clock.new_id()
                report = await carry_out(settings, request, clock, name, log)
    except AssetmillError as error:
        return refused(error, log)
    log.info(report.sentence)
    return final_state(report)


async def carry_out(
    settings: Settings,
    request: Request,
    clock: Clock,
    run_id: str,
    log: Log,
    *,
    channel: str | None = None,
    steps: type[TaskSteps] = TaskSteps,
) -> BatchReport:
    """Carry a batch out, and show it.

    Args:
        settings: the environment.
        request: what is asked for.
        clock: time and ids.
        run_id: id of the run.
        log: the flow run's own.
        channel: where the pack is published, if not where the settings say.
        steps: how each step is carried out.

    Raises:
        AssetmillError: the run had to stop before there was a report.
    """
    async with open_batch(settings, request, clock, run_id) as batch:
        shown = Shown(batch, log)
        batch.purse.told = budget_warned
        await shown.begin()
        log.info("run %s on %s", run_id, batch.routes.name)
        with interruptible(batch) as interruption:
            async with shared_slots(batch), watched(batch, shown, interruption, log):
                report, plan = await run_batch(batch, request.selection, channel or settings.channel, steps(shown))
            run_ended(batch.routes.name, batch.common.ended)
            await shown.results(report, plan)
    return report


async def _plan(settings: Settings, request: Request, run_id: str) -> BatchReport:
    """Plan, and show what a run would do; reads the books, opens no endpoint and sends nothing."""
    plan = await asyncio.to_thread(plan_only, settings, request)
    await name_run(plan, dry_run=True)
    found = await asyncio.to_thread(budget_outlook, settings, request, plan, Clock().now())
    await show_plan(plan, found.words)
    await show_plan_table(plan)
    return dry_report(plan, settings.store_url, run_id)


@asynccontextmanager
async def fetched(manifest: str, settings: Settings, clock: Clock) -> AsyncIterator[Local]:
    """The manifest as a file; fetching it holds up no event loop."""
    fetching = manifest_from(manifest, settings, clock)
    local = await asyncio.to_thread(fetching.__enter__)
    try:
        yield local
    except BaseException as error:
        if not fetching.__exit__(type(error), error, error.__traceback__):
            raise
    else:
        fetching.__exit__(None, None, None)


def final_state(report: BatchReport) -> State[BatchReport]:
    """Prefect's state of a run that has a report, by how the report says that it ended."""
    words = report.sentence
    if report.ending == "complete":
        return Completed(message=words, data=report)
    if report.ending == "cancelled":
        return Cancelled(message=f"stopped by hand; {words}", data=report)
    if report.ending == "with_failures":
        stopped = f"{report.stopped}; " if report.stopped else ""
        return Completed(name="CompletedWithFailures", message=stopped + words, data=report)
    return Failed(message=f"{report.stopped or 'nothing could be made'}; {words}", data=report)


def refused(error: AssetmillError, log: Log) -> State[Any]:
    """The state of a run that came to no report: what is wrong in words, without a trace of the program."""
    if isinstance(error, ManifestError):
        for problem in error.problems[:PROBLEMS_LOGGED]:
            log.error("%s", problem)
    words = error.message + (f" ({error.hint})" if error.hint else "")
    log.error(words)
    return Failed(message=words, data=error)
