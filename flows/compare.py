"""The comparison flow: the same pictures by two providers, and a page on which people vote.

Each side is a run like any other, as a flow run of its own below this one, and publishes nothing; every rule stands in
assetmill.compare. One side runs after the other: neither is to be measured while the other takes this machine's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed
from pydantic import Field

from assetmill.batch.context import Batch
from assetmill.batch.places import place, web_address
from assetmill.batch.report import BatchReport
from assetmill.batch.results import Choice
from assetmill.clock import Clock
from assetmill.compare.making import Wanted, channel_for, document, prepare, spent_of
from assetmill.compare.page import render
from assetmill.compare.policy import policy_text
from assetmill.compare.shelf import Compared, keep
from assetmill.compare.summary import verdicts
from assetmill.compare.values import Comparison
from assetmill.errors import AssetmillError, Stopped
from assetmill.ledger import Ledger, Vote
from assetmill.manifest.models import AssetType
from assetmill.packs import Published
from assetmill.planning.plan import Selection
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings, load_settings
from assetmill.storage import Store, open_store
from flows.generate_batch import TaskSteps, carry_out, fetched, final_state, refused
from flows.showing import artifact_key, first_name


class UnpublishedTaskSteps(TaskSteps):
    """The steps of a run whose pictures go into no pack."""

    async def publish(self, batch: Batch, choices: dict[str, Choice], channel: str) -> Published | None:  # noqa: ARG002  the step of another kind needs them
        """Leave what is published as it is; that makes no task run."""
        return None


@flow(
    name="compare",
    description="Makes the same pictures by two providers, and a page that shows them side by side.",
    flow_run_name=first_name,
    persist_result=False,
    validate_parameters=True,
)
async def compare(
    manifest: Annotated[str, Field(min_length=1)],
    providers: Annotated[list[str], Field(min_length=2, max_length=2)],
    *,
    only: list[str] | None = None,
    types: list[AssetType] | None = None,
    budget_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None,
    overrides: dict[str, Any] | None = None,
    source: str | None = None,
) -> State[Compared]:
    """Compare two providers. Starting it is the consent to what both cost.

    Args:
        manifest: A path on the worker, an http(s) address, or store:KEY for an object of the asset store.
        providers: Two of draft, runpod, custom, scenario, comfyui, RunPod endpoint ids or addresses.
        only: Ids of the assets to compare. Empty: all.
        types: Asset types to compare. Empty: all.
        budget_usd: The most that both sides together may cost, US dollars. Empty: no limit but those of the worker
            and the manifest.
        overrides: Fields set for every asset that has them.
        source: What the books call the manifest, where that is not the name above.

    Returns:
        Completed, or CompletedWithFailures when pictures are missing, or Failed, or Cancelled; the data says where the
        page is.
    """
    settings, clock, log = load_settings(), Clock(), get_run_logger()
    try:
        async with fetched(manifest, settings, clock) as local:
            wanted = Wanted(
                local.path,
                tuple(providers),
                Selection(tuple(only or ()), tuple(types or ())),
                overrides or {},
                source=source or local.source,
                budget_usd=None if budget_usd is None else Decimal(str(budget_usd)),
            )
            await asyncio.to_thread(prepare, settings, wanted)
            reports = await _both_sides(wanted)
            compared, policy = await asyncio.to_thread(_make, settings, wanted, reports, clock)
    except Stopped as stopped:
        return Cancelled(message=stopped.message, data=stopped)
    except AssetmillError as error:
        return refused(error, log)
    await _show(compared, policy, open_store(settings.store_url, settings.store_access))
    log.info(compared.sentence)
    if compared.exit_code:
        return Completed(name="CompletedWithFailures", message=compared.sentence, data=compared)
    return Completed(message=compared.sentence, data=compared)


@flow(
    name="compare-side",
    description="The pictures of one side of a comparison; publishes nothing.",
    flow_run_name="{provider}",
    persist_result=False,
    validate_parameters=True,
)
async def compare_side(
    manifest: str,
    provider: str,
    *,
    only: list[str],
    types: list[AssetType],
    budget_usd: Decimal | None,
    overrides: dict[str, Any],
    source: str | None,
) -> State[BatchReport]:
    """Make what one side has not made yet. Only the flow `compare` calls it.

    Args:
        manifest: Path of the manifest.
        provider: Who makes the pictures, with nobody to take over.
        only: Ids of the assets.
        types: Asset types.
        budget_usd: The most that it may cost.
        overrides: Fields set for every asset that has them.
        source: What the books call the manifest.

    Returns:
        As generate-batch.
    """
    settings, clock, log = load_settings(), Clock(), get_run_logger()
    selection = Selection(tuple(only), tuple(types))
    request = Wanted(Path(manifest), (provider,), selection, overrides, source, budget_usd).request(0)
    try:
        channel = channel_for(resolve_endpoint(settings, provider))
        report = await carry_out(
            settings, request, clock, clock.new_id(), log, channel=channel, steps=UnpublishedTaskSteps
        )
    except AssetmillError as error:
        return refused(error, log)
    log.info(report.sentence)
    return final_state(report)


async def _both_sides(wanted: Wanted) -> tuple[BatchReport, BatchReport]:
    """Run one side and then the other, within what the first one leaves of the budget.

    Raises:
        AssetmillError: a side came to no report.
        Stopped: somebody ended it.
    """
    first = await _side(wanted, 0, Decimal(0))
    return first, await _side(wanted, 1, spent_of(first))


async def _side(wanted: Wanted, number: int, spent_usd: Decimal) -> BatchReport:
    request = wanted.request(number, spent_usd)
    state: State[Any] = await compare_side(
        str(request.manifest),
        wanted.providers[number],
        only=list(wanted.selection.only),
        types=list(wanted.selection.types),
        budget_usd=request.budget_usd,
        overrides=dict(wanted.overrides),
        source=request.source,
        return_state=True,
    )
    if state.is_cancelled():
        raise Stopped(f"stopped by hand at {wanted.providers[number]}; what is made is kept", hint="compare again")
    value = await state.aresult(raise_on_failure=False)
    if isinstance(value, BaseException):
        raise value
    report: BatchReport = value
    return report


def _make(
    settings: Settings, wanted: Wanted, reports: tuple[BatchReport, BatchReport], clock: Clock
) -> tuple[Compared, str]:
    """Document and page into the store; what came of it, and what follows from it so far."""
    store = open_store(settings.store_url, settings.store_access)
    comparison = document(settings, wanted, store, reports, clock.now())
    votes = _votes(settings, comparison)
    compared = keep(store, comparison, render(comparison, votes), reports)
    return compared, policy_text(comparison, verdicts(comparison, votes))


def _votes(settings: Settings, comparison: Comparison) -> Sequence[Vote]:
    with Ledger.open(settings.ledger_url) as ledger:
        return ledger.votes.of(comparison.id)


async def _show(compared: Compared, policy: str, store: Store) -> None:
    """Where the page is, in Prefect, and the policy; a server that is away must not undo what is made."""
    try:
        address = web_address(store, compared.page)
        if address:
            text = f"{compared.game}: {compared.sentence}"
            await acreate_link_artifact(address, key=artifact_key("compare", compared.game), link_text=text)
        words = f"# {compared.sentence}\n\nPage: `{place(compared.store, compared.page)}`\n\n```yaml\n{policy}```"
        key = artifact_key("compare-summary", compared.game)
        await acreate_markdown_artifact(words, key=key, description=compared.sentence)
    except Exception as error:  # noqa: BLE001  what is made and paid for is there, whoever can see it
        get_run_logger().warning("the comparison could not be shown: %s", type(error).__name__)
