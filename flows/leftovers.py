"""Task runs that nobody will end any more: those of flow runs that are over.

A task run's states are told by the process that runs it. One that is killed tells nothing more, and its task runs
would show as running for ever, long after their flow run is known to have crashed and their jobs are settled. They
are ended here, and only in what Prefect shows: the books are settled by assetmill.batch.settling, and nothing here
touches them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from flows.setup.automations import FLOWS

QUIET_S: Final = 60.0
"""A server that is behind still writes down what task runs told before their flow run ended; ours are behind by 2 s."""

PAGE: Final = 200
OVER: Final = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
WORDS: Final = "its flow run is over, and it has told nothing since: what it had in hand is settled from the books"


async def end_leftovers(client: PrefectClient, now: datetime, *, quiet_s: float = QUIET_S) -> int:
    """Mark task runs as crashed whose flow run is over and that are not final.

    Args:
        client: of the Prefect server.
        now: aware time.
        quiet_s: how long the flow run must have been over.

    Returns:
        How many there were.
    """
    over = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=OVER)),
        end_time=FlowRunFilterEndTime(before_=now - timedelta(seconds=quiet_s)),
    )
    open_ones = [kind for kind in StateType if kind not in OVER]
    left = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=open_ones)))
    ours = FlowFilter(name=FlowFilterName(any_=list(FLOWS)))
    found = await client.read_task_runs(
        flow_filter=ours, flow_run_filter=over, task_run_filter=left, limit=PAGE
    )  # more than a page is the next time's
    for task_run in found:
        await client.set_task_run_state(task_run.id, Crashed(message=WORDS), force=True)
    return len(found)
