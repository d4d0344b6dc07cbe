from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from pydantic import TypeAdapter

from assetmill.manifest.models import Asset, Qa
from assetmill.quality import Quality
from assetmill.quality.checks import check, merge

QA = Qa.model_validate({})
LAYOUT = {"kind": "grid", "columns": 4, "rows": 2, "cell_width": 32, "cell_height": 32}

WANTED: dict[str, dict[str, Any]] = {
    "entity": {},
    "background": {"width": 128, "height": 128},
    "sheet": {"kind": "sprite", "layout": LAYOUT, "animations": {"run": {"frames": 8}}},
}


def judged_asset(asset_type: str = "entity", /, **fields: Any) -> Asset:
    given = {"id": "thing", "type": asset_type, "prompt": "a thing"} | WANTED[asset_type] | fields
    asset: Asset = TypeAdapter(Asset).validate_python(given)
    return asset


def disc(box: tuple[int, int, int, int] = (20, 20, 108, 108), blur: float = 0, size: int = 128) -> Image.Image:
    alpha = Image.new("L", (size, size), 0)
    ImageDraw.Draw(alpha).ellipse(box, fill=255)
    picture = Image.new("RGBA", (size, size), (200, 80, 40, 255))
    picture.putalpha(alpha.filter(ImageFilter.GaussianBlur(blur)) if blur else alpha)
    return picture


def mask_of(box: tuple[int, int, int, int], size: int = 128) -> Image.Image:
    return disc(box, size=size).getchannel("A")


def noise_picture(size: tuple[int, int] = (128, 128)) -> Image.Image:
    levels = np.random.default_rng(5).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(levels, "RGB").filter(ImageFilter.GaussianBlur(2))


def frames(empty: int) -> Image.Image:
    picture = Image.new("RGBA", (256, 128), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    for index in range(8 - empty):
        x, y = index % 4 * 64, index // 4 * 64
        pen.rectangle((x + 10, y + 10, x + 50, y + 50), fill=(200, 80, 40, 255))
    return picture


def test_a_clean_cutout_has_nothing_to_object_to() -> None:
    assert check(judged_asset(), disc(), QA) == Quality(1.0)


@pytest.mark.parametrize(
    ("picture", "word"),
    (
        (Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "empty"),
        (disc((60, 60, 66, 66)), "empty"),
        (Image.new("RGBA", (64, 64), (9, 9, 9, 255)), "not removed"),
        (Image.new("RGB", (64, 64), (9, 9, 9)), "not removed"),
    ),
)
def test_empty_and_failed_cutouts_are_rejected(picture: Image.Image, word: str) -> None:
    verdict = check(judged_asset(), picture, QA)
    assert verdict.rejected is not None
    assert word in verdict.rejected
    assert verdict.score == 0


def test_the_manifests_limits_decide() -> None:
    strict = Qa.model_validate({"min_coverage": 0.8})
    loose = Qa.model_validate({"max_coverage": 1})
    assert check(judged_asset(), disc(), strict).rejected is not None
    assert check(judged_asset(), Image.new("RGBA", (64, 64), (9, 9, 9, 255)), loose).rejected is None


def test_a_subject_that_is_meant_to_fill_its_canvas_may() -> None:
    full = Image.new("RGBA", (64, 64), (9, 9, 9, 255))
    assert check(judged_asset(), full, QA, guide_mask=Image.new("L", (64, 64), 255)).rejected is None


@pytest.mark.parametrize(
    ("rule", "noted", "rejected"), (("ignore", False, False), ("warn", True, False), ("fail", False, True))
)
def test_touching_the_edge_is_treated_as_the_manifest_says(rule: str, noted: bool, rejected: bool) -> None:
    verdict = check(judged_asset(), disc((-30, 20, 58, 108)), Qa.model_validate({"border_touch": rule}))
    assert any("touches the edge" in note for note in verdict.notes) == noted
    assert (verdict.rejected is not None) == rejected


def test_smeared_edges_are_noted_and_cost() -> None:
    verdict = check(judged_asset(), disc(blur=12), QA)
    assert any("smeared" in note for note in verdict.notes)
    assert verdict.score < 1


def test_leaving_the_silhouette_is_noted_and_ranks_below_keeping_it() -> None:
    guide = mask_of((20, 20, 108, 108))
    keeping = check(judged_asset(), disc((24, 20, 108, 108)), QA, guide_mask=guide)
    leaving = check(judged_asset(), disc((2, 2, 50, 50)), QA, guide_mask=guide)
    assert keeping.notes == ()
    assert any("left its silhouette" in note for note in leaving.notes)
    assert leaving.score < keeping.score <= 1


def test_the_guide_may_come_in_another_size() -> None:
    small = mask_of((10, 10, 54, 54), size=64)
    assert check(judged_asset(), disc((20, 20, 108, 108)), QA, guide_mask=small).score > 0.98


@pytest.mark.parametrize("colour", ("#000000", "#ffffff", "#336699"))
def test_a_background_of_one_flat_colour_is_rejected(colour: str) -> None:
    verdict = check(judged_asset("background"), Image.new("RGB", (64, 64), colour), QA)
    assert verdict.rejected is not None
    assert "flat" in verdict.rejected


def test_a_sharper_background_ranks_above_a_blurred_one_without_a_note() -> None:
    sharp, blurred = noise_picture(), noise_picture().filter(ImageFilter.GaussianBlur(6))
    verdicts = [check(judged_asset("background"), picture, QA) for picture in (sharp, blurred)]
    assert verdicts[0].score > verdicts[1].score
    assert all(verdict.notes == () for verdict in verdicts)


def test_a_seam_is_noted_only_where_edges_have_to_join() -> None:
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 128, dtype=np.uint8), (128, 1))).convert("RGB")
    assert any("left and right" in n for n in check(judged_asset("background", seamless="x"), ramp, QA).notes)
    assert check(judged_asset("background", seamless="y"), ramp, QA).notes == ()
    assert check(judged_asset("background"), ramp, QA).notes == ()


