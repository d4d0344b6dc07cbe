"""What the one file says that Pixi and Phaser both load a sheet from."""

import json
from typing import Any

import pytest

from assetmill.exports import texturepacker
from assetmill.exports.stored import StoredPlace
from assetmill.packs import blob_key
from assetmill.packs.keys import sha256_of
from assetmill.sheets.model import (
    Animation,
    Borders,
    Frame,
    Page,
    Rect,
    SheetModel,
    Tile,
    TileGrid,
    Variant,
)

ATLAS, ATLAS_1, ATLAS_2 = (blob_key(digit * 64, "png") for digit in "abc")


class Documents:
    """A place in a store of bytes by key."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.place = StoredPlace(
            "hop", {"atlas": ATLAS, "atlas_1": ATLAS_1, "atlas_2": ATLAS_2, "image": ATLAS}, self._keep
        )

    def _keep(self, data: bytes, ext: str, content_type: str) -> str:
        assert content_type == "application/json"
        key = blob_key(sha256_of(data), ext)
        self.blobs[key] = data
        return key

    def read(self, role: str) -> Any:
        return json.loads(self.blobs[self.place.documents[role]])


def frame(name: str, page: int = 0, *, trim: bool = False, **fields: Any) -> Frame:
    rect = Rect(x=5, y=4, w=10, h=12) if trim else Rect(x=2, y=3, w=16, h=16)
    offset = (3, 2) if trim else (0, 0)
    values: dict[str, Any] = {"rect": rect, "source": (16, 16), "offset": offset, "pivot": (0.5, 1.0), **fields}
    return Frame(id=name, page=page, **values)


def animation(name: str, frames: str, **fields: Any) -> Animation:
    values: dict[str, Any] = {"fps": 10, "loop": True, "direction": "forward", **fields}
    durations = values.pop("durations_ms", tuple(100 for _ in frames))
    return Animation(name=name, frames=tuple(frames), durations_ms=durations, **values)


def sprite(*animations: Animation, frames: tuple[Frame, ...], pages: int = 1, **fields: Any) -> SheetModel:
    roles = ("atlas", "atlas_1", "atlas_2")[:pages]
    return SheetModel(
        id="hero",
        kind="sprite",
        pages=tuple(Page(role=role, size=(64, 32)) for role in roles),
        frames=frames,
        animations=animations,
        **fields,
    )


def written(model: SheetModel) -> Documents:
    documents = Documents()
    texturepacker.write(model, documents.place)
    return documents


def test_a_trimmed_frame_says_where_its_pixels_are_and_where_they_were() -> None:
    document = written(sprite(frames=(frame("run_00", trim=True), frame("run_01")))).read("texturepacker")
    assert list(document["frames"]) == ["hero/run_00", "hero/run_01"]
    assert document["frames"]["hero/run_00"] == {
        "frame": {"x": 5, "y": 4, "w": 10, "h": 12},
        "rotated": False,
        "trimmed": True,
        "spriteSourceSize": {"x": 3, "y": 2, "w": 10, "h": 12},
        "sourceSize": {"w": 16, "h": 16},
        "anchor": {"x": 0.5, "y": 1},
        "pivot": {"x": 0.5, "y": 1},
    }
    whole = document["frames"]["hero/run_01"]
    assert (whole["trimmed"], whole["frame"]) == (False, {"x": 2, "y": 3, "w": 16, "h": 16})
    assert (whole["spriteSourceSize"], whole["sourceSize"]) == ({"x": 0, "y": 0, "w": 16, "h": 16}, {"w": 16, "h": 16})


def test_meta_says_where_the_picture_is_from_the_document_itself_and_how_large() -> None:
    meta = written(sprite(frames=(frame("a"),), smooth=False)).read("texturepacker")["meta"]
    assert meta == {
        "app": "assetmill",
        "version": "1.0",
        "image": f"../aa/{'a' * 64}.png",
        "format": "RGBA8888",
        "size": {"w": 64, "h": 32},
        "scale": "1",
        "smooth": False,
    }


def test_animations_are_lists_in_order_of_play_because_pixi_plays_them_as_they_stand() -> None:
    model = sprite(
        animation("run", "abc"),
        animation("back", "abc", direction="reverse"),
        animation("sway", "abc", direction="pingpong"),
        animation("bow", "abc", direction="pingpong", loop=False, durations_ms=(10, 20, 30)),
        frames=tuple(frame(name) for name in "abc"),
    )
    document = written(model).read("texturepacker")
    played = {name: "".join(names).replace("hero/", "") for name, names in document["animations"].items()}
    assert played == {"hero/run": "abc", "hero/back": "cba", "hero/sway": "abcb", "hero/bow": "abcba"}
    assert document["meta"]["animations"]["hero/bow"] == {
        "frames": document["animations"]["hero/bow"],
        "durations": [10, 20, 30, 20, 10],
        "loop": False,
    }


def test_a_frame_has_the_duration_of_the_first_animation_that_shows_it_and_otherwise_none() -> None:
    model = sprite(
        animation("run", "ab", durations_ms=(40, 60)),
        animation("hop", "bc", durations_ms=(70, 80)),
        frames=tuple(frame(name) for name in "abcd"),
    )
    frames = written(model).read("texturepacker")["frames"]
    assert [frames[f"hero/{name}"].get("duration") for name in "abcd"] == [40, 60, 80, None]


def test_nine_slice_borders_stand_there_in_the_words_of_both_engines() -> None:
    model = SheetModel(
        id="panel",
        kind="ui_component",
        pages=(Page(role="image", size=(40, 20)),),
        frames=(frame("normal", rect=Rect(x=2, y=2, w=24, h=16), source=(24, 16)),),
        component="panel",
        states=("normal",),
        borders=Borders(left=4, top=3, right=6, bottom=5),
    )
    entry = written(model).read("texturepacker")["frames"]["panel/normal"]
    assert entry["borders"] == {"left": 4, "top": 3, "right": 6, "bottom": 5}
    assert entry["scale9Borders"] == {"x": 4, "y": 3, "w": 14, "h": 8}


def test_tiles_stand_there_by_name_with_their_index_and_the_grid_they_lie_in() -> None:
    model = SheetModel(
        id="ground",
        kind="tile",
        pages=(Page(role="atlas", size=(64, 32)),),
        frames=(frame("sky", tags=("open",)), frame("rock", tags=("hard",))),
        tiles=(Tile(index=0, frame="sky"), Tile(index=1, frame="rock", collision="full", tags=("hard", "grey"))),
        grid=TileGrid(columns=2, rows=1, tile=(16, 12), margin=3, spacing=4, extrude=1),
        autotile="wang16",
    )
    document = written(model).read("texturepacker")
    sky, rock = document["frames"]["ground/sky"], document["frames"]["ground/rock"]
    assert (sky["tile"], sky["tags"]) == ({"index": 0, "collision": "none"}, ["open"])
    assert (rock["tile"], rock["tags"]) == ({"index": 1, "collision": "full"}, ["hard", "grey"])
    assert document["meta"]["tiles"] == {
        "tileWidth": 16,
        "tileHeight": 12,
        "tileMargin": 3,
        "tileSpacing": 4,
        "columns": 2,
        "rows": 1,
        "autotile": "wang16",
    }


def test_variants_have_their_weight() -> None:
    model = SheetModel(
        id="bush",
        kind="variation",
        pages=(Page(role="atlas", size=(64, 32)),),
        frames=(frame("a"), frame("b")),
        variants=(Variant(frame="a", weight=3), Variant(frame="b", weight=0.5)),
    )
    frames = written(model).read("texturepacker")["frames"]
    assert (frames["bush/a"]["weight"], frames["bush/b"]["weight"]) == (3, 0.5)


def test_every_page_has_a_document_and_only_the_first_names_the_others() -> None:
    frames = (frame("a", 0), frame("b", 1), frame("c", 1), frame("d", 2))
    documents = written(sprite(animation("run", "ad"), animation("hop", "cb"), frames=frames, pages=3))
    first, second, third = (documents.read(role) for role in ("texturepacker", "texturepacker_1", "texturepacker_2"))
    assert [list(page["frames"]) for page in (first, second, third)] == [["hero/a"], ["hero/b", "hero/c"], ["hero/d"]]
    assert [page["meta"]["image"] for page in (first, second, third)] == [f"../{x * 2}/{x * 64}.png" for x in "abc"]
    others = [documents.place.documents[role] for role in ("texturepacker_1", "texturepacker_2")]
    assert first["meta"]["related_multi_packs"] == [key.replace("blobs/", "../") for key in others]
    assert "related_multi_packs" not in second["meta"] | third["meta"]


def test_an_animation_is_listed_only_where_pixi_finds_all_of_its_frames() -> None:
    """Pixi looks an animation's frames up on the page whose document lists it, and leaves holes where it finds none."""
    frames = (frame("a", 0), frame("b", 1), frame("c", 1))
    documents = written(sprite(animation("run", "ab"), animation("hop", "cb"), frames=frames, pages=2))
    assert documents.read("texturepacker")["animations"] == {}
    assert documents.read("texturepacker_1")["animations"] == {"hero/hop": ["hero/c", "hero/b"]}
    everything = documents.read("texturepacker")["meta"]["animations"]
    assert everything["hero/run"] == {"frames": ["hero/a", "hero/b"], "durations": [100, 100], "loop": True}


def test_documents_have_the_names_that_people_expect() -> None:
    named = {}

    class Folder:
        game = "hop"

        def image(self, role: str) -> str:
            return f"{role}.png"

        def put(self, role: str, name: str, data: bytes, content_type: str) -> str:
            named[role] = (name, content_type, json.loads(data)["meta"].get("related_multi_packs"))
            return name

    texturepacker.write(sprite(frames=(frame("a"), frame("b", 1)), pages=2), Folder())
    assert named == {
        "texturepacker": ("hero.json", "application/json", ["hero.1.json"]),
        "texturepacker_1": ("hero.1.json", "application/json", None),
    }


def test_the_same_sheet_gives_the_same_bytes() -> None:
    model = sprite(animation("run", "ab"), frames=(frame("a"), frame("b", 1)), pages=2)
    again = SheetModel.model_validate_json(model.encoded())
    assert written(model).blobs == written(again).blobs


def test_a_sheet_whose_picture_is_missing_leaves_no_document() -> None:
    documents = Documents()
    model = SheetModel(id="hero", kind="sprite", pages=(Page(role="atlas_9", size=(8, 8)),), frames=(frame("a"),))
    with pytest.raises(KeyError):
        texturepacker.write(model, documents.place)
    assert documents.blobs == {}
