"""What the scheduled flow looks after beside settling: runs that are gone, their task runs, endpoints without workers.

Nothing here touches the books, and nothing that goes wrong here may keep jobs from being settled: each step is tried,
and told where it fails. The automation of flows/setup/automations.py marks a run that is gone within 90 s; here those
are found that it could not see, because the server was away just then, as after a power cut of the machine they share,
or could not mark, because they were being cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.states import Cancelled, Crashed

from assetmill.batch.scaling import name_looked_after
from assetmill.clock import Clock
from assetmill.providers.runpod.management import ask, count, part
from assetmill.provisioning.plan import plain_name
from assetmill.settings import Settings
from flows.events import no_workers
from flows.leftovers import end_leftovers
from flows.setup.automations import FLOWS, HEARTBEAT, RUN
from flows.setup.limits import endpoints_of

SILENT_S: Final = 660.0
"""Longer than the ten minutes between two looks, so that the last look itself proves that the server was up."""

UP_FOR_S: Final = 180.0
"""A server that is back for so long has heard six heartbeats of every run that is alive."""

REMEMBERED: Final = timedelta(hours=24)
"""As long as servers of ours keep heartbeats."""

ON: Final = [StateType.RUNNING, StateType.CANCELLING]


async def upkeep(settings: Settings, clock: Clock) -> list[str]:
    """Look after all of it.

    Returns:
        What was found and done, or could not be, in words; nothing if all is well.
    """
    words: list[str] = []
    async with get_client() as client:

        async def gone() -> list[str]:
            return await mark_gone(client, clock.now())

        async def left() -> list[str]:
            ended = await end_leftovers(client, clock.now())
            return [f"{ended} task runs of runs that are over were ended"] if ended else []

        async def endpoints() -> list[str]:
            return await look_at_endpoints(settings)

        for step in (gone, left, endpoints):
            words += await _tried(step)
    return words


async def _tried(step: Callable[[], Awaitable[list[str]]]) -> list[str]:
    try:
        return await step()
    except Exception as error:  # noqa: BLE001  it is tried again in ten minutes, and settling is done already
        return [f"{step.__name__}: could not be looked at: {type(error).__name__}"]


async def mark_gone(client: PrefectClient, now: datetime) -> list[str]:
    """End runs of ours that have sent heartbeats and have long stopped, while the server was there to hear.

    They become Crashed, or Cancelled where somebody had asked for that: Prefect takes nothing else then.

    Args:
        client: of the Prefect server.
        now: aware time.

    Returns:
        What was marked, in words.
    """
    silent_since = now - timedelta(seconds=SILENT_S)
    started = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ON)),
        start_time=FlowRunFilterStartTime(before_=silent_since),
    )
    runs = await client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(FLOWS))), flow_run_filter=started
    )
    if not runs or not await _heard(client, silent_since, now - timedelta(seconds=UP_FOR_S)):
        return []
    words = []
    for run in runs:
        if await _fell_silent(client, run, silent_since, now):
            message = f"no heartbeat for {SILENT_S / 60:.0f} minutes: its process is gone"
            cancelled = run.state_type is StateType.CANCELLING
            state: State[Any] = Cancelled(message=message) if cancelled else Crashed(message=message)
            await client.set_flow_run_state(run.id, state)
            words.append(f"run {run.name} is gone: {state.name}")
    return words


async def _heard(client: PrefectClient, since: datetime, until: datetime, run: FlowRun | None = None) -> bool:
    """Whether the server has heard anything in this time, or a heartbeat of one run."""
    wanted = EventFilter(occurred=EventOccurredFilter(since=since, until=until))
    if run is not None:
        wanted.event = EventNameFilter(name=[HEARTBEAT])
        wanted.resource = EventResourceFilter(id=[f"{RUN}{run.id}"])
    return bool((await client.read_events(wanted, limit=1)).events)


async def _fell_silent(client: PrefectClient, run: FlowRun, since: datetime, now: datetime) -> bool:
    """Whether a run has sent heartbeats before, and none since then."""
    return await _heard(client, now - REMEMBERED, since, run) and not await _heard(client, since, now, run)


async def look_at_endpoints(settings: Settings) -> list[str]:
    """Tell of endpoints of the settings that may have no workers: one small request each, and nothing is sent.

    Of the one whose figure runs raise themselves, 0 is nothing to tell.
    """
    words = []
    looked_after = await asyncio.to_thread(name_looked_after, settings)
    async with httpx.AsyncClient() as http:
        for endpoint in endpoints_of(settings):
            there = await ask(http, endpoint)
            if count(part(there, "workers").get("max")) == 0 and plain_name(there) != looked_after:
                why = "the endpoint's max workers is 0; RunPod sets that after 7 days without a request"
                no_workers(endpoint.name, why, "`assetmill endpoint scale file` raises it")
                words.append(f"{endpoint.name}: {why}")
    return words
