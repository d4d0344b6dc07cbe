"""What a guide looks like, in plain JSON values: cheap to make, compared field by field by the plan.

A recipe holds everything that the drawing depends on, and only that; lists, never tuples, so that it is
equal to itself after a trip through JSON. It must never draw: planning makes ten thousand of them.
"""

from __future__ import annotations

import zlib
from typing import Any

from assetmill import colours
from assetmill.manifest.models import AssetBase, Entity, Sheet
from assetmill.sheets.cells import Cell, cells_of, columns_of, scaled, sheet_size

DRAWING_VERSION = 1
"""Goes up when the same recipe would give another picture."""

LIGHT_GROUND = "#dcd9d2"
DARKER_GROUND = "#8f949c"
_LEAST_CONTRAST = 0.3
_LEAST_THICKNESS = 0.04  # of the canvas' shorter side: thinner bars vanish in the model's 16 px patches
_SHEET_TEXTURE = 0.35
_CELL_FILL = {"sprite": 0.8, "variation": 0.8, "ui_component": 0.92, "tile": 1.0}
"""Share of its cell that a shape fills: sprites spill over their guide by up to a tenth of a cell."""

_UPRIGHT = 0.62  # width of a standing capsule relative to its height
_SQUASH = 0.05  # every other frame is this much lower, feet on the same line
_CHECKER = 0.06  # tonal difference of neighbouring tiles


def recipe(asset: AssetBase, size: tuple[int, int]) -> dict[str, Any] | None:
    """Recipe of an asset's guide for a picture of `size` (width, height) in pixels; None for types without one.

    `references` are not looked at: whoever sends another picture in place of the guide asks for none.
    """
    if isinstance(asset, Entity):
        return _silhouette(asset, size)
    if isinstance(asset, Sheet):
        return _sheet_grid(asset, size)
    return None


def _silhouette(asset: Entity, size: tuple[int, int]) -> dict[str, Any]:
    color = asset.color or colours.subject_colour(asset.prompt, asset.id)
    made = {
        "drawing_version": DRAWING_VERSION,
        "kind": "silhouette",
        "size": list(size),
        "shape": asset.shape,
        "box": silhouette_box(asset, size),
        "color": color,
        "ground": ground_for(color),
        "texture": asset.silhouette.texture,
        "grain": _grain(asset.id),
    }
    if asset.points:
        made["points"] = [[point.x, point.y] for point in asset.points]
    return made


def silhouette_box(asset: Entity, size: tuple[int, int]) -> list[int]:
    """Rectangle [x, y, width, height] of an entity's silhouette, centred, in pixels.

    As large as `silhouette.fill` of the canvas allows, with the aspect of the entity's world size. A circle
    stays a circle. Very thin things get a least thickness, or the model would not see them.
    """
    aspect = 1.0 if asset.shape == "circle" else asset.width / asset.height
    room_w, room_h = size[0] * asset.silhouette.fill, size[1] * asset.silhouette.fill
    width, height = (room_w, room_w / aspect) if aspect * room_h >= room_w else (room_h * aspect, room_h)
    if asset.shape == "circle" and asset.width != asset.height:
        width = height = min(width, height)
    least = min(size) * _LEAST_THICKNESS
    return _centred(max(width, least), max(height, least), (0, 0, size[0], size[1]))


def _centred(width: float, height: float, room: tuple[int, int, int, int]) -> list[int]:
    x, y, room_w, room_h = room
    w, h = min(room_w, max(1, round(width))), min(room_h, max(1, round(height)))
    return [x + (room_w - w) // 2, y + (room_h - h) // 2, w, h]


def ground_for(color: str) -> str:
    """Neutral ground that a subject of this colour stands out from: light, or middle grey behind pale things.

    Never black or white: either one bleeds into the finished picture.
    """
    if colours.distance(color, LIGHT_GROUND) >= _LEAST_CONTRAST:
        return LIGHT_GROUND
    return max((LIGHT_GROUND, DARKER_GROUND), key=lambda ground: colours.distance(color, ground))


def _grain(name: str) -> int:
    return zlib.crc32(name.encode())


def _sheet_grid(sheet: Sheet, size: tuple[int, int]) -> dict[str, Any]:
    cells, layout_size, columns = cells_of(sheet), sheet_size(sheet), columns_of(sheet)
    return {
        "drawing_version": DRAWING_VERSION,
        "kind": "sheet_grid",
        "size": list(size),
        "ground": ground_for(min({cell.color for cell in cells}, key=_contrast, default="#808080")),
        "texture": _SHEET_TEXTURE,
        "grain": _grain(sheet.id),
        "cells": [_shape_in_cell(sheet, cell, scaled(cell, layout_size, size), columns) for cell in cells],
    }


def _contrast(color: str) -> float:
    return colours.distance(color, LIGHT_GROUND)


def _shape_in_cell(sheet: Sheet, cell: Cell, rect: tuple[int, int, int, int], columns: int) -> dict[str, Any]:
    """One cell of the grid: its outline, its colour and the rectangle [x, y, w, h] that the outline fills."""
    if cell.shape == "tile":
        lighter = (cell.index % columns + cell.index // columns) % 2
        color = colours.mix(cell.color, "#ffffff" if lighter else "#000000", _CHECKER)
        return {"shape": "tile", "box": list(rect), "color": color}
    fill = _CELL_FILL[sheet.kind]
    width, height = rect[2] * fill, rect[3] * fill
    if cell.shape == "circle":
        width = height = min(width, height)
    if cell.shape == "capsule" and sheet.kind == "sprite":
        width = min(width, height * _UPRIGHT)
    box = _centred(width, height, rect)
    if sheet.kind == "sprite" and cell.index % 2:
        lower = round(box[3] * _SQUASH)
        box = [box[0], box[1] + lower, box[2], box[3] - lower]
    return {"shape": cell.shape, "box": box, "color": cell.color}
