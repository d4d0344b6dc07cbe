from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from assetmill.errors import WorkflowError
from assetmill.manifest.models import Asset
from assetmill.workflows import Library, workflow_for

GRID = {"kind": "grid", "columns": 2, "rows": 2, "cell_width": 64, "cell_height": 64}
SHEET = {"type": "sheet", "kind": "sprite", "layout": GRID}
TITLE = {"type": "title_hero", "title": "Cloud Hop"}
PARALLAX = {"type": "parallax", "layer_count": 3}
ROADS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"type": "entity"}, "entity"),
    ({"type": "entity", "references": ["other"]}, "entity"),
    ({"type": "background"}, "background"),
    ({"type": "background", "references": ["other"]}, "img2img"),
    (TITLE, "title-hero"),
    ({**TITLE, "transparent": False}, "txt2img"),
    ({**TITLE, "references": ["other"]}, "entity"),
    ({**TITLE, "references": ["other"], "transparent": False}, "img2img"),
    (PARALLAX, "parallax-depth"),
    ({**PARALLAX, "method": "per_layer"}, "parallax-layers"),
    ({**PARALLAX, "method": "decompose", "layer_count": 5}, "parallax-decompose"),
    (SHEET, "sheet"),
    ({**SHEET, "kind": "variation"}, "sheet"),
    ({**SHEET, "kind": "ui_component"}, "sheet"),
    ({**SHEET, "transparent": False}, "img2img"),
    ({**SHEET, "kind": "tile"}, "img2img"),
    ({**SHEET, "kind": "tile", "transparent": True}, "sheet"),
    ({**SHEET, "workflow": "my-own"}, "my-own"),
    ({**PARALLAX, "method": "per_layer", "workflow": "my-own"}, "my-own"),
)


def asset_of(fields: dict[str, Any]) -> Asset:
    return TypeAdapter(Asset).validate_python({"id": "thing", "prompt": "a thing", **fields})


@pytest.mark.parametrize(("fields", "name"), ROADS)
def test_each_asset_has_its_workflow(fields: dict[str, Any], name: str) -> None:
    assert workflow_for(asset_of(fields)) == name


def test_every_workflow_that_is_chosen_exists_and_takes_a_reference_where_there_is_one(library: Library) -> None:
    for fields, name in ROADS:
        if name != "my-own":
            assert library.get(name).needs_image or "references" not in fields


@pytest.mark.parametrize(
    ("fields", "reason"),
    (
        ({**PARALLAX, "references": ["other"]}, "cannot start from a reference picture"),
        ({**PARALLAX, "method": "per_layer", "references": ["other"]}, "cannot start from a reference picture"),
    ),
)
def test_a_road_that_does_not_exist_is_refused_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(WorkflowError, match=reason) as caught:
        workflow_for(asset_of(fields))
    assert caught.value.hint
