"""Where the cells that we drew lie in a picture, as boxes to measure and cut with.

The guide and the slicing take their cells from the same place, so what is cut is what was asked for. Nothing
here looks at pixels: a box that content has left is not moved after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from assetmill.errors import ResultInvalid, UsageError
from assetmill.manifest.models import Sheet
from assetmill.sheets.cells import Cell, cells_of, scaled, sheet_size


class Sides(NamedTuple):
    """Pixels on each of four sides."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def joined(self, other: Sides) -> Sides:
        """The larger of both, side by side."""
        return Sides(*map(max, self, other))


class Box(NamedTuple):
    """A rectangle in pixels of the picture; right and bottom are the first column and row that it does not hold."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.right - self.left, self.bottom - self.top

    @property
    def window(self) -> tuple[slice, slice]:
        """The same as slices of rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, by: Sides) -> Box:
        """The box with this much more on each side, which may lie outside the picture."""
        return Box(self.left - by.left, self.top - by.top, self.right + by.right, self.bottom + by.bottom)

    def shifted(self, x: int, y: int) -> Box:
        """The box moved to the right and down."""
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def within(self, size: tuple[int, int]) -> Box:
        """What of it lies in a picture of this size."""
        return Box(max(0, self.left), max(0, self.top), min(size[0], self.right), min(size[1], self.bottom))

    def beyond(self, inner: Box) -> Sides:
        """How far it reaches out of another box, side by side."""
        return Sides(
            max(0, inner.left - self.left),
            max(0, inner.top - self.top),
            max(0, self.right - inner.right),
            max(0, self.bottom - inner.bottom),
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """The used cells of a sheet in one picture, in reading order.

    Args:
        cells: the cells.
        boxes: where each of them lies.
        slot: the one size (width, height) that frames have before anything spills: that of the largest box, as
            boxes differ by a pixel when the picture has another size than the layout.
    """

    cells: tuple[Cell, ...]
    boxes: tuple[Box, ...]
    slot: tuple[int, int]


def place(sheet: Sheet, size: tuple[int, int]) -> Placed:
    """The used cells of a sheet in a picture of `size` (width, height).

    Raises:
        UsageError: the sheet has no used cells.
        ResultInvalid: the picture is so small that a cell has no pixel of its own.
    """
    cells, layout_size = cells_of(sheet), sheet_size(sheet)
    if not cells:
        raise UsageError(f"{sheet.id}: a sheet without cells", hint="validate the manifest first")
    boxes = tuple(_box(scaled(cell, layout_size, size)) for cell in cells)
    if any(box.right > size[0] or box.bottom > size[1] for box in boxes):
        raise ResultInvalid(
            f"{sheet.id}: a picture of {size[0]} x {size[1]} pixels has no room for {len(cells)} cells",
            hint=f"the sheet is laid out as {layout_size[0]} x {layout_size[1]}",
        )
    widths, heights = zip(*(box.size for box in boxes), strict=True)
    return Placed(cells, boxes, (max(widths), max(heights)))


def _box(rect: tuple[int, int, int, int]) -> Box:
    x, y, w, h = rect
    return Box(x, y, x + w, y + h)
