"""The gallery page of a run: every asset of the manifest, with what it cost and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from assetmill.batch.context import Batch, Outcome
from assetmill.batch.results import Choice
from assetmill.errors import KeyMissing
from assetmill.ledger import Output
from assetmill.manifest.models import Parallax
from assetmill.manifest.parallax import WHOLE, layer_roles, layers_of
from assetmill.money import usd
from assetmill.packs import gallery_key
from assetmill.packs.kinds import PAGE
from assetmill.packs.parallel import in_threads
from assetmill.packs.pointers import NO_CACHE
from assetmill.planning.plan import Plan, PlanItem, State
from assetmill.reports.gallery import GalleryItem, GalleryLayer, GalleryPage, render_gallery

UP = "../../../"  # from packs/<game>/gallery/ to the top of the store


def write_gallery(batch: Batch, plan: Plan, choices: Mapping[str, Choice], now: datetime) -> str:
    """Render the page, put it beside the pack and return its key."""
    sheets = _sheets(batch, choices)
    items = [_made(batch, choice, sheets) for choice in choices.values()]
    shown = set(choices)
    items += [_blocked(item) for item in plan.items if item.state is State.BLOCKED and item.asset.id not in shown]
    order = {asset.id: index for index, asset in enumerate(batch.pack.assets)}
    items.sort(key=lambda item: order[item.asset_id])
    pack = batch.pack
    page = GalleryPage(
        title=f"{pack.game.title}: {pack.pack.name}",
        game=pack.game.id,
        pack=pack.pack.id,
        run_id=batch.run_id,
        created_at=now.isoformat(timespec="seconds"),
        endpoint=batch.routes.name,
        totals=_totals(batch, items),
        items=tuple(items),
    )
    key = gallery_key(pack.game.id, batch.run_id)
    batch.store.put(key, render_gallery(page).encode(), content_type=PAGE, cache_control=NO_CACHE)
    return key


def _totals(batch: Batch, items: list[GalleryItem]) -> dict[str, str]:
    counts = {state: sum(item.state == state for item in items) for state in ("new", "cached", "refinished", "failed")}
    totals = {name: str(count) for name, count in counts.items() if count}
    spent = usd(batch.progress.cost_usd)
    return {"assets": str(len(items)), **totals, "cost": spent + (" + unknown" if batch.progress.unpriced else "")}


def _made(batch: Batch, choice: Choice, sheets: Mapping[str, Mapping[str, Any]]) -> GalleryItem:
    shown = choice.chosen or choice.all[0]
    asset, made, finish = choice.asset, shown.item.made, shown.finish
    files = finish.by_role if finish else {}
    main = files.get("image") or files.get(WHOLE)
    return GalleryItem(
        asset_id=asset.id,
        type=shown.item.asset.type,
        state=_state(choice, shown),
        href=UP + main.key if main else None,
        width=main.width if main else (made.asked[0] if made else 0),
        height=main.height if main else (made.asked[1] if made else 0),
        prompt=str(made.parameters.get("prompt", asset.prompt)) if made else asset.prompt,
        seed=made.seed if made else None,
        cost_usd=usd(shown.cost.estimate) if shown.cost else None,
        latency_s=shown.latency_ms / 1000 if shown.latency_ms is not None else None,
        draft=batch.endpoint.draft,
        tags=asset.tags,
        note=_note(shown),
        sheet=sheets.get(finish.sheet_key or "") if finish else None,
        layers=_layers(asset, files) if isinstance(asset, Parallax) and files else (),
        endless=isinstance(asset, Parallax) and asset.seamless in ("x", "xy"),
        candidates=_candidates(choice),
        attempt_id=shown.attempt_id,
    )


def _state(choice: Choice, shown: Outcome) -> Any:
    if choice.chosen is None:
        return "failed"
    if shown.item.state is State.CACHED:
        return "refinished" if shown.item.refinish else "cached"
    return "new"


def _note(outcome: Outcome) -> str:
    notes = outcome.finish.quality.get("notes", ()) if outcome.finish else ()
    return "; ".join(part for part in (outcome.note, _stand_in(outcome), *notes) if part)


def _stand_in(outcome: Outcome) -> str:
    """Who made it, where another endpoint was asked first."""
    item = outcome.item
    if item.road is None or item.instead_of is None:
        return ""
    return f"made by {item.road.endpoint.name}, in place of {item.instead_of}"


def _candidates(choice: Choice) -> tuple[str, ...]:
    if len(choice.all) == 1:
        return ()
    files = [outcome.finish.by_role.get("image") for outcome in choice.all if outcome.finish]
    return tuple(UP + file.key for file in files if file)


def _layers(asset: Parallax, files: Mapping[str, Output]) -> tuple[GalleryLayer, ...]:
    return tuple(
        GalleryLayer(id=spec.id, href=UP + files[role].key, scroll_factor=spec.scroll_factor, opaque=place == 0)
        for place, (role, spec) in enumerate(zip(layer_roles(asset), layers_of(asset), strict=True))
        if role in files
    )


def _sheets(batch: Batch, choices: Mapping[str, Choice]) -> dict[str, Mapping[str, Any]]:
    """AssetSheet documents by key, read several at a time; one that is gone is left out."""
    shown = [choice.chosen or choice.all[0] for choice in choices.values()]
    keys = {outcome.finish.sheet_key for outcome in shown if outcome.finish and outcome.finish.sheet_key}
    found = zip(sorted(keys), in_threads(lambda key: _sheet(batch, key), sorted(keys)), strict=True)
    return {key: document for key, document in found if document is not None}


def _sheet(batch: Batch, key: str) -> Mapping[str, Any] | None:
    try:
        document: Mapping[str, Any] = json.loads(batch.store.get(key))
    except KeyMissing:
        return None
    return document


def _blocked(item: PlanItem) -> GalleryItem:
    return GalleryItem(
        asset_id=item.asset.id,
        type=item.asset.type,
        state="blocked",
        href=None,
        width=0,
        height=0,
        prompt=item.asset.prompt,
        seed=None,
        cost_usd=None,
        latency_s=None,
        draft=False,
        tags=item.asset.tags,
        note=item.reason,
        sheet=None,
        layers=(),
        candidates=(),
        attempt_id=None,
    )
