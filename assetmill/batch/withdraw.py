"""Taking jobs back that nobody has begun.

A job that a worker is at is paid for, so it is left to bring its picture: only one that is seen in the queue is
cancelled. Between the look and the cancel it may still be begun; the endpoint is asked again, and such a job is settled
with what it may have cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from assetmill.batch.collect import ending
from assetmill.batch.costing import Account, account
from assetmill.batch.desk import Desk
from assetmill.batch.sent import Sent
from assetmill.errors import AssetmillError, AttemptError, ProviderRefused, ResultExpired
from assetmill.ledger import NO_FACTS, Status
from assetmill.money import no_cost
from assetmill.providers.base import Job, JobState

AT_ONCE = 20  # RunPod takes this many cancels at a time


async def withdraw(desk: Desk, sent: Sent, error: AssetmillError) -> bool:
    """Cancel a job that waits in the queue, and settle its attempt as cancelled.

    Args:
        desk: where.
        sent: the attempt.
        error: why; written to the row.

    Returns:
        Whether it is settled; if not, the job runs or may run, and its row stays open.
    """
    try:
        job = await _look(desk, sent)
        if job is None or job.state is not JobState.QUEUED:
            return False  # it runs, has ended, or is forgotten: that is for whoever settles it
        await desk.provider.cancel(sent.job_id)
        job = await _look(desk, sent)
    except (AttemptError, ProviderRefused):
        return False
    if job is not None and job.state is not JobState.CANCELLED:
        return False
    begun = job is not None and (job.worker_id is not None or job.execution_ms is not None)
    told = await account(desk, sent, job) if begun else Account(no_cost("never started"), NO_FACTS)
    await desk.settle(sent.attempt_id, ending(desk.clock.now(), Status.CANCELLED, told.cost, error, told.facts))
    return True


async def _look(desk: Desk, sent: Sent) -> Job | None:
    """The job after it was cancelled; None when the endpoint has dropped it altogether."""
    age_s = (desk.clock.now() - sent.submitted_at).total_seconds()
    try:
        return await desk.provider.look(sent.job_id, age_s=age_s)
    except ResultExpired:
        return None


async def withdraw_all(desk: Desk, jobs: Sequence[Sent], error: AssetmillError) -> int:
    """Withdraw many, a few at a time, and return how many were settled; errors leave rows open."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(sent: Sent) -> bool:
        async with gate:
            return await withdraw(desk, sent, error)

    results = await asyncio.gather(*(one(sent) for sent in jobs), return_exceptions=True)
    return sum(result is True for result in results)
