"""Attempts that an earlier run left open are settled before anything new is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prefect import task
from prefect.cache_policies import NO_CACHE


@task(
    name="settle attempts",
    description="Asks for jobs that were sent earlier and never collected; sends nothing.",
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def settle_attempts(work: Callable[[], Awaitable[int]]) -> int:
    """Do the work and return the number of attempts that were settled."""
    return await work()
