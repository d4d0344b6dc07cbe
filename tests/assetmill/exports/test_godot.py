"""Godot resources, read back by a small strict reader of the `.tres` text form."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from assetmill.errors import StorageError
from assetmill.exports import godot
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

TOKEN = re.compile(
    r"""\s*(?:(?P<text>&?"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])|(?P<word>[A-Za-z]\w*)|(?P<sign>[\[\]{}(),:]))"""
)
HEADING = re.compile(r'\[(\w+)((?: \w+=(?:"(?:[^"\\]|\\.)*"|\d+))*)\]')


class Call(NamedTuple):
    """A value such as Rect2(1, 2, 3, 4)."""

    name: str
    arguments: tuple[Any, ...]


class Name(str):
    """A StringName: &"run"."""

    __slots__ = ()


class Reader:
    """Reads one value; anything that Godot's text form does not have is an error."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def next(self) -> str:
        found = TOKEN.match(self.text, self.at)
        assert found, f"no value at {self.text[self.at : self.at + 40]!r}"
        self.at = found.end()
        return found.group().strip()

    def peek(self) -> str:
        at = self.at
        token = self.next()
        self.at = at
        return token

    def several(self, end: str, read: Any) -> list[Any]:
        found = []
        while self.peek() != end:
            found.append(read())
            if self.peek() == ",":
                self.next()
        self.next()
        return found

    def pair(self) -> tuple[Any, Any]:
        key = self.value()
        assert self.next() == ":"
        return key, self.value()

    def value(self) -> Any:
        token = self.next()
        if token == "[":
            return self.several("]", self.value)
        if token == "{":
            return dict(self.several("}", self.pair))
        if token.startswith(('"', '&"')):
            inner = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), token.lstrip("&")[1:-1])
            return Name(inner) if token.startswith("&") else inner
        if token in ("true", "false"):
            return token == "true"
        if token[0].isdigit() or token[0] == "-":
            return float(token) if "." in token else int(token)
        assert self.next() == "("
        return Call(token, tuple(self.several(")", self.value)))


class Resource(NamedTuple):
    """A parsed file."""

    kind: str
    textures: dict[str, str]
    parts: dict[str, tuple[str, dict[str, Any]]]
    properties: dict[str, Any]


def read(text: str) -> Any:
    reader = Reader(text)
    value = reader.value()
    assert not text[reader.at :].strip(), f"left over: {text[reader.at :]!r}"
    return value


def parse(data: bytes) -> Resource:
    textures: dict[str, str] = {}
    parts: dict[str, tuple[str, dict[str, Any]]] = {}
    kind, target, steps, own = "", None, 0, {}
    for line in data.decode().splitlines():
        if not line:
            continue
        if heading := HEADING.fullmatch(line):
            fields = {key: read(value) for key, value in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\d+)', heading[2])}
            target = own if heading[1] == "resource" else None
            if heading[1] == "gd_resource":
                kind, steps = fields["type"], fields["load_steps"]
                assert fields["format"] == 3
            elif heading[1] == "ext_resource":
                assert fields["type"] == "Texture2D"
                textures[fields["id"]] = fields["path"]
            elif heading[1] == "sub_resource":
                target = {}
                parts[fields["id"]] = (fields["type"], target)
            continue
        key, equals, value = line.partition(" = ")
        assert equals, line
        assert target is not None, line
        assert key not in target, line
        target[key] = read(value)
    assert steps == len(textures) + len(parts) + 1
    return Resource(kind, textures, parts, own)


class Place:
    """Keeps documents; pictures are `res://art/<role>.png`."""

    def __init__(self) -> None:
        self.put_there: dict[str, tuple[str, bytes]] = {}

    game = "hop"

    def image(self, role: str) -> str:
        return f"res://art/{role}.png"

    def put(self, role: str, name: str, data: bytes, content_type: str) -> str:
        assert content_type.startswith("text/plain")
        assert re.fullmatch(r"[a-z0-9_]+", role)
        assert role not in self.put_there
        self.put_there[role] = (name, data)
        return name


def written(model: SheetModel) -> dict[str, tuple[str, Resource]]:
    place = Place()
    godot.write(model, place)
    return {role: (name, parse(data)) for role, (name, data) in place.put_there.items()}


def frame(frame_id: str, x: int = 0, *, page: int = 0, trimmed: bool = False) -> Frame:
    rect = Rect(x=x, y=4, w=10, h=12) if trimmed else Rect(x=x, y=4, w=16, h=16)
    offset = (3, 2) if trimmed else (0, 0)
    return Frame(id=frame_id, page=page, rect=rect, source=(16, 16), offset=offset, pivot=(0.5, 1))


def sprite(**animation: Any) -> SheetModel:
    values: dict[str, Any] = {
        "name": "run", "frames": ("a", "b", "c"), "durations_ms": (100, 100, 100), "fps": 10, "loop": True,
        "direction": "forward",
    }  # fmt: skip
    return SheetModel(
        id="pip-moves",
        kind="sprite",
        pages=(Page(role="atlas", size=(64, 32)), Page(role="atlas_1", size=(32, 32))),
        frames=(frame("a"), frame("b", 20, trimmed=True), frame("c", page=1)),
        animations=(Animation(**{**values, **animation}),),
    )


def shown(resource: Resource) -> list[str]:
    """Frames of the only animation, by id, in the order of play."""
    (animation,) = resource.properties["animations"]
    return [entry["texture"].arguments[0].removeprefix("frame_") for entry in animation["frames"]]


def test_a_sprite_sheet_is_one_sprite_frames_over_all_of_its_pages():
    name, resource = written(sprite())["godot"]
    assert (name, resource.kind) == ("pip-moves.tres", "SpriteFrames")
    assert list(resource.textures.values()) == ["res://art/atlas.png", "res://art/atlas_1.png"]
    pages = list(resource.textures)
    atlas = {part: values["atlas"].arguments[0] for part, (_, values) in resource.parts.items()}
    assert atlas == {"frame_a": pages[0], "frame_b": pages[0], "frame_c": pages[1]}


def test_a_trimmed_frame_gets_its_border_back_and_a_whole_one_has_none():
    parts = written(sprite())["godot"][1].parts
    kind, trimmed = parts["frame_b"]
    assert kind == "AtlasTexture"
    assert trimmed["region"] == Call("Rect2", (20, 4, 10, 12))
    assert trimmed["margin"] == Call("Rect2", (3, 2, 6, 4))
    assert trimmed["filter_clip"] is True
    assert trimmed["metadata/pivot"] == Call("Vector2", (0.5, 1))
    assert "margin" not in parts["frame_a"][1]


@pytest.mark.parametrize(
    ("direction", "loop", "frames"),
    (
        ("forward", True, ["a", "b", "c"]), ("reverse", False, ["c", "b", "a"]),
        ("pingpong", True, ["a", "b", "c", "b"]), ("pingpong", False, ["a", "b", "c", "b", "a"]),
    ),
)  # fmt: skip
def test_a_direction_that_godot_lacks_is_written_out(direction, loop, frames):
    resource = written(sprite(direction=direction, loop=loop))["godot"][1]
    assert shown(resource) == frames
    (animation,) = resource.properties["animations"]
    assert animation["loop"] is loop
    assert isinstance(animation["name"], Name)
    assert animation["name"] == "run"


@pytest.mark.parametrize(
    ("fps", "durations", "seconds"),
    (
        (10, (100, 250, 50), (0.1, 0.25, 0.05)), (12, (83, 83, 83), (1 / 12, 1 / 12, 1 / 12)),
        (8, (60, 125, 500), (0.06, 0.125, 0.5)),
    ),
)  # fmt: skip
def test_frames_last_as_long_as_the_model_says(fps, durations, seconds):
    (animation,) = written(sprite(fps=fps, durations_ms=durations))["godot"][1].properties["animations"]
    times = tuple(entry["duration"] / animation["speed"] for entry in animation["frames"])
    assert times == pytest.approx(seconds, abs=1e-6)


def tiles(autotile: str | None = None, count: int = 6, **grid: int) -> SheetModel:
    values: dict[str, Any] = {"columns": 4, "rows": -(-count // 4), "margin": 2, "spacing": 4, "extrude": 1, **grid}
    kinds = ("none", "full", "platform")
    return SheetModel(
        id="ground",
        kind="tile",
        pages=(Page(role="atlas", size=(80, 40)),),
        frames=tuple(frame(f"t-{i}") for i in range(count)),
        tiles=tuple(Tile(index=i, frame=f"t-{i}", collision=kinds[i % 3], tags=("a", 'b"c')) for i in range(count)),
        grid=TileGrid(tile=(16, 16), **values),
        autotile=autotile,
    )


def atlas_of(model: SheetModel) -> tuple[dict[str, Any], dict[str, Any]]:
    name, resource = written(model)["godot"]
    assert (name, resource.kind) == ("ground.tres", "TileSet")
    kind, atlas = resource.parts["atlas"]
    assert kind == "TileSetAtlasSource"
    assert resource.properties["sources/0"] == Call("SubResource", ("atlas",))
    return atlas, resource.properties


def test_a_tile_set_says_where_tiles_lie_and_what_they_are_called():
    atlas, properties = atlas_of(tiles())
    assert atlas["margins"] == Call("Vector2i", (2, 2))
    assert atlas["separation"] == Call("Vector2i", (4, 4))
    assert atlas["texture_region_size"] == properties["tile_size"] == Call("Vector2i", (16, 16))
    assert atlas["use_texture_padding"] is False
    there = ["0:0/0", "1:0/0", "2:0/0", "3:0/0", "0:1/0", "1:1/0"]
    assert [key for key in atlas if re.fullmatch(r"\d+:\d+/0", key)] == there
    assert atlas["1:1/0/custom_data_0"] == "t-5"
    assert atlas["1:1/0/custom_data_1"] == Call("PackedStringArray", ("a", 'b"c'))
    assert (properties["custom_data_layer_0/name"], properties["custom_data_layer_0/type"]) == ("name", 4)
    assert (properties["custom_data_layer_1/name"], properties["custom_data_layer_1/type"]) == ("tags", 34)


def test_collision_is_a_polygon_around_the_tiles_centre_and_a_platform_is_one_way():
    atlas, properties = atlas_of(tiles())
    polygon = "physics_layer_0/polygon_0"
    assert properties["physics_layer_0/collision_layer"] == 1
    assert not any(key.startswith("0:0/0/physics") for key in atlas)
    assert atlas[f"1:0/0/{polygon}/points"] == Call("PackedVector2Array", (-8, -8, 8, -8, 8, 8, -8, 8))
    assert f"1:0/0/{polygon}/one_way" not in atlas
    assert atlas[f"2:0/0/{polygon}/points"] == Call("PackedVector2Array", (-8, -8, 8, -8, 8, -4, -8, -4))
    assert atlas[f"2:0/0/{polygon}/one_way"] is True


def test_a_tile_set_without_collision_has_no_physics_layer_and_one_without_extrusion_keeps_godots_padding():
    model = tiles(extrude=0).model_copy(update={"tiles": (Tile(index=0, frame="t-0"),)})
    atlas, properties = atlas_of(model)
    assert not [key for key in (*atlas, *properties) if "physics" in key]
    assert "use_texture_padding" not in atlas


def test_corner_tiles_give_each_corner_one_of_two_terrains():
    atlas, properties = atlas_of(tiles("wang16", 16))
    assert properties["terrain_set_0/mode"] == 1  # TERRAIN_MODE_MATCH_CORNERS
    assert [properties[f"terrain_set_0/terrain_{n}/name"] for n in (0, 1)] == ["lower", "upper"]
    corners = ("top_right", "bottom_right", "bottom_left", "top_left")
    for index in range(16):
        tile = f"{index % 4}:{index // 4}/0"
        bits = [atlas[f"{tile}/terrains_peering_bit/{corner}_corner"] for corner in corners]
        assert sum(bit << place for place, bit in enumerate(bits)) == index
        assert atlas[f"{tile}/terrain_set"] == 0
        assert atlas[f"{tile}/terrain"] == (1 if index else 0)
        assert not [key for key in atlas if key.startswith(tile) and key.endswith("_side")]


def test_a_blob_marks_the_neighbours_that_are_ground_and_no_others():
    atlas, properties = atlas_of(tiles("blob47", 47))
    assert properties["terrain_set_0/mode"] == 0  # TERRAIN_MODE_MATCH_CORNERS_AND_SIDES
    assert "terrain_set_0/terrain_1/name" not in properties

    def around(index: int) -> set[str]:
        start = f"{index % 4}:{index // 4}/0/terrains_peering_bit/"
        return {key.removeprefix(start) for key in atlas if key.startswith(start)}

    assert around(0) == set()
    assert around(1) == {"top_side"}
    assert around(4) == {"top_side", "top_right_corner", "right_side"}
    assert len(around(46)) == 8
    assert len({frozenset(around(index)) for index in range(47)}) == 47
    assert all(atlas[f"{index % 4}:{index // 4}/0/terrain"] == 0 for index in range(47))


def test_what_a_tile_does_comes_after_the_tile_and_its_terrain_after_its_terrain_set():
    keys = list(atlas_of(tiles("wang16", 16))[0])
    assert keys.index("texture_region_size") < keys.index("0:0/0")
    assert keys.index("0:0/0") < keys.index("0:0/0/terrain_set") < keys.index("0:0/0/terrain")
    assert keys.index("0:0/0/terrain") < keys.index("0:0/0/terrains_peering_bit/top_right_corner")


def test_tiles_without_a_grid_are_a_damaged_model():
    with pytest.raises(StorageError, match="no grid"):
        written(tiles().model_copy(update={"grid": None}))


def test_each_variant_is_a_texture_of_its_own_that_knows_its_weight():
    model = SheetModel(
        id="flowers",
        kind="variation",
        pages=(Page(role="atlas", size=(64, 32)), Page(role="atlas_1", size=(32, 32))),
        frames=(frame("red"), frame("dark-red", 20, page=1, trimmed=True), frame("dark_red", 40)),
        variants=(Variant(frame="red", weight=2.5), Variant(frame="dark-red", weight=1)),
    )
    made = written(model)
    assert list(made) == ["godot_red", "godot_dark_red", "godot_dark_red_2"]
    assert [name for name, _ in made.values()] == ["flowers.red.tres", "flowers.dark-red.tres", "flowers.dark_red.tres"]
    red, dark = made["godot_red"][1], made["godot_dark_red"][1]
    assert red.kind == dark.kind == "AtlasTexture"
    assert red.properties["metadata/weight"] == 2.5
    assert "metadata/weight" not in made["godot_dark_red_2"][1].properties
    assert list(dark.textures.values()) == ["res://art/atlas_1.png"]
    assert dark.properties["atlas"].arguments == tuple(dark.textures)
    assert dark.properties["margin"] == Call("Rect2", (3, 2, 6, 4))


def element(*frames: Frame, borders: Borders | None = None) -> SheetModel:
    page = Page(role="atlas", size=(64, 32))
    return SheetModel(
        id="ui-button", kind="ui_component", pages=(page,), frames=frames, component="button",
        states=tuple(one.id for one in frames), borders=borders,
    )  # fmt: skip


def test_each_state_is_a_style_box_with_the_borders_that_are_left_in_its_rectangle():
    borders = Borders(left=5, top=4, right=6, bottom=3)
    made = written(element(frame("normal"), frame("hover", 20, trimmed=True), borders=borders))
    assert [(role, name) for role, (name, _) in made.items()] == [
        ("godot_normal", "ui-button.normal.tres"), ("godot_hover", "ui-button.hover.tres"),
    ]  # fmt: skip
    normal, hover = (resource.properties for _, resource in made.values())
    assert normal["region_rect"] == Call("Rect2", (0, 4, 16, 16))
    assert {key: normal[key] for key in normal if "margin" in key} == {
        "texture_margin_left": 5, "texture_margin_top": 4, "texture_margin_right": 6, "texture_margin_bottom": 3,
    }  # fmt: skip
    assert {key: hover[key] for key in hover if "margin" in key} == {  # 3 left, 2 above, 3 right, 2 below are cut off
        "texture_margin_left": 2, "texture_margin_top": 2, "texture_margin_right": 3, "texture_margin_bottom": 1,
    }  # fmt: skip
    assert made["godot_normal"][1].kind == "StyleBoxTexture"


def test_an_element_without_borders_has_no_margins():
    ((_, resource),) = written(element(frame("normal"))).values()
    assert not [key for key in resource.properties if "margin" in key]
