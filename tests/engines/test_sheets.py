"""Engines show each frame, pivot, animation, border and tile of the published sheets where the metadata says."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from assetmill.sheets.model import Animation

ROUNDING = 2  # levels of 255: premultiplying rounds once in the engine and once here
FILTERING = 8  # graphics cards know places between pixels to a part only: 1/16 of corners, 1/256 of what lies between
STEP_MS = 1  # the engines' clocks are turned by so much at a time
SHEETS = ("pip-moves", "sky-coins", "cloud-tiles", "meadow-props", "ui-button", "ui-panel")
STATES = ("normal", "pressed")


def differs(shown: np.ndarray, expected: np.ndarray) -> float:
    """By how many levels two pictures differ where they differ most."""
    assert shown.shape == expected.shape
    return float(np.abs(shown - expected).max())


def timeline(animation: Animation, length_ms: int) -> list[tuple[float, str]]:
    """When which frame is shown first, for so long: what the words of the model mean, not what an export says."""
    forth = list(zip(animation.frames, animation.durations_ms, strict=True))
    back = forth[::-1]
    once = {"forward": forth, "reverse": back, "pingpong": forth + back[1 : -1 if animation.loop else None]}
    steps = once[animation.direction]
    found: list[tuple[float, str]] = []
    now = 0
    for frame, duration_ms in itertools.cycle(steps) if animation.loop else steps:
        if now > length_ms:
            break
        if not found or found[-1][1] != frame:
            found.append((now, frame))
        now += duration_ms
    return found


@pytest.mark.parametrize("sheet", SHEETS)
def test_every_frame_drawn_untrimmed_is_its_cell_of_the_picture_that_came_back(engine, pack, sheet):
    model = pack.model(sheet)
    assert model.frames
    for frame in model.frames:
        shown = engine.draw("frame", sheet, f"{sheet}/{frame.id}", *frame.source)
        assert differs(shown, pack.cell(sheet, frame.id)) <= ROUNDING, frame.id


def test_the_frames_prove_something_they_are_trimmed_transparent_and_not_alike(pack):
    model = pack.model("pip-moves")
    cells = [pack.cell("pip-moves", frame.id) for frame in model.frames]
    assert all(frame.trimmed for frame in model.frames)
    assert all((cell[..., 3] == 0).any() and (cell[..., 3] == 255).any() for cell in cells)
    assert len({cell.tobytes() for cell in cells}) >= 10  # two poses of a run may be alike


@pytest.mark.parametrize("sheet", ("pip-moves", "sky-coins"))
def test_a_frame_put_somewhere_has_its_pivot_there(engine, pack, sheet):
    model = pack.model(sheet)
    at, size = (101, 143), (240, 200)
    for frame in model.frames[-4:]:
        left, top = (
            round(place - pivot * side) for place, pivot, side in zip(at, frame.pivot, frame.source, strict=True)
        )
        expected = np.zeros((size[1], size[0], 4))
        expected[top : top + frame.source[1], left : left + frame.source[0]] = pack.cell(sheet, frame.id)
        shown = engine.draw("placed", sheet, f"{sheet}/{frame.id}", *at, *size)
        assert differs(shown, expected) <= ROUNDING, frame.id


def test_the_hero_stands_on_the_middle_of_his_feet(pack):
    assert {frame.pivot for frame in pack.model("pip-moves").frames} == {(0.5, 1.0)}


@pytest.mark.parametrize("name", ("idle", "run", "hop"))
def test_an_animation_shows_its_frames_in_order_and_for_their_times(engine, pack, name):
    animation = next(each for each in pack.model("pip-moves").animations if each.name == name)
    length_ms = 2 * sum(animation.durations_ms) + 100
    played = engine.ask("play", "pip-moves", f"pip-moves/{name}", length_ms)
    expected = timeline(animation, length_ms)
    assert [frame.removeprefix("pip-moves/") for _, frame in played["changes"]] == [frame for _, frame in expected]
    late = [shown - due for (shown, _), (due, _) in zip(played["changes"], expected, strict=True)]
    assert 0 <= min(late) <= max(late) <= STEP_MS
    assert played["playing"] == animation.loop


def test_the_three_animations_are_what_the_manifest_asks_for(pack):
    animations = {each.name: each for each in pack.model("pip-moves").animations}
    assert (animations["idle"].direction, animations["idle"].loop) == ("pingpong", True)
    assert (len(animations["run"].frames), animations["run"].fps) == (6, 12)
    assert animations["hop"].frames == ("crouch", "leap", "glide", "land")
    assert (animations["hop"].durations_ms, animations["hop"].loop) == ((90, 120, 200, 110), False)


@pytest.mark.parametrize("state", STATES)
def test_a_stretched_button_keeps_its_corners_and_stretches_the_rest(engine, pack, state):
    model, cell = pack.model("ui-button"), pack.cell("ui-button", state)
    borders = model.borders
    height, width = (3 * side for side in cell.shape[:2])
    shown = engine.draw("stretched", "ui-button", f"ui-button/{state}", width, height)
    for down in (slice(borders.top), slice(-borders.bottom, None)):
        for across in (slice(borders.left), slice(-borders.right, None)):
            assert differs(shown[down, across], cell[down, across]) <= ROUNDING
    rows = nine_sliced(cell.shape[0], height, borders.top, borders.bottom)
    columns = nine_sliced(cell.shape[1], width, borders.left, borders.right)
    assert differs(shown, sampled(cell, rows, columns, smooth=model.smooth)) <= FILTERING


def nine_sliced(source: int, shown: int, before: int, after: int) -> np.ndarray:
    """Where in the frame the middle of each shown pixel lies, along one side."""
    at = np.arange(shown) + 0.5
    middle = before + (at - before) * (source - before - after) / (shown - before - after)
    return np.where(at < before, at, np.where(at > shown - after, at - shown + source, middle))


def sampled(picture: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, smooth: bool, clear: bool = False):
    """A picture seen at these places by a graphics card that knows nothing but that picture.

    Args:
        picture: premultiplied RGBA.
        rows, columns: places in pixels from the upper left corner; the middle of the first pixel is 0.5.
        smooth: mix the four pixels that are next to a place; else take the one that it is in.
        clear: beyond its border the picture is empty; else it goes on as its border is.
    """
    if not smooth:
        down, across = (np.floor(places).astype(int) for places in (rows, columns))
        return picture[down.clip(0, len(picture) - 1)][:, across.clip(0, len(picture[0]) - 1)]
    around = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="constant" if clear else "edge")
    first, left = np.floor(rows + 0.5).astype(int), np.floor(columns + 0.5).astype(int)
    down, across = (rows + 0.5 - first)[:, None, None], (columns + 0.5 - left)[None, :, None]
    upper = around[first][:, left] * (1 - across) + around[first][:, left + 1] * across
    lower = around[first + 1][:, left] * (1 - across) + around[first + 1][:, left + 1] * across
    return upper * (1 - down) + lower * down


def mapped(pack, sheet: str, rows: tuple[tuple[int, ...], ...], scale: float, size: tuple[int, int]):
    """Between which pictures a map has to lie: each tile by itself, as if it had no neighbours in its sheet.

    Where a pixel lies on the seam of tiles, a graphics card shows either of them or mixes them; elsewhere both
    pictures are the same.
    """
    model = pack.model(sheet)
    frames = {tile.index: tile.frame for tile in model.tiles}
    least, most = np.full((size[1], size[0], 4), 255.0), np.zeros((size[1], size[0], 4))
    for (j, row), (i, _) in itertools.product(enumerate(rows), enumerate(rows[0])):
        (top, ys), (left, xs) = (
            seen(number * side, side, scale, shown)
            for number, side, shown in zip((j, i), reversed(model.grid.tile), reversed(size), strict=True)
        )
        tile = sampled(pack.cell(sheet, frames[row[i]]), ys, xs, smooth=model.smooth, clear=not model.grid.extrude)
        box = np.s_[top : top + len(ys), left : left + len(xs)]
        least[box], most[box] = np.minimum(least[box], tile), np.maximum(most[box], tile)
    return least, most


def seen(start: int, side: int, scale: float, shown: int) -> tuple[int, np.ndarray]:
    """The first pixel that has something of a tile, and where in the tile the middles of all such pixels lie."""
    first, last = math.floor(start * scale), min(math.ceil((start + side) * scale), shown)
    return first, (np.arange(first, last) + 0.5) / scale - start


MIXED = ((0, 15, 5), (9, 6, 10), (1, 14, 2))


@pytest.mark.parametrize("scale", (1, 1.37, 2.5))
def test_a_map_shows_tiles_without_a_seam_and_nothing_of_their_neighbours_in_the_sheet(engine, pack, scale):
    size = (int(192 * scale), int(192 * scale))
    shown = engine.draw("map", "cloud-tiles", MIXED, scale, *size)
    least, most = mapped(pack, "cloud-tiles", MIXED, scale, size)
    assert differs(shown, np.clip(shown, least, most)) <= (ROUNDING if scale == 1 else FILTERING)


@pytest.mark.parametrize("scale", (1, 1.37))
def test_a_map_of_transparent_tiles_shows_nothing_of_their_neighbours(engine, pack, scale):
    rows, size = ((0, 5, 1), (4, 2, 3)), (int(288 * scale), int(192 * scale))
    shown = engine.draw("map", "meadow-props", rows, scale, *size)
    least, most = mapped(pack, "meadow-props", rows, scale, size)
    assert differs(shown, np.clip(shown, least, most)) <= (ROUNDING if scale == 1 else FILTERING)
