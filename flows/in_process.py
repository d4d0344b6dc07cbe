"""Running the batch flow inside a program: to its report, and without leaving Prefect's own threads hanging.

Prefect sends logs and events from threads of its own. They have to be drained before a server of ours is ended,
also when the run is interrupted; otherwise the process waits for a server that is gone. No rules here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.exceptions import TerminationSignal
from prefect.logging.handlers import APILogWorker

from assetmill.batch.report import BatchReport
from assetmill.compare.shelf import Compared
from assetmill.errors import AssetmillError
from assetmill.manifest import load_pack
from assetmill.providers.routing import routes_for
from assetmill.settings import Settings, load_settings
from flows.compare import compare
from flows.generate_batch import generate_batch
from flows.setup.limits import ensure_limits

DRAIN_S = 20.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What a flow run left: its report, or the error that it ended with."""

    flow_run_id: str
    report: BatchReport | None
    error: AssetmillError | None


@dataclass(frozen=True, slots=True)
class CompareResult:
    """What a flow run of a comparison left: its outcome, or the error that it ended with."""

    flow_run_id: str
    compared: Compared | None
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
    return _to_its_end(_flow(parameters, own_server=own_server))


def run_compare(parameters: dict[str, Any], *, own_server: bool = False) -> CompareResult:
    """Run the flow of a comparison to its end; arguments and errors as for `run_generate_batch`."""
    return _to_its_end(_compare(parameters, own_server=own_server))


def _to_its_end(running: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(running)
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) or _terminated(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        APILogWorker.drain_all(timeout=DRAIN_S)
        EventsWorker.drain_all(timeout=DRAIN_S)


async def _flow(parameters: dict[str, Any], *, own_server: bool) -> FlowResult:
    if own_server:
        wanted = parameters.get("endpoint") or parameters.get("provider")
        await _make_limits(load_settings(), parameters["manifest"], wanted)
    state: State[Any] = await generate_batch(**parameters, return_state=True)
    value = _data(state) if state.is_cancelled() else await state.aresult(raise_on_failure=False)
    flow_run_id = str(state.state_details.flow_run_id)
    if isinstance(value, AssetmillError):
        return FlowResult(flow_run_id, None, value)
    if isinstance(value, BaseException):
        raise value
    return FlowResult(flow_run_id, value, None)


async def _compare(parameters: dict[str, Any], *, own_server: bool) -> CompareResult:
    if own_server:
        for provider in parameters["providers"]:
            await _make_limits(load_settings(), parameters["manifest"], provider)
    state: State[Any] = await compare(**parameters, return_state=True)
    value = _data(state) if state.is_cancelled() else await state.aresult(raise_on_failure=False)
    flow_run_id = str(state.state_details.flow_run_id)
    if isinstance(value, AssetmillError):
        return CompareResult(flow_run_id, None, value)
    if isinstance(value, BaseException):
        raise value
    return CompareResult(flow_run_id, value, None)


async def _make_limits(settings: Settings, manifest: str, wanted: str | None) -> None:
    """Of every endpoint that the manifest's chains name; one that a run starts itself has none."""
    routes = routes_for(settings, load_pack(Path(manifest)), wanted)
    shared = [endpoint for endpoint in routes.endpoints if endpoint.url]
    if shared:
        async with get_client() as client:
            await ensure_limits(client, shared, settings, reset=True)


def _data(state: State[Any]) -> Any:
    """What a cancelled flow has returned all the same; asking Prefect for its result gives an error."""
    return getattr(state.data, "result", state.data)


def _terminated(error: BaseException) -> bool:
    """Whether a SIGTERM is at the bottom of it: it may surface inside a group of tasks."""
    if isinstance(error, BaseExceptionGroup):
        return any(_terminated(part) for part in error.exceptions)
    return isinstance(error, TerminationSignal)
