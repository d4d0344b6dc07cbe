"""Finds what a guide asks for: one silhouette, the cells of a sheet, or a field of tiles.

A guide is shapes on a flat ground, or squares side by side that differ in tone. Only its pixels are
looked at, so any guide works, whoever drew it. Nothing is drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from assetmill.localpod.draft.pixels import Rgb, blur, grow

Bits = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]

_LOOK_SIDE = 448
"""Longest side in pixels at which a guide is examined; narrower gaps than two of these pixels close up."""

_FLAT = 8.0  # colour distance within which most of a border lies if it is one flat ground
_AWAY = 13.0  # least colour distance of a subject from its ground
_SQUARE = 0.975  # a box filled this well may be several tiles side by side
_SHARP = 0.992  # a box filled this well has no rounded corners
_CROSSED = 0.8  # a line between tiles is seen on at least the rest of its length
_PEAK = 3.0  # a line stands out from the texture by this factor
_STEP = 6.0  # tone difference, over two pixels, of two tiles side by side
_REACH = 6  # px of the look over which liveliness spreads
_LIVELY = 2.2  # spread of tones below which a tile has no surface: a slot left empty
_LEAST = 0.08  # components below this share of the largest are dirt


@dataclass(frozen=True, slots=True)
class Cell:
    """One shape of a guide, or one tile.

    Args:
        box: (left, top, right, bottom) in pixels of the guide.
        silhouette: mode L of the box's size.
        colour: its middle colour.
        square: it fills its whole box with sharp corners, as tiles do.
    """

    box: Box
    silhouette: Image.Image
    colour: Rgb
    square: bool


@dataclass(frozen=True, slots=True)
class Guide:
    """A guide's cells in reading order and its ground; no ground where tiles cover everything."""

    cells: tuple[Cell, ...]
    ground: Rgb | None


def read_guide(image: Image.Image) -> Guide:
    """The cells of an RGB guide. A guide with nothing to tell apart has one cell that fills it."""
    share = min(1.0, _LOOK_SIDE / max(image.size))
    look = image.resize((max(8, round(image.width * share)), max(8, round(image.height * share))), Image.Resampling.BOX)
    pixels = np.asarray(look.convert("RGB"), dtype=np.float32)
    ground = border_colour(pixels)
    found = _occupied(pixels, _tiles(pixels)) if ground is None else _shapes(pixels, ground)
    cells = [_cell(image, pixels, mask, box) for mask, box in found]
    if not cells:
        cells = [_cell(image, pixels, np.ones(pixels.shape[:2], dtype=np.bool_), (0, 0, look.width, look.height))]
    colour = None if ground is None else _rgb(ground)
    return Guide(tuple(_reading_order(cells)), colour)


