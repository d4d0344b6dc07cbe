"""The pack index: what a game, or its build, reads to find every picture of a pack.

It says what each asset is and where its files are, and nothing of how they came to be: prompts, prices and endpoints
stay in the ledger, because an index is public. Only that another kind of provider stood in is told, for whoever looks
at the art. Paths are keys relative to `base`, which is itself relative to the index, so a pack works from any host and
from a copied folder. An index is never changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from assetmill.packs.keys import BASE_OF_INDEX, BLOBS, index_key, sha256_of

BlobKey = Annotated[str, Field(pattern=rf"^{BLOBS}[0-9a-f]{{2}}/[0-9a-f]{{64}}\.[a-z0-9]{{1,8}}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1)]


_LONG_AGO = datetime.min.replace(tzinfo=UTC)  # before any picture whose time is known


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Record(BaseModel):
    """Frozen, and no field that this version does not know: rewriting an index must not lose any."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PackLayer(Record):
    """One layer of a parallax background."""

    id: str = Field(description="Name of the layer.")
    file: BlobKey = Field(description="Its picture.")
    width: Side = Field(description="Width of the picture in pixels.")
    height: Side = Field(description="Height of the picture in pixels.")
    depth: Annotated[float, Field(ge=0, le=1)] = Field(description="0 far to 1 near.")
    scroll_factor: Annotated[float, Field(ge=0)] = Field(description="Speed relative to the camera.")
    opaque: bool = Field(description="Whether it is the layer behind all others.")


class Box(Record):
    """A rectangle in pixels, from the upper left corner."""

    x: int = Field(description="Left edge.")
    y: int = Field(description="Upper edge.")
    w: Side = Field(description="Width.")
    h: Side = Field(description="Height.")


class Placement(Record):
    """How a trimmed picture came into its canvas, so that a game can put it back where it was drawn."""

    source: tuple[int, int] = Field(description="Size (width, height) of the picture as it was generated.")
    crop: Box = Field(description="What of that picture was kept.")
    at: Box = Field(description="Where it lies in the published picture.")


class Rival(Record):
    """A picture that lost: two runs published the asset at once, and the one ordered later stands."""

    run: str = Field(description="Run that made the picture that does not stand.")
    file: BlobKey = Field(description="Where that picture is, for as long as somebody needs it.")
    made_at: Moment | None = Field(None, description="When it was ordered.")


class PackAsset(Record):
    """One published asset."""

    type: Literal["entity", "background", "title_hero", "parallax", "sheet"] = Field(description="Asset type.")
    file: BlobKey = Field(description="The finished picture.")
    width: Side = Field(description="Width of the picture in pixels.")
    height: Side = Field(description="Height of the picture in pixels.")
    bytes: Annotated[int, Field(ge=0)] = Field(description="Length of the file.")
    sha256: Sha256 = Field(description="Hash of the file.")
    draft: bool = Field(description="Placeholder art, not for release.")
    tags: tuple[str, ...] = Field((), description="The asset's tags, as the manifest gives them.")
    sheet: BlobKey | None = Field(None, description="AssetSheet JSON that says where each cell is.")
    layers: tuple[PackLayer, ...] = Field((), description="Layers of a parallax background, farthest first.")
    candidate: Annotated[int, Field(ge=0)] = Field(0, description="Which candidate was chosen, from 0.")
    made_in_run: str = Field(description="Run that first published this picture.")
    made_at: Moment | None = Field(None, description="When the picture was ordered.")
    files: dict[str, BlobKey] = Field(
        default_factory=dict, description="Further files by role: pages of the atlas, the sheet model, exports."
    )
    exports: tuple[str, ...] = Field((), description="Formats that the manifest asked for.")
    stand_in: str | None = Field(
        None, description="Kind of provider that made it in place of the one that was asked first; null if none did."
    )
    placement: Placement | None = Field(None, description="Where the trimmed picture lies in its canvas.")
    smooth: bool = Field(True, description="Whether engines should filter when they scale; false for pixel art.")
    over: Rival | None = Field(None, description="What it stands over, if two runs published it at once.")

    @model_validator(mode="after")
    def _file_is_named_by_its_hash(self) -> PackAsset:
        if self.sha256 not in self.file:
            raise ValueError(f"{self.file} is not the file whose hash is {self.sha256}")
        return self

    def blobs(self) -> Iterator[str]:
        """Keys of everything that the asset needs in the store."""
        yield self.file
        yield from (layer.file for layer in self.layers)
        yield from self.files.values()
        if self.sheet is not None:
            yield self.sheet

    def same_as(self, other: PackAsset | None) -> bool:
        """Whether a game would see no difference; when and by whom it was made does not count, nor over what."""
        return other is not None and self == other.model_copy(
            update={"made_in_run": self.made_in_run, "made_at": self.made_at, "over": self.over}
        )


