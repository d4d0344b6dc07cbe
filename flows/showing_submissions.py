"""What submissions show of themselves in Prefect: names, tags, the plan, the question, the list, and where things lie.

Showing never decides and never hinders: what cannot be shown costs a warning. Names and notes of artists are text of
strangers, and get into Markdown as plain text.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from itertools import dropwhile
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact, acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from assetmill.batch.places import place, web_address
from assetmill.batch.prepare import Request, plan_only
from assetmill.batch.report import duration_words, estimate_words, planned_words
from assetmill.batch.source import manifest_from
from assetmill.clock import Clock
from assetmill.errors import AssetmillError
from assetmill.money import usd
from assetmill.planning.plan import Plan
from assetmill.settings import Settings
from assetmill.storage import open_store
from assetmill.submissions.keys import INBOX
from assetmill.submissions.names import page_name, readable
from assetmill.submissions.records import Record
from flows.showing import artifact_key, plan_markdown

LONGEST_QUESTION = 20_000  # characters: the form is read by a person
ROWS = 200


def tag_of(record_id: str) -> str:
    """Tag of every flow run that looks after a submission."""
    return f"submission:{record_id}"


def title_of(record: Record) -> str:
    """Name of its flow run: `submission spring.yaml v2 by Ana`."""
    by = f" by {record.by}" if record.by else ""
    return f"submission {readable(record.name)} v{record.version}{by}"


async def name_flow_run(record: Record) -> None:
    """Give this flow run its name and its tags; tags that it has stay."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    tags = {*context.flow_run.tags, tag_of(record.id), *([f"game:{record.plan.game}"] if record.plan else [])}
    try:
        async with get_client() as client:
            await client.update_flow_run(context.flow_run.id, name=title_of(record), tags=sorted(tags))
    except Exception as error:  # noqa: BLE001  a name is nothing to fail for
        get_run_logger().warning("the flow run could not be named: %s", type(error).__name__)


async def show_plan_of(settings: Settings, clock: Clock, record: Record) -> str:
    """Show the plan as it is now, against the books as they are; its choices and pictures as Markdown tables."""
    try:
        plan = await asyncio.to_thread(_plan, settings, clock, record)
        markdown = plan_markdown(plan, record.plan.asks or "" if record.plan else "")
    except AssetmillError as error:
        get_run_logger().warning("the plan could not be made again: %s", error.message)
        markdown = ""
    whole = "\n\n".join(filter(None, [about(record), markdown]))
    try:
        key = artifact_key("submission-plan", record.slug)
        await acreate_markdown_artifact(whole, key=key, description=f"Plan of {title_of(record)}")
    except Exception as error:  # noqa: BLE001  shown or not, the plan is the same
        get_run_logger().warning("the plan could not be shown: %s", type(error).__name__)
    return "\n\n".join(dropwhile(lambda part: not part.startswith("|"), markdown.split("\n\n")))


def _plan(settings: Settings, clock: Clock, record: Record) -> Plan:
    with manifest_from(record.manifest, settings, clock) as local:
        return plan_only(settings, Request(local.path, record.provider, source=record.name))


def about(record: Record) -> str:
    """Who hands in what, and what it costs, as Markdown."""
    lines = [
        f"- **File**: {plain(readable(record.name))}, version {record.version}, {record.size:,} bytes",
        f"- **From**: {plain(record.by) or 'nobody said'}, {record.received_at:%Y-%m-%d %H:%M} UTC",
    ]
    lines += [f"- **They say**: {plain(record.note)}"] if record.note else []
    if record.plan is not None:
        figures = record.plan
        between = (
            f" (between {usd(figures.low_usd)} and {usd(figures.high_usd)})" if figures.low_usd is not None else ""
        )
        lines += [
            f"- **Game**: {plain(figures.game_title)}, {figures.assets} assets: {planned_words(figures.pictures)}",
            f"- **Cost**: {estimate_words(figures.estimate_usd)}{between}, on `{figures.endpoint}`",
            f"- **Time**: about {duration_words(figures.elapsed_s)}",
        ]
    if record.approve_by is not None:
        lines.append(f"- **Decide by**: {record.approve_by:%Y-%m-%d %H:%M} UTC; it expires then")
    return "\n".join(lines)


def question(record: Record, table: str) -> str:
    """What stands above the form; `table` is the plan's: choices, and picture by picture."""
    why = record.plan.asks if record.plan and record.plan.asks else "somebody has to agree"
    whole = "\n\n".join(
        filter(None, [f"# {plain(title_of(record))}", f"Asked because {plain(why)}.", about(record), table])
    )
    return whole if len(whole) <= LONGEST_QUESTION else whole[:LONGEST_QUESTION].rpartition("\n")[0] + "\n\n..."


def plain(text: str) -> str:
    """Text of a stranger as plain text in Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


async def show_places(settings: Settings, record: Record) -> None:
    """A link to the result page and to the gallery where the web can reach them; elsewhere where they lie."""
    pages = {"result": _result_page(record), "gallery": record.outcome.gallery if record.outcome else None}
    try:
        store = open_store(settings.store_url, settings.store_access)
        words = []
        for name, key in pages.items():
            address = web_address(store, key) if key else None
            if address:
                text = f"{title_of(record)}: {name}"
                await acreate_link_artifact(
                    address, key=artifact_key(f"submission-{name}", record.slug), link_text=text
                )
            elif key:
                words.append(f"- {name}: `{place(settings.store_url, key)}`")
        if words:
            markdown = "\n".join([f"# {plain(title_of(record))}: {plain(record.words)}", *words])
            key = artifact_key("submission-places", record.slug)
            await acreate_markdown_artifact(markdown, key=key, description="Result page and gallery")
    except Exception as error:  # noqa: BLE001  the pages are there, whoever can see them
        get_run_logger().warning("the places could not be shown: %s", type(error).__name__)


def _result_page(record: Record) -> str | None:
    """Key of the page beside the file, where the inbox is in the store."""
    return INBOX + page_name(record.name, "result.html") if record.inbox == "store" else None


async def show_list(records: Iterable[Record]) -> None:
    """Submissions and where they stand, the newest first."""
    rows = [_row(record) for record in sorted(records, key=lambda one: one.received_at, reverse=True)[:ROWS]]
    await acreate_table_artifact(rows, key="submissions", description=f"The {len(rows)} newest submissions")


def _row(record: Record) -> dict[str, Any]:
    spent = record.outcome.cost_usd if record.outcome else None
    return {
        "file": readable(record.name),
        "version": record.version,
        "by": record.by,
        "state": record.state.replace("_", " "),
        "since": f"{record.since:%Y-%m-%d %H:%M}",
        "estimate": usd(record.plan.estimate_usd) if record.plan else "",
        "cost": usd(spent) if record.outcome else "",
        "why": record.trouble or record.words,
        "id": record.id,
    }
