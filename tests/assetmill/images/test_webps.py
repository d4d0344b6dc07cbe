import numpy as np
import pytest
from PIL import Image

from assetmill.errors import ResultInvalid
from assetmill.images import decode, webps


@pytest.mark.parametrize(
    "options", ({"lossless": True}, {"quality": 90}, {"lossless": True, "exif": b"Exif\0\0made up"})
)
@pytest.mark.parametrize("mode", ("RGB", "RGBA"))
def test_the_size_is_told_by_the_header(make, mode, options):
    data = make.written(make.smooth((33, 21)).convert(mode), "WEBP", **options)
    assert webps.read(data).size == decode(data).size == (33, 21)


def test_lossless_pixels_and_alpha_survive(make):
    picture = make.coloured().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    decoded = decode(make.written(picture, "WEBP", lossless=True, exact=True))
    assert np.array_equal(np.asarray(decoded), np.asarray(picture))


def test_of_an_animation_the_first_frame_is_taken(make):
    first, second = Image.new("RGBA", (8, 8), (255, 0, 0, 255)), Image.new("RGBA", (8, 8), (0, 0, 255, 0))
    data = make.written(first, "WEBP", save_all=True, append_images=[second], duration=50, lossless=True)
    assert b"ANIM" in data
    assert {tuple(pixel) for pixel in np.asarray(decode(data)).reshape(-1, 4).tolist()} == {(255, 0, 0, 255)}


@pytest.mark.parametrize("side", (16_383, 16_384))
def test_a_canvas_that_is_too_large_is_refused_before_the_library_reserves_it(make, side, monkeypatch):
    data = bytearray(make.written(make.smooth(), "WEBP", lossless=True, exif=make.exif(1)))
    assert data[12:16] == b"VP8X"
    data[24:30] = (side - 1).to_bytes(3, "little") * 2
    monkeypatch.setattr("PIL._webp.WebPAnimDecoder", None)  # whoever called it would be told of a damaged file
    with pytest.raises(ResultInvalid, match=f"an image of {side} x {side} pixels"):
        decode(bytes(data))


@pytest.mark.parametrize("data", (b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8 " + bytes(40), b"RIFF\xff\0\0\0WEBPVP8X"))
def test_bytes_that_only_begin_like_one_are_damaged(data):
    with pytest.raises(ResultInvalid, match="damaged WEBP"):
        decode(data)
