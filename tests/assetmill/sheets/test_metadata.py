import json
from datetime import UTC, datetime
from typing import Any

import pytest

from assetmill.manifest.models import Sheet
from assetmill.sheets import asset_sheet

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
GRID = {"kind": "grid", "columns": 4, "rows": 2, "cell_width": 64, "cell_height": 32}


def meta_sheet(kind: str, **fields: Any) -> Sheet:
    given = {"id": "many", "type": "sheet", "kind": kind, "prompt": "a fox", "layout": GRID}
    return Sheet.model_validate(given | fields)


def meta_of(sheet: Sheet, size: tuple[int, int] = (256, 64), **fields: Any) -> dict[str, Any]:
    return asset_sheet(sheet, pack_id="sky", image_key="blobs/ab/abc.png", image_size=size, created_at=NOW, **fields)


SHEETS = {
    "sprite": meta_sheet(
        "sprite", animations={"run": {"frames": 4, "fps": 12}, "idle": {"frames": ["idle", "run_00"]}}
    ),
    "tile": meta_sheet("tile", tiles={0: {"name": "grass", "collision": "full", "tags": ["soil"]}, 5: {"name": "air"}}),
    "variation": meta_sheet("variation", variants=[{"key": "red", "weight": 3}, {"key": "blue", "prompt": "cracked"}]),
    "ui_component": meta_sheet(
        "ui_component",
        component="button",
        states=["hover", "normal"],
        nine_slice={"left": 8, "right": 8, "top": 4, "bottom": 6},
    ),
}


@pytest.mark.parametrize("kind", tuple(SHEETS))
def test_every_kind_has_the_canonical_fields_and_survives_json(kind: str) -> None:
    made = meta_of(SHEETS[kind])
    assert json.loads(json.dumps(made)) == made
    assert (made["id"], made["packId"], made["kind"], made["source"]) == ("many", "sky", kind, "generated")
    assert (made["imageUrl"], made["imageWidth"], made["imageHeight"]) == ("blobs/ab/abc.png", 256, 64)
    assert made["createdAt"] == 1_772_366_400_250
    assert made["layout"] == {
        "type": "grid", "columns": 4, "rows": 2, "cellWidth": 64, "cellHeight": 32, "spacing": 0, "margin": 0,
        "origin": "top-left",
    }  # fmt: skip
    for entry_id, entry in made["entries"].items():
        assert entry["id"] == entry_id
        assert set(entry["region"]) == {"x", "y", "w", "h"}
        assert all(isinstance(value, int) for value in entry["region"].values())


def test_a_strip_names_its_direction() -> None:
    layout = {"kind": "strip", "direction": "vertical", "frame_count": 2, "cell_width": 16, "cell_height": 16}
    made = meta_of(meta_sheet("sprite", layout=layout, animations={"run": {"frames": 2}}), (16, 32))
    assert (made["layout"]["type"], made["layout"]["direction"], made["layout"]["frameCount"]) == (
        "strip",
        "vertical",
        2,
    )


def test_regions_follow_the_size_of_the_decoded_picture() -> None:
    made = meta_of(SHEETS["sprite"], (512, 64))
    assert made["entries"]["run_01"]["region"] == {"x": 128, "y": 0, "w": 128, "h": 32}
    assert made["entries"]["idle"]["region"] == {"x": 0, "y": 32, "w": 128, "h": 32}


def test_pivots_are_pixels_of_the_entry() -> None:
    sheet = meta_sheet("sprite", animations={"run": {"frames": 1}}, pivot={"x": 0.5, "y": 1})
    assert meta_of(sheet)["entries"]["run_00"]["pivot"] == {"x": 32, "y": 32}
    assert meta_of(sheet, (260, 64))["entries"]["run_00"]["pivot"] == {"x": 32.5, "y": 32}


def test_animations_name_entries_and_share_frames() -> None:
    made = meta_of(SHEETS["sprite"])
    assert made["animations"]["run"] == {
        "id": "run", "frames": ["run_00", "run_01", "run_02", "run_03"], "fps": 12, "loop": True,
        "direction": "forward",
    }  # fmt: skip
    assert made["defaultAnimationId"] == "idle"
    assert made["entries"]["run_00"]["tags"] == ["run", "idle"]
    for animation in made["animations"].values():
        assert set(animation["frames"]) <= set(made["entries"])


def test_tiles_carry_their_index_collision_and_tags() -> None:
    made = meta_of(SHEETS["tile"], (512, 128))
    assert (made["tileWidth"], made["tileHeight"]) == (128, 64)
    assert made["tiles"] == {
        "0": {"name": "grass", "entryId": "grass", "tags": ["soil"], "collision": {"type": "full"}},
        "5": {"name": "air", "entryId": "air", "tags": [], "collision": {"type": "none"}},
    }


def test_variants_form_one_group_in_the_order_of_the_manifest() -> None:
    made = meta_of(SHEETS["variation"])
    group = made["groups"]["default"]
    assert group["order"] == ["red", "blue"]
    assert group["variants"]["red"] == {"entryId": "red", "tags": [], "weight": 3}
    assert (made["defaultGroupId"], made["defaultVariantKey"]) == ("default", "red")
    assert set(made["entries"]) == {"red", "blue"}


def test_elements_carry_states_and_scaled_borders() -> None:
    made = meta_of(SHEETS["ui_component"], (512, 64))
    assert made["componentType"] == "button"
    assert made["defaultState"] == "normal"
    assert made["states"]["normal"] == {"entryId": "normal", "region": made["entries"]["normal"]["region"]}
    assert made["nineSlice"] == {"left": 16, "right": 16, "top": 4, "bottom": 6}


def test_a_cells_prompt_stands_alone_and_can_be_left_out() -> None:
    assert meta_of(SHEETS["variation"])["entries"]["blue"]["promptOverride"] == "a fox, cracked"
    assert "promptOverride" not in meta_of(SHEETS["variation"])["entries"]["red"]
    assert "cracked" not in json.dumps(meta_of(SHEETS["variation"], with_prompts=False))
