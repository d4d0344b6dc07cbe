import numpy as np
import pytest
from PIL import Image, ImageChops

from assetmill.errors import ResultInvalid
from assetmill.images import decode

RED, GREEN, PAPER = (0, 255, 255, 0), (255, 0, 255, 0), (0, 0, 0, 0)
"""Inks: cyan, magenta, yellow, black."""


def inks(colour: tuple[int, int, int, int]) -> Image.Image:
    return Image.new("CMYK", (16, 16), colour)


def middle(data: bytes) -> tuple[int, ...]:
    image = decode(data)
    assert image.mode == "RGB"
    return tuple(np.asarray(image)[8, 8].tolist())


@pytest.mark.parametrize(
    ("colour", "seen"),
    ((RED, (255, 0, 0)), (GREEN, (0, 255, 0)), (PAPER, (255, 255, 255)), ((0, 0, 0, 255), (0, 0, 0)),
     ((128, 0, 0, 0), (127, 255, 255))),
)  # fmt: skip
def test_inks_of_a_printing_press_become_the_colours_they_print(make, colour, seen):
    assert middle(make.written(inks(colour), "JPEG", quality=100)) == pytest.approx(seen, abs=3)


@pytest.mark.parametrize(("colour", "seen"), ((RED, (255, 0, 0)), ((0, 0, 128, 0), (255, 255, 127))))
def test_inks_coded_as_brightness_and_difference_do_too(make, colour, seen):
    """YCCK as Adobe writes it: the inks taken for colours, those as YCbCr, black inverted; its mark says 2."""
    paper = Image.merge("RGB", inks(colour).split()[:3])
    black = ImageChops.invert(inks(colour).getchannel("K"))
    coded = Image.merge("CMYK", (*paper.convert("YCbCr").split(), black))
    data = bytearray(make.written(ImageChops.invert(coded), "JPEG", quality=100))  # it is inverted as it is written
    mark = data.index(b"Adobe")
    assert data[mark + 11] == 0
    data[mark + 11] = 2
    assert middle(bytes(data)) == pytest.approx(seen, abs=4)


def test_grey_has_no_colour(make):
    assert middle(make.written(Image.new("L", (16, 16), 77), "JPEG")) == (77, 77, 77)


def segment(mark: int, body: bytes) -> bytes:
    return bytes((0xFF, mark)) + (len(body) + 2).to_bytes(2, "big") + body


def test_previews_comments_and_other_programs_segments_change_nothing(make):
    data = make.written(make.smooth(), "JPEG")
    other = make.written(Image.new("RGB", (99, 99), "red"), "JPEG")
    laden = data[:2] + b"".join(
        (
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
            segment(0xE1, b"Exif\0\0broken"),
            segment(0xE2, b"MPF\0broken"),
            segment(0xED, b"Photoshop 3.0\x008BIMbroken"),
            segment(0xFE, other[:2000]),
            b"\xff\xff",  # filling
        )
    )
    assert np.array_equal(np.asarray(decode(laden + data[2:])), np.asarray(decode(data)))


def test_what_stands_behind_the_picture_changes_nothing(make):
    data, other = (make.written(image, "JPEG") for image in (make.smooth(), Image.new("RGB", (9, 9))))
    assert np.array_equal(np.asarray(decode(data + other)), np.asarray(decode(data)))


def test_a_picture_of_two_sizes_is_damaged(make):
    data = make.written(make.smooth(), "JPEG")
    at = data.index(b"\xff\xc0")
    with pytest.raises(ResultInvalid, match="more than one size"):
        decode(data[:at] + segment(0xC0, data[at + 4 : at + 19]) + data[at:])


@pytest.mark.parametrize(
    "data", (b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xe0\0\0", b"\xff\xd8" + b"\xff" * 40)
)
def test_bytes_that_only_begin_like_one_are_damaged(data):
    with pytest.raises(ResultInvalid, match="damaged JPEG"):
        decode(data)


@pytest.mark.parametrize("progressive", (False, True))
def test_a_progressive_picture_is_whole(make, progressive):
    image = make.smooth()
    levels = np.asarray(decode(make.written(image, "JPEG", quality=95, progressive=progressive)), int)
    assert np.abs(levels - np.asarray(image, int)).max() < 12
