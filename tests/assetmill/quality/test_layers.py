"""Checks of layers, on scenes of which everything is known."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from assetmill.manifest.models import Parallax, Qa
from assetmill.quality import Quality, measure
from assetmill.quality.layers import OTHER_PICTURE, UNLIKE_LIMIT, judge, stacked, torn_edges

SIZE = (512, 288)


def parallax(seamless: str = "none") -> Parallax:
    layers = [{"id": name, "depth": i / 2, "scroll_factor": i / 2} for i, name in enumerate(("sky", "woods", "reeds"))]
    fields = {"id": "hills", "type": "parallax", "prompt": "hills", "method": "decompose", "layers": layers}
    return Parallax.model_validate(fields | {"seamless": seamless})


def sky() -> Image.Image:
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    return Image.fromarray(np.dstack([90 + y // 4, 150 + (x * 7 + y * 3) % 11, 230 - y // 5]).astype(np.uint8), "RGB")


def land(top: int, colour: tuple[int, int, int], trees: int) -> Image.Image:
    layer = Image.new("RGBA", SIZE)
    pen = ImageDraw.Draw(layer)
    pen.rectangle((0, top, *SIZE), fill=(*colour, 255))
    for tree in range(trees):
        x = SIZE[0] * tree // trees + 9
        pen.ellipse((x, top - 40, x + 24, top + 10), fill=(*colour, 255))
    return layer


def scene() -> dict[str, Image.Image]:
    layers = [sky().convert("RGBA"), land(150, (40, 110, 70), 11), land(240, (120, 70, 30), 5)]
    return {"full": stacked(layers)} | {f"layer_{index}": layer for index, layer in enumerate(layers)}


def verdict(pictures: dict[str, Image.Image], seamless: str = "none") -> Quality:
    asset = parallax(seamless)
    return judge(asset, pictures, Qa(), (1024, 576), torn_edges(asset, pictures))


def lossy(layer: Image.Image) -> Image.Image:
    """Half as large, through a JPEG, and noisy: what a decomposition at a lower size may do to it."""
    small = layer.resize((SIZE[0] // 2, SIZE[1] // 2))
    buffer = io.BytesIO()
    small.convert("RGB").save(buffer, "JPEG", quality=75)
    levels = np.asarray(Image.open(buffer), dtype=float) + np.random.default_rng(1).normal(
        0, 8, (SIZE[1] // 2, SIZE[0] // 2, 3)
    )
    worse = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8), "RGB").convert("RGBA")
    worse.putalpha(small.getchannel("A"))
    return worse


def test_layers_that_are_the_picture_together_are_not_objected_to() -> None:
    assert verdict(scene()).notes == ()
    assert verdict(scene()).rejected is None


def test_what_layers_lost_on_their_way_is_no_other_picture() -> None:
    made = scene()
    worse = {role: lossy(layer) if role != "full" else layer for role, layer in made.items()}
    assert verdict(worse).notes == ()
    assert measure.unlike(made["full"], stacked([worse[f"layer_{i}"] for i in range(3)])) < UNLIKE_LIMIT / 2


@pytest.mark.parametrize("lost", ("layer_1", "layer_2"))
def test_a_layer_that_is_lost_shows_in_the_whole(lost: str) -> None:
    found = verdict(scene() | {lost: Image.new("RGBA", SIZE)})
    assert any("are not the whole picture" in note for note in found.notes)
    assert any("is empty" in note for note in found.notes)
    assert found.score < verdict(scene()).score


def test_layers_in_another_order_show_in_the_whole() -> None:
    made = scene()
    swapped = made | {"layer_1": made["layer_2"], "layer_2": made["layer_1"]}
    assert any("are not the whole picture" in note for note in verdict(swapped).notes)


def test_layers_of_another_picture_are_not_published() -> None:
    other = {**scene(), "full": Image.effect_noise(SIZE, 90).convert("RGB")}
    found = verdict(other)
    assert found.rejected is not None
    assert measure.unlike(other["full"], scene()["full"]) >= OTHER_PICTURE


def test_layers_that_were_drawn_one_by_one_have_nothing_to_be_compared_with() -> None:
    alone = {role: layer for role, layer in scene().items() if role != "full"}
    assert verdict(alone | {"layer_1": land(60, (40, 110, 70), 3)}).notes == ()


def test_layers_are_named_as_the_manifest_names_them() -> None:
    found = verdict(scene() | {"layer_2": sky().convert("RGBA")})
    assert "layer reeds hides all layers behind it" in found.notes


def test_a_farthest_layer_that_can_be_seen_through_is_said() -> None:
    holed = scene()["layer_0"].copy()
    holed.paste((0, 0, 0, 0), (0, 0, 256, 72))
    assert "layer sky, the farthest, has holes (12%), filled from around" in verdict(scene() | {"layer_0": holed}).notes


def test_a_layer_of_another_shape_is_said() -> None:
    made = scene()
    narrow = made["layer_1"].resize((400, 288))
    assert "layer woods came back as 400 x 288, in another shape" in verdict(made | {"layer_1": narrow}).notes


def test_a_faint_line_through_an_even_sky_is_torn() -> None:
    """It is no sharper than any edge inside, and yet one sees where the picture begins again."""
    even = np.full((64, 256, 3), 180, np.uint8)
    even[:, :, 0] += np.linspace(0, 24, 256).astype(np.uint8)
    for trunk in range(20, 240, 30):
        even[30:, trunk : trunk + 9] = 20
    picture = Image.fromarray(even, "RGB")
    assert measure.seam(picture, 1) < 1.5
    assert measure.join(picture, 1) > 1.5


def test_a_trunk_at_the_edge_tears_nothing() -> None:
    made = np.full((64, 256, 3), 180, np.uint8)
    made[58:, :6] = 20
    assert measure.join(Image.fromarray(made, "RGB"), 1) < 1.5


def test_hidden_colours_tear_nothing() -> None:
    hidden = Image.new("RGBA", (64, 32), (255, 255, 255, 0))
    hidden.paste((0, 0, 0, 0), (0, 0, 20, 32))
    hidden.paste((30, 90, 40, 255), (0, 20, 64, 32))
    assert measure.join(hidden, 1) == 0


def test_torn_edges_are_looked_for_only_where_they_have_to_join() -> None:
    made = scene()
    made["layer_1"] = made["layer_1"].transform(SIZE, Image.Transform.AFFINE, (1, 0, 0, -0.2, 1, 0))
    assert torn_edges(parallax(), made) == {}
    assert torn_edges(parallax("x"), made) == {1: 1}
    assert set(torn_edges(parallax("xy"), made)) == {0, 1}
