"""Whose content is it: connected parts of a cut-out sheet, and the cell that each belongs to.

Models do not keep to cells exactly: in a real sheet half the drawings reached over their cell's edge, by up to
20 pixels. A part that is clearly one cell's stays whole with it and leaves the neighbour's; one that nobody can
tell (two frames that melted into one) is cut at the edge. Either is recorded. Nothing here moves a pixel: it
only says whose each one is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from assetmill.sheets.boxes import Box, Sides
from assetmill.sheets.model import Spill

Alpha = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Owners = NDArray[np.int16]

HAZE = 8
"""Alpha below which a pixel is a veil around a drawing and no part of it, for every kind of cut-out."""

NOBODY = -1
_DENSE = 128  # parts that a veil holds together come apart at this alpha
_CLEARLY = 0.75  # of a part's pixels in cells: with less in one of them, two drawings have met
_NEAR = 4  # pixels outside a cell at which a speck still counts as its own
_SMALL = 0.02  # of the cell: up to this a part is a speck
_VEIL = 2  # pixels of haze that go with a part
_EIGHT = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, slots=True)
class Content:
    """Whose each pixel is.

    Args:
        home: rows by columns, the number of the cell that a pixel lies in, or NOBODY.
        owner: rows by columns, the number of the cell that it belongs to, or NOBODY; clear pixels are nobody's.
        spills: what left its cell, in the order of the picture.
        overhang: how far kept content reaches out of its cells at the most, on each side.
    """

    home: Owners
    owner: Owners
    spills: tuple[Spill, ...]
    overhang: Sides


@dataclass(frozen=True, slots=True)
class _Part:
    """Pixels that hang together: their box in the picture, and which pixels of the box they are."""

    box: Box
    mask: Mask


@dataclass(frozen=True, slots=True)
class _Claim:
    """The cell with the best claim to a part, whether it is beyond doubt, all cells that the part lies in, its size."""

    cell: int
    sure: bool
    cells: tuple[int, ...]
    speck: bool


@dataclass(slots=True)
class _Sorting:
    """Work in progress."""

    alpha: Alpha
    home: Owners
    boxes: Sequence[Box]
    edges: NDArray[np.int64]  # of the boxes: all left ones, all upper, right and lower ones
    ids: Sequence[str]
    keep: bool
    owner: Owners
    overhang: Sides = field(default_factory=Sides)
    found: dict[tuple[str | None, bool, tuple[str, ...]], list[int]] = field(default_factory=dict)


def home_of(size: tuple[int, int], boxes: Sequence[Box]) -> Owners:
    """The cell that each pixel of a picture of `size` (width, height) lies in, or NOBODY."""
    home = np.full((size[1], size[0]), NOBODY, np.int16)
    for number, box in enumerate(boxes):
        home[box.window] = number
    return home


def sort_out(alpha: Alpha, boxes: Sequence[Box], ids: Sequence[str], *, keep: bool) -> Content:
    """Say whose each visible pixel is.

    Args:
        alpha: of the whole picture, rows by columns.
        boxes: where the cells lie; they do not overlap.
        ids: their names, as many as boxes.
        keep: whether content that reaches out of its cell stays with it; else it is cut off there.
    """
    home = home_of((alpha.shape[1], alpha.shape[0]), boxes)
    own = np.where(alpha > 0, home, np.int16(NOBODY))
    work = _Sorting(alpha, home, boxes, np.array(boxes, np.int64).T, ids, keep, own)
    for part in _unsettled(alpha, home):
        for piece, claim in _pieces(work, part):
            _settle(work, piece, claim)
    spills = tuple(
        Spill(frame=frame, pixels=pixels, over=over, kept=kept, into=into)
        for (frame, kept, into), (pixels, over) in work.found.items()
    )
    return Content(home, work.owner, spills, work.overhang)


def _unsettled(alpha: Alpha, home: Owners) -> Iterator[_Part]:
    """Parts that do not lie wholly in one cell, in reading order of where they begin."""
    labels, count = ndimage.label(alpha >= HAZE, structure=_EIGHT)
    inked = labels > 0
    label, cell = labels[inked], home[inked]
    some = np.full(count + 1, NOBODY, home.dtype)
    some[label] = cell
    plain = some != NOBODY
    plain[label[cell != some[label]]] = False
    places = ndimage.find_objects(labels)
    for number in np.flatnonzero(~plain[1:]) + 1:
        box = _box(places[number - 1])
        yield _Part(box, labels[box.window] == number)


def _box(place: tuple[slice, slice]) -> Box:
    rows, columns = place
    return Box(columns.start, rows.start, columns.stop, rows.stop)


def _pieces(work: _Sorting, part: _Part) -> Iterator[tuple[_Part, _Claim]]:
    """The part; or, where its owner is in doubt and only half transparent pixels hold it together, what it holds."""
    claim = _claim(work, part)
    if claim.sure or not claim.cells:
        yield part, claim
        return
    cores, count = ndimage.label(part.mask & (work.alpha[part.box.window] >= _DENSE), structure=_EIGHT)
    if count <= 1:
        yield part, claim
        return
    rows, columns = ndimage.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
    nearest = np.where(part.mask, cores[rows, columns], 0)
    for number, place in enumerate(ndimage.find_objects(nearest), 1):
        piece = _Part(_box(place).shifted(part.box.left, part.box.top), nearest[place] == number)
        yield piece, _claim(work, piece)


def _claim(work: _Sorting, part: _Part) -> _Claim:
    counts = np.bincount(work.home[part.box.window][part.mask] + 1, minlength=len(work.boxes) + 1)[1:]
    cells = tuple(int(cell) for cell in np.flatnonzero(counts))
    if not cells:
        return _nearest(work, part)
    best = int(counts.argmax())
    clearly = counts[best] >= _CLEARLY * counts.sum()
    speck = _is_small(part, work.boxes[best])
    sure = clearly and (speck or _centred(part, work.boxes[best])) and not _has_more(work, part, best, cells)
    return _Claim(best, bool(sure), cells, speck)


def _nearest(work: _Sorting, part: _Part) -> _Claim:
    """The claim to a part that lies in no cell: a speck beside one cell, and beside no other as near, is its own."""
    left, top, right, bottom = work.edges
    across = np.maximum(left - part.box.right, part.box.left - right)
    down = np.maximum(top - part.box.bottom, part.box.top - bottom)
    gaps = np.maximum(0, np.maximum(across, down))  # on the axis on which they are farther apart
    best = int(gaps.argmin())
    alone = np.count_nonzero(gaps == gaps[best]) == 1
    speck = _is_small(part, work.boxes[best])
    return _Claim(best, bool(speck and alone and gaps[best] <= _NEAR), (), speck)


def _is_small(part: _Part, box: Box) -> bool:
    width, height = box.size
    return bool(part.mask.sum() <= _SMALL * width * height)


def _centred(part: _Part, box: Box) -> bool:
    """Whether the middle of a part's pixels lies in the box."""
    rows, columns = np.nonzero(part.mask)
    x, y = part.box.left + columns.mean() + 0.5, part.box.top + rows.mean() + 0.5
    return bool(box.left <= x < box.right and box.top <= y < box.bottom)


