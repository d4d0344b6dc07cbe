"""From the picture of a sheet to its frames: what is in each cell, what belongs to it, and what is empty around it.

Frames are cut where the guide drew their cells and are never shifted, so that they play without a jitter: all
frames of a sheet have one source size and one pivot. It must never lose anything that can be seen without
recording it, nor show in one frame what belongs to another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assetmill.errors import ResultInvalid
from assetmill.manifest.models import Sheet
from assetmill.sheets.boxes import Box, Placed, Sides
from assetmill.sheets.model import Spill
from assetmill.sheets.packing import HARD_SIDE
from assetmill.sheets.parts import HAZE, NOBODY, Content, Owners, home_of, sort_out

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Cut:
    """One frame, cut out.

    Args:
        id: the cell's id.
        index: the cell's index in the layout.
        pixels: rows by columns by RGBA, at least one pixel.
        offset: (x, y) of its upper left corner in the untrimmed frame.
        empty: whether nothing can be seen in it, haze apart.
    """

    id: str
    index: int
    pixels: Pixels
    offset: tuple[int, int]
    empty: bool


@dataclass(frozen=True, slots=True)
class Sliced:
    """All frames of a sheet.

    Args:
        grid: the picture in its layout, each cell with its own content alone.
        cuts: the frames, in reading order.
        slot: size (width, height) of a frame before spilled content was given back to it.
        source: size (width, height) of every untrimmed frame.
        pivot: of every frame, as shares of `source`.
        spills: what left its cell.
    """

    grid: Image.Image
    cuts: tuple[Cut, ...]
    slot: tuple[int, int]
    source: tuple[int, int]
    pivot: tuple[float, float]
    spills: tuple[Spill, ...]


def trims(sheet: Sheet) -> bool:
    """Whether frames may be smaller or larger than their cells.

    Elements keep theirs, because their borders refer to the whole frame, and tiles, because engines count them.
    """
    return sheet.cutout and sheet.kind in ("sprite", "variation")


def slice_sheet(sheet: Sheet, picture: Image.Image, placed: Placed) -> Sliced:
    """Cut a finished picture, mode RGB or RGBA, into the frames of its sheet; `placed` says where its cells lie.

    Raises:
        ResultInvalid: the cells are larger than a page may be.
    """
    if max(placed.slot) > HARD_SIDE:
        raise ResultInvalid(
            f"{sheet.id}: a cell is {placed.slot[0]} x {placed.slot[1]} pixels; the most is {HARD_SIDE} a side",
            hint="ask for smaller cells",
        )
    rgba = np.array(picture.convert("RGBA"))
    content = _content(sheet, rgba, placed)
    grown = content.overhang
    source = _grown(placed.slot, grown)
    return Sliced(
        grid=_grid(rgba, content) if sheet.cutout else picture.copy(),
        cuts=tuple(_cut(sheet, rgba, content.owner, placed, number, grown) for number in range(len(placed.cells))),
        slot=placed.slot,
        source=source,
        pivot=(
            (grown.left + sheet.pivot.x * placed.slot[0]) / source[0],
            (grown.top + sheet.pivot.y * placed.slot[1]) / source[1],
        ),
        spills=content.spills,
    )


def _grown(slot: tuple[int, int], by: Sides) -> tuple[int, int]:
    return slot[0] + by.left + by.right, slot[1] + by.top + by.bottom


def _content(sheet: Sheet, rgba: Pixels, placed: Placed) -> Content:
    """Whose each pixel is; in an opaque sheet every cell has what lies in it.

    So it is in an autotile set: its tiles reach their edges and meet there by design, and a thin one would be taken
    for the overhang of the full one beside it.
    """
    if not sheet.cutout or sheet.autotile:
        home = home_of((rgba.shape[1], rgba.shape[0]), placed.boxes)
        return Content(home, home, (), Sides())
    ids = [cell.id for cell in placed.cells]
    content = sort_out(rgba[..., 3], placed.boxes, ids, keep=trims(sheet))
    if max(_grown(placed.slot, content.overhang)) > HARD_SIDE:
        return sort_out(rgba[..., 3], placed.boxes, ids, keep=False)
    return content


def _grid(rgba: Pixels, content: Content) -> Image.Image:
    """The layout, with nothing between cells and nothing in a cell that is not its own."""
    own = (content.owner == content.home) & (content.home != NOBODY)
    return Image.fromarray(np.where(own[..., None], rgba, np.uint8(0)), "RGBA")


def _cut(sheet: Sheet, rgba: Pixels, owner: Owners, placed: Placed, number: int, grown: Sides) -> Cut:
    cell, box = placed.cells[number], placed.boxes[number]
    if not sheet.cutout:
        return Cut(cell.id, cell.index, _filled(rgba[box.window], placed.slot), (0, 0), empty=False)
    pixels = _lifted(rgba, owner, number, box.grown(grown), _grown(placed.slot, grown))
    whole = Cut(cell.id, cell.index, pixels, (0, 0), empty=bool((pixels[..., 3] < HAZE).all()))
    return _trimmed(whole) if trims(sheet) else whole


def _filled(pixels: Pixels, slot: tuple[int, int]) -> Pixels:
    """An opaque cell that is a pixel short of the slot gets its last row or column twice, and no gap."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, slot[1] - height), (0, slot[0] - width), (0, 0)), mode="edge")


def _lifted(rgba: Pixels, owner: Owners, number: int, frame: Box, source: tuple[int, int]) -> Pixels:
    """What one cell owns, in a frame of the source size; what the frame has outside the picture is clear."""
    made = np.zeros((source[1], source[0], 4), np.uint8)
    inside = frame.within((rgba.shape[1], rgba.shape[0]))
    mine = owner[inside.window] == number
    made[inside.shifted(-frame.left, -frame.top).window][mine] = rgba[inside.window][mine]
    return made


def _trimmed(cut: Cut) -> Cut:
    """Without clear borders; an empty frame keeps one clear pixel, because no engine takes a frame of size zero."""
    if cut.empty:
        return replace(cut, pixels=np.zeros((1, 1, 4), np.uint8))
    visible = cut.pixels[..., 3] > 0
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    inner = cut.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return replace(cut, pixels=inner, offset=(int(columns[0]), int(rows[0])))
