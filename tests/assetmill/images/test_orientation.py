from io import BytesIO
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageOps

from assetmill.images import decode
from assetmill.images.orientation import orientation

UPRIGHT = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
STORED = {
    1: UPRIGHT, 2: UPRIGHT[:, ::-1], 3: UPRIGHT[::-1, ::-1], 4: UPRIGHT[::-1], 5: UPRIGHT.T,
    6: np.rot90(UPRIGHT, 1), 7: np.rot90(UPRIGHT, 2).T, 8: np.rot90(UPRIGHT, -1),
}  # fmt: skip
"""How a camera that was held so stores the upright picture (EXIF 2.3, Orientation)."""


@pytest.mark.parametrize("value", tuple(STORED))
@pytest.mark.parametrize("kind", ("PNG", "WEBP", "JPEG"))
def test_every_turn_is_undone(make, kind, value):
    pixels = np.kron(STORED[value], np.ones((16, 16), np.uint8))  # large flat squares, for the lossy format
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    data = make.written(Image.fromarray(pixels, "L").convert("RGB"), kind, exif=make.exif(value), **options)
    decoded = np.asarray(decode(data))[..., 0]
    assert decoded.shape == (32, 48)
    assert np.abs(decoded[8::16, 8::16].astype(int) - UPRIGHT).max() <= 1


@pytest.mark.parametrize(("order", "form", "value"), tuple(product("<>", (1, 3, 4), (1, 6, 8))))
def test_either_order_of_bytes_and_any_width_is_read(make, order, form, value):
    assert orientation(make.exif(value, order, form)) == value
    assert orientation(make.exif(value, order, form)[6:]) == value


@pytest.mark.parametrize("value", (0, 9, 65_535))
def test_a_turn_that_does_not_exist_is_none(make, value):
    assert orientation(make.exif(value)) == 1


@pytest.mark.parametrize("keep", range(0, 50, 3))
def test_a_block_that_is_cut_off_turns_nothing_or_what_it_says(make, keep):
    assert orientation(make.exif(6)[:keep]) in (1, 6)


@pytest.mark.parametrize(
    "block", (b"", b"Exif\0\0", b"nonsense", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\0\0\0\0")
)
def test_nonsense_turns_nothing(block):
    assert orientation(block) == 1


def test_alpha_is_turned_with_its_picture(make):
    picture = make.coloured().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    data = make.written(picture, "PNG", exif=make.exif(5))
    with Image.open(BytesIO(data)) as opened:
        other = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(np.asarray(decode(data)), other)
