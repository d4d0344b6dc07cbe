"""A sheet made ready for engines: what is on the pages is what the model says, and nothing got lost on the way."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from assetmill.errors import ResultInvalid, UsageError
from assetmill.images import encode_png
from assetmill.manifest.models import Sheet
from assetmill.sheets.atlas import Built, build
from assetmill.sheets.boxes import place
from assetmill.sheets.cells import sheet_size
from assetmill.sheets.model import Frame, SheetModel

Pixels = NDArray[np.uint8]

ARM = (60, 225, 90, 255)
GRID = {"kind": "grid", "columns": 3, "rows": 2, "cell_width": 40, "cell_height": 48, "spacing": 4, "margin": 2}


def atlas_sheet(kind: str = "sprite", layout: dict[str, Any] = GRID, **fields: Any) -> Sheet:
    usual: dict[str, dict[str, Any]] = {
        "sprite": {"animations": {"run": {"frames": 5}}},
        "variation": {"variants": [{"key": key} for key in ("red", "blue", "green")]},
        "tile": {"tiles": {0: {"name": "grass"}, 1: {"name": "sand"}, 4: {"name": "rock"}}},
        "ui_component": {"component": "button", "states": ["normal", "hover", "pressed"]},
    }
    given_ = {"id": "many", "type": "sheet", "kind": kind, "prompt": "a fox", "layout": layout}
    return Sheet.model_validate(given_ | usual[kind] | fields)


def built(sheet: Sheet, picture: Image.Image) -> Built:
    return build(sheet, picture, smooth=True)


def canvas(sheet: Sheet) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", sheet_size(sheet), (0, 0, 0, 0))
    return image, ImageDraw.Draw(image)


def figures(sheet: Sheet) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An ellipse of its own colour in each cell, 6 pixels from the edges."""
    image, pen = canvas(sheet)
    for number, box in enumerate(place(sheet, image.size).boxes):
        inner = (box.left + 6, box.top + 6, box.right - 7, box.bottom - 7)
        pen.ellipse(inner, fill=(40 * number + 20, 255 - 30 * number, 90, 255))
    return image, pen


def opaque(size: tuple[int, int], seed: int = 1) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(levels, "RGB")


def on_page(made: Built, frame: Frame) -> Pixels:
    page = list(made.pages.values())[frame.page]
    rect = frame.rect
    return np.asarray(page.crop((rect.x, rect.y, rect.x + rect.w, rect.y + rect.h)))


def whole(made: Built, frame: Frame) -> Pixels:
    """The untrimmed frame, put together again as an engine does it."""
    canvas = np.zeros((frame.source[1], frame.source[0], 4), np.uint8)
    x, y = frame.offset
    canvas[y : y + frame.rect.h, x : x + frame.rect.w] = on_page(made, frame)
    return canvas


def reassembled(sheet: Sheet, made: Built) -> Pixels:
    """All frames put back into a picture of the layout's size, each drawn with its pivot on its cell's pivot."""
    width, height = sheet_size(sheet)
    room = max(width, height)
    board = np.zeros((height + 2 * room, width + 2 * room, 4), np.uint8)
    for frame, box in zip(made.model.frames, place(sheet, (width, height)).boxes, strict=True):
        pivot = (box.left + sheet.pivot.x * box.size[0], box.top + sheet.pivot.y * box.size[1])
        x, y = (
            round(at - share * side) + room for at, share, side in zip(pivot, frame.pivot, frame.source, strict=True)
        )
        piece = whole(made, frame)
        target = board[y : y + frame.source[1], x : x + frame.source[0]]
        seen = piece[..., 3] > 0
        assert not target[seen].any(), "two frames hold the same pixel"
        target[seen] = piece[seen]
    return board[room:-room, room:-room]


