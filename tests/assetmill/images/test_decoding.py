import struct
import tracemalloc
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assetmill import images
from assetmill.errors import ResultInvalid

PIXELS = np.arange(12 * 8 * 3, dtype=np.uint16).astype(np.uint8).reshape(8, 12, 3)


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


def with_size(kind: str, size: tuple[int, int]) -> bytes:
    """A small picture whose header promises another size."""
    width, height = size
    if kind == "PNG":
        return png_header(width, height) + image_bytes(coloured())[33:]
    data = bytearray(image_bytes(coloured(), kind, **({"lossless": True} if kind == "WEBP" else {})))
    if kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    else:
        data[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14 | data[24] >> 4 << 28)
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "size"),
    (
        ("PNG", (8193, 8)), ("PNG", (8, 8193)), ("PNG", (30_000, 30_000)), ("PNG", (2**31 - 1, 2**31 - 1)),
        ("JPEG", (8193, 8)), ("JPEG", (30_000, 30_000)), ("WEBP", (8193, 8)), ("WEBP", (16_384, 16_384)),
        ("PNG", (8192, 4097)), ("JPEG", (8192, 4097)), ("WEBP", (8192, 4097)),
    ),
)  # fmt: skip
def test_a_header_that_promises_too_many_pixels_is_refused_before_any_memory_is_taken(kind, size):
    data = with_size(kind, size)
    tracemalloc.start()
    with pytest.raises(ResultInvalid, match=f"an image of {size[0]} x {size[1]} pixels; the most is 8192") as caught:
        images.decode(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.hint
    assert most < 1_000_000


@pytest.mark.parametrize("kind", ("PNG", "WEBP"))
def test_a_header_that_promises_a_few_pixels_too_many_is_damaged(kind):
    with pytest.raises(ResultInvalid, match="damaged"):
        images.decode(with_size(kind, (120, 800)))


def test_the_largest_side_is_accepted() -> None:
    assert images.decode(image_bytes(Image.new("RGB", (8192, 1)))).size == (8192, 1)
    assert images.MAX_PIXELS == 8192 * 4096


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


@pytest.mark.parametrize("options", ({"optimize": True}, {"bits": 4}, {"transparency": 3}))
def test_a_palette_picture_shows_the_colours_of_its_palette(options):
    source = coloured().convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    expected = np.asarray(source.convert("RGB"))
    decoded = images.decode(image_bytes(source, **options))
    assert np.array_equal(np.asarray(decoded)[..., :3], expected)
    assert decoded.mode == ("RGBA" if "transparency" in options else "RGB")
    if "transparency" in options:
        assert np.array_equal(np.asarray(decoded)[..., 3] == 0, np.asarray(source) == 3)


def test_alpha_is_kept_to_the_last_level_and_the_colours_under_it_too():
    picture = coloured().convert("RGBA")
    picture.putalpha(Image.fromarray(np.arange(96, dtype=np.uint8).reshape(8, 12), "L"))
    decoded = images.decode(image_bytes(picture))
    assert np.array_equal(np.asarray(decoded), np.asarray(picture))


def test_a_picture_that_is_wholly_transparent_is_decoded_and_said_to_hold_nothing():
    decoded = images.decode(image_bytes(Image.new("RGBA", (4, 4), (9, 9, 9, 0))))
    assert decoded.getpixel((0, 0)) == (9, 9, 9, 0)
    assert images.nothing_in(decoded) == "every pixel is transparent"
    assert images.nothing_in(images.decode(image_bytes(Image.new("RGB", (4, 4), "red")))) == "every pixel is the same"
    assert images.nothing_in(coloured()) == ""


def test_memory_that_runs_out_is_not_the_fault_of_the_picture(monkeypatch):
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", full)
    with pytest.raises(MemoryError):
        images.decode(image_bytes(coloured()))
