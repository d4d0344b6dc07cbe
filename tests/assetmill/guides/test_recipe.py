import json
import subprocess
import sys
from itertools import pairwise, product
from typing import Any

import pytest

from assetmill import colours
from assetmill.guides import default_strength, recipe
from assetmill.guides.recipe import DARKER_GROUND, LIGHT_GROUND
from assetmill.manifest.models import Background, Entity, Sheet, TitleHero

GRID = {"kind": "grid", "columns": 4, "rows": 2, "cell_width": 64, "cell_height": 48}


def recipe_entity(**fields: Any) -> Entity:
    return Entity.model_validate({"id": "thing", "type": "entity", "prompt": "a thing"} | fields)


def recipe_sheet(**fields: Any) -> Sheet:
    given = {"id": "walk", "type": "sheet", "kind": "sprite", "prompt": "a fox", "layout": GRID}
    return Sheet.model_validate(given | {"animations": {"walk": {"frames": 8}}} | fields)


def made_for(asset: Entity | Sheet, size: tuple[int, int] = (512, 512)) -> dict[str, Any]:
    made = recipe(asset, size)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("shape", "aspect", "size"),
    tuple(
        product(
            ("box", "ellipse", "capsule", "circle"),
            ((1, 1), (3, 0.5), (0.3, 2), (7, 1)),
            ((512, 512), (1024, 576), (512, 1536)),
        )
    ),
)
def test_silhouettes_are_centred_and_fill_their_share(
    shape: str, aspect: tuple[float, float], size: tuple[int, int]
) -> None:
    asset = recipe_entity(shape=shape, width=aspect[0], height=aspect[1], silhouette={"fill": 0.8})
    x, y, w, h = made_for(asset, size)["box"]
    assert abs(2 * x + w - size[0]) <= 1
    assert abs(2 * y + h - size[1]) <= 1
    assert w <= round(0.8 * size[0])
    assert h <= round(0.8 * size[1])
    if shape == "circle":
        assert w == h
    else:
        assert w / h == pytest.approx(aspect[0] / aspect[1], rel=0.03)
        assert w == round(0.8 * size[0]) or h == round(0.8 * size[1])


def test_a_round_coin_fills_the_default_nine_tenths() -> None:
    assert made_for(recipe_entity(shape="circle"))["box"] == [25, 25, 461, 461]


def test_very_thin_things_stay_thick_enough_to_be_seen() -> None:
    assert made_for(recipe_entity(width=100, height=1))["box"][3] == 20


def test_the_named_colour_wins_over_the_words_and_the_words_over_the_name() -> None:
    assert made_for(recipe_entity(prompt="a red coin", color="#123456"))["color"] == "#123456"
    assert made_for(recipe_entity(prompt="a red coin"))["color"] == colours.COLOUR_WORDS["red"]


def test_rewording_a_prompt_without_colours_leaves_the_guide_alone() -> None:
    assert recipe(recipe_entity(prompt="a hero"), (512, 512)) == recipe(recipe_entity(prompt="a heroine"), (512, 512))


@pytest.mark.parametrize("color", ("#ffffff", "#f0ead0", "#dcd9d2", "#000000", "#808080", "#d8403a", "#2f4379"))
def test_every_subject_stands_out_from_its_ground(color: str) -> None:
    ground = made_for(recipe_entity(color=color))["ground"]
    assert ground in (LIGHT_GROUND, DARKER_GROUND)
    assert colours.distance(color, ground) > 0.08
    assert ground == max((LIGHT_GROUND, DARKER_GROUND), key=lambda one: colours.distance(color, one)) or (
        colours.distance(color, ground) >= 0.3
    )


@pytest.mark.parametrize("color", ("#ffffff", "#808080", "#000000"))
def test_a_recipe_is_equal_to_itself_after_json(color: str) -> None:
    corners = [{"x": 0, "y": 1}, {"x": 0.5, "y": 0}, {"x": 1, "y": 1}]
    for asset in (recipe_entity(shape="polygon", points=corners, color=color), recipe_sheet(color=color)):
        made = recipe(asset, (512, 768))
        assert json.loads(json.dumps(made)) == made


def test_types_without_a_guide_have_no_recipe() -> None:
    sky = Background.model_validate({"id": "sky", "type": "background", "prompt": "sky"})
    title = TitleHero.model_validate({"id": "t", "type": "title_hero", "prompt": "gold", "title": "Cloud Hop"})
    assert recipe(sky, (512, 512)) is None
    assert recipe(title, (512, 512)) is None


@pytest.mark.parametrize("size", ((512, 192), (1024, 384), (768, 288), (1536, 576), (333, 130)))
@pytest.mark.parametrize("kind", ("sprite", "variation"))
def test_shapes_stay_inside_their_own_cell(kind: str, size: tuple[int, int]) -> None:
    part = {"animations": {}, "variants": [{"key": f"v{i}"} for i in range(8)]} if kind == "variation" else {}
    for cell, shape in enumerate(made_for(recipe_sheet(kind=kind, **part), size)["cells"]):
        x, y, w, h = shape["box"]
        assert cell % 4 * size[0] / 4 <= x < x + w <= (cell % 4 + 1) * size[0] / 4 + 1
        assert cell // 4 * size[1] / 2 <= y < y + h <= (cell // 4 + 1) * size[1] / 2 + 1


def test_frames_keep_their_feet_on_one_line() -> None:
    cells = made_for(recipe_sheet(), (512, 192))["cells"]
    assert len({shape["box"][1] + shape["box"][3] for shape in cells[:4]}) == 1
    assert len({shape["box"][3] for shape in cells[:4]}) == 2


@pytest.mark.parametrize(("spacing", "gaps"), ((0, False), (1, True), (4, True)))
@pytest.mark.parametrize("size", ((512, 512), (1024, 1024), (720, 720)))
def test_tiles_fill_their_cells_and_keep_their_gaps(spacing: int, gaps: bool, size: tuple[int, int]) -> None:
    layout = {"kind": "grid", "columns": 4, "rows": 4, "cell_width": 32, "cell_height": 32, "spacing": spacing}
    sheet = recipe_sheet(kind="tile", animations={}, autotile="wang16", layout=layout)
    cells = made_for(sheet, size)["cells"]
    for left, right in pairwise(cells[:4]):
        distance = right["box"][0] - (left["box"][0] + left["box"][2])
        assert distance > 0 if gaps else distance == 0
        assert left["color"] != right["color"]
    assert cells[-1]["box"][0] + cells[-1]["box"][2] == size[0]


def test_planning_loads_no_image_library() -> None:
    code = (
        "import sys; from assetmill import prompts; from assetmill.guides import recipe, default_strength;"
        "from assetmill.finishing import finish_fields; print({'numpy', 'PIL', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


def test_default_strength_by_type() -> None:
    assert default_strength(recipe_entity(color="#ffffff")) == pytest.approx(0.87)
    assert default_strength(recipe_entity()) == pytest.approx(0.925)
    assert default_strength(recipe_sheet()) == pytest.approx(0.85)
    assert default_strength(recipe_entity(references=["other"])) < 0.8
    sky = Background.model_validate({"id": "sky", "type": "background", "prompt": "sky"})
    assert default_strength(sky) == 1.0
