"""Opening and closing a batch: manifest, books, store, endpoint, plan, in the order in which they may fail.

Nothing is sent and nothing is written before all of it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from assetmill.batch.admission import Admission, Allowance
from assetmill.batch.budget import bounds_for, limits_for
from assetmill.batch.context import DRAW_AT_ONCE, FINISH_AT_ONCE, Batch, Common, RawImages
from assetmill.batch.counters import Counter, Hall
from assetmill.batch.desk import holding_claims
from assetmill.batch.prepare import NO_LIMIT, Request, books_of
from assetmill.batch.progress import new_progress
from assetmill.batch.providers import queue_ahead
from assetmill.batch.purse import Purse, new_purse
from assetmill.batch.settling import new_owner
from assetmill.batch.window import Window
from assetmill.clock import Clock
from assetmill.ledger import Ledger, Run
from assetmill.manifest import Pack, load_pack
from assetmill.planning.history import History
from assetmill.planning.plan import Plan, Selection
from assetmill.planning.planner import make_plan
from assetmill.providers.breakers import Breakers
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.routing import Routes, routes_for
from assetmill.settings import Settings
from assetmill.storage import Store, open_store
from assetmill.workflows.library import Library, load_library


@asynccontextmanager
async def open_batch(settings: Settings, request: Request, clock: Clock, run_id: str) -> AsyncIterator[Batch]:
    """Everything that a run needs, until the end of the block; a draft endpoint is started if one is asked for.

    Raises:
        ManifestError, UsageError, WorkflowError, LedgerError, StorageError, ProviderRefused.
    """
    pack = await asyncio.to_thread(load_pack, request.manifest, request.overrides)
    request.selection.check(pack)
    library = load_library()
    routes = routes_for(settings, pack, request.endpoint)
    store = open_store(settings.store_url, settings.store_access)
    async with AsyncExitStack() as stack:
        ledger = await asyncio.to_thread(Ledger.open, settings.ledger_url)
        stack.callback(ledger.close)
        await asyncio.to_thread(_try_to_write, store, run_id)
        progress, owner = new_progress(), new_owner(settings, run_id)
        hall = Hall(settings, clock, progress, ledger, owner, stack)
        counters = {endpoint.name: await hall.counter(endpoint) for endpoint in routes.endpoints}
        routes = routes.put({name: counter.endpoint for name, counter in counters.items()})
        batch = _batch(hall, routes, list(counters.values()), request, pack=pack, store=store, library=library)
        run = Run(
            run_id, pack.game.id, pack.pack.id, request.named, batch.endpoint.kind, routes.name, batch.endpoint.draft,
            clock.now(),
        )  # fmt: skip
        await asyncio.to_thread(ledger.begin_run, run)
        await stack.enter_async_context(holding_claims(ledger, owner, clock, progress))
        yield batch


def _batch(
    hall: Hall, routes: Routes, counters: Sequence[Counter], request: Request, *, pack: Pack, store: Store,
    library: Library,
) -> Batch:  # fmt: skip
    """The run, and as many views of it as there are endpoints; the first is the run itself."""
    settings, clock = hall.settings, hall.clock
    common, lanes, allowance = Common(), dict[str, Batch](), Allowance()
    purse = _purse(settings, pack, routes, request, counters)
    raws, finishing, drawing = RawImages(store), asyncio.Semaphore(FINISH_AT_ONCE), asyncio.Semaphore(DRAW_AT_ONCE)
    for counter in counters:
        Batch(
            owner=hall.owner,
            endpoint=counter.endpoint,
            provider=counter.provider,
            ledger=hall.ledger,
            store=store,
            clock=clock,
            progress=hall.progress,
            roster=counter.roster,
            run_id=hall.owner.id,
            pack=pack,
            settings=settings,
            library=library,
            routes=routes,
            admission=_admission(counter.endpoint, hall, allowance),
            limits=(settings.execution_timeout_s * 1000, settings.job_ttl_s * 1000),
            strip=settings.strip_provenance,
            priority=request.priority,
            scale=request.scale or settings.scale,
            shared=counter.shared,
            raws=raws,
            purse=purse,
            resend_unknown=settings.resend_unknown if counter.endpoint.paid else NO_LIMIT,
            finishing=finishing,
            drawing=drawing,
            common=common,
            lanes=lanes,
        )
    return next(iter(lanes.values()))


def _purse(settings: Settings, pack: Pack, routes: Routes, request: Request, counters: Sequence[Counter]) -> Purse:
    limits = limits_for(settings, pack, request.budget_usd)
    facts = {counter.endpoint.url: counter.facts for counter in counters}
    return new_purse(limits, bounds_for(routes, settings, limits, facts), paid=routes.paid)


def _admission(endpoint: Endpoint, hall: Hall, allowance: Allowance) -> Admission:
    settings, clock = hall.settings, hall.clock
    window = Window(endpoint.max_workers, queue_ahead(endpoint, settings))
    return Admission(window, Breakers(clock.monotonic, settings.worker_idle_s), clock, hall.progress.say, allowance)


def _try_to_write(store: Store, run_id: str) -> None:
    """Write and delete a small object: a store that takes nothing is found out before anything is paid for."""
    key = f"probes/{run_id}"
    store.put(key, b"", content_type="text/plain")
    store.delete(key)


async def plan_batch(batch: Batch, selection: Selection) -> tuple[Plan, History]:
    """Plan against the open books, off the event loop."""

    def work() -> tuple[Plan, History]:
        history = books_of(batch.ledger, batch.pack, batch.routes, batch.clock.now())
        plan = make_plan(
            batch.pack, history, batch.routes, batch.library, selection=selection, strip=batch.strip,
            resend_unknown=batch.settings.resend_unknown if batch.routes.paid else NO_LIMIT,
        )  # fmt: skip
        batch.common.unknowns = history.unknowns
        return plan, history

    return await asyncio.to_thread(work)
