"""What a batch shows of itself in Prefect: its name and tags, its artifacts, and a line in the log for what happens.

Showing never decides and never hinders: a server that is away for a while costs a warning, not a batch. No key and no
signed address gets here, and no picture as text but the contact sheet, where no browser could fetch it otherwise.
docs/prefect.md says what each artifact is.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import Awaitable, Iterable
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    acreate_image_artifact,
    acreate_link_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.logging.loggers import LoggingAdapter
from prefect.runtime import flow_run

from assetmill.batch.album import write_contact_sheet, write_report
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.places import place, web_address
from assetmill.batch.progress import Progress
from assetmill.batch.report import BatchReport, duration_words, estimate_words, planned_words
from assetmill.batch.source import shown_name
from assetmill.money import usd
from assetmill.packs.kinds import JPEG
from assetmill.planning.chains import chains, stand_ins
from assetmill.planning.choices import Choice, gpu_words
from assetmill.planning.plan import Plan, PlanItem, State

Log = logging.Logger | LoggingAdapter
PLAN_ROWS = 100  # of the plan in words; the dry run's table has all


def artifact_key(kind: str, game: str) -> str:
    """Key of an artifact: the game is part of it, so that its history is that of one game."""
    return re.sub(r"[^a-z0-9-]+", "-", f"{kind}-{game.lower()}")


def first_name() -> str:
    """Name of a flow run until its plan is known: its manifest, without whatever an address may hold beside it."""
    parameters = flow_run.parameters
    dry = " (dry run)" if parameters.get("dry_run") else ""
    return shown_name(str(parameters.get("source") or parameters.get("manifest") or "manifest")) + dry


def counts_of(plan: Plan) -> str:
    """What a plan comes to: `35 to make, 4 cached`."""
    return planned_words({str(state): count for state, count in plan.counts().items()})


async def name_run(plan: Plan, *, dry_run: bool = False) -> None:
    """Give the flow run its name and its tags, now that there are counts; tags that it has stay."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    name = f"{plan.pack.game.title}: {'dry run, ' if dry_run else ''}{counts_of(plan)}"
    tags = {*context.flow_run.tags, *_tags(plan)}
    async with get_client() as client:
        await client.update_flow_run(context.flow_run.id, name=name, tags=sorted(tags))


def _tags(plan: Plan) -> Iterable[str]:
    yield f"game:{plan.pack.game.id}"
    yield from (f"provider:{endpoint.name}" for endpoint in plan.routes.endpoints)
    yield from (f"type:{kind}" for kind in {item.asset.type for item in plan.items})


async def show_plan(plan: Plan, note: str = "") -> None:
    """The plan in words."""
    game = plan.pack.game
    markdown = plan_markdown(plan, note)
    await acreate_markdown_artifact(
        markdown, key=artifact_key("plan", game.id), description=f"{game.title}: {counts_of(plan)}"
    )


async def show_plan_table(plan: Plan) -> None:
    """Every picture of a plan, as a table that can be searched."""
    game = plan.pack.game
    rows = [_plan_row(item) for item in plan.items]
    key = artifact_key("plan-table", game.id)
    await acreate_table_artifact(rows, key=key, description=f"Every picture of {game.title}, as planned")


