"""Which layers may be empty: those that were taken out of a picture, not those that were drawn by themselves."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from assetmill.providers.pictures import all_decode


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


DRAWN = png(Image.linear_gradient("L").convert("RGB"))
EMPTY = png(Image.new("RGBA", (64, 64)))


def test_an_empty_layer_that_was_drawn_by_itself_is_blank() -> None:
    (blank,) = all_decode({"layer_0": DRAWN, "layer_1": EMPTY}, "job")
    assert blank.startswith("output layer_1 is blank")


def test_a_layer_that_was_taken_out_of_a_picture_may_be_empty() -> None:
    assert all_decode({"full": DRAWN, "layer_0": DRAWN, "layer_1": EMPTY, "layer_7": EMPTY}, "job") == ()


@pytest.mark.parametrize("role", ("full", "layer_0"))
def test_the_whole_picture_and_the_farthest_layer_may_not(role: str) -> None:
    images = {"full": DRAWN, "layer_0": DRAWN, "layer_1": DRAWN} | {role: EMPTY}
    assert [blank.split()[1] for blank in all_decode(images, "job")] == [role]
