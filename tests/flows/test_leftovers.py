"""Task runs of runs that are over come to an end in what Prefect shows, and no others do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow, task
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.states import Completed, Crashed, Pending, Running, State

from flows.leftovers import QUIET_S, WORDS, end_leftovers

pytestmark = pytest.mark.timeout(300)
LATER_S = QUIET_S + 30


@task(name="generate-asset")
def some_task():
    """Never run: only its runs are made."""


def flow_named(name: str):
    @flow(name=name)
    def some_flow():
        """Never run, either."""

    return some_flow


async def run_with(client: PrefectClient, name: str, ended: State | None, *tasks: State) -> list:
    """A flow run as a process left it behind, and the ids of its task runs."""
    flow_run = await client.create_flow_run(flow_named(name), state=Running())
    made = [
        await client.create_task_run(some_task, flow_run.id, f"key-{n}", state=state) for n, state in enumerate(tasks)
    ]
    if ended is not None:
        await client.set_flow_run_state(flow_run.id, ended, force=True)
    return [one.id for one in made]


async def states(client: PrefectClient, ids: list) -> list[StateType]:
    return [(await client.read_task_run(one)).state.type for one in ids]


async def test_what_a_crashed_run_left_running_or_pending_is_ended_and_the_rest_stays(api_url):
    async with PrefectClient(api_url) as client:
        ids = await run_with(client, "generate-batch", Crashed(), Running(), Pending(), Completed(message="kept"))
        now = datetime.now(UTC)
        await end_leftovers(client, now)
        assert await states(client, ids) == [StateType.RUNNING, StateType.PENDING, StateType.COMPLETED]
        assert await end_leftovers(client, now + timedelta(seconds=LATER_S)) >= 2
        assert await states(client, ids) == [StateType.CRASHED, StateType.CRASHED, StateType.COMPLETED]
        assert (await client.read_task_run(ids[0])).state.message == WORDS
        assert (await client.read_task_run(ids[2])).state.message == "kept"
        await end_leftovers(client, now + timedelta(seconds=2 * LATER_S))
        assert await states(client, ids) == [StateType.CRASHED, StateType.CRASHED, StateType.COMPLETED]


async def test_task_runs_of_a_run_that_goes_on_and_of_other_peoples_flows_are_left_alone(api_url):
    async with PrefectClient(api_url) as client:
        alive = await run_with(client, "generate-batch", None, Running())
        strange = await run_with(client, "somebody-elses", Crashed(), Running())
        await end_leftovers(client, datetime.now(UTC) + timedelta(seconds=LATER_S))
        assert await states(client, alive + strange) == [StateType.RUNNING] * 2
