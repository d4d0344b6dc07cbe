"""Layers of a parallax background, finished: equal sizes, transparency but for the farthest, edges that join."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from assetmill.finishing import Finished, finish, finish_fields, geometry
from assetmill.finishing.layers import OVERLAP, closed, joined
from assetmill.images import decode
from assetmill.manifest.models import Pack, Parallax
from assetmill.manifest.parallax import layer_roles
from assetmill.quality import measure
from assetmill.quality.layers import stacked

SIZE = (320, 192)
PACK = Pack.model_validate({"game": {"id": "hop", "title": "Hop"}, "pack": {"id": "sky", "name": "Sky"}, "assets": ()})
Raws = dict[str, Image.Image]


def parallax(**fields: Any) -> Parallax:
    given = {"id": "hills", "type": "parallax", "prompt": "hills", "method": "per_layer", "layer_count": 3}
    size = {"width": SIZE[0] // 2, "height": SIZE[1] // 2}
    return Parallax.model_validate(given | size | fields)


def plane(
    crest: float, colour: tuple[int, int, int], size: tuple[int, int] = SIZE, *, turns: float = 1.5
) -> Image.Image:
    """Land below a wave, on transparency. With a whole number of turns its ends join, with a half one they do not."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]] / np.array(size[::-1]).reshape(2, 1, 1)
    inside = y > crest + 0.12 * np.cos(2 * np.pi * turns * x)
    shade = (0.75 + 0.25 * np.cos(2 * np.pi * turns * x))[..., None] * np.array(colour)
    levels = np.dstack([shade * inside[..., None], inside * 255.0])
    return Image.fromarray(levels.astype(np.uint8), "RGBA")


def sky(size: tuple[int, int] = SIZE, *, turns: float = 1.5) -> Image.Image:
    y, x = np.mgrid[0 : size[1], 0 : size[0]] / np.array(size[::-1]).reshape(2, 1, 1)
    light = 160 + 60 * y + 30 * np.cos(2 * np.pi * turns * x)
    return Image.fromarray(np.dstack([light * 0.6, light * 0.8, light]).astype(np.uint8), "RGB")


def layers(**options: Any) -> Raws:
    colours = ((60, 120, 200), (200, 90, 40))
    made = [sky(**options), *(plane(0.4 + 0.25 * i, one, **options) for i, one in enumerate(colours))]
    return {f"layer_{index}": picture for index, picture in enumerate(made)}


def finished(asset: Parallax, raws: Raws) -> Finished:
    buffers = {}
    for role, picture in raws.items():
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        buffers[role] = buffer.getvalue()
    return finish(asset, PACK, buffers)


def pictures(made: Finished) -> Raws:
    return {role: decode(file.data) for role, file in made.files.items()}


def step_across(picture: Image.Image) -> NDArray[np.float64]:
    """Colour step from the right edge to the left, row by row."""
    levels = np.asarray(picture.convert("RGBA"), dtype=float)
    levels[..., :3] *= levels[..., 3:] / 255
    return np.asarray(np.abs(levels[:, 0] - levels[:, -1]).max(axis=-1))


def test_layers_get_one_size_and_all_but_the_farthest_keep_their_transparency() -> None:
    made = pictures(finished(parallax(), layers()))
    assert {role: picture.mode for role, picture in made.items()} == {
        "layer_0": "RGB", "layer_1": "RGBA", "layer_2": "RGBA", "full": "RGB",
    }  # fmt: skip
    assert {picture.size for picture in made.values()} == {(160, 96)}


def test_layers_of_other_sizes_than_their_picture_come_out_as_large() -> None:
    """A model that takes pictures apart works at a size of its own."""
    raws = {**layers(size=(160, 96)), "full": stacked(list(layers().values()))}
    made = finished(parallax(method="decompose"), raws)
    assert {picture.size for picture in pictures(made).values()} == {(160, 96)}
    assert made.quality.notes == ()


def test_without_a_whole_picture_one_is_put_together_from_the_finished_layers() -> None:
    made = pictures(finished(parallax(), layers()))
    together = stacked([made[role] for role in layer_roles(parallax())])
    assert np.array_equal(np.asarray(made["full"]), np.asarray(together))


def test_a_whole_picture_that_came_with_the_layers_is_kept() -> None:
    whole = stacked(list(layers().values()))
    made = pictures(finished(parallax(method="decompose"), {**layers(), "full": whole}))
    assert measure.unlike(made["full"], whole) < 0.01


def test_a_farthest_layer_with_holes_is_closed_with_the_colours_around_them() -> None:
    holed = sky().convert("RGBA")
    holed.paste((255, 0, 255, 0), (100, 60, 140, 100))
    solid = closed(holed)
    assert solid.mode == "RGB"
    inside = np.asarray(solid)[60:100, 100:140].reshape(-1, 3).astype(int)
    assert np.abs(inside - np.asarray(sky())[80, 98].astype(int)).max() < 40
    assert np.array_equal(np.asarray(solid)[:50], np.asarray(sky())[:50])
    made = pictures(finished(parallax(), layers() | {"layer_0": holed}))["layer_0"]
    assert np.asarray(made, dtype=int)[30:50, 50:70].max(axis=-1).max() < 250, "neither white nor what was hidden"


