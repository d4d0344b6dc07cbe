"""What a comparison writes down: two sides, and the pictures of both in pairs, with all that was measured.

The document never changes once it is stored. Its id follows from the very pictures, so the same two pictures are the
same comparison however often it is made, and votes on it stay. Costs and names are in it, so it is for people of the
house: it lies beside the galleries, under the same rules. Nothing here reads a file or a ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from assetmill.packs import gallery_key, report_key
from assetmill.packs.keys import BLOBS

EQUAL = "equal"
NEITHER = "neither"
ID_DIGITS = 16

ShotState = Literal["kept", "rejected", "missing", "blocked"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Side(_Part):
    """One of the two who made the pictures."""

    name: str = Field(description="Name of the endpoint, as the books have it.")
    asked: str = Field(description="As it was asked for: a name, or an address.")
    kind: str = Field(description="Protocol: draft, runpod, scenario or comfyui.")
    model: str = Field(description="Identity of the model that answers.")
    draft: bool = Field(description="Whether it draws placeholders.")
    price_source: str = Field(description="Where its price comes from.")
    run_id: str | None = Field(None, description="The run that made what was missing.")


class View(_Part):
    """One way to look at a picture: files that lie on each other, the farthest first."""

    label: str = Field(description="What it shows.")
    keys: tuple[str, ...] = Field(min_length=1, description="Keys in the store.")
    width: int = Field(ge=1, description="Pixels.")
    height: int = Field(ge=1, description="Pixels.")


class Figures(_Part):
    """What was measured of one picture as it came back; null where a figure means nothing."""

    solid: float | None = Field(None, description="Share of solid pixels, 0 to 1; cut-outs only.")
    border_touch: float | None = Field(None, description="Share of the outermost pixels that are solid; cut-outs only.")
    soft_alpha: float | None = Field(None, description="Half transparent pixels per solid pixel; cut-outs only.")
    guide_overlap: float | None = Field(None, description="Intersection over union with the guide's silhouette.")
    guide_leak: float | None = Field(None, description="Share of the subject that still has the guide's own colour.")
    colours: int | None = Field(None, description="Colours, of 32 levels a channel, that cover 0.01 % of it or more.")
    detail: float | None = Field(None, description="Mean difference of neighbouring pixels' lightness, levels.")
    seam: float | None = Field(None, description="Jump where repeats join, over the sharpest edge; seamless ones only.")


class PairFigures(_Part):
    """How far the two pictures of a pair are from each other; null where only one is there."""

    silhouette_overlap: float | None = Field(None, description="Intersection over union of both subjects; cut-outs.")
    perceptual: float | None = Field(None, description="Share of differing bits of two DCT hashes, 0 to 1.")
    colour: float | None = Field(None, description="Distance of the mean colours, CIE 1976 delta E.")


class Shot(_Part):
    """The picture of one side. Money is in US dollars; null is unknown, or not there."""

    state: ShotState = Field(description="kept; rejected by the checks; missing; or blocked: there is no way to it.")
    why: str = Field("", description="Why it is not kept.")
    attempt_id: str | None = Field(None, description="The attempt that made it.")
    seed: int | None = Field(None, description="Seed that was sent.")
    workflow: str = Field("", description="How it was made.")
    views: tuple[View, ...] = Field((), description="Ways to look at it, the finished picture first.")
    cost_usd: Decimal | None = Field(None, description="Estimate of what this attempt cost.")
    spent_usd: Decimal | None = Field(None, description="The same with all tries at it; null if any is unknown.")
    tries: int = Field(0, ge=0, description="Attempts at it, this one included.")
    latency_ms: int | None = Field(None, description="From sending to the final row.")
    queue_ms: int | None = Field(None, description="Of it, before the work began.")
    execution_ms: int | None = Field(None, description="Of it, at work.")
    score: float | None = Field(None, description="What the checks think of it, 0 to 1.")
    notes: tuple[str, ...] = Field((), description="What they want a person to look at.")
    figures: Figures = Figures()

    @property
    def there(self) -> bool:
        """Whether there is a picture to look at."""
        return self.state in ("kept", "rejected")


class Pair(_Part):
    """One picture of the manifest by both sides."""

    asset: str = Field(description="Asset id.")
    candidate: int = Field(ge=0, description="Candidate, from 0.")
    type: str = Field(description="Asset type.")
    prompt: str = Field(description="Words of the manifest.")
    width: int = Field(description="Pixels that were asked for.")
    height: int = Field(description="Pixels that were asked for.")
    shots: tuple[Shot, Shot] = Field(description="In the order of the sides.")
    figures: PairFigures = PairFigures()

    @property
    def key(self) -> tuple[str, int]:
        """(asset id, candidate)."""
        return self.asset, self.candidate

    @property
    def whole(self) -> bool:
        """Whether both pictures are there, so that people can vote."""
        return all(shot.there for shot in self.shots)


class LeftOut(_Part):
    """A picture that cannot be compared."""

    asset: str = Field(description="Asset id.")
    candidate: int = Field(description="Candidate, from 0.")
    type: str = Field(description="Asset type.")
    why: str = Field(description="Why not.")


class Comparison(_Part):
    """The document."""

    version: Literal[1] = 1
    id: str = Field(description="Follows from the pictures.")
    game: str = Field(description="Game id.")
    title: str = Field(description="Title of the game.")
    pack: str = Field(description="Pack id.")
    manifest: str = Field(description="Where the manifest came from.")
    made_at: datetime = Field(description="When the document was made; aware.")
    sides: tuple[Side, Side] = Field(description="Who made the pictures.")
    pairs: tuple[Pair, ...] = Field(description="In the order of the manifest.")
    left_out: tuple[LeftOut, ...] = Field((), description="What cannot be compared, and why.")

    @property
    def names(self) -> tuple[str, str]:
        """Names of both sides."""
        return self.sides[0].name, self.sides[1].name

    @property
    def choices(self) -> tuple[str, ...]:
        """What a vote may say."""
        return (*self.names, EQUAL, NEITHER)

    @property
    def draft(self) -> bool:
        """Whether placeholders are compared, which proves nothing of anybody's art."""
        return any(side.draft for side in self.sides)

    @property
    def blobs(self) -> frozenset[str]:
        """Keys of all pictures in it."""
        shots = (shot for pair in self.pairs for shot in pair.shots)
        return frozenset(key for shot in shots for view in shot.views for key in view.keys)

    def swapped(self, pair: Pair) -> bool:
        """Whether the second side stands on the left: by lot, but the same for everybody who looks."""
        text = f"{self.id}\0{pair.asset}\0{pair.candidate}"
        return bool(hashlib.sha256(text.encode()).digest()[0] & 1)

    def pair(self, asset: str, candidate: int) -> Pair | None:
        """The pair of a picture, if there is one."""
        return next((pair for pair in self.pairs if pair.key == (asset, candidate)), None)


def comparison_id(game: str, sides: Iterable[Side], pairs: Iterable[Pair]) -> str:
    """Id of a comparison: of the same pictures by the same sides, the same."""
    parts = [game, *(side.name for side in sides)]
    for pair in pairs:
        parts += [pair.asset, str(pair.candidate), *(shot.attempt_id or "" for shot in pair.shots)]
        parts += [key for shot in pair.shots for view in shot.views for key in view.keys if key.startswith(BLOBS)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:ID_DIGITS]


def document_key(game: str, identity: str) -> str:
    """Key of the document: among what runs leave for people, which no public store shows."""
    return report_key(game, f"compare-{identity}")


def page_key(game: str, identity: str) -> str:
    """Key of the page."""
    return gallery_key(game, f"compare-{identity}")
