"""Tiled's external tile set (`.tsj`) of a tile sheet; other sheets have no place in a tile map.

Each tile says its `name`, `tags` and `collision` as properties, and has the rectangle that stops a body as a
collision object. An autotile set is a Wang set: two colours on the corners of `wang16`, one colour for `blob47`.
Nothing moves, so no tile has an animation.
"""

from __future__ import annotations

from typing import Any

from assetmill.exports.base import JSON, Place, encoded
from assetmill.exports.tiling import collision_box, grid_of, ground_around
from assetmill.sheets.model import SheetModel, Size, Tile, TileGrid

ROLE = "tiled"
FORMAT = "1.10"  # of the JSON; Tiled 1.8 to 1.11 read it
_TERRAINS = {
    "wang16": ("corner", (("lower", "#8c6640"), ("upper", "#59b34d"))),
    "blob47": ("mixed", (("ground", "#59b34d"),)),
}
"""Autotile set -> type of its Wang set, and its colours from 1: names, and what the editor shows them in."""


def write(model: SheetModel, place: Place) -> None:
    """Put role `tiled` for a tile sheet, nothing for others.

    Raises:
        StorageError: the model is damaged: tiles without a grid.
    """
    if model.kind == "tile":
        document = encoded(tile_set(model, place.image(model.pages[0].role)))
        place.put(ROLE, f"{model.id}.tsj", document, JSON)


def tile_set(model: SheetModel, image: str) -> dict[str, Any]:
    """The document; `image` is the address of page 0."""
    grid, page = grid_of(model), model.pages[0]
    wang = {"wangsets": [_wang_set(model)]} if model.autotile else {}
    return {
        "type": "tileset",
        "version": FORMAT,
        "tiledversion": f"{FORMAT}.0",
        "name": model.id,
        "image": image,
        "imagewidth": page.size[0],
        "imageheight": page.size[1],
        "tilewidth": grid.tile[0],
        "tileheight": grid.tile[1],
        "columns": grid.columns,
        "tilecount": grid.columns * grid.rows,
        "margin": grid.margin,
        "spacing": grid.spacing,
        "tiles": [_tile(tile, grid) for tile in sorted(model.tiles, key=lambda tile: tile.index)],
        **wang,
    }


def _tile(tile: Tile, grid: TileGrid) -> dict[str, Any]:
    words = {"collision": tile.collision, "name": tile.frame, "tags": ",".join(tile.tags)}
    properties = [{"name": name, "type": "string", "value": value} for name, value in words.items()]
    return {"id": tile.index, "properties": properties, **_collision(tile, grid.tile)}


def _collision(tile: Tile, size: Size) -> dict[str, Any]:
    """The tile's collision editor: one rectangle, which a platform stops bodies with from above only."""
    box = collision_box(tile.collision, size)
    if box is None:
        return {}
    one_way = {"name": "one_way", "type": "bool", "value": tile.collision == "platform"}
    rectangle = {
        "id": 1,
        "name": tile.collision,
        "type": "",
        "x": box.x,
        "y": box.y,
        "width": box.w,
        "height": box.h,
        "rotation": 0,
        "visible": True,
        "properties": [one_way],
    }
    layer = {"id": 1, "name": "", "type": "objectgroup", "draworder": "index", "x": 0, "y": 0, "opacity": 1}
    return {"objectgroup": layer | {"visible": True, "objects": [rectangle]}}


def _wang_set(model: SheetModel) -> dict[str, Any]:
    form, terrains = _TERRAINS[model.autotile or ""]
    tiles = [{"tileid": tile.index, "wangid": wang_id} for tile in model.tiles if any(wang_id := _wang_id(model, tile))]
    colours = [
        {"name": name, "color": colour, "probability": 1, "tile": _shown(model, number)}
        for number, (name, colour) in enumerate(terrains, start=1)
    ]
    return {"name": model.id, "type": form, "tile": -1, "colors": colours, "wangtiles": tiles}


def _wang_id(model: SheetModel, tile: Tile) -> list[int]:
    """Colour on each side, clockwise from the top; 0 is no colour, and all 0 is a tile without a terrain."""
    around = ground_around(model.autotile, tile.index) if model.autotile else None
    if around is None:
        return [0] * 8
    if model.autotile == "wang16":
        return [1 + ground if side % 2 else 0 for side, ground in enumerate(around)]
    return [int(ground) for ground in around]


def _shown(model: SheetModel, colour: int) -> int:
    """Tile that stands for a colour in the editor: the one that has most of it."""
    return max(model.tiles, key=lambda tile: _wang_id(model, tile).count(colour)).index if model.tiles else -1
