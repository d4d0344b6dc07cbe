"""What a week or a month has cost, shown in Prefect and kept in the store; the rules stand in assetmill.reports.

Two deployments of this flow differ in their schedule and period only.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from assetmill.clock import Clock
from assetmill.errors import AssetmillError
from assetmill.ledger import Ledger
from assetmill.reports.periods import Length, Period, PeriodReport, last_whole, report_on
from assetmill.reports.reconcile import reconcile
from assetmill.reports.spend import SpendLimits
from assetmill.settings import Settings, load_settings
from assetmill.storage import open_store


@flow(
    name="cost-report",
    description="What the last whole week or month cost, by game, type and provider; into artifacts and the store.",
    flow_run_name="cost-report-{period}",
    persist_result=False,
    validate_parameters=True,
)
async def cost_report(period: Length = "week", *, before: datetime | None = None) -> State[str]:
    """Report on a period that is over.

    Args:
        period: The last whole week (Monday to Sunday) or the last whole month, in UTC.
        before: The period that was over at this time. Empty for the time at which the run was due.

    Returns:
        Completed, with the sum and the counts in words; the data is the key of the report in the store.
    """
    due = before or flow_run.scheduled_start_time or Clock().now()
    whole = last_whole(period, due if due.tzinfo else due.replace(tzinfo=UTC))
    settings, clock = load_settings(), Clock()
    billed = await _billed(settings, clock, whole)
    report = await asyncio.to_thread(_made, settings, whole, clock.now())
    await _show(report, period, billed)
    get_run_logger().info(report.sentence)
    return Completed(message=report.sentence, data=report.period.key)


async def _billed(settings: Settings, clock: Clock, whole: Period) -> str:
    """Ask what was billed, so that the report has it, and say what came of it; without a key there is nobody to ask."""
    if settings.runpod_api_key is None:
        return "Bills were not asked for: there is no key for RunPod."
    try:
        done = await reconcile(settings, clock, since=whole.since, until=whole.until)
    except AssetmillError as error:
        get_run_logger().warning("what was billed is not known: %s", error)
        return f"What was billed could not be asked: {error}"
    for url, words in done.failures.items():
        get_run_logger().warning("no bill of %s: %s", url, words)
    return f"Billed: {done.sentence}."


def _made(settings: Settings, whole: Period, now: datetime) -> PeriodReport:
    """Make the report, and keep it; made again for the same period it takes the place of the earlier one."""
    limits = SpendLimits(settings.game_budget_usd, settings.month_budget_usd)
    with Ledger.open(settings.ledger_url) as ledger:
        report = report_on(ledger, whole, made_at=now, limits=limits)
    store = open_store(settings.store_url, settings.store_access)
    store.put(whole.page_key, report.page.encode(), content_type="text/html; charset=utf-8", cache_control="private")
    store.put(whole.key, report.csv.encode(), content_type="text/csv", cache_control="private")
    return report


async def _show(report: PeriodReport, length: Length, billed: str) -> None:
    page = (
        f"# {report.period.name}\n\n{report.sentence}\n\n{billed}\n\n```\n{report.table}```\n\n"
        f"In the store: `{report.period.key}`, and with charts `{report.period.page_key}`"
    )
    await acreate_markdown_artifact(page, key=f"cost-{length}", description=report.sentence)
    rows = [dict(row) for row in report.rows]
    await acreate_table_artifact(rows, key=f"cost-{length}-table", description=report.sentence)
