"""Godot loads what `assetmill export --format godot` wrote, and draws, plays and collides with it as the pack says.

The engine is the real one, as its editor exports it for the web: single-threaded WASM, renderer gl_compatibility. The
npm package `godot4` of the lock carries it ready-made. There is no editor in it: see `conftest.py` for how textures
are imported, and `main.gd` for what is measured. The exported folder lies deep in the project, so that addresses
prove to be relative.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from assetmill.sheets.model import Animation, SheetModel

Pixels = NDArray[Any]
FOLDER = "art/cloud-hop"
CLASSES = {
    "sprite": "SpriteFrames", "tile": "TileSet", "variation": "AtlasTexture", "ui_component": "StyleBoxTexture"
}  # fmt: skip
TILES = ("cloud-tiles", "meadow-props")
STATES = (*(("ui-button", state) for state in ("normal", "hover", "pressed", "disabled")), ("ui-panel", "normal"))
COINS = ("bronze", "silver", "gold", "rainbow")
ONE_WAY: dict[str, list[bool]] = {"none": [], "full": [False], "platform": [True]}
TIMES = 3  # as large as its picture: what `main.gd` makes of an interface element


def resource(*name: str) -> str:
    return f"res://{FOLDER}/sheet/{'.'.join(name)}.tres"


def premultiplied(pixels: Pixels) -> Pixels:
    """Colours multiplied by alpha: two pictures that look the same are the same."""
    given = np.asarray(pixels, dtype=np.float64)
    return np.dstack([given[..., :3] * given[..., 3:] / 255, given[..., 3]])


def assert_same(drawn: Pixels, expected: Pixels) -> None:
    """The same picture, within what rounding to bytes does."""
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).max() <= 1.01


def expected_class(model: SheetModel) -> dict[str, str]:
    whole = model.kind in ("sprite", "tile")
    names = [(model.id,)] if whole else [(model.id, frame.id) for frame in model.frames]
    return {resource(*name): CLASSES[model.kind] for name in names}


def shown(animation: Animation) -> list[tuple[str, int]]:
    """Frames and their milliseconds from the first one shown to the last."""
    steps = list(zip(animation.frames, animation.durations_ms, strict=True))
    if animation.direction == "reverse":
        return steps[::-1]
    if animation.direction == "pingpong":
        return steps + steps[-2 : 0 if animation.loop else None : -1]
    return steps


def by_index(tiles: list[dict[str, Any]], columns: int) -> dict[int, dict[str, Any]]:
    return {int(tile["at"][1] * columns + tile["at"][0]): tile for tile in tiles}


def corners_of(index: int) -> dict[tuple[int, int], bool]:
    """Which corners of a tile of a corner set are upper ground, by (x, y) from its upper left one."""
    return {(1, 0): bool(index & 1), (1, 1): bool(index & 2), (0, 1): bool(index & 4), (0, 0): bool(index & 8)}


def stretched(length: int, before: int, after: int) -> NDArray[np.int64]:
    """Which pixel of a side shows at each pixel of a side that is some times as long, between unstretched ends."""
    target = TIMES * length
    middle = (np.arange(target - before - after) + 0.5) / (target - before - after) * (length - before - after) + before
    return np.concatenate([np.arange(before), middle.astype(int), np.arange(length - after, length)])


@pytest.fixture(scope="module")
def files(exported) -> dict[str, bytes]:
    folder: Path = exported("godot")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {f"{FOLDER}/{name}": data for name, data in sorted(found.items())}


@pytest.fixture(scope="module")
def answer(files, play):
    """What the engine says of the exported files, and of what it complained."""
    return play(files)


def test_every_sheet_of_the_pack_loads_as_the_resource_that_its_nodes_ask_for(pack, answer):
    sheets = [pack.model(name) for name, asset in pack.index["assets"].items() if asset["type"] == "sheet"]
    expected = {path: kind for sheet in sheets for path, kind in expected_class(sheet).items()}
    assert {path: found["class"] for path, found in answer.resources.items()} == expected
    assert set(expected.values()) == set(CLASSES.values())


def test_the_engine_is_godot_4_6_and_complains_of_nothing(answer):
    assert (answer.engine["major"], answer.engine["minor"], answer.engine["status"]) == (4, 6, "stable")
    assert answer.complaints == []


def test_animations_show_their_frames_as_long_and_in_the_order_that_the_model_says(pack, answer):
    found = answer.resources[resource("pip-moves")]["animations"]
    model = pack.model("pip-moves")
    assert found.keys() == {animation.name for animation in model.animations}
    for animation in model.animations:
        played = found[animation.name]
        times_ms = [1000 * duration / played["speed"] for duration in played["durations"]]
        assert times_ms == pytest.approx([duration_ms for _, duration_ms in shown(animation)], abs=0.5)
        assert played["loop"] == animation.loop
        assert played["speed"] == pytest.approx(animation.fps)


def test_a_trimmed_frame_is_drawn_where_it_was_in_its_cell(pack, answer):
    model = pack.model("pip-moves")
    assert any(frame.trimmed for frame in model.frames)
    for animation in model.animations:
        cells = [pack.cell(model.id, frame) for frame, _ in shown(animation)]
        drawn = answer.picture(resource(model.id), "animations", animation.name)
        assert_same(premultiplied(drawn), np.concatenate(cells, axis=1))


def test_every_frame_carries_its_pivot(pack, answer):
    found = answer.resources[resource("pip-moves")]["animations"]
    model = pack.model("pip-moves")
    for animation in model.animations:
        pivots = [tuple(meta["pivot"]) for meta in found[animation.name]["meta"]]
        assert pivots == [pytest.approx(model.frame(frame).pivot) for frame, _ in shown(animation)]


@pytest.mark.parametrize("coin", COINS)
def test_a_variant_is_drawn_as_its_cell_and_carries_its_weight(pack, answer, coin):
    weights = {variant.frame: variant.weight for variant in pack.model("sky-coins").variants}
    path = resource("sky-coins", coin)
    assert_same(premultiplied(answer.picture(path)), pack.cell("sky-coins", coin))
    assert answer.resources[path]["meta"]["weight"] == pytest.approx(weights[coin])


@pytest.mark.parametrize("name", TILES)
def test_tiles_are_read_from_where_they_lie_on_their_page(pack, answer, name):
    model, found = pack.model(name), answer.resources[resource(name)]
    tiles = by_index(found["tiles"], model.grid.columns)
    rects = {tile.index: model.frame(tile.frame).rect for tile in model.tiles}
    assert {index: tile["region"] for index, tile in tiles.items()} == {
        index: [rect.x, rect.y, rect.w, rect.h] for index, rect in rects.items()
    }
    assert (found["sources"], tuple(found["tile_size"])) == (1, model.grid.tile)


@pytest.mark.parametrize("name", TILES)
def test_a_tile_map_shows_the_cells_of_the_sheet(pack, answer, name):
    model = pack.model(name)
    width, height = model.grid.tile
    expected = np.zeros((model.grid.rows * height, model.grid.columns * width, 4))
    for tile in model.tiles:
        row, column = divmod(tile.index, model.grid.columns)
        window = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
        expected[window] = pack.cell(name, tile.frame)
    assert expected.any()
    assert_same(premultiplied(answer.picture(resource(name))), expected)


@pytest.mark.parametrize("name", TILES)
def test_tiles_carry_their_names_and_tags(pack, answer, name):
    model = pack.model(name)
    tiles = by_index(answer.resources[resource(name)]["tiles"], model.grid.columns)
    for tile in model.tiles:
        assert tiles[tile.index]["custom"] == {"name": tile.frame, "tags": list(tile.tags)}


def test_solid_tiles_stop_a_body_from_both_sides_and_platforms_only_from_above(pack, answer):
    model = pack.model("meadow-props")
    assert {tile.collision for tile in model.tiles} == {"none", "full", "platform"}
    bodies = answer.resources[resource(model.id)]["bodies"]
    for tile in model.tiles:
        row, column = divmod(tile.index, model.grid.columns)
        stops = {"from_above": tile.collision != "none", "from_below": tile.collision == "full"}
        assert bodies[f"{column},{row}"] == stops


def test_a_solid_tile_is_solid_all_over_and_a_platform_across_its_top(pack, answer):
    model = pack.model("meadow-props")
    tiles = by_index(answer.resources[resource(model.id)]["tiles"], model.grid.columns)
    x, y = model.grid.tile[0] / 2, model.grid.tile[1] / 2
    for tile in model.tiles:
        polygons = tiles[tile.index]["polygons"]
        assert [polygon["one_way"] for polygon in polygons] == ONE_WAY[tile.collision]
        for polygon in polygons:
            bottom = max(point[1] for point in polygon["points"])
            assert sorted(polygon["points"]) == [[-x, -y], [-x, bottom], [x, -y], [x, bottom]]
            assert bottom == y if tile.collision == "full" else -y < bottom < 0


def test_painted_terrain_takes_tiles_whose_corners_meet(pack, answer):
    model = pack.model("cloud-tiles")
    assert model.autotile == "wang16"
    painted = answer.resources[resource(model.id)]["painted"]
    ground: dict[tuple[float, float], set[bool]] = {}
    for cell in painted:
        index = int(cell["tile"][1] * model.grid.columns + cell["tile"][0])
        for (right, below), upper in corners_of(index).items():
            ground.setdefault((cell["at"][0] + right, cell["at"][1] + below), set()).add(upper)
    assert len(painted) == 49
    assert all(len(said) == 1 for said in ground.values())
    assert set().union(*ground.values()) == {False, True}


@pytest.mark.parametrize("name", STATES)
def test_a_stretched_element_keeps_its_borders(pack, answer, name):
    model, path = pack.model(name[0]), resource(*name)
    frame, found = model.frame(name[1]), answer.resources[path]
    left, top, right, bottom = (int(length) for length in found["margins"])
    x, y = frame.offset
    beyond = (frame.source[0] - x - frame.rect.w, frame.source[1] - y - frame.rect.h)
    borders = model.borders
    assert (left, top) == (max(0, borders.left - x), max(0, borders.top - y))
    assert (right, bottom) == (max(0, borders.right - beyond[0]), max(0, borders.bottom - beyond[1]))
    cut = pack.cell(*name)[y : y + frame.rect.h, x : x + frame.rect.w]
    drawn = premultiplied(answer.picture(path))
    rows, columns = stretched(frame.rect.h, top, bottom), stretched(frame.rect.w, left, right)
    assert drawn.shape[:2] == (len(rows), len(columns))
    for rim in (np.s_[:top], np.s_[drawn.shape[0] - bottom :]):
        for side in (np.s_[:left], np.s_[drawn.shape[1] - right :]):
            assert_same(drawn[rim, side], cut[rows][:, columns][rim, side])
    alike = np.abs(drawn - cut[rows][:, columns]).max(axis=2) <= 1.01
    assert alike.mean() > 0.98  # on the line between two pixels either may show
