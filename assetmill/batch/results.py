"""From outcomes to a published pack: choose among candidates, carry over what failed, write the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from assetmill.batch.context import Batch, Outcome
from assetmill.batch.gone import forget_what_can_be_made_again
from assetmill.errors import FilesGone
from assetmill.exports.pack import pack_files
from assetmill.finishing.fields import is_smooth
from assetmill.ledger import Finish, Output, RowFilter
from assetmill.manifest.models import Asset, Parallax
from assetmill.manifest.parallax import WHOLE, is_layer, layer_roles, layers_of
from assetmill.packs import (
    PackAsset,
    PackIndex,
    PackLayer,
    Placement,
    Published,
    carry_over,
    load_latest,
    publish,
    refuse_other_pack,
)

DRAFT_CHANNEL = "draft"


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidate of one asset that is published, and what it was chosen from."""

    asset: Asset
    chosen: Outcome | None
    all: tuple[Outcome, ...]


def choose(batch: Batch) -> dict[str, Choice]:
    """Best candidate of each asset: the highest score of the checks, the lowest number among equals."""
    by_asset: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in batch.outcomes.values():
        by_asset[outcome.item.asset.id].append(outcome)
    choices = {}
    for asset_id, outcomes in by_asset.items():
        outcomes.sort(key=lambda outcome: outcome.item.candidate)
        good = [outcome for outcome in outcomes if outcome.good]
        best = max(good, key=lambda o: (o.finish.score if o.finish else 0.0, -o.item.candidate), default=None)
        choices[asset_id] = Choice(outcomes[0].item.asset, best, tuple(outcomes))
    return choices


def channel_of(batch: Batch, channel: str) -> str:
    """Drafts have a channel of their own: they never take the place of released art."""
    return DRAFT_CHANNEL if batch.endpoint.draft else channel


def read_before(batch: Batch, channel: str) -> None:
    """Read what is published as a run begins: whatever differs from it at the end, somebody else has published.

    Raises:
        StorageError: the store failed, or what it publishes is damaged, or another pack; nothing has been paid for yet.
    """
    channel = channel_of(batch, channel)
    batch.common.before = load_latest(batch.store, batch.pack.game.id, channel)
    if batch.common.before is not None:
        refuse_other_pack(batch.common.before, batch.pack.pack.id, channel)


def publish_pack(batch: Batch, choices: Mapping[str, Choice], channel: str, now: datetime) -> Published | None:
    """Publish what came out well; keep the previous version of what did not. None if there is nothing at all.

    Raises:
        FilesGone: files are not in the store; those that the next run can make again are forgotten.
        LedgerError, StorageError: nothing is half published; the run may be repeated.
    """
    game, before = batch.pack.game.id, batch.common.before
    channel = channel_of(batch, channel)
    ordered = _ordered_at(batch)
    fresh = {
        asset_id: _keep_origin(before, asset_id, _entry(batch, choice, ordered))
        for asset_id, choice in choices.items()
        if choice.chosen is not None
    }
    assets = carry_over(before, fresh, [asset.id for asset in batch.pack.assets])
    if not assets and before is None:
        return None
    index = PackIndex(game=game, pack=batch.pack.pack.id, run_id=batch.run_id, created_at=now, assets=assets)
    try:
        return publish(
            batch.store, game=game, channel=channel, index=index, base=before, now=now, pack_files=pack_files
        )
    except FilesGone as gone:
        hint = forget_what_can_be_made_again(batch, gone)
        raise FilesGone(gone.message, keys=gone.keys, hint=hint) from None


def _ordered_at(batch: Batch) -> Mapping[str, datetime]:
    """When each attempt of the game was intended, by attempt id."""
    rows = batch.ledger.rows(RowFilter(game=batch.pack.game.id), ("attempt_id", "intended_at"))
    return {row["attempt_id"]: row["intended_at"] for row in rows}


def _keep_origin(before: PackIndex | None, asset_id: str, entry: PackAsset) -> PackAsset:
    """A picture that was published before keeps the run that first published it."""
    old = before.assets.get(asset_id) if before else None
    if old is not None and old.sha256 == entry.sha256:
        return entry.model_copy(update={"made_in_run": old.made_in_run})
    return entry


def _entry(batch: Batch, choice: Choice, ordered: Mapping[str, datetime]) -> PackAsset:
    finish = _finish(choice.chosen)
    files = finish.by_role
    main = _main_file(files)
    asset = choice.asset
    outcome = choice.chosen
    return PackAsset(
        type=asset.type,
        file=main.key,
        width=main.width,
        height=main.height,
        bytes=main.bytes,
        sha256=main.sha256,
        draft=batch.endpoint.draft,
        tags=asset.tags,
        sheet=finish.sheet_key,
        layers=_layers(asset, files) if isinstance(asset, Parallax) else (),
        candidate=outcome.item.candidate if outcome else 0,
        made_in_run=batch.run_id,
        made_at=ordered.get(finish.attempt_id),
        exports=asset.export,
        stand_in=_stand_in(outcome),
        smooth=is_smooth(asset, batch.pack),
        placement=Placement.model_validate(main.placement) if main.placement else None,
        files={role: file.key for role, file in files.items() if file is not main and not is_layer(role)},
    )


def _stand_in(outcome: Outcome | None) -> str | None:
    """Kind of the provider, where it is not the one that was asked first."""
    item = outcome.item if outcome is not None else None
    return item.road.endpoint.kind if item is not None and item.road is not None and item.instead_of else None


def _finish(outcome: Outcome | None) -> Finish:
    if outcome is None or outcome.finish is None:
        raise ValueError("an asset without a finished picture has no entry")
    return outcome.finish


def _main_file(files: Mapping[str, Output]) -> Output:
    """The file that stands for the asset: its image, or the whole picture of a parallax background."""
    return files.get("image") or files.get(WHOLE) or next(iter(files.values()))


def _layers(asset: Parallax, files: Mapping[str, Output]) -> tuple[PackLayer, ...]:
    layers: list[PackLayer] = []
    for role, spec in zip(layer_roles(asset), layers_of(asset), strict=True):
        file = files[role]
        layers.append(
            PackLayer(
                id=spec.id,
                file=file.key,
                width=file.width,
                height=file.height,
                depth=spec.depth,
                scroll_factor=spec.scroll_factor,
                opaque=not layers,
            )
        )
    return tuple(layers)
