"""The cells of a sheet: one place, name, words, colour and outline for each.

The guide, the prompt, the checks and the metadata all take their cells from here, so that they cannot
disagree about where a frame is. Geometry in pixels of the finished sheet; `scaled` brings a cell to any
other size of the same picture without opening or closing gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from assetmill import colours
from assetmill.manifest.models import Grid, Sheet, Tile, Variant

COMPONENT_SHAPES = {
    "radio": "circle", "slider": "capsule", "progress_bar": "capsule", "scroll_bar_h": "capsule",
    "scroll_bar_v": "capsule", "toggle_switch": "capsule",
}  # fmt: skip
"""Outline of a user interface element whose manifest names none; all others are boxes."""

_STATE_TINTS = {
    "hover": ("#ffffff", 0.18), "pressed": ("#000000", 0.22), "disabled": ("#9a9a9a", 0.65),
    "focus": ("#ffffff", 0.10), "selected": ("#ffe9a0", 0.22), "unselected": ("#808080", 0.25),
}  # fmt: skip
_FRAME_TINTS = (("#ffffff", 0.0), ("#000000", 0.05), ("#ffffff", 0.06), ("#000000", 0.02))


@dataclass(frozen=True, slots=True)
class Cell:
    """One used cell; x, y, w, h in pixels of the finished sheet, from its upper left corner."""

    index: int
    id: str
    x: int
    y: int
    w: int
    h: int
    prompt: str
    color: str
    shape: str


def columns_of(sheet: Sheet) -> int:
    """Cells in one row of the sheet."""
    layout = sheet.layout
    if isinstance(layout, Grid):
        return layout.columns
    return layout.frame_count if layout.direction == "horizontal" else 1


def rows_of(sheet: Sheet) -> int:
    """Rows of cells."""
    return sheet.cell_count // columns_of(sheet)


def sheet_size(sheet: Sheet) -> tuple[int, int]:
    """Size (width, height) in pixels of the finished sheet: cells, spacing between and margin around them."""
    layout, columns, rows = sheet.layout, columns_of(sheet), rows_of(sheet)
    width = 2 * layout.margin + columns * layout.cell_width + (columns - 1) * layout.spacing
    height = 2 * layout.margin + rows * layout.cell_height + (rows - 1) * layout.spacing
    return width, height


def cells_of(sheet: Sheet) -> tuple[Cell, ...]:
    """The used cells of a sheet, in reading order."""
    layout, columns = sheet.layout, columns_of(sheet)
    variants = {variant.key: variant for variant in sheet.variants}
    base = sheet.color or colours.subject_colour(sheet.prompt, sheet.id)
    shape = shape_of(sheet)
    return tuple(
        Cell(
            index=index,
            id=cell_id,
            x=layout.margin + index % columns * (layout.cell_width + layout.spacing),
            y=layout.margin + index // columns * (layout.cell_height + layout.spacing),
            w=layout.cell_width,
            h=layout.cell_height,
            prompt=words_of(sheet, index, cell_id, variants.get(cell_id)),
            color=_colour(sheet, index, cell_id, base, variants.get(cell_id)),
            shape=shape,
        )
        for index, cell_id in sheet.cell_ids().items()
    )


def shape_of(sheet: Sheet) -> str:
    """Outline of every cell: opaque tiles fill their square, elements have their usual form unless told otherwise."""
    if sheet.kind == "tile" and not sheet.cutout:
        return "tile"
    if sheet.kind == "ui_component" and "shape" not in sheet.model_fields_set:
        return COMPONENT_SHAPES.get(sheet.component or "", "box")
    return sheet.shape


def words_of(sheet: Sheet, index: int, cell_id: str, variant: Variant | None) -> str:
    """Words for one cell alone: of its variant or tile, then of the sheet's `overrides`."""
    tile = sheet.tiles.get(index)
    own = variant.prompt if variant else tile.prompt if tile else ""
    return ", ".join(part for part in (own, sheet.overrides.get(cell_id, "")) if part)


def _colour(sheet: Sheet, index: int, cell_id: str, base: str, variant: Variant | None) -> str:
    if variant is not None and sheet.kind == "variation":
        return variant.color or sheet.color or _named(cell_id, variant.prompt) or colours.distinct(index)
    if sheet.kind == "tile":
        return sheet.color or _tile_colour(sheet.tiles.get(index), base)
    if sheet.kind == "ui_component":
        tint, share = _STATE_TINTS.get(cell_id, ("#ffffff", 0.0))
        return colours.mix(base, tint, share)
    tint, share = _FRAME_TINTS[index % len(_FRAME_TINTS)]
    return colours.mix(base, tint, share)


def _tile_colour(tile: Tile | None, base: str) -> str:
    return (tile and _named(tile.name, tile.prompt)) or base


def _named(cell_id: str, prompt: str) -> str | None:
    return colours.colour_in(cell_id.replace("_", " ").replace("-", " ")) or colours.colour_in(prompt)


def scaled(cell: Cell, layout_size: tuple[int, int], image_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where a cell lies (x, y, w, h) in a picture of the whole sheet that has another size.

    Both edges are scaled and rounded, not the width: cells that touch still touch, and cells that are
    apart stay apart as long as their distance is half a pixel or more.
    """
    (x, w), (y, h) = (
        _span(start, length, image / layout)
        for start, length, layout, image in zip(
            (cell.x, cell.y), (cell.w, cell.h), layout_size, image_size, strict=True
        )
    )
    return x, y, w, h


def _span(start: int, length: int, factor: float) -> tuple[int, int]:
    first = floor(start * factor + 0.5)
    return first, max(1, floor((start + length) * factor + 0.5) - first)
