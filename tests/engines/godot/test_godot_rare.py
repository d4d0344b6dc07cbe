"""Godot and what Cloud Hop has no example of: a sheet of two pages, every direction, a blob set, and broken files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from assetmill.exports.write import write_exports
from assetmill.sheets.model import Animation, Frame, Page, Rect, SheetModel, Tile, TileGrid

COLOURS = {"a": (255, 0, 0, 255), "b": (0, 255, 0, 255), "c": (0, 0, 255, 128), "d": (255, 255, 0, 255)}
TIMES_MS = (50, 70, 110, 130)
ORDERS = {
    "loop": ("forward", True, "abcd"),
    "back": ("reverse", True, "dcba"),
    "back-once": ("reverse", False, "dcba"),
    "there-and-back": ("pingpong", True, "abcdcb"),
    "there-and-back-once": ("pingpong", False, "abcdcba"),
}
SOURCE = (16, 12)
COLUMNS, ROWS, TILE = 8, 6, 16
AROUND = ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))
"""Neighbours (x, y) of a tile of a blob set, from the one that counts 1 to the one that counts 128."""

BROKEN = b'[gd_resource type="StyleBoxTexture" format=3]\n\n[resource]\nregion_rect = Rect2(1 2, 3, 4)\n'
WITHOUT_PAGE = b"""[gd_resource type="AtlasTexture" load_steps=2 format=3]

[ext_resource type="Texture2D" path="missing.png" id="1"]

[resource]
atlas = ExtResource("1")
"""


class Folder:
    """The place of an asset, held in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    game = "hop"

    def image(self, role: str) -> str:
        return f"{role}.png"

    def put(self, role: str, name: str, data: bytes, content_type: str) -> str:
        assert role
        assert content_type
        self.files[name] = data
        return name


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def exported(model: SheetModel, pages: dict[str, Image.Image]) -> dict[str, bytes]:
    place = Folder()
    write_exports(["godot"], model, place)
    return place.files | {place.image(role): png(page) for role, page in pages.items()}


def bands() -> dict[str, bytes]:
    """Four frames on two pages, each a band of one colour at a height of its own."""
    pages = {role: Image.new("RGBA", (40, 10)) for role in ("bands", "bands_1")}
    frames = []
    for number, (name, colour) in enumerate(COLOURS.items()):
        page, x = number // 2, 2 + 20 * (number % 2)
        pages[("bands", "bands_1")[page]].paste(colour, (x, 2, x + 10, 5))
        rect = Rect(x=x, y=2, w=10, h=3)
        frames.append(Frame(id=name, page=page, rect=rect, source=SOURCE, offset=(3, 2 * number), pivot=(0.5, 1)))
    model = SheetModel(
        id="bands",
        kind="sprite",
        pages=tuple(Page(role=role, size=page.size) for role, page in pages.items()),
        frames=tuple(frames),
        animations=tuple(
            Animation(name=name, frames=tuple("abcd"), durations_ms=TIMES_MS, fps=10, loop=loop, direction=direction)
            for name, (direction, loop, _) in ORDERS.items()
        ),
    )
    return exported(model, pages)


def blob() -> dict[str, bytes]:
    """A blob set of empty tiles: only which of them is taken where is of interest."""
    size = (COLUMNS * TILE, ROWS * TILE)
    spots = {index: (index % COLUMNS * TILE, index // COLUMNS * TILE) for index in range(len(sums()))}
    model = SheetModel(
        id="blob",
        kind="tile",
        pages=(Page(role="blob", size=size),),
        frames=tuple(
            Frame(
                id=f"t{index}",
                page=0,
                rect=Rect(x=x, y=y, w=TILE, h=TILE),
                source=(TILE, TILE),
                offset=(0, 0),
                pivot=(0.5, 0.5),
            )
            for index, (x, y) in spots.items()
        ),
        tiles=tuple(Tile(index=index, frame=f"t{index}") for index in spots),
        grid=TileGrid(columns=COLUMNS, rows=ROWS, tile=(TILE, TILE), margin=0, spacing=0, extrude=0),
        autotile="blob47",
    )
    return exported(model, {"blob": Image.new("RGBA", size, "grey")})


def sum_at(cell: tuple[float, float], ground: set[tuple[float, float]]) -> int:
    """Which neighbours of a cell are ground, as a blob set counts them: a corner only between two sides that are."""
    there = [(cell[0] + x, cell[1] + y) in ground for x, y in AROUND]
    counted = [yes and (side % 2 == 0 or (there[side - 1] and there[(side + 1) % 8])) for side, yes in enumerate(there)]
    return sum(1 << side for side, yes in enumerate(counted) if yes)


def sums() -> list[int]:
    """The 47 sums that can be, rising: the order of the tiles."""
    every = ({(0.0, 0.0)} | {AROUND[side] for side in range(8) if mask >> side & 1} for mask in range(256))
    return sorted({sum_at((0, 0), {(float(x), float(y)) for x, y in ground}) for ground in every})


def expected_strip(order: str) -> np.ndarray:
    strip = Image.new("RGBA", (SOURCE[0] * len(order), SOURCE[1]))
    for at, name in enumerate(order):
        number = "abcd".index(name)
        left, top = at * SOURCE[0] + 3, 2 * number
        strip.paste(COLOURS[name], (left, top, left + 10, top + 3))
    return np.asarray(strip)


@pytest.fixture(scope="module")
def answer(play):
    """What the engine says of the rare sheets."""
    return play(bands() | blob())


def test_rare_sheets_are_loaded_without_a_complaint(answer):
    assert {path: found["class"] for path, found in answer.resources.items()} == {
        "res://bands.tres": "SpriteFrames",
        "res://blob.tres": "TileSet",
    }
    assert answer.complaints == []


@pytest.mark.parametrize("name", tuple(ORDERS))
def test_an_animation_runs_in_its_direction_over_all_pages_and_shows_no_end_twice(answer, name):
    _, loop, order = ORDERS[name]
    found = answer.resources["res://bands.tres"]["animations"][name]
    times_ms = dict(zip("abcd", TIMES_MS, strict=True))
    assert [1000 * duration / found["speed"] for duration in found["durations"]] == pytest.approx(
        [times_ms[frame] for frame in order], abs=0.5
    )
    assert found["loop"] == loop
    assert np.array_equal(answer.picture("res://bands.tres", "animations", name), expected_strip(order))


def test_painted_ground_of_a_blob_set_takes_the_tile_that_its_neighbours_ask_for(answer):
    painted = {tuple(cell["at"]): cell["tile"] for cell in answer.resources["res://blob.tres"]["painted"]}
    order = sums()
    assert (len(order), len(painted)) == (47, 80)
    for cell, (column, row) in painted.items():
        assert order[int(row * COLUMNS + column)] == sum_at(cell, set(painted))


def test_what_godot_cannot_read_is_complained_of(play):
    answer = play({"broken.tres": BROKEN, "without-page.tres": WITHOUT_PAGE})
    assert answer.resources["res://broken.tres"] == {"class": None}
    assert any("broken.tres:4" in line for line in answer.complaints)
    assert any("missing.png" in line for line in answer.complaints)