@pytest.mark.parametrize(("empty", "noted", "rejected"), ((0, False, False), (1, True, False), (2, False, True)))
def test_empty_cells_are_counted_and_named(empty: int, noted: bool, rejected: bool) -> None:
    verdict = check(judged_asset("sheet"), frames(empty), QA)
    assert any("cells are empty" in note for note in verdict.notes) == noted
    assert (verdict.rejected is not None) == rejected
    if noted:
        assert verdict.notes == ("1 of 8 cells are empty: run_07",)
        assert verdict.score < 0.7


def test_unused_cells_are_no_empty_ones() -> None:
    asset = judged_asset("sheet", animations={"run": {"frames": 6}})
    assert check(asset, frames(2), QA) == Quality(1.0)


def test_another_shape_and_too_few_pixels_are_noted() -> None:
    notes = check(judged_asset(), disc(), QA, asked=(512, 256)).notes
    assert any("another shape than 512 x 256" in note for note in notes)
    assert any("is enlarged to 512" in note for note in notes)
    assert check(judged_asset(), disc(), QA, asked=(128, 128)).notes == ()


def test_the_same_picture_gets_the_same_verdict() -> None:
    picture = disc((-10, 0, 90, 100), blur=8)
    assert check(judged_asset(), picture, QA) == check(judged_asset(), picture.copy(), QA)


@pytest.mark.parametrize("seed", tuple(range(6)))
def test_a_score_is_always_a_share(seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 255, (40, 60, 4), np.uint8)
    picture = Image.fromarray(levels, "RGBA")
    for asset_type in WANTED:
        assert 0 <= check(judged_asset(asset_type), picture, QA, asked=(512, 512)).score <= 1


def test_a_verdict_on_several_pictures_is_that_on_the_worst() -> None:
    parts = (Quality(0.9, ("a",)), Quality(0.4, ("b",), "gone"), Quality(1.0))
    assert merge(parts) == Quality(0.4, ("a", "b"), "gone")


def test_a_verdict_is_plain_json() -> None:
    assert Quality(0.5, ("a",), "gone").as_json() == {"score": 0.5, "notes": ["a"], "rejected": "gone"}
