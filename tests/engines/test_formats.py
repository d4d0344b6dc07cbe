"""Phaser reads what was exported for Unity and as Aseprite's JSON: a reader of these formats that is not ours."""

from __future__ import annotations

import json

import numpy as np
import pytest

ROUNDING = 2  # levels of 255: premultiplying rounds once in the engine and once here
SHEETS = ("pip-moves", "sky-coins", "cloud-tiles", "ui-button")


@pytest.fixture(params=("Phaser 3", "Phaser 4"))
def engine_name(request):
    return request.param


@pytest.fixture
def load(engine, exported):
    """Load one sheet of an exported folder in a format of Phaser's; its frames."""

    def from_folder(form: str, how: str, sheet: str, extension: str) -> list[str]:
        place = f"/exports/{exported(form).name}/sheet/{sheet}"
        return engine.ask("load", how, f"{form}/{sheet}", f"{place}.png", f"{place}{extension}")

    return from_folder


def shown_part(pack, sheet: str, frame) -> np.ndarray:
    """What of a frame's cell was not trimmed off."""
    (left, top), rect = frame.offset, frame.rect
    return pack.cell(sheet, frame.id)[top : top + rect.h, left : left + rect.w]


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_unity_sprite_is_the_untrimmed_part_of_its_cell(engine, pack, load, sheet):
    frames = pack.model(sheet).frames
    assert set(load("unity", "unityAtlas", sheet, ".png.meta")) == {frame.id for frame in frames}
    for frame in frames:
        shown = engine.draw("frame", f"unity/{sheet}", frame.id, frame.rect.w, frame.rect.h)
        assert np.abs(shown - shown_part(pack, sheet, frame)).max() <= ROUNDING, frame.id


@pytest.mark.parametrize("sheet", SHEETS)
def test_an_aseprite_frame_is_its_cell(engine, pack, load, exported, sheet):
    document = json.loads((exported("aseprite") / "sheet" / f"{sheet}.json").read_text())
    model = pack.model(sheet)
    assert load("aseprite", "aseprite", sheet, ".json") == list(document["frames"])
    animations = {each.name: each.frames for each in model.animations}
    for tag in document["meta"]["frameTags"]:
        for number, frame_id in enumerate(animations.get(tag["name"], (tag["name"],)), tag["from"]):
            shown = engine.draw("frame", f"aseprite/{sheet}", str(number), *model.frame(frame_id).source)
            assert np.abs(shown - pack.cell(sheet, frame_id)).max() <= ROUNDING, frame_id


def test_phaser_makes_the_animations_of_an_aseprite_sheet(engine, pack, load):
    load("aseprite", "aseprite", "pip-moves", ".json")
    assert engine.ask("animate", "aseprite/pip-moves") == ["idle", "run", "hop"]
    animations = {each.name: each for each in pack.model("pip-moves").animations}
    first = 0
    for name, animation in animations.items():
        if animation.direction == "forward":
            length_ms = sum(animation.durations_ms) - 1
            changes = engine.ask("play", "aseprite/pip-moves", name, length_ms)["changes"]
            starts = [0, *np.cumsum(animation.durations_ms)[:-1].tolist()]
            assert [frame for _, frame in changes] == [str(first + at) for at in range(len(animation.frames))]
            assert np.abs(np.subtract([at for at, _ in changes], starts)).max() <= 1
        first += len(animation.frames)
