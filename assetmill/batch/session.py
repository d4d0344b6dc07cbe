"""Opening and closing a batch: manifest, books, store, endpoint, plan, in the order in which they may fail.

Nothing is sent and nothing is written before all of it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from pydantic import SecretStr

from assetmill.batch.admission import Admission
from assetmill.batch.budget import bounds_at, limits_for
from assetmill.batch.context import Batch, RawImages
from assetmill.batch.desk import holding_claims
from assetmill.batch.prepare import NO_LIMIT, Request, books_of
from assetmill.batch.pricing import priced
from assetmill.batch.progress import Progress, new_progress
from assetmill.batch.purse import Purse, new_purse
from assetmill.batch.roster import Roster
from assetmill.batch.settling import new_owner, new_provider
from assetmill.batch.window import Window
from assetmill.clock import Clock
from assetmill.ledger import Ledger, Run
from assetmill.localpod.process import draft_endpoint
from assetmill.manifest import Pack, load_pack
from assetmill.planning.history import History
from assetmill.planning.plan import Plan, Selection, make_plan
from assetmill.providers.base import EndpointFacts
from assetmill.providers.breakers import Breakers
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings
from assetmill.storage import Store, open_store
from assetmill.workflows.library import load_library


@asynccontextmanager
async def open_batch(settings: Settings, request: Request, clock: Clock, run_id: str) -> AsyncIterator[Batch]:
    """Everything that a run needs, until the end of the block; a draft endpoint is started if one is asked for.

    Raises:
        ManifestError, UsageError, WorkflowError, LedgerError, StorageError, ProviderRefused.
    """
    pack = await asyncio.to_thread(load_pack, request.manifest, request.overrides)
    request.selection.check(pack)
    library = load_library()
    endpoint = resolve_endpoint(settings, request.endpoint)
    store = open_store(settings.store_url, settings.store_access)
    async with AsyncExitStack() as stack:
        ledger = await asyncio.to_thread(Ledger.open, settings.ledger_url)
        stack.callback(ledger.close)
        await asyncio.to_thread(_try_to_write, store, run_id)
        shared = not _started_here(endpoint)
        endpoint = await stack.enter_async_context(_running(endpoint, settings))
        progress, owner = new_progress(), new_owner(settings, run_id)
        provider = new_provider(endpoint, settings, clock, progress)
        stack.push_async_callback(provider.aclose)
        endpoint, facts = await priced(endpoint, provider, settings, clock, progress.say)
        roster = Roster(endpoint, provider, ledger, clock, facts)
        stack.push_async_callback(roster.aclose)
        batch = Batch(
            owner=owner,
            endpoint=endpoint,
            provider=provider,
            ledger=ledger,
            store=store,
            clock=clock,
            progress=progress,
            roster=roster,
            run_id=run_id,
            pack=pack,
            settings=settings,
            library=library,
            admission=_admission(endpoint, settings, clock, progress),
            limits=(settings.execution_timeout_s * 1000, settings.job_ttl_s * 1000),
            strip=settings.strip_provenance,
            priority=request.priority,
            shared=shared,
            raws=RawImages(store),
            purse=_purse(settings, pack, endpoint, request, facts),
            resend_unknown=settings.resend_unknown if endpoint.paid else NO_LIMIT,
        )
        run = Run(
            run_id, pack.game.id, pack.pack.id, request.named, endpoint.kind, endpoint.name, endpoint.draft,
            clock.now(),
        )  # fmt: skip
        await asyncio.to_thread(ledger.begin_run, run)
        await stack.enter_async_context(holding_claims(ledger, owner, clock, progress))
        yield batch


def _purse(settings: Settings, pack: Pack, endpoint: Endpoint, request: Request, facts: EndpointFacts) -> Purse:
    limits = limits_for(settings, pack, request.budget_usd)
    return new_purse(limits, bounds_at(endpoint, settings, limits, facts), paid=endpoint.paid)


def _admission(endpoint: Endpoint, settings: Settings, clock: Clock, progress: Progress) -> Admission:
    window = Window(endpoint.max_workers, settings.queue_ahead)
    return Admission(window, Breakers(clock.monotonic, settings.worker_idle_s), clock, progress.say)


def _try_to_write(store: Store, run_id: str) -> None:
    """Write and delete a small object: a store that takes nothing is found out before anything is paid for."""
    key = f"probes/{run_id}"
    store.put(key, b"", content_type="text/plain")
    store.delete(key)


def _started_here(endpoint: Endpoint) -> bool:
    """Whether the run starts the endpoint itself; it is nobody else's then."""
    return endpoint.draft and not endpoint.url


@asynccontextmanager
async def _running(endpoint: Endpoint, settings: Settings) -> AsyncIterator[Endpoint]:
    """The endpoint itself; a draft endpoint without an address is started for the length of the block."""
    if not _started_here(endpoint):
        yield endpoint
        return
    log = settings.home / "draft-endpoint.log"
    async with draft_endpoint(log=log, workers=endpoint.max_workers, exec_seconds=settings.draft_seconds) as started:
        yield replace(endpoint, url=started.url, key=SecretStr(started.api_key))


async def plan_batch(batch: Batch, selection: Selection) -> tuple[Plan, History]:
    """Plan against the open books, off the event loop."""

    def work() -> tuple[Plan, History]:
        history = books_of(batch.ledger, batch.pack, batch.endpoint)
        plan = make_plan(
            batch.pack, history, batch.endpoint, batch.library, selection=selection, strip=batch.strip,
            resend_unknown=batch.resend_unknown,
        )  # fmt: skip
        batch.unknowns = history.unknowns
        return plan, history

    return await asyncio.to_thread(work)
