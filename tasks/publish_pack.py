"""Publishing: blobs are there already; index, history and pointer follow, in that order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prefect import task
from prefect.cache_policies import NO_CACHE

from assetmill.packs import Published


@task(
    name="publish pack",
    description="Writes the pack index and moves the pointer that games read.",
    task_run_name="publish {game}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def publish_pack(game: str, work: Callable[[], Awaitable[Published | None]]) -> Published | None:  # noqa: ARG001  names the run
    """Do the work. `game` names the task run."""
    return await work()
