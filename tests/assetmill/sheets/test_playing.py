from typing import Any

import pytest
from PIL import Image

from assetmill.manifest.models import Sheet
from assetmill.sheets.atlas import build
from assetmill.sheets.cells import sheet_size
from assetmill.sheets.model import SheetModel


def model_of(kind: str, size: tuple[int, int] | None = None, **fields: Any) -> SheetModel:
    layout = {"kind": "grid", "columns": 4, "rows": 4, "cell_width": 32, "cell_height": 16}
    given = {"id": "many", "type": "sheet", "kind": kind, "prompt": "a fox", "layout": layout}
    sheet = Sheet.model_validate(given | fields)
    return build(sheet, Image.new("RGBA", size or sheet_size(sheet), (1, 2, 3, 255)), smooth=False).model


def test_frames_last_as_long_as_the_rate_says_unless_each_has_a_length_of_its_own() -> None:
    hop = {"frames": ["up", "down"], "loop": False, "durations_ms": [90, 250], "direction": "pingpong"}
    run, made = model_of("sprite", animations={"run": {"frames": 3, "fps": 15}, "hop": hop}).animations
    assert (run.name, run.frames, run.durations_ms) == ("run", ("run_00", "run_01", "run_02"), (67, 67, 67))
    assert (run.fps, run.loop, run.direction) == (15, True, "forward")
    assert (made.frames, made.durations_ms, made.loop, made.direction) == (
        ("up", "down"), (90, 250), False, "pingpong",
    )  # fmt: skip


def test_a_frame_bears_the_names_of_all_animations_that_show_it() -> None:
    model = model_of("sprite", animations={"run": {"frames": 2}, "idle": {"frames": ["run_00", "rest", "run_00"]}})
    assert [(frame.id, frame.tags) for frame in model.frames] == [
        ("run_00", ("run", "idle")), ("run_01", ("run",)), ("rest", ("idle",)),
    ]  # fmt: skip
    assert model.animations[1].frames == ("run_00", "rest", "run_00")
    assert model.smooth is False


def test_tiles_carry_their_number_collision_and_tags() -> None:
    tiles = {1: {"name": "grass", "collision": "full", "tags": ["soil"]}, 6: {"name": "air"}}
    model = model_of("tile", tiles=tiles, transparent=True)
    assert [(tile.index, tile.frame, tile.collision, tile.tags) for tile in model.tiles] == [
        (1, "grass", "full", ("soil",)), (6, "air", "none", ()),
    ]  # fmt: skip
    assert [(frame.id, frame.tags) for frame in model.frames] == [("grass", ("soil",)), ("air", ())]


def test_an_autotile_set_has_all_its_cells_with_and_without_an_entry() -> None:
    model = model_of("tile", autotile="wang16", tiles={3: {"name": "corner", "collision": "platform"}})
    assert model.autotile == "wang16"
    assert [tile.index for tile in model.tiles] == list(range(16))
    assert (model.tiles[3].frame, model.tiles[3].collision, model.tiles[4].frame) == ("corner", "platform", "wang16_04")


def test_variants_keep_their_order_and_weight() -> None:
    model = model_of("variation", variants=[{"key": "red", "weight": 3}, {"key": "blue"}])
    assert [(variant.frame, variant.weight) for variant in model.variants] == [("red", 3), ("blue", 1)]


NINE = {"left": 16, "right": 16, "top": 4, "bottom": 3}


@pytest.mark.parametrize(
    ("size", "borders"), ((None, (16, 4, 16, 3)), ((256, 32), (32, 2, 32, 2)), ((60, 64), (8, 4, 7, 3)))
)
def test_elements_carry_states_and_borders_in_pixels_of_the_frame(
    size: tuple[int, int] | None, borders: tuple[int, ...]
) -> None:
    model = model_of("ui_component", size, component="button", states=["normal", "hover"], nine_slice=NINE)
    assert (model.component, model.states) == ("button", ("normal", "hover"))
    assert model.borders is not None
    made = (model.borders.left, model.borders.top, model.borders.right, model.borders.bottom)
    assert made == borders
    assert model.borders.left + model.borders.right <= model.frames[0].source[0]
