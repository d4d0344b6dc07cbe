"""How the tiles of a set lie on their page: a regular grid, for engines that count instead of reading rectangles.

A tile's number is its cell's number in the layout, whatever the page looks like: maps that designers have drawn
refer to it. Around tiles that meet in a map there is room for their own edge pixels and a clear gutter, so that neither
filtering nor a camera between two pixels shows a seam. Only the arrangement is decided here; no pixel is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.errors import ResultInvalid
from assetmill.sheets.model import TileGrid
from assetmill.sheets.packing import GOOD_SIDE, HARD_SIDE, PADDING, PageLayout, Size

EXTRUDE = 1
"""How many times the edge pixels of a frame that reaches its edges are repeated around it."""


@dataclass(frozen=True, slots=True)
class TileLayout:
    """The grid, the page that it lies on with the corner of each tile by its index, and what people should know."""

    grid: TileGrid
    page: PageLayout
    notes: tuple[str, ...]


def lay_tiles(columns: int, count: int, tile: Size, *, to_edges: bool) -> TileLayout:
    """Arrange `count` tiles, all of one size, which their layout has in this many columns.

    Those that meet their neighbours in a map (`to_edges`) get room for their edge pixels: opaque ones, autotiles.

    The layout's columns are kept where the page stays within GOOD_SIDE; else other columns are tried, then
    HARD_SIDE, and at last a page without gutters.

    Raises:
        ResultInvalid: not even that is within HARD_SIDE.
    """
    extrude = EXTRUDE if to_edges else 0
    # The pitch is the same for both: clear pixels lie where tiles that reach their edges have them again.
    margin, spacing = EXTRUDE + PADDING // 2, 2 * EXTRUDE + PADDING
    for side, margin_px, spacing_px in ((GOOD_SIDE, margin, spacing), (HARD_SIDE, margin, spacing), (HARD_SIDE, 0, 0)):
        for across in _columns(columns, count):
            grid = _grid(across, count, tile, margin_px, spacing_px, extrude if spacing_px else 0)
            if max(_size(grid)) <= side:
                return TileLayout(grid, PageLayout(_size(grid), _spots(grid, count)), _notes(grid, columns))
    raise ResultInvalid(
        f"{count} tiles of {tile[0]} x {tile[1]} pixels do not fit on one page of {HARD_SIDE} a side",
        hint="part the tiles over two sheets",
    )


def _columns(wanted: int, count: int) -> list[int]:
    """Columns to try: those of the layout, then fewer, then more."""
    return [wanted, *range(min(wanted, count) - 1, 0, -1), *range(wanted + 1, count + 1)]


def _grid(columns: int, count: int, tile: Size, margin: int, spacing: int, extrude: int) -> TileGrid:
    rows = -(-count // columns)
    return TileGrid(columns=columns, rows=rows, tile=tile, margin=margin, spacing=spacing, extrude=extrude)


def _size(grid: TileGrid) -> Size:
    width, height = (
        2 * grid.margin + tiles * side + (tiles - 1) * grid.spacing
        for tiles, side in zip((grid.columns, grid.rows), grid.tile, strict=True)
    )
    return width, height


def _spots(grid: TileGrid, count: int) -> dict[int, tuple[int, int]]:
    across, down = (side + grid.spacing for side in grid.tile)
    return {
        index: (grid.margin + index % grid.columns * across, grid.margin + index // grid.columns * down)
        for index in range(count)
    }


def _notes(grid: TileGrid, columns: int) -> tuple[str, ...]:
    notes = []
    if grid.columns != columns:
        notes.append(
            f"the tiles lie in {grid.columns} columns instead of {columns}, so that their page stays within "
            f"{GOOD_SIDE if max(_size(grid)) <= GOOD_SIDE else HARD_SIDE} pixels; their numbers are the same"
        )
    if not grid.spacing:
        notes.append(
            f"there is no room between the tiles: with it their page would be larger than {HARD_SIDE} pixels, "
            "so seams may show when they are scaled"
        )
    return tuple(notes)