def border_colour(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """Colour of a flat border; None when the border is not flat."""
    rim = np.concatenate(
        [
            pixels[:2].reshape(-1, 3),
            pixels[-2:].reshape(-1, 3),
            pixels[:, :2].reshape(-1, 3),
            pixels[:, -2:].reshape(-1, 3),
        ]
    )
    middle = np.median(rim, axis=0)
    spread = float(np.quantile(np.linalg.norm(rim - middle, axis=1), 0.85))
    return middle if spread < _FLAT else None


def _shapes(pixels: npt.NDArray[np.float32], ground: npt.NDArray[np.float32]) -> list[tuple[Bits, Box]]:
    solid = _subject(pixels, ground)
    boxes = _components(solid)
    if not boxes:
        return []
    largest = max(int(mask.sum()) for mask, _ in boxes)
    kept = [(mask, box) for mask, box in boxes if mask.sum() >= max(6, largest * _LEAST)]
    return [piece for mask, box in kept for piece in _split(pixels, mask, box)]


def _subject(pixels: npt.NDArray[np.float32], ground: npt.NDArray[np.float32]) -> Bits:
    """Where the picture is not ground: by colour, or by having a surface where the colour comes close.

    A lit edge of a grey thing can be as pale as its ground, but the ground is even and the thing is not.
    """
    away = np.linalg.norm(pixels - ground, axis=2)
    down, across = np.gradient(pixels.mean(axis=2))
    lively = blur((np.abs(down) + np.abs(across)).astype(np.float32), 2)
    rim = np.concatenate([lively[3:6].ravel(), lively[-6:-3].ravel(), lively[:, 3:6].ravel(), lively[:, -6:-3].ravel()])
    surface = (away > _AWAY / 3) & (lively > max(0.3, 3 * float(np.quantile(rim, 0.9))))
    coloured = away > _AWAY
    whole = ~outside(~_bits(grow(grow(_plane(coloured | surface), 2), -2)))
    core = _bits(grow(_plane(whole), -_REACH))  # liveliness is smeared over an edge: the rim must show its colour
    return np.asarray(core | (whole & coloured))


def _bits(plane: Image.Image) -> Bits:
    return np.asarray(np.asarray(plane) > 0)


def _plane(bits: Bits) -> Image.Image:
    return Image.fromarray(bits.astype(np.uint8) * 255)


def _split(pixels: npt.NDArray[np.float32], mask: Bits, box: Box) -> list[tuple[Bits, Box]]:
    """A rectangle of tiles that touch each other comes apart along its tone lines."""
    left, top, right, bottom = box
    if mask.mean() < _SQUARE:
        return [(mask, box)]
    inner = _tiles(pixels[top:bottom, left:right])
    return [(part, (x0 + left, y0 + top, x1 + left, y1 + top)) for part, (x0, y0, x1, y1) in inner] or [(mask, box)]


def _tiles(pixels: npt.NDArray[np.float32]) -> list[tuple[Bits, Box]]:
    """Rectangles between straight lines where the tone steps, over the whole picture."""
    columns, rows = _lines(pixels, 1), _lines(pixels, 0)
    cells = [
        (np.ones((y1 - y0, x1 - x0), dtype=np.bool_), (x0, y0, x1, y1))
        for y0, y1 in pairwise(rows)
        for x0, x1 in pairwise(columns)
        if x1 - x0 > 3 and y1 - y0 > 3  # noqa: PLR2004  slivers between two lines
    ]
    largest = max((mask.size for mask, _ in cells), default=0)
    return [cell for cell in cells if cell[0].size > 0.3 * largest]


def _occupied(pixels: npt.NDArray[np.float32], tiles: list[tuple[Bits, Box]]) -> list[tuple[Bits, Box]]:
    """Tiles without the empty slots between lively ones."""
    spreads = [
        float(pixels[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].std(axis=(0, 1)).max(initial=0)) for _, (x0, y0, x1, y1) in tiles
    ]
    if max(spreads, default=0) < 2 * _LIVELY:
        return tiles
    return [tile for tile, spread in zip(tiles, spreads, strict=True) if spread >= _LIVELY]


def _lines(pixels: npt.NDArray[np.float32], axis: int) -> list[int]:
    """Positions along `axis` where a tone steps on a part of the other axis, with both ends."""
    step = np.abs(np.diff(pixels, n=1, axis=axis)).max(axis=2)
    two = step[:, 1:] + step[:, :-1] if axis else step[1:] + step[:-1]
    energy = np.quantile(two, _CROSSED, axis=1 - axis)
    end = pixels.shape[axis]
    strong = (energy > _STEP) & (energy > _PEAK * float(np.median(energy)))
    found = [0]
    for run in _runs(strong):
        peak = run[0] + int(np.argmax(energy[run[0] : run[1]])) + 1
        if peak - found[-1] > 3 and end - peak > 3:  # noqa: PLR2004  slivers
            found.append(peak)
    return [*found, end]


def _runs(row: Bits) -> list[tuple[int, int]]:
    """(start, end) of the true stretches of a row."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def outside(free: Bits) -> Bits:
    """The part of `free` that is connected to the border: holes inside a shape stay out."""
    reached = np.zeros_like(free)
    height, width = free.shape
    for mask, (left, top, right, bottom) in _components(free):
        if left == 0 or top == 0 or right == width or bottom == height:
            reached[top:bottom, left:right] |= mask
    return reached


def _components(bits: Bits) -> list[tuple[Bits, Box]]:
    """Connected regions as (mask of the box, box): stretches of rows are joined where they touch."""
    stretches: list[tuple[int, int, int]] = []
    parent: list[int] = []
    above: list[int] = []
    edges = np.diff(np.pad(bits, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row_of, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    row, here = -1, above
    for index, stretch in enumerate(zip(row_of.tolist(), starts.tolist(), ends.tolist(), strict=True)):
        if stretch[0] != row:
            above, here, row = here if stretch[0] == row + 1 else [], [], stretch[0]
        stretches.append(stretch)
        parent.append(index)
        here.append(index)
        for other in above:
            if stretches[other][1] < stretch[2] and stretch[1] < stretches[other][2]:
                parent[_root(parent, other)] = _root(parent, index)
    groups: dict[int, list[tuple[int, int, int]]] = {}
    for index, stretch in enumerate(stretches):
        groups.setdefault(_root(parent, index), []).append(stretch)
    return [_region(group) for group in groups.values()]


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _region(stretches: list[tuple[int, int, int]]) -> tuple[Bits, Box]:
    top, bottom = stretches[0][0], stretches[-1][0] + 1
    left, right = min(one[1] for one in stretches), max(one[2] for one in stretches)
    mask = np.zeros((bottom - top, right - left), dtype=np.bool_)
    for y, start, end in stretches:
        mask[y - top, start - left : end - left] = True
    return mask, (left, top, right, bottom)


def _cell(image: Image.Image, pixels: npt.NDArray[np.float32], mask: Bits, box: Box) -> Cell:
    """A cell at the guide's own size; half a pixel of the look is given back to each side by smoothing."""
    left, top, right, bottom = box
    zoom_x, zoom_y = image.width / pixels.shape[1], image.height / pixels.shape[0]
    full = (round(left * zoom_x), round(top * zoom_y), round(right * zoom_x), round(bottom * zoom_y))
    size = (max(1, full[2] - full[0]), max(1, full[3] - full[1]))
    square = bool(mask.mean() > _SHARP)
    filled = np.ones_like(mask) if square else mask
    silhouette = Image.fromarray(filled.astype(np.uint8) * 255).resize(size, Image.Resampling.BICUBIC)
    colour = np.median(pixels[top:bottom, left:right][mask], axis=0)
    return Cell(full, silhouette, _rgb(colour), square)


def _rgb(values: npt.NDArray[np.float32]) -> Rgb:
    red, green, blue = (round(float(value)) for value in values)
    return red, green, blue


def _reading_order(cells: list[Cell]) -> list[Cell]:
    """Row by row: cells whose middles lie within half a cell's height are one row."""
    rest = sorted(cells, key=lambda cell: cell.box[1] + cell.box[3])
    ordered: list[Cell] = []
    while rest:
        first = rest[0]
        reach = first.box[3]
        row = [cell for cell in rest if (cell.box[1] + cell.box[3]) / 2 < reach]
        ordered += sorted(row, key=lambda cell: cell.box[0])
        rest = [cell for cell in rest if cell not in row]
    return ordered
