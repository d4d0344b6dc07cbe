"""Making a comparison: what is compared with what, the two runs, and the document that comes of them.

Each side is an ordinary run with one provider and nobody who takes over: the same books, budgets, caches and retries,
so nothing is paid twice and whatever is there already is taken. It publishes nothing. The sides run one after the
other, so that neither one's latency is measured while the other takes this machine's time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from PIL import Image

from assetmill.batch.context import Batch
from assetmill.batch.prepare import Request, plan_only
from assetmill.batch.report import BatchReport, Line
from assetmill.batch.results import Choice
from assetmill.batch.run import Steps
from assetmill.compare.measures import figures_of, pair_figures
from assetmill.compare.pairing import Books, main_raw, pairs_of, read_books
from assetmill.compare.values import Comparison, Pair, Shot, Side, comparison_id
from assetmill.errors import BudgetExceeded, KeyMissing, ResultInvalid, UsageError
from assetmill.images import decode
from assetmill.ledger import Ledger
from assetmill.money import usd
from assetmill.packs import Published
from assetmill.planning.plan import ALL, Plan, PlanItem, Selection
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings
from assetmill.storage import Store

SIDES = 2
MEASURED_AT_ONCE = 2  # pictures are large once they are decoded


@dataclass(frozen=True)
class Wanted:
    """What is compared.

    Args:
        manifest: path of the manifest.
        providers: names or addresses of the two endpoints.
        selection: part of the manifest.
        overrides: asset fields that are set for all assets.
        source: what the books call the manifest, where that is not its path.
        budget_usd: the most that both sides together may cost.
    """

    manifest: Path
    providers: tuple[str, ...]
    selection: Selection = ALL
    overrides: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    budget_usd: Decimal | None = None

    def request(self, number: int, spent_usd: Decimal = Decimal(0)) -> Request:
        """What the run of one side is asked for, with what the other one has left of the budget."""
        left = None if self.budget_usd is None else max(Decimal(0), self.budget_usd - spent_usd)
        return Request(
            self.manifest, self.providers[number], self.selection, self.overrides, self.source, budget_usd=left
        )


@dataclass(frozen=True)
class Prepared:
    """Two sides that can be compared.

    Args:
        endpoints: who makes the pictures.
        plans: what each would make.
    """

    endpoints: tuple[Endpoint, Endpoint]
    plans: tuple[Plan, Plan]


class UnpublishedSteps(Steps):
    """An ordinary run whose pictures go into no pack."""

    async def publish(self, batch: Batch, choices: dict[str, Choice], channel: str) -> Published | None:  # noqa: ARG002  the step of another kind needs them
        """Leave what is published as it is."""
        return None


def prepare(settings: Settings, wanted: Wanted) -> Prepared:
    """Plan both sides, and refuse what would compare nothing. Asks no network.

    Raises:
        UsageError: not two providers, or two that cannot be told apart, or placeholders beside real art.
        BudgetExceeded: both sides together are going to cost more than they may.
        ManifestError, WorkflowError, LedgerError, ProviderRefused: as for any plan.
    """
    first, second = _endpoints(settings, wanted.providers)
    plans = plan_only(settings, wanted.request(0)), plan_only(settings, wanted.request(1))
    _refuse_same(plans, (first, second))
    _refuse_half(plans, wanted.budget_usd)
    return Prepared((first, second), plans)


def channel_for(endpoint: Endpoint) -> str:
    """Channel that a side's run reads, where nothing is published: games never see what is compared."""
    return f"compare-{re.sub(r'[^a-z0-9_-]+', '-', endpoint.name.lower()).strip('-')}"[:64]


def spent_of(report: BatchReport) -> Decimal:
    """The most that a side's run has cost."""
    return (report.cost_usd or Decimal(0)) + (report.unpriced_high_usd or Decimal(0))


def document(
    settings: Settings, wanted: Wanted, store: Store, reports: tuple[BatchReport, BatchReport], now: datetime
) -> Comparison:
    """Make the document of two runs that are over.

    Args:
        settings: the environment.
        wanted: what was compared.
        store: where the pictures are.
        reports: what both runs said.
        now: aware time.

    Raises:
        UsageError: there is not one pair of pictures.
        LedgerError, StorageError: books or store failed.
    """
    endpoints = _endpoints(settings, wanted.providers)
    plans = plan_only(settings, wanted.request(0)), plan_only(settings, wanted.request(1))
    with Ledger.open(settings.ledger_url) as ledger:
        books = read_books(ledger, plans[0].pack.game.id)
    pairs, left_out = pairs_of(plans, books, (_failures(reports[0]), _failures(reports[1])))
    if not pairs:
        why = f"; {left_out[0].asset}: {left_out[0].why}" if left_out else ""
        raise UsageError(f"there is nothing to compare{why}", hint="`assetmill plan` says what each side would make")
    pairs, pack = _measured(pairs, plans, books, store), plans[0].pack
    names = wanted.providers
    sides = _side(endpoints[0], names[0], reports[0].run_id), _side(endpoints[1], names[1], reports[1].run_id)
    return Comparison(
        id=comparison_id(pack.game.id, sides, pairs),
        game=pack.game.id,
        title=pack.game.title,
        pack=pack.pack.id,
        manifest=wanted.request(0).named,
        made_at=now,
        sides=sides,
        pairs=pairs,
        left_out=left_out,
    )


