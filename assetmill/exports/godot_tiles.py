"""A tile sheet as a Godot TileSet: one atlas, with collision, terrains, and the name and tags of every tile.

Every tile says its `name` and `tags` as custom data. Collision stands on physics layer 0 (collision layer 1);
a platform is one-way. An autotile set becomes terrain set 0. Godot connects terrains by the middle of a tile, so
each tile has one: in a corner set every tile with any upper ground belongs to `upper`, because Godot lets a corner
be a terrain only where all four tiles around it are of that terrain.
"""

from __future__ import annotations

from collections.abc import Iterator

from assetmill.exports import godot_text as gd
from assetmill.exports.base import Place
from assetmill.exports.tiling import SIDES, Box, collision_box, grid_of, ground_around
from assetmill.sheets.model import SheetModel, Tile, TileGrid

_STRING, _STRINGS = 4, 34  # Variant.Type: TYPE_STRING, TYPE_PACKED_STRING_ARRAY
_CORNERS_AND_SIDES, _CORNERS = 0, 1  # TileSet.TerrainMode
_GODOT_SIDES = {
    side: f"{side}_corner" if "_" in side else f"{side}_side" for side in SIDES
}  # CELL_NEIGHBOR_ENUM_TO_TEXT
_LOWER, _UPPER = 0, 1
_TERRAINS = {
    "wang16": (_CORNERS, (("lower", "Color(0.55, 0.4, 0.25, 1)"), ("upper", "Color(0.35, 0.7, 0.3, 1)"))),
    "blob47": (_CORNERS_AND_SIDES, (("ground", "Color(0.35, 0.7, 0.3, 1)"),)),
}
"""Autotile set -> mode of its terrain set, and its terrains with the colours that the editor shows them in."""


def tile_set(model: SheetModel, place: Place) -> bytes:
    """The TileSet.

    Raises:
        StorageError: the model is damaged: tiles without a grid.
    """
    grid = grid_of(model)
    source = gd.Part("TileSetAtlasSource", "atlas", tuple(_source(model, grid)))
    return gd.document("TileSet", [place.image(model.pages[0].role)], [source], _resource(model, grid))


def _source(model: SheetModel, grid: TileGrid) -> Iterator[tuple[str, str]]:
    """Godot reads properties in this order: where tiles lie, then which there are, then what they do."""
    yield "resource_name", gd.text(model.id)
    yield "texture", gd.texture(0)
    yield "margins", gd.vector_i(grid.margin, grid.margin)
    yield "separation", gd.vector_i(grid.spacing, grid.spacing)
    yield "texture_region_size", gd.vector_i(*grid.tile)
    if grid.extrude:
        yield "use_texture_padding", "false"  # the page has its own, so Godot need not make a padded copy
    for tile in model.tiles:
        yield from _tile(model, grid, tile)


def _tile(model: SheetModel, grid: TileGrid, tile: Tile) -> Iterator[tuple[str, str]]:
    key = f"{tile.index % grid.columns}:{tile.index // grid.columns}/0"
    yield key, "0"
    for name, value in (*_terrain(model, tile.index), *_collision(grid, tile)):
        yield f"{key}/{name}", value
    yield f"{key}/custom_data_0", gd.text(tile.frame)
    yield f"{key}/custom_data_1", gd.words(tile.tags)


def _terrain(model: SheetModel, index: int) -> Iterator[tuple[str, str]]:
    around = ground_around(model.autotile, index) if model.autotile else None
    if around is None:
        return
    corners_only = model.autotile == "wang16"
    yield "terrain_set", "0"
    yield "terrain", str(_UPPER if corners_only and any(around) else 0)
    for side, ground in zip(SIDES, around, strict=True):
        name = f"terrains_peering_bit/{_GODOT_SIDES[side]}"
        if corners_only and "_" in side:
            yield name, str(_UPPER if ground else _LOWER)
        elif ground:
            yield name, "0"


def _collision(grid: TileGrid, tile: Tile) -> Iterator[tuple[str, str]]:
    box = collision_box(tile.collision, grid.tile)
    if box is None:
        return
    yield "physics_layer_0/polygon_0/points", gd.points(_around_centre(box, grid))
    if tile.collision == "platform":
        yield "physics_layer_0/polygon_0/one_way", "true"


def _around_centre(box: Box, grid: TileGrid) -> list[tuple[float, float]]:
    """Corners of a box, clockwise, measured from the tile's centre as Godot does."""
    left, top = box.x - grid.tile[0] / 2, box.y - grid.tile[1] / 2
    right, bottom = left + box.w, top + box.h
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _resource(model: SheetModel, grid: TileGrid) -> Iterator[tuple[str, str]]:
    yield "tile_size", gd.vector_i(*grid.tile)
    if any(tile.collision != "none" for tile in model.tiles):
        yield "physics_layer_0/collision_layer", "1"
    if model.autotile:
        mode, terrains = _TERRAINS[model.autotile]
        yield "terrain_set_0/mode", str(mode)
        for number, (name, colour) in enumerate(terrains):
            yield f"terrain_set_0/terrain_{number}/name", gd.text(name)
            yield f"terrain_set_0/terrain_{number}/color", colour
    for number, (name, kind) in enumerate((("name", _STRING), ("tags", _STRINGS))):
        yield f"custom_data_layer_{number}/name", gd.text(name)
        yield f"custom_data_layer_{number}/type", str(kind)
    yield "sources/0", gd.part("atlas")
