"""Unity's import settings, read by a YAML parser and measured from the lower edge as Unity does."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from assetmill.exports import unity
from assetmill.sheets.model import Borders, Frame, Page, Rect, SheetModel

NAMES = ("normal", "on", "no", "007", "1e5", "null")


class Place:
    """Keeps documents; pictures have other names than their roles."""

    def __init__(self, game: str = "hop") -> None:
        self.game = game
        self.names: dict[str, str] = {}
        self.documents: dict[str, bytes] = {}

    def image(self, role: str) -> str:
        return f"../art/{role}-of-hero.png"

    def put(self, role: str, name: str, data: bytes, content_type: str) -> str:
        assert content_type.startswith("text/plain")
        self.names[role], self.documents[role] = name, data
        return name


def read(data: bytes) -> Any:
    """As Unity does: every plain value is text, whatever it looks like."""
    return yaml.load(data.decode(), Loader=yaml.BaseLoader)  # noqa: S506  a loader that makes texts only


def frame(frame_id: str, **fields: Any) -> Frame:
    values: dict[str, Any] = {
        "page": 0, "rect": Rect(x=5, y=4, w=10, h=12), "source": (16, 20), "offset": (3, 2), "pivot": (0.5, 1),
        **fields,
    }  # fmt: skip
    return Frame(id=frame_id, **values)


def sheet(*frames: Frame, **fields: Any) -> SheetModel:
    pages = (Page(role="atlas", size=(64, 40)), Page(role="atlas_1", size=(32, 32)))
    return SheetModel(id="hero", **{"kind": "sprite", "pages": pages, "frames": frames, **fields})


def written(model: SheetModel, game: str = "hop") -> Place:
    place = Place(game)
    unity.write(model, place)
    return place


def importer(model: SheetModel) -> Any:
    return read(written(model).documents["unity"])["TextureImporter"]


def sprite_of(model: SheetModel) -> Any:
    (sprite,) = importer(model)["spriteSheet"]["sprites"]
    return sprite


def numbers(values: dict[str, str]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items() if key != "serializedVersion"}


def test_the_settings_of_a_page_are_named_after_its_picture_and_hold_its_own_frames():
    place = written(sheet(frame("a"), frame("b", page=1), frame("c")))
    assert place.names == {"unity": "atlas-of-hero.png.meta", "unity_1": "atlas_1-of-hero.png.meta"}
    held = {
        role: [sprite["name"] for sprite in read(data)["TextureImporter"]["spriteSheet"]["sprites"]]
        for role, data in place.documents.items()
    }
    assert held == {"unity": ["a", "c"], "unity_1": ["b"]}


def test_a_sprite_is_measured_from_the_lower_left_corner():
    assert numbers(sprite_of(sheet(frame("a")))["rect"]) == {"x": 5, "y": 40 - 4 - 12, "width": 10, "height": 12}


@pytest.mark.parametrize(
    ("pivot", "expected"),
    (((0.5, 1), (0.5, -0.5)), ((0, 0), (-0.3, 1 + 2 / 12)), ((0.5, 0.4), (0.5, 0.5)), ((1, 1), (1.3, -0.5))),
)
def test_the_pivot_is_a_share_of_the_rectangle_and_may_lie_outside_it(pivot, expected):
    found = sprite_of(sheet(frame("a", pivot=pivot)))
    assert found["alignment"] == "9"
    assert tuple(numbers(found["pivot"]).values()) == pytest.approx(expected, abs=1e-6)


def test_an_untrimmed_pivot_is_only_turned_over():
    whole = frame("a", rect=Rect(x=0, y=0, w=16, h=20), offset=(0, 0), pivot=(0.25, 0.75))
    assert numbers(sprite_of(sheet(whole))["pivot"]) == {"x": 0.25, "y": 0.25}


def test_borders_are_left_bottom_right_top_of_what_trimming_left():
    borders = Borders(left=5, top=4, right=6, bottom=9)
    model = sheet(frame("a"), kind="ui_component", states=("a",), borders=borders)
    # 3 left, 2 above, 3 right and 6 below are cut off
    assert numbers(sprite_of(model)["border"]) == {"x": 2, "y": 3, "z": 3, "w": 2}
    assert numbers(sprite_of(sheet(frame("a")))["border"]) == {"x": 0, "y": 0, "z": 0, "w": 0}


@pytest.mark.parametrize(("smooth", "mode"), ((True, "1"), (False, "0")))
def test_pixel_art_is_not_filtered(smooth, mode):
    assert importer(sheet(frame("a"), smooth=smooth))["textureSettings"]["filterMode"] == mode


def test_pictures_are_sprites_that_unity_neither_compresses_nor_makes_smaller():
    found = importer(sheet(frame("a")))
    (platform,) = found["platformSettings"]
    assert (found["textureType"], found["spriteMode"], found["textureCompression"]) == ("8", "2", "0")
    assert (found["mipmaps"]["enableMipMap"], found["nPOTScale"], found["alphaIsTransparency"]) == ("0", "0", "1")
    assert (platform["maxTextureSize"], platform["textureCompression"]) == ("2048", "0")
    large = sheet(frame("a"), pages=(Page(role="atlas", size=(64, 2049)),))
    assert importer(large)["platformSettings"][0]["maxTextureSize"] == "4096"


def test_ids_follow_from_names_alone_and_are_all_different():
    names = ("a", "b", "c")
    first = written(sheet(*map(frame, names))).documents["unity"]
    moved = sheet(*(frame(name, rect=Rect(x=9, y=9, w=10, h=12)) for name in reversed(names)))
    again = written(moved).documents["unity"]

    def ids(data: bytes) -> dict[str, tuple[str, str]]:
        sprites = read(data)["TextureImporter"]["spriteSheet"]["sprites"]
        return {sprite["name"]: (sprite["spriteID"], sprite["internalID"]) for sprite in sprites}

    assert ids(first) == ids(again)
    assert read(first)["guid"] == read(again)["guid"]
    assert re.fullmatch(r"[0-9a-f]{32}", read(first)["guid"])
    assert len({one for pair in ids(first).values() for one in pair}) == 6
    assert all(-(2**63) <= int(number) < 2**63 and int(number) for _, number in ids(first).values())
    assert all(re.fullmatch(r"[0-9a-f]{32}", guid) for guid, _ in ids(first).values())


def test_guids_differ_by_game_asset_and_page():
    one = written(sheet(frame("a"), frame("b", page=1))).documents.values()
    elsewhere = written(sheet(frame("a")), "skip").documents.values()
    other = written(sheet(frame("a")).model_copy(update={"id": "villain"})).documents.values()
    single = (
        unity.single_picture("hop", "hero", "file", (8, 8)),
        unity.single_picture("hop", "villain", "file", (8, 8)),
    )
    guids = [read(data)["guid"] for data in (*one, *elsewhere, *other, *single)]
    assert len(set(guids)) == len(guids) == 8


def test_tables_of_ids_name_the_same_sprites():
    found = importer(sheet(frame("a"), frame("b")))
    ids = {sprite["name"]: sprite["internalID"] for sprite in found["spriteSheet"]["sprites"]}
    assert found["spriteSheet"]["nameFileIdTable"] == ids
    table = {entry["second"]: entry["first"]["213"] for entry in found["internalIDToNameTable"]}
    assert table == ids


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stands_bare_as_unity_writes_it(name):
    data = written(sheet(frame(name))).documents["unity"].decode()
    assert re.search(rf"^      name: {name}$", data, re.MULTILINE)
    assert sprite_of(sheet(frame(name)))["name"] == name


def test_a_name_that_yaml_would_not_read_back_is_quoted():
    assert sprite_of(sheet(frame('odd: "name" # 1')))["name"] == 'odd: "name" # 1'


def test_a_single_picture_is_one_sprite_with_its_pivot_in_the_middle():
    found = read(unity.single_picture("hop", "knight", "file", (300, 200), smooth=False))["TextureImporter"]
    assert (found["spriteMode"], found["textureSettings"]["filterMode"]) == ("1", "0")
    assert numbers(found["spritePivot"]) == {"x": 0.5, "y": 0.5}
    assert (found["spriteSheet"]["sprites"], found["spriteSheet"]["nameFileIdTable"]) == ([], {})
    assert re.fullmatch(r"[0-9a-f]{32}", found["spriteSheet"]["spriteID"])
