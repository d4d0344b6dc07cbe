from itertools import pairwise
from typing import Any

import pytest

from assetmill import colours
from assetmill.manifest.models import Sheet
from assetmill.sheets import cells_of, scaled, sheet_size


def cell_sheet(kind: str = "sprite", **fields: Any) -> Sheet:
    layout = {"kind": "grid", "columns": 3, "rows": 2, "cell_width": 64, "cell_height": 48, "spacing": 4, "margin": 2}
    given = {"id": "many", "type": "sheet", "kind": kind, "prompt": "a fox", "layout": layout}
    return Sheet.model_validate(given | fields)


def strip_layout(direction: str, **fields: int) -> dict[str, Any]:
    return {"kind": "strip", "direction": direction, "frame_count": 5, "cell_width": 20, "cell_height": 30} | fields


WALK = {"walk": {"frames": 5}}


@pytest.mark.parametrize(
    ("layout", "size"),
    (
        ({"kind": "grid", "columns": 4, "rows": 2, "cell_width": 64, "cell_height": 64}, (256, 128)),
        (
            {"kind": "grid", "columns": 3, "rows": 2, "cell_width": 64, "cell_height": 64, "spacing": 4, "margin": 2},
            (204, 136),
        ),
        (strip_layout("horizontal"), (100, 30)),
        (strip_layout("vertical", spacing=2, margin=3), (26, 164)),
    ),
)
def test_a_sheet_is_as_large_as_its_cells_gaps_and_margins(layout: dict[str, Any], size: tuple[int, int]) -> None:
    assert sheet_size(cell_sheet(layout=layout, animations=WALK)) == size


def test_cells_run_in_reading_order_and_only_used_ones_are_named() -> None:
    cells = cells_of(cell_sheet(animations=WALK))
    assert [(cell.index, cell.id, cell.x, cell.y) for cell in cells] == [
        (0, "walk_00", 2, 2),
        (1, "walk_01", 70, 2),
        (2, "walk_02", 138, 2),
        (3, "walk_03", 2, 54),
        (4, "walk_04", 70, 54),
    ]


def test_a_vertical_strip_runs_down() -> None:
    cells = cells_of(cell_sheet(layout=strip_layout("vertical"), animations=WALK))
    assert [(cell.x, cell.y) for cell in cells] == [(0, 0), (0, 30), (0, 60), (0, 90), (0, 120)]


def test_tiles_keep_their_place_when_others_are_left_out() -> None:
    cells = cells_of(cell_sheet("tile", tiles={1: {"name": "grass"}, 5: {"name": "stone", "prompt": "mossy"}}))
    assert [(cell.index, cell.id, cell.prompt) for cell in cells] == [(1, "grass", ""), (5, "stone", "mossy")]


def test_colours_come_from_the_variant_then_the_sheet_then_the_words_then_the_place() -> None:
    variants = [
        {"key": "one", "color": "#010203"},
        {"key": "ruby"},
        {"key": "b", "prompt": "made of ice"},
        {"key": "x"},
    ]
    plain = [cell.color for cell in cells_of(cell_sheet("variation", variants=variants))]
    assert plain[:3] == ["#010203", colours.COLOUR_WORDS["ruby"], colours.COLOUR_WORDS["ice"]]
    assert plain[3] == colours.distinct(3)
    given = [cell.color for cell in cells_of(cell_sheet("variation", variants=variants, color="#445566"))]
    assert given == ["#010203", "#445566", "#445566", "#445566"]


def test_frames_are_shades_of_one_colour() -> None:
    cells = cells_of(cell_sheet(animations=WALK, color="#3f76d6"))
    assert len({cell.color for cell in cells}) > 1
    assert max(colours.distance(cell.color, "#3f76d6") for cell in cells) < 0.06


def test_states_are_told_apart_by_lightness() -> None:
    sheet = cell_sheet("ui_component", component="button", states=["normal", "hover", "pressed"], color="#3f76d6")
    normal, hover, pressed = (colours.luminance(cell.color) for cell in cells_of(sheet))
    assert pressed < normal < hover


def test_words_of_a_cell_join_its_own_and_the_overrides() -> None:
    sheet = cell_sheet("variation", variants=[{"key": "red", "prompt": "cracked"}], overrides={"red": "with a chip"})
    assert cells_of(sheet)[0].prompt == "cracked, with a chip"


@pytest.mark.parametrize(
    ("fields", "shape"),
    (
        ({"component": "button"}, "box"),
        ({"component": "radio"}, "circle"),
        ({"component": "radio", "shape": "ellipse"}, "ellipse"),
    ),
)
def test_elements_have_their_usual_form_unless_the_manifest_names_one(fields: dict[str, Any], shape: str) -> None:
    assert cells_of(cell_sheet("ui_component", states=["normal"], **fields))[0].shape == shape


@pytest.mark.parametrize("image", ((204, 104), (408, 208), (512, 512), (1031, 517), (153, 79)))
def test_scaled_cells_stay_in_order_apart_and_inside(image: tuple[int, int]) -> None:
    sheet = cell_sheet(animations={"walk": {"frames": 6}})
    rects = [scaled(cell, sheet_size(sheet), image) for cell in cells_of(sheet)]
    for (x, _, w, _), (following, *_) in pairwise(rects[:3]):
        assert x >= 0
        assert x + w < following
    assert rects[0][1] + rects[0][3] < rects[3][1]
    assert rects[-1][0] + rects[-1][2] <= image[0]
    assert rects[-1][1] + rects[-1][3] <= image[1]


@pytest.mark.parametrize("image", ((100, 30), (333, 101), (64, 19), (1500, 450)))
def test_scaled_cells_that_touch_still_touch(image: tuple[int, int]) -> None:
    sheet = cell_sheet(layout=strip_layout("horizontal"), animations=WALK)
    rects = [scaled(cell, sheet_size(sheet), image) for cell in cells_of(sheet)]
    assert all(left[0] + left[2] == right[0] for left, right in pairwise(rects))
    assert rects[0][0] == 0
    assert rects[-1][0] + rects[-1][2] == image[0]