def _has_more(work: _Sorting, part: _Part, cell: int, cells: Sequence[int]) -> bool:
    """Whether it reaches the middle of another cell: then that cell's own drawing, however small, is part of it."""
    return any(_reaches_middle(work, part, work.boxes[cell], other) for other in cells if other != cell)


def _reaches_middle(work: _Sorting, part: _Part, own: Box, other: int) -> bool:
    """On the axis on which the two cells lie beside each other: along the other one any cape hangs past a middle."""
    cell = work.boxes[other]
    inside = (part.mask & (work.home[part.box.window] == other)).astype(np.uint8)
    box = _box(ndimage.find_objects(inside)[0]).shifted(part.box.left, part.box.top)
    x, y = (cell.left + cell.right) // 2, (cell.top + cell.bottom) // 2
    beside = own.right <= cell.left or cell.right <= own.left
    stacked = own.bottom <= cell.top or cell.bottom <= own.top
    return (not beside or box.left <= x < box.right) and (not stacked or box.top <= y < box.bottom)


def _settle(work: _Sorting, part: _Part, claim: _Claim) -> None:
    outside = int((part.mask & (work.home[part.box.window] != claim.cell)).sum())
    if not outside:
        return
    if claim.sure:
        _hand_over(work, part, claim.cell)
    _record(work, claim, outside, max(part.box.beyond(work.boxes[claim.cell])))


def _hand_over(work: _Sorting, part: _Part, cell: int) -> None:
    """Take what lies outside the owner's cell from whoever has it, and give it to the owner if it is kept."""
    height, width = work.alpha.shape
    around = part.box.grown(Sides(_VEIL, _VEIL, _VEIL, _VEIL)).within((width, height))
    whole = _with_veil(part, around, work.alpha[around.window])
    beyond = whole & (work.home[around.window] != cell)
    work.owner[around.window][beyond] = cell if work.keep else NOBODY
    if work.keep:
        box = _box(ndimage.find_objects(whole.astype(np.uint8))[0]).shifted(around.left, around.top)
        work.overhang = work.overhang.joined(box.beyond(work.boxes[cell]))


def _with_veil(part: _Part, around: Box, alpha: Alpha) -> Mask:
    """The part in a somewhat larger window, with the haze that clings to it: without it, edges would show."""
    mask = np.zeros(alpha.shape, np.bool_)
    mask[part.box.shifted(-around.left, -around.top).window] = part.mask
    veil = (alpha > 0) & (alpha < HAZE)
    if not veil.any():
        return mask
    return np.asarray(ndimage.binary_dilation(mask, _EIGHT, iterations=_VEIL, mask=mask | veil), np.bool_)


def _record(work: _Sorting, claim: _Claim, pixels: int, over: int) -> None:
    whose = work.ids[claim.cell] if claim.sure else None
    into = () if claim.speck else tuple(work.ids[cell] for cell in claim.cells if cell != claim.cell or not claim.sure)
    entry = work.found.setdefault((whose, claim.sure and work.keep, into), [0, 0])
    entry[0] += pixels
    entry[1] = max(entry[1], over)
