"""Tiled tile sets, read by a parser that is not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pytiled_parser import parse_map
from pytiled_parser.layer import ObjectLayer
from pytiled_parser.tiled_object import Rectangle
from pytiled_parser.tileset import Tileset

from assetmill.errors import StorageError
from assetmill.exports import tiled
from assetmill.exports.tiling import ground_around
from assetmill.sheets.model import Frame, Page, Rect, SheetModel, Tile, TileGrid

# Tiled's order of a Wang id: top, top right, right, bottom right, bottom, bottom left, left, top left.
TOP, TOP_RIGHT, RIGHT, BOTTOM_RIGHT, BOTTOM, BOTTOM_LEFT, LEFT, TOP_LEFT = range(8)
LOWER, UPPER = 1, 2


class Place:
    """Writes documents into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roles: list[str] = []

    game = "hop"

    def image(self, role: str) -> str:
        return f"pictures/{role}.png"

    def put(self, role: str, name: str, data: bytes, content_type: str) -> str:
        assert content_type == "application/json"
        self.roles.append(role)
        (self.folder / name).write_bytes(data)
        return name


def tiles(autotile: str | None = None, count: int = 6, **fields: Any) -> SheetModel:
    grid = TileGrid(columns=4, rows=-(-count // 4), tile=(16, 12), margin=2, spacing=4, extrude=1)
    kinds = ("none", "full", "platform")
    frames = tuple(
        Frame(
            id=f"t-{i}", page=0, rect=Rect(x=2 + i % 4 * 20, y=2 + i // 4 * 16, w=16, h=12), source=(16, 12),
            offset=(0, 0), pivot=(0.5, 0.5),
        )
        for i in range(count)
    )  # fmt: skip
    values: dict[str, Any] = {
        "kind": "tile",
        "pages": (Page(role="atlas", size=(2 * 2 + 4 * 16 + 3 * 4, 4 + grid.rows * 16 - 4)),),
        "frames": frames,
        "tiles": tuple(Tile(index=i, frame=f"t-{i}", collision=kinds[i % 3], tags=("a", "b c")) for i in range(count)),
        "grid": grid,
        "autotile": autotile,
    }
    return SheetModel(id="ground", **{**values, **fields})


def parsed(model: SheetModel, folder: Path) -> Tileset:
    """The tile set as a map sees it that names the file."""
    place = Place(folder)
    tiled.write(model, place)
    assert place.roles == ["tiled"]
    level = {
        "type": "map", "version": "1.10", "tiledversion": "1.10.0", "orientation": "orthogonal", "infinite": False,
        "renderorder": "right-down", "width": 1, "height": 1, "tilewidth": 16, "tileheight": 12, "nextlayerid": 2,
        "nextobjectid": 1, "layers": [], "tilesets": [{"firstgid": 1, "source": "ground.tsj"}],
    }  # fmt: skip
    (folder / "level.tmj").write_text(json.dumps(level))
    return parse_map(folder / "level.tmj").tilesets[1]


def wang_ids(tile_set: Tileset) -> dict[int, list[int]]:
    (wang,) = tile_set.wang_sets or ()
    return {number: tile.wang_id for number, tile in wang.wang_tiles.items()}


def test_tiled_counts_the_same_tiles_at_the_same_places(tmp_path):
    model = tiles()
    found = parsed(model, tmp_path)
    assert (found.name, found.tile_count, found.columns) == ("ground", 8, 4)
    assert (found.margin, found.spacing, found.tile_width, found.tile_height) == (2, 4, 16, 12)
    assert found.image == tmp_path / "pictures" / "atlas.png"
    assert (found.image_width, found.image_height) == model.pages[0].size
    # Tiled works the columns out of the picture's width, whatever the file says.
    assert (found.image_width - found.margin + found.spacing) // (found.tile_width + found.spacing) == found.columns
    for tile in model.tiles:
        column, row = tile.index % found.columns, tile.index // found.columns
        rect = model.frame(tile.frame).rect
        assert (rect.x, rect.y) == (
            found.margin + column * (found.tile_width + found.spacing),
            found.margin + row * (found.tile_height + found.spacing),
        )


def test_a_tile_says_its_name_tags_and_collision(tmp_path):
    found = parsed(tiles(), tmp_path)
    assert found.tiles is not None
    assert found.tiles[4].properties == {"name": "t-4", "tags": "a,b c", "collision": "full"}
    assert {tile.properties["collision"] for tile in found.tiles.values() if tile.properties} == {
        "none", "full", "platform",
    }  # fmt: skip
    assert not any(tile.animation for tile in found.tiles.values())


def test_what_stops_a_body_is_a_rectangle_and_a_platform_stops_it_from_above_only(tmp_path):
    found = parsed(tiles(), tmp_path).tiles or {}
    assert found[0].objects is None
    shapes = {}
    for number in (1, 2):
        layer = found[number].objects
        assert isinstance(layer, ObjectLayer)
        (shape,) = layer.tiled_objects
        assert isinstance(shape, Rectangle)
        assert (shape.coordinates.x, shape.coordinates.y) == (0, 0)
        shapes[number] = (shape.size.width, shape.size.height, shape.properties)
    assert shapes == {1: (16, 12, {"one_way": False}), 2: (16, 3, {"one_way": True})}


def test_corner_tiles_are_a_wang_set_of_two_colours(tmp_path):
    found = parsed(tiles("wang16", 16), tmp_path)
    (wang,) = found.wang_sets or ()
    assert (wang.wang_type, [colour.name for colour in wang.wang_colors]) == ("corner", ["lower", "upper"])
    assert [colour.tile for colour in wang.wang_colors] == [0, 15]
    ids = wang_ids(found)
    assert sorted(ids) == list(range(16))
    assert ids[0] == [0, LOWER, 0, LOWER, 0, LOWER, 0, LOWER]
    for bit, corner in ((1, TOP_RIGHT), (2, BOTTOM_RIGHT), (4, BOTTOM_LEFT), (8, TOP_LEFT)):
        assert {number for number in ids if ids[number][corner] == UPPER} == {n for n in range(16) if n & bit}
    assert all(ids[number][side] == 0 for number in ids for side in (TOP, RIGHT, BOTTOM, LEFT))


def test_a_blob_is_a_wang_set_of_one_colour_and_47_neighbourhoods(tmp_path):
    found = parsed(tiles("blob47", 47), tmp_path)
    (wang,) = found.wang_sets or ()
    assert (wang.wang_type, [(colour.name, colour.tile) for colour in wang.wang_colors]) == ("mixed", [("ground", 46)])
    ids = wang_ids(found)
    assert sorted(ids) == list(range(1, 47))  # a tile with no colour at all is not of the set
    assert ids[46] == [1] * 8
    assert len({tuple(one) for one in ids.values()}) == 46
    for one in ids.values():
        for corner in (TOP_RIGHT, BOTTOM_RIGHT, BOTTOM_LEFT, TOP_LEFT):
            assert not one[corner] or (one[corner - 1] and one[(corner + 1) % 8])


BLOB_SUMS = (
    0, 1, 4, 5, 7, 16, 17, 20, 21, 23, 28, 29, 31, 64, 65, 68, 69, 71, 80, 81, 84, 85, 87, 92, 93, 95, 112, 113, 116,
    117, 119, 124, 125, 127, 193, 197, 199, 209, 213, 215, 221, 223, 241, 245, 247, 253, 255,
)  # fmt: skip


def test_blob_tiles_stand_in_the_order_of_the_published_sums():
    """Sums of the usual blob: top 1, upper right 2, and so on clockwise to upper left 128."""
    around = [ground_around("blob47", index) or () for index in range(47)]
    assert tuple(sum(bit << side for side, bit in enumerate(sides)) for sides in around) == BLOB_SUMS


@pytest.mark.parametrize(("autotile", "count"), (("wang16", 16), ("blob47", 47)))
def test_cells_beyond_an_autotile_set_have_no_neighbours(autotile, count):
    assert ground_around(autotile, count - 1) is not None
    assert ground_around(autotile, count) is None


def test_a_set_with_more_cells_than_the_autotile_leaves_them_out_of_the_wang_set(tmp_path):
    assert sorted(wang_ids(parsed(tiles("wang16", 20), tmp_path))) == list(range(16))


def test_plain_tiles_have_no_wang_set(tmp_path):
    assert not parsed(tiles(), tmp_path).wang_sets


def test_other_sheets_are_no_tile_sets(tmp_path):
    place = Place(tmp_path)
    tiled.write(tiles(kind="variation", tiles=(), grid=None), place)
    assert (place.roles, list(tmp_path.iterdir())) == ([], [])


def test_tiles_without_a_grid_are_a_damaged_model(tmp_path):
    with pytest.raises(StorageError, match="no grid"):
        tiled.write(tiles(grid=None), Place(tmp_path))
