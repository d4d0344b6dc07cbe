"""Planning from files alone: the manifest, the settings and the books. Opens no store and no endpoint."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assetmill.batch.budget import Outlook, bounds_for, limits_for, outlook
from assetmill.clock import Clock
from assetmill.manifest import Pack, load_pack
from assetmill.money.budgets import Standing, budgets_of
from assetmill.planning.history import NOTHING, History, read_history
from assetmill.planning.plan import ALL, Plan, Selection
from assetmill.planning.planner import make_plan
from assetmill.providers.routing import Routes, routes_for
from assetmill.settings import ScalePolicy, Settings
from assetmill.workflows.library import load_library

if TYPE_CHECKING:
    from assetmill.ledger import Ledger

SQLITE_FILE = "sqlite:///"
Priority = Literal["urgent", "normal", "backfill"]
NO_LIMIT = 1_000_000  # what costs nothing may be sent again as often as it takes


@dataclass(frozen=True)
class Request:
    """What a run is asked for.

    Args:
        manifest: path of the manifest.
        endpoint: name or address of who makes everything, or several with commas between them, of which the later
            ones take over; None for what the manifest and the settings say.
        selection: part of the manifest.
        overrides: asset fields that the command line sets for all assets.
        source: what the books call the manifest, where that is not its path: the address that it came from.
        priority: urgent runs go before normal ones at an endpoint that they share; backfill takes what is left.
        scale: what the run does to the most workers of its endpoints; None for what the settings say.
        budget_usd: the most that the run may cost; None for no limit but those of settings and manifest.
    """

    manifest: Path
    endpoint: str | None = None
    selection: Selection = ALL
    overrides: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    priority: Priority = "normal"
    scale: ScalePolicy | None = None
    budget_usd: Decimal | None = None

    @property
    def named(self) -> str:
        """What the books call the manifest."""
        return self.source or str(self.manifest)


def plan_only(settings: Settings, request: Request, clock: Clock | None = None) -> Plan:
    """Plan without opening a store or an endpoint; books that do not exist yet are not made.

    Args:
        settings: the environment.
        request: what is asked for.
        clock: says what time it is, the machine's own if left out: endpoints that failed lately are left alone.

    Raises:
        ManifestError, UsageError, WorkflowError, LedgerError, ProviderRefused.
    """
    pack = load_pack(request.manifest, request.overrides)
    library = load_library()
    routes = routes_for(settings, pack, request.endpoint)
    with ExitStack() as stack:
        history = NOTHING
        if _books_exist(settings.ledger_url):
            from assetmill.ledger import Ledger  # noqa: PLC0415  a first plan has no books to read

            ledger = stack.enter_context(Ledger.open(settings.ledger_url))
            history = books_of(ledger, pack, routes, (clock or Clock()).now())
        strip = settings.strip_provenance
        resend = settings.resend_unknown if routes.paid else NO_LIMIT
        return make_plan(
            pack, history, routes, library, selection=request.selection, strip=strip, resend_unknown=resend
        )


def budget_outlook(settings: Settings, request: Request, plan: Plan, at: datetime) -> Outlook:
    """Hold a plan against its budgets, without opening a store or an endpoint.

    Args:
        settings: the environment.
        request: what was asked for.
        plan: made for it.
        at: now, aware.

    Raises:
        LedgerError: the books cannot be read.
    """
    limits = limits_for(settings, plan.pack, request.budget_usd)
    bounds = bounds_for(plan.routes, settings, limits)
    budgets = budgets_of(limits, run_id="", game=plan.pack.game.id, at=at)
    standings = [Standing(budget, Decimal(0), Decimal(0)) for budget in budgets]
    if budgets and _books_exist(settings.ledger_url):
        from assetmill.ledger import Ledger  # noqa: PLC0415  as above

        with Ledger.open(settings.ledger_url) as ledger:
            standings = list(ledger.standings(limits, run_id="", game=plan.pack.game.id, at=at))
    return outlook(plan, standings, bounds)


def free_run_id(settings: Settings, wanted: str) -> str:
    """The id of a run as it was asked for, or with a number at its end if the books have such a run already.

    A run that is started again, by Prefect or by a person, is another run: the books keep both.

    Raises:
        LedgerError: the books cannot be read.
    """
    if not _books_exist(settings.ledger_url):
        return wanted
    from assetmill.ledger import Ledger  # noqa: PLC0415  as above

    with Ledger.open(settings.ledger_url) as ledger:
        taken = {str(run["run_id"]) for run in ledger.runs()}
    names = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _books_exist(url: str) -> bool:
    return not url.startswith(SQLITE_FILE) or Path(url.removeprefix(SQLITE_FILE)).exists()


def books_of(ledger: Ledger, pack: Pack, routes: Routes, at: datetime) -> History:
    """What the books hold for a manifest; drafts and real pictures are never mixed."""
    return read_history(ledger, pack.game.id, draft=routes.main.draft, at=at)
