"""The one description of a sheet that every export is made from.

It says where each frame lies on which page, what was trimmed off, where its pivot is, and what the game does
with it: animations, tiles, variants, states. Exports only translate it; none may find out anything for itself
from pixels or from the manifest, or two engines would be told two different things.

It is stored beside the pictures as JSON (role `model`), so that a published pack can be exported in any format
later, without manifest, ledger or pixels. Lengths are pixels, `size` is (width, height), y runs downwards.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MODEL_ROLE = "model"
"""Role of the stored model among the files of an asset."""

Size = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
Direction = Literal["forward", "reverse", "pingpong"]
Collision = Literal["none", "full", "platform"]


class Value(BaseModel):
    """Frozen, and no field that this version does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rect(Value):
    """A rectangle in pixels, from the upper left corner."""

    x: Annotated[int, Field(ge=0)]
    y: Annotated[int, Field(ge=0)]
    w: Annotated[int, Field(ge=1)]
    h: Annotated[int, Field(ge=1)]


class Page(Value):
    """One picture that frames lie on.

    Args:
        role: the picture's role among the files of its asset: `atlas`, `atlas_1`, ...; `image` for a picture that
            was not packed.
        size: its size.
    """

    role: str
    size: Size


class Frame(Value):
    """One picture of a sheet.

    Args:
        id: unique in the sheet: the cell's id.
        page: index of its page.
        rect: where its pixels lie there, without padding and extrusion. Never rotated.
        source: size of the untrimmed frame; frames of one sheet have one size, so that they do not jitter.
        offset: where the upper left corner of `rect` lies in the untrimmed frame.
        pivot: (x, y) as shares of `source`, 0 left or top to 1 right or bottom.
        tags: free words.
    """

    id: str
    page: Annotated[int, Field(ge=0)]
    rect: Rect
    source: Size
    offset: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
    pivot: tuple[float, float]
    tags: tuple[str, ...] = ()

    @property
    def trimmed(self) -> bool:
        """Whether transparent borders were cut off."""
        return (self.rect.w, self.rect.h) != self.source


class Animation(Value):
    """Frames played one after another, in the order given; `direction` says how that order is run through.

    Args:
        name: unique in the sheet.
        frames: ids of frames.
        durations_ms: how long each of them is shown; as many as `frames`.
        fps: frames a second, as the manifest says; the durations follow from it unless it gave its own.
        loop: whether it starts again.
        direction: forward, reverse, or there and back (without showing the ends twice).
    """

    name: str
    frames: Annotated[tuple[str, ...], Field(min_length=1)]
    durations_ms: tuple[Annotated[int, Field(ge=1)], ...]
    fps: Annotated[float, Field(gt=0)]
    loop: bool
    direction: Direction


class Tile(Value):
    """One tile of a tile set; `index` counts the cells of the tile grid row by row, from 0."""

    index: Annotated[int, Field(ge=0)]
    frame: str
    collision: Collision = "none"
    tags: tuple[str, ...] = ()


class TileGrid(Value):
    """How the tiles lie on page 0: a regular grid, for engines that count instead of reading rectangles.

    Tile (column, row) begins at margin + column * (tile width + spacing). The space around tiles holds their own
    edge pixels `extrude` times over, against seams.
    """

    columns: Annotated[int, Field(ge=1)]
    rows: Annotated[int, Field(ge=1)]
    tile: Size
    margin: Annotated[int, Field(ge=0)]
    spacing: Annotated[int, Field(ge=0)]
    extrude: Annotated[int, Field(ge=0)]


class Variant(Value):
    """One of several pictures to choose from; `weight` says how often."""

    frame: str
    weight: Annotated[float, Field(gt=0)]


class Borders(Value):
    """What of every frame keeps its size when it is stretched."""

    left: Annotated[int, Field(ge=0)]
    top: Annotated[int, Field(ge=0)]
    right: Annotated[int, Field(ge=0)]
    bottom: Annotated[int, Field(ge=0)]


class Spill(Value):
    """Content that left its cell in the picture that came back.

    Args:
        frame: whose content it is; None when nobody can tell.
        pixels: how many of its pixels (haze apart) lie outside its cell; without an owner, outside the cell that holds
            most of it.
        over: by how many pixels it reaches out of that cell at the most; of the nearest cell, if it lies in none.
        kept: whether the frame has it back; else it was cut off.
        into: the other frames whose cells it reached into; without an owner, all frames whose cells it lies in. Specks
            name none.
    """

    frame: str | None
    pixels: Annotated[int, Field(ge=1)]
    over: Annotated[int, Field(ge=1)]
    kept: bool
    into: tuple[str, ...] = ()


class SheetModel(Value):
    """A whole sheet.

    Args:
        version: of this format.
        id: asset id.
        kind: what the frames are.
        smooth: whether engines should filter when they scale; False for pixel art.
        pages: pictures, in the order that frames count them.
        frames: in reading order of their cells; ids are unique.
        animations: sprite.
        tiles, grid, autotile: tile.
        variants: variation.
        component, states, borders: ui_component; a state's name is its frame's id.
        spills: what left its cell.
    """

    version: Literal[1] = 1
    id: str
    kind: Literal["sprite", "tile", "variation", "ui_component"]
    smooth: bool = True
    pages: Annotated[tuple[Page, ...], Field(min_length=1)]
    frames: tuple[Frame, ...]
    animations: tuple[Animation, ...] = ()
    tiles: tuple[Tile, ...] = ()
    grid: TileGrid | None = None
    autotile: Literal["wang16", "blob47"] | None = None
    variants: tuple[Variant, ...] = ()
    component: str | None = None
    states: tuple[str, ...] = ()
    borders: Borders | None = None
    spills: tuple[Spill, ...] = ()

    def frame(self, frame_id: str) -> Frame:
        """The frame of this id.

        Raises:
            KeyError: there is none.
        """
        for frame in self.frames:
            if frame.id == frame_id:
                return frame
        raise KeyError(f"{self.id} has no frame {frame_id}")

    def encoded(self) -> bytes:
        """The model as it is stored: UTF-8 JSON, the same bytes for the same values."""
        return self.model_dump_json(indent=1).encode()
