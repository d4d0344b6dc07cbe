"""Aseprite JSON as the tools that read it take it: by number, by tag and by slice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assetmill.exports import aseprite
from assetmill.exports.play import played
from assetmill.sheets.model import Animation, Borders, Frame, Page, Rect, SheetModel


class Place:
    """Keeps documents by role."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.documents: dict[str, Any] = {}

    game = "hop"

    def image(self, role: str) -> str:
        return f"{role}.png"

    def put(self, role: str, name: str, data: bytes, content_type: str) -> str:
        assert content_type == "application/json"
        self.names[role], self.documents[role] = name, json.loads(data)
        return name


def frame(frame_id: str, x: int, *, page: int = 0, **fields: Any) -> Frame:
    values: dict[str, Any] = {"rect": Rect(x=x, y=4, w=16, h=16), "offset": (0, 0), "pivot": (0.5, 1), **fields}
    return Frame(id=frame_id, page=page, source=(16, 16), **values)


def animation(name: str, frames: str, **fields: Any) -> Animation:
    values: dict[str, Any] = {"durations_ms": tuple(100 + 10 * i for i in range(len(frames))), "fps": 10, "loop": True}
    return Animation(name=name, frames=tuple(frames), **{**values, "direction": "forward", **fields})


def sprite(*animations: Animation, frames: tuple[Frame, ...] | None = None, pages: int = 1) -> SheetModel:
    trimmed = frame("b", 20, rect=Rect(x=20, y=4, w=10, h=12), offset=(3, 2))
    return SheetModel(
        id="pip-moves",
        kind="sprite",
        pages=tuple(Page(role=f"atlas_{i}" if i else "atlas", size=(64, 32)) for i in range(pages)),
        frames=frames or (frame("a", 0), trimmed, frame("c", 40)),
        animations=animations,
    )


def written(model: SheetModel) -> Place:
    place = Place()
    aseprite.write(model, place)
    return place


def document(model: SheetModel) -> Any:
    return written(model).documents["aseprite"]


def pictures_of(found: Any, tag: dict[str, Any]) -> list[int]:
    """x of each frame of a tag: the pictures above are told apart by it."""
    return [found["frames"][str(at)]["frame"]["x"] for at in range(tag["from"], tag["to"] + 1)]


def as_aseprite_plays(found: Any, name: str) -> list[int]:
    """One run of a tag as Aseprite plays it; a ping-pong counts there and back as two repeats."""
    tag = next(one for one in found["meta"]["frameTags"] if one["name"] == name)
    there = pictures_of(found, tag)
    if tag["direction"] == "reverse":
        return there[::-1]
    if tag["direction"] == "pingpong":
        back = there[-2::-1]
        return there + (back if tag.get("repeat") == "2" else back[:-1])
    return there


def test_every_tag_has_frames_of_its_own_that_follow_one_another():
    found = document(sprite(animation("idle", "ab"), animation("run", "cab")))
    assert list(found["frames"]) == [str(at) for at in range(5)]
    tags = found["meta"]["frameTags"]
    assert [(tag["name"], tag["from"], tag["to"]) for tag in tags] == [("idle", 0, 1), ("run", 2, 4)]
    assert [pictures_of(found, tag) for tag in tags] == [[0, 20], [40, 0, 20]]


def test_a_frame_keeps_the_time_that_it_has_in_each_animation():
    found = document(sprite(animation("idle", "aa", durations_ms=(70, 250)), animation("run", "ba")))
    assert [one["duration"] for one in found["frames"].values()][:4] == [70, 250, 100, 110]


def test_a_trimmed_frame_says_where_it_sat():
    found = document(sprite(animation("run", "ab")))["frames"]
    assert found["1"]["frame"] == {"x": 20, "y": 4, "w": 10, "h": 12}
    assert found["1"]["spriteSourceSize"] == {"x": 3, "y": 2, "w": 10, "h": 12}
    assert found["1"]["sourceSize"] == {"w": 16, "h": 16}
    assert (found["0"]["trimmed"], found["1"]["trimmed"], found["1"]["rotated"]) == (False, True, False)


@pytest.mark.parametrize("direction", ("forward", "reverse", "pingpong"))
@pytest.mark.parametrize("loop", (True, False))
def test_a_tag_plays_what_the_other_exports_write_out(direction, loop):
    one = animation("run", "abc", direction=direction, loop=loop)
    model = sprite(one)
    found = document(model)
    at = {f.id: f.rect.x for f in model.frames}
    assert as_aseprite_plays(found, "run") == [at[step.frame] for step in played(one)]
    assert found["meta"]["frameTags"][0]["direction"] == direction
    assert ("repeat" in found["meta"]["frameTags"][0]) is not loop


def test_frames_of_no_animation_are_told_by_a_tag_each():
    found = document(sprite(animation("run", "ca")))
    assert [(tag["name"], tag["from"], tag["to"]) for tag in found["meta"]["frameTags"]] == [("run", 0, 1), ("b", 2, 2)]
    model = sprite().model_copy(update={"kind": "variation"})
    assert [tag["name"] for tag in document(model)["meta"]["frameTags"]] == ["a", "b", "c"]


def test_the_pivot_is_a_slice_that_changes_only_where_the_pivot_does():
    frames = (frame("a", 0), frame("b", 20), frame("c", 40, pivot=(0.25, 0.5)))
    (slices,) = document(sprite(animation("run", "abc"), frames=frames))["meta"]["slices"]
    assert [(key["frame"], key["pivot"]) for key in slices["keys"]] == [(0, {"x": 8, "y": 16}), (2, {"x": 4, "y": 8})]
    assert slices["keys"][0]["bounds"] == {"x": 0, "y": 0, "w": 16, "h": 16}
    assert "center" not in slices["keys"][0]


def test_a_nine_slice_has_its_centre():
    model = sprite().model_copy(update={"kind": "ui_component", "borders": Borders(left=3, top=4, right=5, bottom=2)})
    (slices,) = document(model)["meta"]["slices"]
    assert [key["center"] for key in slices["keys"]] == [{"x": 3, "y": 4, "w": 8, "h": 10}]


def test_the_picture_and_its_size_are_those_of_the_page():
    meta = document(sprite())["meta"]
    assert (meta["image"], meta["size"], meta["scale"], meta["format"]) == (
        "atlas.png", {"w": 64, "h": 32}, "1", "RGBA8888",
    )  # fmt: skip


def test_each_page_has_a_document_and_an_animation_over_two_pages_is_named_as_left_out():
    frames = (frame("a", 0), frame("b", 20, page=1), frame("c", 40, page=1))
    place = written(sprite(animation("run", "bc"), animation("jump", "ab"), frames=frames, pages=2))
    assert place.names == {"aseprite": "pip-moves.json", "aseprite_1": "pip-moves.1.json"}
    first, second = place.documents["aseprite"], place.documents["aseprite_1"]
    assert (first["meta"]["image"], second["meta"]["image"]) == ("atlas.png", "atlas_1.png")
    assert [tag["name"] for tag in first["meta"]["frameTags"]] == ["a"]
    assert [tag["name"] for tag in second["meta"]["frameTags"]] == ["run"]
    assert first["meta"]["leftOut"] == second["meta"]["leftOut"] == ["jump"]
    assert "leftOut" not in document(sprite(animation("run", "abc")))["meta"]
