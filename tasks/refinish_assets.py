"""Finishing pictures again that are paid for: one task run for all of them, because none costs anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prefect import task
from prefect.cache_policies import NO_CACHE


@task(
    name="refinish assets",
    description="Makes finished files again from stored raw images; pays nothing.",
    task_run_name="refinish {count} pictures",
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def refinish_assets(count: int, work: Callable[[], Awaitable[None]]) -> None:  # noqa: ARG001  names the run
    """Do the work. `count` names the task run."""
    await work()
