"""From the finished picture of a sheet to what engines load: pages of packed frames, and the model of them.

The one place that puts slicing, packing and the manifest together. Same picture, same bytes: nothing here depends
on time, names or the order of a set. It must never be needed for a plan, so nothing but this module loads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from assetmill.manifest.models import Sheet
from assetmill.sheets.boxes import place
from assetmill.sheets.cells import columns_of
from assetmill.sheets.metadata import tags_of
from assetmill.sheets.model import Frame, Page, Rect, SheetModel, TileGrid
from assetmill.sheets.notes import empty_note, spill_notes
from assetmill.sheets.packing import pack
from assetmill.sheets.pages import alike, paint
from assetmill.sheets.playing import playing
from assetmill.sheets.slicing import Cut, Sliced, slice_sheet
from assetmill.sheets.tilegrid import EXTRUDE, lay_tiles

ATLAS_ROLE = "atlas"
"""Role of the first page; those after it are `atlas_1`, `atlas_2` and so on."""


@dataclass(frozen=True, slots=True)
class Built:
    """A sheet made ready.

    Args:
        grid: the picture in its layout, of the size that it came in, each cell with its own content alone: RGBA, or
            of the picture's mode if the sheet is opaque.
        pages: role -> page, mode RGBA, in the order in which frames count them.
        model: where everything lies and what the game does with it.
        notes: what people should know, a sentence each.
    """

    grid: Image.Image
    pages: Mapping[str, Image.Image]
    model: SheetModel
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Laid:
    """Pages, and (page, x, y) of every frame; the grid of a tile set."""

    pages: tuple[Image.Image, ...]
    spots: tuple[tuple[int, int, int], ...]
    grid: TileGrid | None = None
    notes: tuple[str, ...] = ()


def build(sheet: Sheet, picture: Image.Image, *, smooth: bool) -> Built:
    """Cut a sheet up and pack it.

    Args:
        sheet: the asset.
        picture: its finished picture, mode RGB or RGBA; of the layout's size, or of any other, and then everything
            is scaled to it.
        smooth: whether engines should filter when they scale; False for pixel art.

    Raises:
        UsageError: the sheet has no used cells.
        ResultInvalid: a cell would have no pixel or more than 4096 on a side, or a tile set does not fit on a page.
    """
    placed = place(sheet, picture.size)
    sliced = slice_sheet(sheet, picture, placed)
    laid = _tiles(sheet, sliced) if sheet.kind == "tile" else _packed(sheet, sliced)
    pages = {ATLAS_ROLE if not number else f"{ATLAS_ROLE}_{number}": page for number, page in enumerate(laid.pages)}
    model = SheetModel(
        id=sheet.id,
        kind=sheet.kind,
        smooth=smooth,
        pages=tuple(Page(role=role, size=page.size) for role, page in pages.items()),
        frames=_frames(sheet, sliced, laid),
        grid=laid.grid,
        spills=sliced.spills,
        **playing(sheet, placed),
    )
    return Built(sliced.grid, pages, model, (*spill_notes(sliced.spills), *_empty(sliced), *laid.notes))


def _empty(sliced: Sliced) -> tuple[str, ...]:
    return tuple(empty_note([cut.id for cut in sliced.cuts if cut.empty]))


def _tiles(sheet: Sheet, sliced: Sliced) -> _Laid:
    to_edges = not sheet.cutout or sheet.autotile is not None
    laid = lay_tiles(columns_of(sheet), sheet.cell_count, sliced.slot, to_edges=to_edges)
    frames = {cut.index: cut.pixels for cut in sliced.cuts}
    spots = tuple((0, *laid.page.spots[cut.index]) for cut in sliced.cuts)
    return _Laid((paint(laid.page, frames, extrude=laid.grid.extrude),), spots, laid.grid, laid.notes)


def _packed(sheet: Sheet, sliced: Sliced) -> _Laid:
    """Frames that are alike to the last pixel share their place."""
    extrude = 0 if sheet.cutout else EXTRUDE
    pictures, which = alike([cut.pixels for cut in sliced.cuts])
    pages = pack([(pixels.shape[1], pixels.shape[0]) for pixels in pictures], extrude=extrude)
    spots = {number: (at, *spot) for at, page in enumerate(pages) for number, spot in page.spots.items()}
    frames = dict(enumerate(pictures))
    return _Laid(
        tuple(paint(page, frames, extrude=extrude) for page in pages), tuple(spots[number] for number in which)
    )


def _frames(sheet: Sheet, sliced: Sliced, laid: _Laid) -> tuple[Frame, ...]:
    tags = tags_of(sheet)
    return tuple(
        Frame(
            id=cut.id,
            page=page,
            rect=_rect(cut, x, y),
            source=sliced.source,
            offset=cut.offset,
            pivot=sliced.pivot,
            tags=tags.get(cut.id, ()),
        )
        for cut, (page, x, y) in zip(sliced.cuts, laid.spots, strict=True)
    )


def _rect(cut: Cut, x: int, y: int) -> Rect:
    return Rect(x=x, y=y, w=cut.pixels.shape[1], h=cut.pixels.shape[0])
