"""Pixel art on a sheet: its squares have to fit into the cells, or a frame would show squares of its neighbour."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from assetmill.finishing import geometry
from assetmill.manifest.models import Sheet
from assetmill.manifest.rules import asset_flaws
from assetmill.sheets.boxes import place
from assetmill.sheets.cells import sheet_size


def sheet(scale: int, **layout: int) -> Sheet:
    cells = {"kind": "grid", "columns": 3, "rows": 1, "cell_width": 64, "cell_height": 32} | layout
    tiles = {index: {"name": name} for index, name in enumerate("abc")}
    given = {"id": "s", "type": "sheet", "kind": "tile", "prompt": "x", "layout": cells, "tiles": tiles}
    return Sheet.model_validate(given | {"post": {"pixel_scale": scale}})


@pytest.mark.parametrize("length", ("cell_width", "cell_height", "spacing", "margin"))
@pytest.mark.parametrize("scale", (1, 2, 4))
def test_every_length_of_the_layout_has_to_be_whole_squares(scale: int, length: str) -> None:
    for pixels in (64, 65, 66):
        flaws = list(asset_flaws(sheet(scale, **{length: pixels}), None))
        assert [flaw.path for flaw in flaws] == ([("layout",)] if pixels % scale else [])
        assert all(f"{length} {pixels}" in flaw.message for flaw in flaws)


def test_what_is_allowed_keeps_every_tile_to_itself() -> None:
    given = sheet(4, spacing=4, margin=8)
    size = sheet_size(given)
    picture = Image.new("RGB", size)
    boxes = place(given, size).boxes
    for box, colour in zip(boxes, ("red", "lime", "blue"), strict=True):
        picture.paste(colour, box)
    made = np.asarray(geometry.enlarge(geometry.fit(given, picture, coarse=4), 4, size).picture)
    assert [np.unique(made[box.window].reshape(-1, 3), axis=0).tolist() for box in boxes] == [
        [[255, 0, 0]], [[0, 255, 0]], [[0, 0, 255]],
    ]  # fmt: skip