class PackIndex(Record):
    """A whole pack at one moment."""

    version: Literal[1] = Field(1, description="Version of this format.")
    game: str = Field(description="Game id.")
    pack: str = Field(description="Pack id.")
    run_id: str = Field(description="Run that published it.")
    created_at: Moment = Field(description="When, ISO 8601 in UTC.")
    base: str = Field(BASE_OF_INDEX, description="Where the keys start, relative to the index itself.")
    assets: dict[str, PackAsset] = Field(description="Assets by id.")
    files: dict[str, BlobKey] = Field(
        default_factory=dict, description="Files of the whole pack by role, such as what an engine loads it all with."
    )

    def encoded(self) -> bytes:
        """The index as it is stored: UTF-8 JSON, keys sorted, so that equal indexes are equal bytes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode()

    @property
    def sha256(self) -> str:
        """Hash of the stored index."""
        return sha256_of(self.encoded())

    @property
    def key(self) -> str:
        """Where the index is stored."""
        return index_key(self.game, self.sha256)

    def blobs(self) -> set[str]:
        """Keys of everything that the pack needs in the store."""
        return {key for asset in self.assets.values() for key in asset.blobs()} | set(self.files.values())

    def same_as(self, other: PackIndex | None) -> bool:
        """Whether a game would see no difference; run and time do not count."""
        return (
            other is not None
            and (self.game, self.pack, self.base, self.files) == (other.game, other.pack, other.base, other.files)
            and self.assets.keys() == other.assets.keys()
            and all(asset.same_as(other.assets[name]) for name, asset in self.assets.items())
        )

    @property
    def rivals(self) -> dict[str, Rival]:
        """What was published at once with what stands now, by asset id."""
        return {name: asset.over for name, asset in self.assets.items() if asset.over is not None}


def carry_over(
    previous: PackIndex | None, fresh: Mapping[str, PackAsset], wanted: Collection[str]
) -> dict[str, PackAsset]:
    """Assets of the next index: what this run made, and the published version of what it did not make.

    Args:
        previous: the index that is published now, if any.
        fresh: assets that this run finished, by id.
        wanted: ids that belong to the pack: all of the manifest, also those that failed or were left out of
            this run. Everything else leaves the pack.

    Returns:
        Assets by id. A wanted asset that was never made is not there.
    """
    available = {**({} if previous is None else previous.assets), **fresh}
    return {name: available[name] for name in wanted if name in available}


def merge(base: PackIndex | None, theirs: PackIndex, ours: PackIndex) -> PackIndex:
    """Our index brought on top of one that was published meanwhile.

    An asset that we changed, added or took out since `base` is as we have it; any other is as they have it.
    Where one side took out what the other changed, the changed one stays, whoever publishes last: what was just
    made is not lost without a word, and the next run of a manifest without it takes it out again. Where both sides
    made the same asset anew, the picture that was ordered later stands, whoever publishes it last, and says in
    `over` which one it beat; ours stands if both were ordered at the same time. Pictures that are the same keep
    the run that first published them.

    Args:
        base: the index that ours started from; None if there was none.
        theirs: the index that is published now.
        ours: the index to publish. Its `files` stay as they are: whoever made them has to make them again.
    """
    before = {} if base is None else base.assets
    assets: dict[str, PackAsset] = {}
    for name in {**theirs.assets, **ours.assets}:
        chosen = _chosen(before.get(name), theirs.assets.get(name), ours.assets.get(name))
        if chosen is not None:
            assets[name] = chosen
    return ours.model_copy(update={"assets": assets})


def _chosen(old: PackAsset | None, other: PackAsset | None, mine: PackAsset | None) -> PackAsset | None:
    """Which version of one asset is published, None for none."""
    if _same(mine, old) or _same(mine, other):
        return other
    if _same(other, old):
        return None if mine is None else mine.model_copy(update={"over": None})
    if mine is None or other is None:
        return other if mine is None else mine.model_copy(update={"over": None})
    winner, loser = (other, mine) if _ordered(other) > _ordered(mine) else (mine, other)
    rival = Rival(run=loser.made_in_run, file=loser.file, made_at=loser.made_at)
    return winner.model_copy(update={"over": rival})


def _same(one: PackAsset | None, other: PackAsset | None) -> bool:
    return other is None if one is None else one.same_as(other)


def _ordered(asset: PackAsset) -> datetime:
    return asset.made_at or _LONG_AGO
