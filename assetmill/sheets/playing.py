"""What a game does with the frames of a sheet: the part of the sheet model that comes from the manifest alone."""

from __future__ import annotations

from math import floor
from typing import Any

from assetmill.manifest.models import Sheet
from assetmill.sheets.boxes import Placed
from assetmill.sheets.model import Animation, Borders, Tile, Variant


def playing(sheet: Sheet, placed: Placed) -> dict[str, Any]:
    """Fields of the sheet model that a sheet of this kind has beside its frames."""
    if sheet.kind == "sprite":
        return {"animations": tuple(_animation(sheet, name) for name in sheet.animations)}
    if sheet.kind == "tile":
        return {"tiles": _tiles(sheet), "autotile": sheet.autotile}
    if sheet.kind == "variation":
        return {"variants": tuple(Variant(frame=variant.key, weight=variant.weight) for variant in sheet.variants)}
    return {"component": sheet.component, "states": tuple(sheet.states), "borders": _borders(sheet, placed)}


def _animation(sheet: Sheet, name: str) -> Animation:
    asked, frames = sheet.animations[name], sheet.frame_ids(name)
    each = max(1, round(1000 / asked.fps))
    return Animation(
        name=name,
        frames=frames,
        durations_ms=asked.durations_ms or (each,) * len(frames),
        fps=asked.fps,
        loop=asked.loop,
        direction=asked.direction,
    )


def _tiles(sheet: Sheet) -> tuple[Tile, ...]:
    """Every used cell; those of an autotile set need no entry in the manifest."""
    told = {index: {"collision": tile.collision, "tags": tile.tags} for index, tile in sheet.tiles.items()}
    return tuple(
        Tile.model_validate({"index": index, "frame": name} | told.get(index, {}))
        for index, name in sheet.cell_ids().items()
    )


def _borders(sheet: Sheet, placed: Placed) -> Borders | None:
    """Nine-slice borders in pixels of a frame, which is not of the cell's size if the picture is not the layout's."""
    told, layout = sheet.nine_slice, sheet.layout
    if told is None:
        return None
    left, right = _scaled(told.left, told.right, layout.cell_width, placed.slot[0])
    top, bottom = _scaled(told.top, told.bottom, layout.cell_height, placed.slot[1])
    return Borders(left=left, top=top, right=right, bottom=bottom)


def _scaled(first: int, last: int, cell: int, slot: int) -> tuple[int, int]:
    """Both borders of one direction, never so wide together that rounding makes them overlap."""
    begin, end = (floor(border * slot / cell + 0.5) for border in (first, last))
    return begin, min(end, max(0, slot - begin))
