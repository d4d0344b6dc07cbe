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
from assetmill.ledger import Ledger
from assetmill.reports.periods import Length, Period, PeriodReport, last_whole, report_on
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
    settings = load_settings()
    report = await asyncio.to_thread(_made, settings, whole)
    await _show(report, period)
    get_run_logger().info(report.sentence)
    return Completed(message=report.sentence, data=report.period.key)


def _made(settings: Settings, whole: Period) -> PeriodReport:
    """Make the report, and keep it; made again for the same period it takes the place of the earlier one."""
    with Ledger.open(settings.ledger_url) as ledger:
        report = report_on(ledger, whole)
    store = open_store(settings.store_url, settings.store_access)
    store.put(whole.key, report.csv.encode(), content_type="text/csv", cache_control="private")
    return report


async def _show(report: PeriodReport, length: Length) -> None:
    page = (
        f"# {report.period.name}\n\n{report.sentence}\n\n```\n{report.table}```\n\nIn the store: `{report.period.key}`"
    )
    await acreate_markdown_artifact(page, key=f"cost-{length}", description=report.sentence)
    rows = [dict(row) for row in report.rows]
    await acreate_table_artifact(rows, key=f"cost-{length}-table", description=report.sentence)
