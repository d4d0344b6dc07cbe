"""Examining one endpoint: what can be looked at for free first, then what it can do, then that into the books.

An endpoint that refuses us, or that could never take a job, is sent none. What was found out is written down before
it is told, so that plans read it; an endpoint that is started for the moment and gone again is not written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import httpx
from pydantic import SecretStr

from assetmill.batch.desk import Desk
from assetmill.batch.errand import open_desk
from assetmill.clock import Clock
from assetmill.doctor.asking import ask_worker
from assetmill.doctor.booked import GAME, PACK, Probes
from assetmill.doctor.chart import Chart
from assetmill.doctor.findings import Examination, State
from assetmill.doctor.ways import kinds_at, recipes_of, ways_of
from assetmill.errors import AttemptError, ProviderRefused
from assetmill.ledger import Learned, Ledger, Run
from assetmill.localpod.process import draft_endpoint as started_draft_endpoint
from assetmill.money.budgets import Limits
from assetmill.providers.base import Ability
from assetmill.providers.endpoint import COMFYUI, SCENARIO, Endpoint
from assetmill.providers.endpoints import draft_endpoint
from assetmill.providers.runpod.pulse import pulse_of
from assetmill.settings import Settings
from assetmill.workflows.library import Library, load_library

# ruff: noqa: PLC0415  most endpoints speak one protocol, and need no other client

CALLED = "assetmill doctor"


async def examine(settings: Settings, endpoint: Endpoint, clock: Clock, *, ask: bool = True) -> Examination:
    """Find out what an endpoint can do.

    Args:
        settings: the environment.
        endpoint: who; a draft endpoint without an address is started for the moment.
        clock: time.
        ask: send probe jobs where nothing else tells what it can do; without, what the books know is told.

    Returns:
        What was found; an endpoint that refuses us or does not answer is a finding too.

    Raises:
        BudgetTaken, BudgetExceeded: a probe does not fit into the budgets.
        LedgerError, StorageError, WorkflowError, UsageError.
    """
    library = load_library()
    async with _running(settings, endpoint) as running:
        chart = Chart(settings, running, clock, library, ask, lasts=bool(endpoint.url))
        asked = await _asked(chart)
    hashes = _hashes(endpoint, library)
    before = await asyncio.to_thread(_kept, chart, hashes) if chart.lasts else {}
    abilities = {**before, **{one.workflow: one for one in chart.found}}
    return Examination(
        endpoint=endpoint.name,
        kind=endpoint.kind,
        url=endpoint.url,
        draft=endpoint.draft,
        checks=tuple(chart.checks),
        abilities=tuple(abilities[name] for name in hashes if name in abilities),
        ways=ways_of(kinds_at(endpoint, library), abilities),
        asked_at=clock.now() if asked else None,
        jobs=chart.jobs,
        cost_usd=chart.cost_usd,
        refused=chart.refused,
    )


async def _asked(chart: Chart) -> bool:
    """Look and ask; says whether it was asked what it can do."""
    look = {SCENARIO: _scenario, COMFYUI: _comfyui}.get(chart.endpoint.kind, _runpod)
    try:
        return await look(chart)
    except ProviderRefused as error:
        chart.refused = True
        chart.note("endpoint", State.BAD, error.message, error.hint)
    except AttemptError as error:
        chart.note("endpoint", State.BAD, error.message, error.hint)
    return False


async def _runpod(chart: Chart) -> bool:
    """An endpoint of RunPod's, or one that speaks its protocol: asked by a job that it refuses."""
    async with httpx.AsyncClient(follow_redirects=False) as client:
        pulse = await pulse_of(client, chart.endpoint)
    chart.note_answer(pulse)
    usable = chart.note_workers(pulse)
    async with _at_desk(chart) as desk:
        chart.note_price(desk.endpoint)
        if not chart.ask or not usable:
            return False
        await _ask_in_run(chart, desk)
    return True


async def _comfyui(chart: Chart) -> bool:
    """A ComfyUI server: its node list tells everything, and costs nothing."""
    from assetmill.providers.comfyui import abilities

    chart.found = await abilities(chart.endpoint, chart.clock, chart.library)
    chart.note("endpoint", State.OK, "a ComfyUI answers there, and shows its nodes")
    chart.note_price(chart.endpoint)
    await _keep(chart)
    return True