@st.composite
def plain_sheets(draw: st.DrawFn) -> tuple[Sheet, Image.Image]:
    """A cut-out sheet of any small layout, with random content that stays a pixel away from its cells' edges."""
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    layout = {
        "kind": "grid", "columns": columns, "rows": rows, "cell_width": draw(st.integers(8, 20)),
        "cell_height": draw(st.integers(8, 20)), "spacing": draw(st.integers(0, 3)), "margin": draw(st.integers(0, 3)),
    }  # fmt: skip
    used = draw(st.integers(1, columns * rows))
    pivot = {"x": draw(st.sampled_from((0, 0.3, 0.5, 1))), "y": draw(st.sampled_from((0, 0.5, 1)))}
    kind = draw(st.sampled_from(("sprite", "variation")))
    fields = {"animations": {"run": {"frames": used}}, "variants": [{"key": f"v{n}"} for n in range(used)]}
    name = {"sprite": "animations", "variation": "variants"}[kind]
    sheet = atlas_sheet(kind, layout, pivot=pivot, **{name: fields[name]})
    width, height = sheet_size(sheet)
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    noise = random.integers(0, 256, (height, width, 4), np.uint8)
    noise[random.random((height, width)) < draw(st.sampled_from((0.0, 0.5, 0.97, 1.0)))] = 0
    levels = np.zeros_like(noise)
    for left, top, right, bottom in place(sheet, (width, height)).boxes:
        levels[top + 1 : bottom - 1, left + 1 : right - 1] = noise[top + 1 : bottom - 1, left + 1 : right - 1]
    levels[levels[..., 3] == 0] = 0
    return sheet, Image.fromarray(levels, "RGBA")


@settings(max_examples=60, deadline=None)
@given(plain_sheets())
def test_frames_put_back_at_their_pivots_are_the_picture_again(given_: tuple[Sheet, Image.Image]) -> None:
    sheet, picture = given_
    made = built(sheet, picture)
    assert np.array_equal(np.asarray(made.grid), np.asarray(picture))
    assert np.array_equal(reassembled(sheet, made), np.asarray(picture))
    assert made.model.spills == ()
    assert {frame.source for frame in made.model.frames} == {(sheet.layout.cell_width, sheet.layout.cell_height)}


@settings(max_examples=40, deadline=None)
@given(plain_sheets())
def test_frames_lie_apart_on_their_page_with_nothing_between(given_: tuple[Sheet, Image.Image]) -> None:
    made = built(*given_)
    page = np.array(made.pages["atlas"])
    rects = {frame.rect for frame in made.model.frames}
    for one, other in combinations(rects, 2):
        across = max(other.x - one.x - one.w, one.x - other.x - other.w)
        assert max(across, other.y - one.y - one.h, one.y - other.y - other.h) >= 2
    for rect in rects:
        assert min(rect.x, rect.y) >= 2
        assert (page.shape[1] - rect.x - rect.w, page.shape[0] - rect.y - rect.h) >= (2, 2)
        page[rect.y : rect.y + rect.h, rect.x : rect.x + rect.w] = 0
    assert not page.any()


