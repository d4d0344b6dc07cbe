from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from assetmill import colours, guides
from assetmill.errors import UsageError
from assetmill.manifest.models import Entity, Sheet

CORNERS = [{"x": 0, "y": 1}, {"x": 0.5, "y": 0}, {"x": 1, "y": 1}]


def drawn_entity(**fields: Any) -> Entity:
    return Entity.model_validate({"id": "thing", "type": "entity", "prompt": "a red thing"} | fields)


def drawn_sheet(kind: str, **fields: Any) -> Sheet:
    layout = {"kind": "grid", "columns": 2, "rows": 2, "cell_width": 64, "cell_height": 64}
    return Sheet.model_validate(
        {"id": "many", "type": "sheet", "kind": kind, "prompt": "gems", "layout": layout} | fields
    )


def drawing_of(asset: Entity | Sheet, size: tuple[int, int] = (192, 160)) -> tuple[Image.Image, NDArray[np.bool_]]:
    made = guides.recipe(asset, size)
    assert made is not None
    with Image.open(BytesIO(guides.draw(made))) as opened:
        opened.load()
        return opened.copy(), np.asarray(guides.mask(made)) >= 128


def levels_of(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, np.float64)


@pytest.mark.parametrize("size", ((192, 160), (64, 64), (80, 512)))
@pytest.mark.parametrize("shape", ("box", "circle", "ellipse", "capsule", "polygon"))
def test_guides_are_opaque_and_exactly_as_large_as_asked(shape: str, size: tuple[int, int]) -> None:
    asset = drawn_entity(shape=shape, points=CORNERS if shape == "polygon" else ())
    image, solid = drawing_of(asset, size)
    assert (image.mode, image.size) == ("RGB", size)
    assert solid.any()


@pytest.mark.parametrize(
    ("shape", "share"), (("box", 1.0), ("circle", np.pi / 4), ("ellipse", np.pi / 4), ("polygon", 0.5))
)
def test_outlines_have_the_area_of_their_shape(shape: str, share: float) -> None:
    asset = drawn_entity(shape=shape, points=CORNERS if shape == "polygon" else (), silhouette={"fill": 1.0})
    _, solid = drawing_of(asset, (256, 256))
    assert solid.mean() == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("color", ("#d8403a", "#3f76d6", "#ffffff", "#111111"))
def test_the_subject_keeps_its_colour_and_the_ground_its_own(color: str) -> None:
    asset = drawn_entity(color=color)
    image, solid = drawing_of(asset)
    made = guides.recipe(asset, (192, 160))
    assert made is not None
    levels = levels_of(image)
    assert np.abs(levels[solid].mean(axis=0) - colours.rgb(color)).max() < 26
    assert np.abs(levels[~solid].mean(axis=0) - colours.rgb(made["ground"])).max() < 8


def test_neither_subject_nor_ground_is_flat_and_the_ground_is_the_calmer() -> None:
    image, solid = drawing_of(drawn_entity())
    levels = levels_of(image.convert("L"))
    assert levels[solid].std() > 3
    assert 0.3 < levels[~solid].std() < 4
    assert 90 < levels[~solid].mean() < 235


def test_light_falls_from_the_upper_left() -> None:
    image, _ = drawing_of(drawn_entity(shape="circle", silhouette={"texture": 0}), (256, 256))
    levels = levels_of(image.convert("L"))
    assert levels[60:80, 60:80].mean() > levels[176:196, 176:196].mean() + 10


def test_more_texture_makes_a_livelier_surface() -> None:
    steps = []
    for texture in (0.0, 0.5, 1.0):
        image, _ = drawing_of(drawn_entity(silhouette={"texture": texture}))
        middle = levels_of(image.convert("L"))[60:100, 70:120]
        steps.append(np.abs(np.diff(middle, axis=0)).mean())
    assert steps == sorted(steps)
    assert steps[2] > 1.5 * steps[0]


def test_the_same_recipe_gives_the_same_bytes_and_another_name_another_grain() -> None:
    one, other = (guides.recipe(drawn_entity(id=name), (128, 128)) for name in ("one", "other"))
    assert one is not None
    assert other is not None
    assert guides.draw(one) == guides.draw(dict(one))
    assert guides.draw(one) != guides.draw(other)


def test_each_cell_shows_its_own_colour() -> None:
    keys = ("red", "green", "blue", "gold")
    sheet = drawn_sheet("variation", variants=[{"key": key} for key in keys])
    levels = levels_of(drawing_of(sheet, (256, 256))[0])
    for index, key in enumerate(keys):
        x, y = index % 2 * 128 + 64, index // 2 * 128 + 64
        middle = levels[y - 10 : y + 10, x - 10 : x + 10].mean(axis=(0, 1))
        found = min(keys, key=lambda one: colours.distance(colours.to_hex(*middle), colours.COLOUR_WORDS[one]))
        assert found == key


def test_tiles_cover_the_whole_sheet() -> None:
    sheet = drawn_sheet("tile", tiles={i: {"name": f"t{i}"} for i in range(4)})
    assert drawing_of(sheet, (256, 256))[1].all()


def test_an_unused_cell_stays_empty() -> None:
    sheet = drawn_sheet("variation", variants=[{"key": "red"}, {"key": "blue"}, {"key": "gold"}])
    solid = drawing_of(sheet, (256, 256))[1]
    assert not solid[128:, 128:].any()
    assert solid[:128, 128:].any()


@pytest.mark.parametrize("change", ({"drawing_version": 999}, {"kind": "hologram"}))
def test_a_recipe_that_cannot_be_drawn_is_refused(change: dict[str, Any]) -> None:
    made = guides.recipe(drawn_entity(), (64, 64))
    assert made is not None
    with pytest.raises(UsageError):
        guides.draw(made | change)
