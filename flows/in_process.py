"""Running the batch flow inside a program: to its report, and without leaving Prefect's own threads hanging.

Prefect sends logs and events from threads of its own. They have to be drained before a server of ours is ended,
also when the run is interrupted; otherwise the process waits for a server that is gone. No rules here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.exceptions import TerminationSignal
from prefect.logging.handlers import APILogWorker

from assetmill.batch.report import BatchReport
from assetmill.errors import AssetmillError
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings, load_settings
from flows.generate_batch import generate_batch
from flows.setup.limits import ensure_limits

DRAIN_S = 20.0


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What a flow run left: its report, or the error that it ended with."""

    flow_run_id: str
    report: BatchReport | None
    error: AssetmillError | None


def run_generate_batch(parameters: dict[str, Any], *, own_server: bool = False) -> FlowResult:
    """Run the flow to its end.

    Args:
        parameters: of the flow.
        own_server: whether the Prefect server is the program's own: the limit of the run's endpoint is made there, or
            set to what the settings say, since nobody else will. On any other server that is an operator's business.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM ended it at once; where Prefect's own handler takes the latter, it makes
            an exception of its own of it.
    """
    try:
        return asyncio.run(_flow(parameters, own_server=own_server))
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) or _terminated(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        APILogWorker.drain_all(timeout=DRAIN_S)
        EventsWorker.drain_all(timeout=DRAIN_S)


async def _flow(parameters: dict[str, Any], *, own_server: bool) -> FlowResult:
    if own_server:
        await _make_limit(load_settings(), parameters.get("endpoint") or parameters.get("provider"))
    state: State[Any] = await generate_batch(**parameters, return_state=True)
    value = _data(state) if state.is_cancelled() else await state.aresult(raise_on_failure=False)
    flow_run_id = str(state.state_details.flow_run_id)
    if isinstance(value, AssetmillError):
        return FlowResult(flow_run_id, None, value)
    if isinstance(value, BaseException):
        raise value
    return FlowResult(flow_run_id, value, None)


async def _make_limit(settings: Settings, wanted: str | None) -> None:
    endpoint = resolve_endpoint(settings, wanted)
    if endpoint.url:
        async with get_client() as client:
            await ensure_limits(client, [endpoint], settings, reset=True)


def _data(state: State[Any]) -> Any:
    """What a cancelled flow has returned all the same; asking Prefect for its result gives an error."""
    return getattr(state.data, "result", state.data)


def _terminated(error: BaseException) -> bool:
    """Whether a SIGTERM is at the bottom of it: it may surface inside a group of tasks."""
    if isinstance(error, BaseExceptionGroup):
        return any(_terminated(part) for part in error.exceptions)
    return isinstance(error, TerminationSignal)