@st.composite
def untidy_sheets(draw: st.DrawFn) -> tuple[Sheet, Image.Image]:
    """A sheet over which boxes of any size and opacity were strewn without regard to its cells."""
    sheet, _ = draw(plain_sheets())
    width, height = sheet_size(sheet)
    picture = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(picture)
    for number in range(draw(st.integers(1, 12))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        w, h = draw(st.integers(1, width // 2)), draw(st.integers(1, height // 2))
        opacity = draw(st.sampled_from((3, 40, 200, 255)))
        pen.rectangle((x, y, x + w - 1, y + h - 1), fill=(number, 100, 7, opacity))
    return sheet, picture


@settings(max_examples=100, deadline=None)
@given(untidy_sheets())
def test_whatever_spills_no_pixel_is_shown_twice_or_moved_and_what_is_lost_is_recorded(
    given_: tuple[Sheet, Image.Image],
) -> None:
    sheet, picture = given_
    made = built(sheet, picture)
    levels, again = np.asarray(picture), reassembled(sheet, made)
    shown = again[..., 3] > 0
    assert np.array_equal(again[shown], levels[shown])
    lost = int(((levels[..., 3] >= 8) & ~shown).sum())
    assert lost <= sum(spill.pixels for spill in made.model.spills if not spill.kept)
    assert bool(made.model.spills) or not lost
    assert len({(frame.source, frame.pivot) for frame in made.model.frames}) == 1


@pytest.mark.parametrize("kind", ("sprite", "tile", "variation", "ui_component"))
def test_the_same_picture_gives_the_same_bytes_and_a_model_that_can_be_read_again(kind: str) -> None:
    sheet = atlas_sheet(kind)
    picture = figures(sheet)[0] if sheet.cutout else opaque(sheet_size(sheet))
    first, again = built(sheet, picture), built(sheet, picture.copy())
    assert [encode_png(page) for page in first.pages.values()] == [encode_png(page) for page in again.pages.values()]
    assert encode_png(first.grid) == encode_png(again.grid)
    assert first.model.encoded() == again.model.encoded()
    assert SheetModel.model_validate_json(first.model.encoded()) == first.model
    assert [page.role for page in first.model.pages] == list(first.pages)
    assert [page.size for page in first.model.pages] == [page.size for page in first.pages.values()]


def test_a_frame_is_trimmed_to_what_can_be_seen_of_it() -> None:
    sheet = atlas_sheet()
    image, pen = canvas(sheet)
    pen.rectangle((2 + 5, 2 + 7, 2 + 14, 2 + 30), fill=(9, 9, 9, 1))
    pen.rectangle((2 + 8, 2 + 9, 2 + 10, 2 + 20), fill=(200, 9, 9, 255))
    frame = built(sheet, image).model.frames[0]
    assert (frame.offset, frame.rect.w, frame.rect.h, frame.source) == ((5, 7), 10, 24, (40, 48))
    assert frame.trimmed


@pytest.mark.parametrize("veil", (0, 7))
def test_an_empty_frame_is_one_clear_pixel_and_is_said_to_be_empty(veil: int) -> None:
    sheet = atlas_sheet()
    image, pen = canvas(sheet)
    pen.rectangle((0, 0, *image.size), fill=(200, 200, 200, veil))
    pen.rectangle((10, 10, 30, 30), fill=(1, 2, 3, 255))
    made = built(sheet, image)
    frame = made.model.frame("run_01")
    assert (frame.rect.w, frame.rect.h, frame.offset) == (1, 1, (0, 0))
    assert not on_page(made, frame).any()
    assert "nothing can be seen in run_01, run_02, run_03 and run_04" in made.notes


def test_frames_that_are_alike_share_their_place() -> None:
    sheet = atlas_sheet(animations={"run": {"frames": 4}})
    image, pen = canvas(sheet)
    for number, box in enumerate(place(sheet, image.size).boxes):
        shift = 3 * (number % 2)
        pen.rectangle(
            (box.left + 5 + shift, box.top + 5, box.left + 20 + shift, box.top + 30), fill=(number // 2, 80, 90, 255)
        )
    first, second, third, fourth = built(sheet, image).model.frames
    assert first.rect == second.rect
    assert (first.offset, second.offset) == ((5, 5), (8, 5))
    assert third.rect == fourth.rect != first.rect


def test_frames_of_one_colour_are_not_alike_if_their_shapes_differ() -> None:
    sheet = atlas_sheet(animations={"run": {"frames": 2}})
    image, pen = canvas(sheet)
    pen.rectangle((10, 10, 19, 29), fill=(1, 2, 3, 255))
    pen.rectangle((55, 10, 74, 19), fill=(1, 2, 3, 255))
    made = built(sheet, image)
    tall, wide = made.model.frames
    assert (on_page(made, tall) == (1, 2, 3, 255)).all()
    assert (on_page(made, wide) == (1, 2, 3, 255)).all()
    assert (tall.rect.w, tall.rect.h, wide.rect.w, wide.rect.h) == (10, 20, 20, 10)


def spilled(sheet: Sheet) -> Image.Image:
    """Figures, and an arm of the second one that reaches 9 pixels into the cell of the first, over the spacing."""
    image, pen = figures(sheet)
    box = place(sheet, image.size).boxes[1]
    pen.rectangle((box.left - 13, box.top + 7, box.left + 16, box.top + 9), fill=ARM)
    return image


@pytest.mark.parametrize("pivot", ({"x": 0.5, "y": 1}, {"x": 0, "y": 0}, {"x": 0.25, "y": 0.5}))
def test_an_arm_in_the_neighbours_cell_comes_back_whole_and_the_pivot_stays_on_the_drawing(
    pivot: dict[str, float],
) -> None:
    sheet = atlas_sheet(pivot=pivot)
    image = spilled(sheet)
    made = built(sheet, image)
    assert np.array_equal(reassembled(sheet, made), np.asarray(image))
    assert {frame.source for frame in made.model.frames} == {(40 + 13, 48)}
    assert {frame.pivot for frame in made.model.frames} == {((13 + pivot["x"] * 40) / 53, pivot["y"])}
    assert (whole(made, made.model.frame("run_01"))[7:10, 0:30] == ARM).all()
    neighbour = whole(made, made.model.frame("run_00"))
    assert np.array_equal(neighbour[:, 13:], np.asarray(figures(sheet)[0].crop(place(sheet, image.size).boxes[0])))
    assert made.notes == ("content of run_01 reached out of its cell by up to 13 pixels and was kept",)
    (spill,) = made.model.spills
    assert (spill.frame, spill.into, spill.over, spill.pixels) == ("run_01", ("run_00",), 13, 13 * 3)


def test_the_grid_has_in_each_cell_its_own_content_alone() -> None:
    sheet = atlas_sheet()
    box = place(sheet, sheet_size(sheet)).boxes[1]
    image = spilled(sheet)
    ImageDraw.Draw(image).ellipse((100, 60, 118, 90), fill=(1, 2, 3, 255))  # in the cell that nobody uses
    made = built(sheet, image)
    wanted = figures(sheet)[0]
    ImageDraw.Draw(wanted).rectangle((box.left, box.top + 7, box.left + 16, box.top + 9), fill=ARM)
    assert np.array_equal(np.asarray(made.grid), np.asarray(wanted))
    assert any("belongs to no frame" in note for note in made.notes)


def test_two_figures_that_melted_are_cut_apart_and_it_is_said() -> None:
    sheet = atlas_sheet()
    image, pen = figures(sheet)
    one, other = place(sheet, image.size).boxes[:2]
    pen.rectangle((one.left + 20, 20, other.left + 20, 30), fill=(200, 0, 0, 255))
    made = built(sheet, image)
    assert made.notes == (
        "these ran into each other and were cut apart at the edges of their cells: run_00 and run_01",
    )
    assert {frame.source for frame in made.model.frames} == {(40, 48)}
    left, right = (whole(made, made.model.frame(name)) for name in ("run_00", "run_01"))
    assert np.array_equal(left, np.asarray(image.crop(one)))
    assert np.array_equal(right, np.asarray(image.crop(other)))


@pytest.mark.parametrize(("kind", "source"), (("ui_component", (40, 48)), ("tile", (40, 48))))
def test_elements_and_tiles_are_never_trimmed_and_never_grow(kind: str, source: tuple[int, int]) -> None:
    sheet = atlas_sheet(kind, transparent=True)
    made = built(sheet, spilled(sheet))
    for frame in made.model.frames:
        assert ((frame.rect.w, frame.rect.h), frame.source, frame.offset) == (source, source, (0, 0))
        assert frame.pivot == (0.5, 0.5)
    (spill,) = made.model.spills
    assert (spill.kept, spill.into, spill.over) == (False, (made.model.frames[0].id,), 13)
    assert made.notes[0].endswith("reached out of its cell by up to 13 pixels and was cut off")
    first = whole(made, made.model.frames[0])
    assert np.array_equal(first, np.asarray(figures(sheet)[0].crop(place(sheet, made.grid.size).boxes[0])))


def test_opaque_tiles_have_their_own_edges_around_them() -> None:
    sheet = atlas_sheet("tile")
    picture = opaque(sheet_size(sheet))
    made = built(sheet, picture)
    grid, page = made.model.grid, np.asarray(made.pages["atlas"])
    assert grid is not None
    assert (grid.columns, grid.rows, grid.tile, grid.margin, grid.spacing, grid.extrude) == (3, 2, (40, 48), 2, 4, 1)
    assert np.array_equal(np.asarray(made.grid), np.asarray(picture))
    clear = np.ones(page.shape[:2], np.bool_)
    for tile, frame, box in zip(made.model.tiles, made.model.frames, place(sheet, picture.size).boxes, strict=True):
        x, y = 2 + tile.index % 3 * 44, 2 + tile.index // 3 * 52
        assert (frame.id, frame.rect.x, frame.rect.y) == (tile.frame, x, y)
        own = np.asarray(picture.crop(box).convert("RGBA"))
        around = np.pad(own, ((1, 1), (1, 1), (0, 0)), mode="edge")
        assert np.array_equal(page[y - 1 : y + 49, x - 1 : x + 41], around)
        clear[y - 1 : y + 49, x - 1 : x + 41] = False
    assert not page[clear].any()


def test_opaque_frames_of_other_kinds_have_their_edges_around_them_too() -> None:
    sheet = atlas_sheet("sprite", transparent=False)
    made = built(sheet, opaque(sheet_size(sheet)))
    page = np.asarray(made.pages["atlas"])
    for frame in made.model.frames:
        x, y, w, h = frame.rect.x, frame.rect.y, frame.rect.w, frame.rect.h
        around = np.pad(on_page(made, frame), ((1, 1), (1, 1), (0, 0)), mode="edge")
        assert np.array_equal(page[y - 1 : y + h + 1, x - 1 : x + w + 1], around)


def test_cut_out_tiles_keep_the_pitch_and_have_clear_gutters() -> None:
    sheet = atlas_sheet("tile", transparent=True)
    made = built(sheet, figures(sheet)[0])
    grid = made.model.grid
    assert grid is not None
    assert (grid.margin, grid.spacing, grid.extrude) == (2, 4, 0)
    assert [(frame.rect.x, frame.rect.y) for frame in made.model.frames] == [(2, 2), (46, 2), (46, 54)]


def test_cut_out_autotiles_meet_at_their_edges_and_none_takes_from_another() -> None:
    layout = {"kind": "grid", "columns": 4, "rows": 4, "cell_width": 32, "cell_height": 32}
    sheet = atlas_sheet("tile", layout, tiles={}, autotile="wang16", transparent=True)
    image, pen = canvas(sheet)
    pen.rectangle((0, 0, 31, 31), fill=(10, 200, 30, 255))
    pen.rectangle((32, 0, 39, 31), fill=(20, 190, 30, 255))  # a thin strip beside a full tile
    made = built(sheet, image)
    full, thin = made.model.frames[:2]
    assert (on_page(made, full)[..., 3] == 255).all()
    assert (on_page(made, thin)[:, :8] == (20, 190, 30, 255)).all()
    assert made.model.spills == ()
    page = np.asarray(made.pages["atlas"])
    assert made.model.grid is not None
    assert made.model.grid.extrude == 1
    assert (page[thin.rect.y : thin.rect.y + 32, thin.rect.x - 1] == (20, 190, 30, 255)).all()
    assert not page[thin.rect.y : thin.rect.y + 32, thin.rect.x + 32, 3].any()


def test_a_reflowed_set_keeps_the_numbers_of_its_tiles() -> None:
    layout = {"kind": "strip", "frame_count": 8, "cell_width": 512, "cell_height": 64}
    sheet = atlas_sheet("tile", layout, tiles={n: {"name": f"t{n}", "collision": "full"} for n in range(8)})
    picture = opaque(sheet_size(sheet))
    made = built(sheet, picture)
    grid = made.model.grid
    assert grid is not None
    assert (grid.columns, grid.rows) == (3, 3)
    for tile, frame in zip(made.model.tiles, made.model.frames, strict=True):
        x = grid.margin + tile.index % grid.columns * (512 + grid.spacing)
        y = grid.margin + tile.index // grid.columns * (64 + grid.spacing)
        assert (frame.rect.x, frame.rect.y) == (x, y)
        left = tile.index * 512
        assert np.array_equal(
            on_page(made, frame)[..., :3], np.asarray(picture)[:, left : left + 512]
        )  # fmt: skip
    (note,) = made.notes
    assert note.startswith("the tiles lie in 3 columns instead of 8, so that their page stays within 2048 pixels")


def test_frames_that_do_not_fit_on_one_page_say_on_which_they_are() -> None:
    layout = {"kind": "strip", "frame_count": 5, "cell_width": 1500, "cell_height": 1500}
    sheet = atlas_sheet("sprite", layout, animations={"run": {"frames": 5}}, transparent=False)
    levels = np.zeros((1500, 7500, 3), np.uint8)
    for number, box in enumerate(place(sheet, (7500, 1500)).boxes):
        levels[box.window] = number + 1
    made = built(sheet, Image.fromarray(levels, "RGB"))
    assert list(made.pages) == ["atlas", "atlas_1"]
    assert all(max(page.size) <= 4096 for page in made.pages.values())
    for number, frame in enumerate(made.model.frames):
        assert (on_page(made, frame)[..., 0] == number + 1).all()


@pytest.mark.parametrize("factor", (0.5, 1.37, 2))
@pytest.mark.parametrize("kind", ("sprite", "ui_component", "tile"))
def test_a_picture_of_another_size_is_cut_where_its_cells_lie(kind: str, factor: float) -> None:
    sheet = atlas_sheet(kind, nine_slice={"left": 10, "right": 10, "top": 8, "bottom": 8})
    size = (round(sheet_size(sheet)[0] * factor), round(sheet_size(sheet)[1] * factor))
    placed = place(sheet, size)
    picture = opaque(size).convert("RGBA") if kind == "tile" else Image.new("RGBA", size)
    pen = ImageDraw.Draw(picture)
    for number, box in enumerate(placed.boxes):
        pen.rectangle((box.left + 2, box.top + 2, box.right - 3, box.bottom - 3), fill=(number + 1, 7, 7, 255))
    made = built(sheet, picture)
    assert made.grid.size == size
    assert {frame.source for frame in made.model.frames} == {placed.slot}
    for number, frame in enumerate(made.model.frames):
        inner = whole(made, frame)[2:-3, 2:-3]
        assert (inner[..., 0] == number + 1).all()
    if kind == "ui_component":
        borders = made.model.borders
        assert borders is not None
        assert borders.left == pytest.approx(10 * placed.slot[0] / 40, abs=0.51)
        assert borders.top + borders.bottom <= placed.slot[1]
    if kind == "tile":
        assert all((whole(made, frame)[..., 3] == 255).all() for frame in made.model.frames)


def test_tiles_that_scaling_made_unequal_are_filled_up_with_their_own_edge() -> None:
    layout = {"kind": "strip", "frame_count": 3, "cell_width": 10, "cell_height": 8}
    sheet = atlas_sheet("tile", layout, tiles={n: {"name": f"t{n}"} for n in range(3)})
    picture = opaque((31, 8))
    boxes = place(sheet, picture.size).boxes
    assert [box.size[0] for box in boxes] == [10, 11, 10]
    made = built(sheet, picture)
    first = whole(made, made.model.frames[0])
    assert first.shape == (8, 11, 4)
    assert np.array_equal(first[:, :10, :3], np.asarray(picture)[:, :10])
    assert np.array_equal(first[:, 10], first[:, 9])


def test_a_picture_with_no_room_for_its_cells_is_refused() -> None:
    layout = {"kind": "strip", "frame_count": 64, "cell_width": 8, "cell_height": 8}
    sheet = atlas_sheet("tile", layout, tiles={63: {"name": "last"}})
    with pytest.raises(ResultInvalid, match="no room"):
        built(sheet, opaque((3, 3)))


def test_cells_larger_than_a_page_are_refused() -> None:
    layout = {"kind": "strip", "frame_count": 1, "cell_width": 16, "cell_height": 8}
    sheet = atlas_sheet("variation", layout, variants=[{"key": "bar"}])
    with pytest.raises(ResultInvalid, match="the most is 4096"):
        built(sheet, Image.new("RGBA", (4100, 8)))


def test_a_sheet_without_cells_is_refused() -> None:
    with pytest.raises(UsageError, match="without cells"):
        built(atlas_sheet("tile", tiles={}), opaque((10, 10)))


def test_growth_that_would_make_frames_larger_than_a_page_is_cut_off() -> None:
    layout = {"kind": "strip", "frame_count": 1, "cell_width": 4096, "cell_height": 8, "margin": 10}
    sheet = atlas_sheet("variation", layout, variants=[{"key": "bar"}])
    image, pen = canvas(sheet)
    pen.rectangle((0, 11, 4115, 15), fill=(9, 9, 9, 255))
    made = built(sheet, image)
    (frame,), (spill,) = made.model.frames, made.model.spills
    assert (frame.source, frame.rect.w, frame.rect.h) == ((4096, 8), 4096, 5)
    assert (spill.frame, spill.kept, spill.over) == ("bar", False, 10)