def _endpoints(settings: Settings, names: Sequence[str]) -> tuple[Endpoint, Endpoint]:
    if len(names) != SIDES or len(set(names)) != SIDES:
        raise UsageError("two providers are compared", hint="--providers a,b with names such as runpod,scenario")
    first, second = (resolve_endpoint(settings, name) for name in names)
    if first.name == second.name:
        raise UsageError(f"{names[0]} and {names[1]} are both {first.name}", hint="name two providers")
    if first.draft != second.draft:
        raise UsageError(
            "a placeholder beside a real picture compares nothing", hint="name two that draw, or two drafts"
        )
    return first, second


def _refuse_same(plans: tuple[Plan, Plan], endpoints: tuple[Endpoint, Endpoint]) -> None:
    """Who asks the same model by the same protocol for the same gets the same picture, from the cache."""
    made = [{item.key: item.made.fingerprint for item in plan.items if item.made} for plan in plans]
    shared = made[0].keys() & made[1].keys()
    if shared and all(made[0][key] == made[1][key] for key in shared):
        kind, model = endpoints[0].kind, endpoints[0].model
        raise UsageError(
            f"{endpoints[0].name} and {endpoints[1].name} cannot be told apart: both are {kind} with the model {model}",
            hint="pictures made from the same inputs are made once, whoever is asked",
        )


def _refuse_half(plans: tuple[Plan, Plan], budget_usd: Decimal | None) -> None:
    estimates = [plan.total.cost.estimate for plan in plans if plan.may_pay]
    known = sum((estimate for estimate in estimates if estimate is not None), Decimal(0))
    if budget_usd is not None and known > budget_usd:
        raise BudgetExceeded(
            f"both sides are estimated to cost {usd(known)}, and may cost {usd(budget_usd)}",
            hint="half a comparison is none: choose fewer assets with --only or --type, or allow more",
        )


def _side(endpoint: Endpoint, asked: str, run_id: str) -> Side:
    return Side(
        name=endpoint.name, asked=asked, kind=endpoint.kind, model=endpoint.model, draft=endpoint.draft,
        price_source=endpoint.price_source, run_id=run_id,
    )  # fmt: skip


def _failures(report: BatchReport) -> dict[tuple[str, int], Line]:
    return {(line.asset, line.candidate): line for line in report.failures}


def _measured(pairs: tuple[Pair, ...], plans: tuple[Plan, Plan], books: Books, store: Store) -> tuple[Pair, ...]:
    """The pairs with their figures; two at once, because decoded pictures are large."""
    items = [{item.key: item for item in plan.items} for plan in plans]
    with ThreadPoolExecutor(MEASURED_AT_ONCE, thread_name_prefix="measure") as pool:
        return tuple(pool.map(lambda pair: _measure(pair, [side[pair.key] for side in items], books, store), pairs))


def _measure(pair: Pair, items: Sequence[PlanItem], books: Books, store: Store) -> Pair:
    pictures = [_raw(shot, books, store) for shot in pair.shots]
    shots = []
    for item, shot, picture in zip(items, pair.shots, pictures, strict=True):
        guided = item.made is not None and item.made.guide is not None
        figures = shot.figures if picture is None else figures_of(item.asset, picture, guided=guided)
        shots.append(shot.model_copy(update={"figures": figures}))
    update: dict[str, Any] = {"shots": tuple(shots)}
    if pictures[0] is not None and pictures[1] is not None:
        update["figures"] = pair_figures(items[0].asset, pictures[0], pictures[1])
    return pair.model_copy(update=update)


def _raw(shot: Shot, books: Books, store: Store) -> Image.Image | None:
    """The picture as it came back; None where it is not there any more, or is none."""
    details = books.details.get(shot.attempt_id or "")
    if details is None or not details.outputs:
        return None
    try:
        return decode(store.get(main_raw(details.outputs).key))
    except (KeyMissing, ResultInvalid):
        return None