async def _scenario(chart: Chart) -> bool:
    """Scenario: its models and dry runs tell what a pipeline can do, and cost nothing."""
    from assetmill.providers.scenario.pipelines import Pipeline
    from assetmill.providers.scenario.probe import abilities

    recipes = recipes_of(kinds_at(chart.endpoint, chart.library))
    pipelines = [recipe for recipe in recipes if isinstance(recipe, Pipeline)]
    chart.found = await abilities(chart.endpoint, chart.clock, pipelines, chart.settings.secrets)
    if all(one.able is None for one in chart.found):
        chart.note("endpoint", State.BAD, chart.found[0].why, "check its address and the network")
    else:
        chart.note("endpoint", State.OK, f"Scenario answers and takes the keys; model {chart.endpoint.model}")
    chart.note("workers", State.OK, f"at most {chart.endpoint.max_workers} jobs at once (SCENARIO_MAX_JOBS)")
    chart.note_price(chart.endpoint)
    await _keep(chart)
    return True


async def _ask_in_run(chart: Chart, desk: Desk) -> None:
    """Send probes within a run of its own, which ends however the asking ends."""
    endpoint, run_id = desk.endpoint, f"doctor-{chart.clock.new_id()[:24]}"
    run = Run(run_id, GAME, PACK, CALLED, endpoint.kind, endpoint.name, endpoint.draft, chart.clock.now())
    await asyncio.to_thread(desk.ledger.begin_run, run)
    settings = chart.settings
    probes = Probes(desk, run_id, Limits(run_usd=settings.run_budget_usd, month_usd=settings.month_budget_usd))
    state = "failed"
    try:
        chart.found = await ask_worker(chart.library, chart.library.contract, probes.ask)
        state = "finished"
    finally:
        chart.jobs, chart.cost_usd = probes.sent, probes.cost_usd
        end = partial(desk.ledger.end_run, run_id, state=state, ended_at=chart.clock.now())
        await asyncio.to_thread(end, kept=0, failed=probes.sent, cached=0)
    await _keep(chart)


def _at_desk(chart: Chart) -> AbstractAsyncContextManager[Desk]:
    """Books, store and provider for probes; the endpoint with its price."""
    name, warn = f"doctor-{chart.clock.new_id()[:24]}", partial(chart.note, "price", State.WARN)
    return open_desk(chart.settings, chart.endpoint, chart.clock, name, warn)


@asynccontextmanager
async def _running(settings: Settings, endpoint: Endpoint) -> AsyncIterator[Endpoint]:
    """The endpoint itself; a draft endpoint without an address is started for the length of the block."""
    if not endpoint.draft or endpoint.url:
        yield endpoint
        return
    log, workers = settings.home / "draft-endpoint.log", settings.max_workers
    async with started_draft_endpoint(log=log, workers=workers) as started:
        yield draft_endpoint(settings, started.url, SecretStr(started.api_key))


async def _keep(chart: Chart) -> None:
    """Write down what was found out."""
    if not chart.lasts:
        return
    url, now, hashes = chart.endpoint.url, chart.clock.now(), _hashes(chart.endpoint, chart.library)
    learned = [Learned(url, one, hashes[one.workflow], now) for one in chart.found if one.workflow in hashes]

    def work() -> None:
        with Ledger.open(chart.settings.ledger_url) as ledger:
            ledger.abilities.put(learned)

    await asyncio.to_thread(work)


def _kept(chart: Chart, hashes: Mapping[str, str]) -> Mapping[str, Ability]:
    """What the books know of the endpoint, as far as it is about the workflows of today."""
    with Ledger.open(chart.settings.ledger_url) as ledger:
        return ledger.abilities.of(chart.endpoint.url, hashes)


def _hashes(endpoint: Endpoint, library: Library) -> dict[str, str]:
    """Workflow, or pipeline, -> hash, of everything that this kind of endpoint can be asked about."""
    if endpoint.kind == SCENARIO:
        return {recipe.name: recipe.template_hash for recipe in recipes_of(kinds_at(endpoint, library))}
    return {workflow.name: workflow.template_hash for workflow in library}
