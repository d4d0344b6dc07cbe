import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assetmill import images
from assetmill.errors import ResultInvalid

PIXELS = np.arange(12 * 8 * 3, dtype=np.uint8).reshape(8, 12, 3)


def image_bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def coloured() -> Image.Image:
    return Image.fromarray(PIXELS, "RGB")


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("kind", ("png", "jpeg", "webp"))
def test_a_format_is_what_its_bytes_say(kind: str) -> None:
    data = image_bytes(coloured(), kind.upper())
    assert images.sniff(data) == kind
    assert images.is_png(data) == (kind == "png")
    assert images.decode(data).size == (12, 8)


@pytest.mark.parametrize("data", (b"", b"<html>busy</html>", b"GIF89a....", b"RIFF1234WAVE", b"\x89PN"))
def test_other_bytes_are_no_image(data: bytes) -> None:
    assert images.sniff(data) is None
    with pytest.raises(ResultInvalid) as caught:
        images.decode(data)
    assert caught.value.hint


def test_formats_nobody_asked_for_are_refused_even_if_they_could_be_read() -> None:
    with pytest.raises(ResultInvalid, match="not a PNG, JPEG or WebP"):
        images.decode(image_bytes(coloured(), "BMP"))


@pytest.mark.parametrize("kind", ("PNG", "JPEG", "WEBP"))
@pytest.mark.parametrize("share", (0.1, 0.5, 0.9))
def test_a_picture_that_was_cut_off_is_invalid(kind: str, share: float) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (64, 64, 3), np.uint8)
    data = image_bytes(Image.fromarray(noise, "RGB"), kind)
    with pytest.raises(ResultInvalid, match=r"damaged|not a"):
        images.decode(data[: int(len(data) * share)])


def test_a_picture_that_was_altered_is_invalid() -> None:
    data = bytearray(image_bytes(coloured()))
    data[data.index(b"IDAT") + 8] ^= 0xFF
    with pytest.raises(ResultInvalid, match="damaged PNG"):
        images.decode(bytes(data))


@pytest.mark.parametrize("size", ((8193, 8), (8, 8193), (60_000, 60_000)))
def test_a_header_that_promises_too_many_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ResultInvalid):
        images.decode(png_header(*size) + b"\0" * 64)


def test_the_largest_side_is_accepted() -> None:
    assert images.decode(image_bytes(Image.new("RGB", (8192, 1)))).size == (8192, 1)


def test_grey_of_16_bits_is_divided_and_not_cut_off() -> None:
    levels = np.array([[0, 257, 32_768, 65_535]], np.uint16)
    decoded = images.decode(image_bytes(Image.fromarray(levels)))
    assert decoded.mode == "RGB"
    assert [decoded.getpixel((x, 0)) for x in range(4)] == [(0,) * 3, (1,) * 3, (127,) * 3, (255,) * 3]


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    (("P", "PNG", "RGB"), ("L", "PNG", "RGB"), ("1", "PNG", "RGB"), ("LA", "PNG", "RGBA"), ("CMYK", "JPEG", "RGB")),
)
def test_every_mode_becomes_rgb_or_rgba(mode: str, kind: str, expected: str) -> None:
    assert images.decode(image_bytes(coloured().convert(mode), kind)).mode == expected


def test_a_transparent_palette_entry_becomes_alpha() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((1, 0), 1)
    decoded = images.decode(image_bytes(picture, transparency=0))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0, 0), (0, 255, 0, 255)]


def test_a_photo_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert images.decode(image_bytes(coloured(), "JPEG", exif=exif)).size == (8, 12)


def test_pixels_and_texts_survive_the_way_there_and_back() -> None:
    text = {"assetmill:prompt": 'a "red" {slime}\nwaves 👋 ñ', "assetmill:seed": "42", "assetmill:draft": ""}
    data = images.encode_png(coloured(), text=text)
    assert images.read_text(data) == text
    assert np.array_equal(np.asarray(images.decode(data)), PIXELS)


def test_the_same_pixels_give_the_same_bytes_in_whatever_order_the_texts_are_given() -> None:
    text = {"b": "2", "a": "1"}
    one = images.encode_png(coloured(), text=text)
    assert one == images.encode_png(coloured(), text=dict(reversed(text.items())))
    assert one != images.encode_png(coloured(), text={"a": "1"})


def test_nothing_of_the_source_is_written_along() -> None:
    exif = Image.Exif()
    exif[0x0131] = "some program"
    source = image_bytes(coloured(), dpi=(300, 300), icc_profile=b"profile", exif=exif)
    assert all(name in source for name in (b"iCCP", b"pHYs", b"eXIf"))
    data = images.encode_png(images.decode(source))
    assert images.read_text(data) == {}
    assert not any(name in data for name in (b"iCCP", b"pHYs", b"eXIf", b"tEXt", b"iTXt"))


def test_texts_that_unicode_cannot_write_are_replaced_not_fatal() -> None:
    assert images.read_text(images.encode_png(coloured(), text={"k": "a\ud800b"})) == {"k": "a?b"}


def test_only_png_carries_texts() -> None:
    with pytest.raises(ResultInvalid, match="not a PNG"):
        images.read_text(image_bytes(coloured(), "JPEG"))
    with pytest.raises(ResultInvalid, match="damaged"):
        images.read_text(images.encode_png(coloured())[:40])