def plan_markdown(plan: Plan, note: str = "") -> str:
    """A plan as Markdown: counts, money and time, and the pictures that something would be done about."""
    cost, due = plan.total.cost, [item for item in plan.items if item.state is not State.CACHED or item.refinish]
    between = f" (between {usd(cost.low)} and {usd(cost.high)})" if cost.low is not None else ""
    lines = [
        f"# {_cell(plan.pack.game.title)}: {counts_of(plan)}",
        f"On `{plan.routes.name}`" + (", which draws placeholder art for free." if plan.draft else "."),
        *(_cell(line) for line in (*chains(plan), *stand_ins(plan))),
        f"{estimate_words(cost.estimate)}{between}; about {duration_words(plan.total.elapsed.estimate)}."
        if plan.to_pay
        else "Nothing to pay.",
        *([f"**{_cell(note)}**"] if note else []),
    ]
    if plan.total.choices:
        lines += ["## Choices", choices_markdown(plan.total.choices)]
    if due:
        table = [
            f"| {' | '.join(_cell(str(value)) for value in _plan_row(item).values())} |" for item in due[:PLAN_ROWS]
        ]
        head = list(_plan_row(due[0]))
        lines.append("\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *table]))
    if len(due) > PLAN_ROWS:
        lines.append(f"... and {len(due) - PLAN_ROWS} more")
    return "\n\n".join(lines)


def choices_markdown(choices: Iterable[Choice]) -> str:
    """Time and money with other numbers of workers and on other GPUs, as a table; the plan's own row is bold."""
    lines = ["| workers | GPU | done in | cost | at least, at most | times from |", f"|{'---|' * 6}"]
    for choice in choices:
        cost = choice.cost
        between = f"{usd(cost.low)} to {usd(cost.high)}" if cost.low is not None else ""
        workers = f"{choice.workers} (more than configured)" if choice.above else str(choice.workers)
        cells = [workers, gpu_words(choice), duration_words(choice.elapsed.estimate), usd(cost.estimate), between]
        bold = "**" if choice.planned else ""
        shown = [f"{bold}{_cell(cell)}{bold}" if cell else "" for cell in (*cells, choice.times_from)]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def _plan_row(item: PlanItem) -> dict[str, Any]:
    why = item.rejected or ", ".join(item.changed or item.finish_changed) or item.reason
    return {
        "asset": item.asset.id + (f"#{item.candidate}" if item.candidate else ""),
        "type": item.asset.type,
        "planned": _planned(item),
        "why": why,
        "seconds": round(item.seconds.estimate, 1) if item.state.paid else "",
        "cost": usd(item.cost.estimate) if item.state.paid else "",
    }


def _cell(text: str) -> str:
    """Text of a manifest, which may hold anything, as plain text in Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


class Shown:
    """What one batch shows while it runs.

    Args:
        batch: the run.
        log: the flow run's own.
    """

    def __init__(self, batch: Batch, log: Log) -> None:
        self._batch = batch
        self._log = log
        self._progress: UUID | None = None
        self._with_task: set[tuple[str, int]] = set()
        self._last = ""
        self._notes = 0
        self._listener = batch.progress.listener
        batch.progress.listener = self._heard
        batch.common.told = self._ended

    async def begin(self) -> None:
        """The progress, from nothing."""
        await self._try(self._begin())

    async def planned(self, plan: Plan) -> None:
        """Name, tags and plan."""
        await self._try(name_run(plan))
        await self._try(show_plan(plan))

    async def moved(self) -> None:
        """The progress as it is now; raises what Prefect raises."""
        if self._progress is not None:
            await aupdate_progress_artifact(self._progress, self._percent(), description=self._moved())

    async def results(self, report: BatchReport, plan: Plan) -> None:
        """Everything that is there to be looked at once the run is over."""
        await self._try(self._end(report))
        await self._try(self._table(report, plan))
        await self._try(self._contact_sheet(report, plan))
        await self._try(self._places(report))

    async def _try(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  what is made and paid for is there, whoever can see it
            self._log.warning("something could not be shown: %s", type(error).__name__)

    def _heard(self, progress: Progress) -> None:
        """Everything that is said on the way is a line of the log; whoever else listens still hears it."""
        if progress.notes != self._notes:
            self._notes = progress.notes
            self._log.info(progress.message)
        if self._listener is not None:
            self._listener(progress)

    def has_task(self, item: PlanItem) -> None:
        """Say that a picture has a task run: Prefect logs how that ends."""
        self._with_task.add(item.key)

    def _ended(self, outcome: Outcome) -> None:
        self._last = outcome_words(outcome)
        if outcome.item.key not in self._with_task:
            self._log.log(logging.INFO if outcome.good else logging.WARNING, self._last)

    async def _begin(self) -> None:
        key = artifact_key("progress", self._batch.pack.game.id)
        self._progress = await acreate_progress_artifact(0.0, key=key, description=f"{self._title}: starting")

    @property
    def _title(self) -> str:
        return self._batch.pack.game.title

    def _percent(self) -> float:
        progress = self._batch.progress
        return 100.0 * progress.ended / progress.total if progress.total else 0.0

    def _moved(self) -> str:
        progress = self._batch.progress
        if not progress.total:
            return f"{self._title}: {progress.step}"
        counts = (
            f"{progress.kept} kept, {progress.failed} failed, {progress.running} running, {progress.queued} queued of "
            f"{progress.total}; {progress.cached} cached; {progress.spent}"
        )
        last = f". Last: {self._last}" if self._last else ""
        return f"{self._title}: {progress.step}: {counts}{last}"

    async def _end(self, report: BatchReport) -> None:
        if self._progress is not None:
            await aupdate_progress_artifact(self._progress, 100.0, description=f"{self._title}: {report.sentence}")

    async def _table(self, report: BatchReport, plan: Plan) -> None:
        """Every picture: those that are not there first, then in the order of the plan."""
        outcomes = [(item, self._batch.outcomes.get(item.key)) for item in plan.items]
        outcomes.sort(key=lambda pair: pair[1] is not None and pair[1].good)
        rows = [_row(item, outcome) for item, outcome in outcomes]
        description = f"{self._title}: {report.sentence}; run {report.run_id}"
        await acreate_table_artifact(rows, key=artifact_key("assets", report.game), description=description)

    async def _contact_sheet(self, report: BatchReport, plan: Plan) -> None:
        """The contact sheet by its address; where it has none that a browser reaches, the picture itself as text."""
        title = f"{self._title}: {report.sentence}"
        sheet = await asyncio.to_thread(write_contact_sheet, self._batch, plan, title)
        address = web_address(self._batch.store, sheet.key)
        key = artifact_key("contact-sheet", report.game)
        if address:
            await acreate_image_artifact(address, key=key, description=title)
        else:
            inline = f"![contact sheet](data:{JPEG};base64,{base64.b64encode(sheet.data).decode()})"
            await acreate_markdown_artifact(inline, key=key, description=title)

    async def _places(self, report: BatchReport) -> None:
        """A link to each page that the web can reach; the place of the others in words, for no dead link is made."""
        report_key = await asyncio.to_thread(write_report, self._batch.store, report)
        pages = {"gallery": report.gallery, "pack": report.latest, "report": report_key}
        words = []
        for name, key in pages.items():
            address = web_address(self._batch.store, key) if key else None
            if address:
                text = f"{self._title}: {name}"
                await acreate_link_artifact(address, key=artifact_key(name, report.game), link_text=text)
            elif key:
                words.append(f"- {name}: `{place(report.store, key)}`")
        if words:
            markdown = "\n".join([f"# Where {_cell(self._title)} lies", *words])
            key = artifact_key("places", report.game)
            await acreate_markdown_artifact(markdown, key=key, description="Gallery, pack and report of the run")


def outcome_words(outcome: Outcome) -> str:
    """A picture's end in one line: label, state, job and cost, and why it is not there."""
    words = f"{outcome.item.label}: {outcome.status}"
    if outcome.followed:
        words += ", made for another"
    elif outcome.item.state is State.CACHED:
        words += ", finished again"
    words += f", job {outcome.job_id}" if outcome.job_id else ""
    words += f", {usd(outcome.cost.estimate)}" if outcome.cost else ""
    return words + (f": {outcome.note}" if outcome.note and not outcome.good else "")


def _row(item: PlanItem, outcome: Outcome | None) -> dict[str, Any]:
    """A row of the table; a picture without an outcome was blocked before anything was tried."""
    latency_ms = outcome.latency_ms if outcome else None
    return {
        "asset": item.asset.id + (f"#{item.candidate}" if item.candidate else ""),
        "type": item.asset.type,
        "planned": _planned(item),
        "state": str(outcome.status if outcome else item.state),
        "cost": usd(outcome.cost.estimate) if outcome and outcome.cost else "",
        "latency s": round(latency_ms / 1000, 1) if latency_ms is not None else "",
        "reason": outcome.note if outcome else item.reason,
        "job": (outcome.job_id if outcome else None) or "",
    }


def _planned(item: PlanItem) -> str:
    return "finish again" if item.refinish else str(item.state)
