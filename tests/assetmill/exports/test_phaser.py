"""What Phaser gets beside the TexturePacker file.

How it plays what is written here was measured in 3.90.0 and 4.2.1: a frame is shown for exactly its duration, and
`yoyo` shows neither end twice in a row.
"""

import json
from typing import Any

import pytest

from assetmill.exports import phaser, texturepacker
from assetmill.exports.stored import StoredPlace
from assetmill.packs import blob_key
from assetmill.packs.keys import sha256_of
from assetmill.sheets.model import Animation, Direction, Frame, Page, Rect, SheetModel, Tile, TileGrid

PICTURES = {"atlas": blob_key("a" * 64, "png"), "atlas_1": blob_key("b" * 64, "png")}


def frame(name: str, page: int = 0) -> Frame:
    rect = Rect(x=5, y=4, w=10, h=12)
    return Frame(id=name, page=page, rect=rect, source=(16, 16), offset=(3, 2), pivot=(0.5, 1.0))


def animation(name: str, *, direction: Direction = "forward", loop: bool = True) -> Animation:
    return Animation(
        name=name, frames=("a", "b", "c"), durations_ms=(40, 60, 80), fps=12.5, loop=loop, direction=direction
    )


def sheet(*animations: Animation, pages: int = 1, **fields: Any) -> SheetModel:
    values: dict[str, Any] = {
        "id": "hero",
        "kind": "sprite",
        "pages": tuple(Page(role=role, size=(64, 32)) for role in list(PICTURES)[:pages]),
        "frames": (frame("a"), frame("b", pages - 1), frame("c")),
    }
    return SheetModel(animations=animations, **(values | fields))


def written(model: SheetModel) -> dict[str, Any]:
    blobs: dict[str, bytes] = {}

    def keep(data: bytes, ext: str, content_type: str) -> str:
        assert content_type == "application/json"
        key = blob_key(sha256_of(data), ext)
        blobs[key] = data
        return key

    place = StoredPlace("hop", PICTURES, keep)
    phaser.write(model, place)
    return {role: json.loads(blobs[key]) for role, key in place.documents.items()}


def test_an_animation_names_texture_frame_and_time_of_every_step() -> None:
    assert written(sheet(animation("run")))["phaser_anims"] == {
        "anims": [
            {
                "key": "hero/run",
                "type": "frame",
                "frames": [
                    {"key": "hero", "frame": "hero/a", "duration": 40},
                    {"key": "hero", "frame": "hero/b", "duration": 60},
                    {"key": "hero", "frame": "hero/c", "duration": 80},
                ],
                "frameRate": 12.5,
                "repeat": -1,
                "yoyo": False,
            }
        ],
        "globalTimeScale": 1,
    }


@pytest.mark.parametrize(
    ("direction", "frames", "yoyo"),
    (("forward", "abc", False), ("reverse", "cba", False), ("pingpong", "abc", True)),
)
@pytest.mark.parametrize("loop", (True, False))
def test_a_direction_becomes_an_order_or_a_yoyo_and_only_loops_repeat(
    direction: Direction, frames: str, yoyo: bool, loop: bool
) -> None:
    (made,) = written(sheet(animation("run", direction=direction, loop=loop)))["phaser_anims"]["anims"]
    shown = [(step["frame"], step["duration"]) for step in made["frames"]]
    assert shown == [(f"hero/{name}", {"a": 40, "b": 60, "c": 80}[name]) for name in frames]
    assert (made["yoyo"], made["repeat"]) == (yoyo, -1 if loop else 0)


def test_a_sheet_of_one_page_without_animations_needs_nothing_more() -> None:
    assert written(sheet()) == {}


def test_pages_stand_in_one_document_with_the_same_frames_as_in_the_pages_own() -> None:
    model = sheet(animation("run"), pages=2)
    documents = written(model)
    assert sorted(documents) == ["phaser_anims", "phaser_multiatlas"]
    first, second = documents["phaser_multiatlas"]["textures"]
    assert (first["image"], second["image"]) == (f"../aa/{'a' * 64}.png", f"../bb/{'b' * 64}.png")
    assert (second["format"], second["size"], second["scale"]) == ("RGBA8888", {"w": 64, "h": 32}, "1")
    assert [[entry["filename"] for entry in page["frames"]] for page in (first, second)] == [
        ["hero/a", "hero/c"],
        ["hero/b"],
    ]
    entries = texturepacker.frame_entries(model)
    assert second["frames"] == [{"filename": "hero/b", **entries["b"]}]


def test_each_page_carries_the_meta_of_the_sheet_because_phaser_keeps_that_of_the_last() -> None:
    grid = TileGrid(columns=3, rows=1, tile=(16, 16), margin=3, spacing=4, extrude=1)
    model = sheet(pages=2, kind="tile", tiles=(Tile(index=0, frame="a"),), grid=grid, smooth=False)
    for page in written(model)["phaser_multiatlas"]["textures"]:
        assert page["meta"]["smooth"] is False
        assert page["meta"]["tiles"]["tileSpacing"] == 4