def test_a_farthest_layer_that_is_all_hole_is_white() -> None:
    assert closed(Image.new("RGBA", (8, 8))).getextrema() == ((255, 255),) * 3


def test_edges_that_have_to_join_and_do_not_are_joined_in_every_layer() -> None:
    plain, seamless = (finished(parallax(seamless=axes), layers()) for axes in ("none", "x"))
    assert max(step_across(picture).max() for picture in pictures(plain).values()) > 100
    for role, picture in pictures(seamless).items():
        assert measure.join(picture, 1) < 1.5, role
    assert any("did not join in 3 of 3 layers" in note for note in seamless.quality.notes)
    assert plain.quality.notes == ()
    assert seamless.quality.score < plain.quality.score


def test_layers_that_join_already_are_left_as_they_are() -> None:
    raws = layers(turns=2)
    plain, seamless = (finished(parallax(seamless=axes), raws) for axes in ("none", "x"))
    assert plain.files == seamless.files
    assert seamless.quality.notes == ()


def test_one_layer_that_does_not_join_has_all_of_them_blended_alike() -> None:
    """Otherwise it would no longer lie on the others."""
    raws = layers(turns=2) | {"layer_2": plane(0.65, (200, 90, 40), turns=1.5)}
    made = finished(parallax(seamless="x"), raws)
    alone = pictures(finished(parallax(seamless="none"), raws))
    assert "left and right did not join in 1 of 3 layers: blended over in all" in made.quality.notes
    assert not np.array_equal(np.asarray(pictures(made)["layer_0"]), np.asarray(alone["layer_0"]))


def test_the_whole_picture_and_the_depth_map_go_the_way_of_the_layers() -> None:
    raws = layers()
    roles = {"far": raws["layer_0"], "mid": raws["layer_1"], "near": raws["layer_2"]}
    extra = {"full": stacked(list(raws.values())), "depth": sky().convert("L")}
    made = pictures(finished(parallax(method="depth", seamless="x"), roles | extra))
    together = stacked([made[role] for role in ("far", "mid", "near")])
    assert measure.unlike(made["full"], together) < 0.02
    assert measure.join(made["depth"], 1) < 1.5


@pytest.mark.parametrize("axis", (0, 1))
@pytest.mark.parametrize("mode", ("RGB", "RGBA"))
def test_a_blend_is_shorter_and_its_ends_are_neighbours_of_the_picture(axis: int, mode: str) -> None:
    picture = (sky() if mode == "RGB" else plane(0.5, (200, 90, 40))).convert(mode)
    made = joined(picture, axis)
    length, span = picture.size[1 - axis], round(picture.size[1 - axis] * OVERLAP)
    assert made.mode == mode
    assert made.size[1 - axis] == length - span
    assert made.size[axis] == picture.size[axis]
    before, after = (np.moveaxis(np.asarray(one.convert("RGBA"), dtype=int), axis, 0) for one in (picture, made))
    assert np.abs(after[span:] - before[span : length - span])[..., 3].max() == 0, "the middle is not touched"
    assert np.abs(after[0] - before[length - span])[..., 3].max() <= 3, "it begins where its end was cut off"


def test_nothing_hidden_shows_through_a_blend() -> None:
    hidden = Image.new("RGBA", (64, 16), (255, 0, 255, 0))
    hidden.paste((20, 200, 20, 255), (0, 8, 40, 16))
    levels = np.asarray(joined(hidden, 1))
    assert levels[levels[..., 3] > 0][:, 0].max() <= 21


def test_ends_that_meet_are_never_cut_off_when_the_shape_differs() -> None:
    """Generated sizes differ from asked ones by up to 2 %; what stands over is pressed in where ends have to meet."""
    ends = Image.new("RGB", (320, 160), "#808080")
    ends.paste("#ff0000", (0, 0, 8, 160))
    ends.paste("#0000ff", (312, 0, 320, 160))
    whole, cut = (geometry.fit(parallax(seamless=axes), ends).picture for axes in ("x", "none"))
    assert whole.size == cut.size == (160, 96)
    assert [whole.getpixel((x, 48)) for x in (0, 159)] == [(255, 0, 0), (0, 0, 255)]
    assert [cut.getpixel((x, 48)) for x in (0, 159)] == [(128, 128, 128)] * 2
    tall = geometry.fit(parallax(seamless="y"), ends.rotate(90, expand=True)).picture
    top, bottom = (np.asarray(tall, dtype=int)[row, 80] for row in (0, 95))
    assert top[2] - top[0] > 240
    assert bottom[0] - bottom[2] > 240


def test_a_change_of_how_layers_are_made_finishes_parallaxes_again_and_nothing_else() -> None:
    assert "layering" in finish_fields(parallax(), PACK)
