"""Sheets as the draft artist of the local endpoint makes them from our guides, cut up."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assetmill import guides
from assetmill.localpod.draft import render
from assetmill.manifest.models import Sheet
from assetmill.sheets.atlas import build
from assetmill.sheets.cells import sheet_size

WORKFLOWS_FOLDER = Path(__file__).parents[3] / "workflows"

SHEETS: dict[str, dict[str, Any]] = {
    "sprite": {
        "layout": {"kind": "grid", "columns": 3, "rows": 2, "cell_width": 84, "cell_height": 95, "spacing": 2},
        "animations": {"run": {"frames": 5}},
        "pivot": {"x": 0.5, "y": 1},
    },
    "variation": {
        "layout": {"kind": "grid", "columns": 2, "rows": 2, "cell_width": 96, "cell_height": 96},
        "variants": [{"key": "ruby"}, {"key": "jade"}, {"key": "amber"}],
        "shape": "circle",
    },
    "ui_component": {
        "layout": {"kind": "strip", "direction": "vertical", "frame_count": 2, "cell_width": 160, "cell_height": 64},
        "component": "button",
        "states": ["normal", "pressed"],
    },
}


def draft(sheet: Sheet) -> Image.Image:
    """What the draft artist makes of a sheet's guide."""
    graph = json.loads((WORKFLOWS_FOLDER / "sheet.json").read_text("utf-8"))
    binding = json.loads((WORKFLOWS_FOLDER / "bindings.json").read_text("utf-8"))["workflows"]["sheet"]
    size = sheet_size(sheet)
    recipe = guides.recipe(sheet, size)
    assert recipe is not None
    for name, value in {"prompt": sheet.prompt, "seed": 3, "width": size[0], "height": size[1]}.items():
        for node, field in binding["parameters"][name]:
            graph[node]["inputs"][field] = value
    guide = base64.b64encode(guides.draw(recipe)).decode()
    answer = render({"workflow": graph, "images": [{"name": "input.png", "image": guide}]})
    return Image.open(io.BytesIO(base64.b64decode(answer["images"][0]["data"])))


@pytest.mark.parametrize("kind", tuple(SHEETS))
def test_a_drafts_frames_are_all_there_and_keep_to_their_cells(kind: str) -> None:
    given = {"id": "many", "type": "sheet", "kind": kind, "prompt": "a red fox"}
    sheet = Sheet.model_validate(given | SHEETS[kind])
    picture = draft(sheet)
    assert (picture.mode, picture.size) == ("RGBA", sheet_size(sheet))
    made = build(sheet, picture, smooth=True)
    assert (made.notes, made.model.spills) == ((), ())
    page = made.pages["atlas"]
    for frame in made.model.frames:
        rect = frame.rect
        alpha = np.asarray(page.crop((rect.x, rect.y, rect.x + rect.w, rect.y + rect.h)).getchannel("A"))
        assert (alpha > 127).mean() > 0.3
        assert frame.trimmed is (kind != "ui_component")
