"""What came back from a worker: is it an image, which one, and how it is written again.

A file is what its first bytes say, whatever its name claims: JPEG bytes under a .png name are the most
common fault of image services. Every way in which bytes can fail to be a picture becomes `ResultInvalid`
with a sentence; nothing here guesses, repairs or resizes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from assetmill.errors import ResultInvalid

Kind = Literal["png", "jpeg", "webp"]

MAX_SIDE = 8192

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_PREVIEW_BYTES = 24
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error,
    zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow raises on bytes that only begin like an image."""


def sniff(data: bytes) -> Kind | None:
    """Format by magic bytes; None when it is none of the formats that are accepted."""
    if data.startswith(_PNG):
        return "png"
    if data.startswith(_JPEG):
        return "jpeg"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def is_png(data: bytes) -> bool:
    """Whether the bytes begin as a PNG."""
    return sniff(data) == "png"


def nothing_in(image: Image.Image) -> str:
    """Why there is nothing to see in a decoded image, or "" if there is something."""
    if image.mode == "RGBA" and not image.getchannel("A").getbbox():
        return "every pixel is transparent"
    return "every pixel is the same" if image.getcolors(maxcolors=1) else ""


def decode(data: bytes) -> Image.Image:
    """Decode an image, turned as its EXIF says, as mode RGB, or RGBA if it has transparency.

    Palette, grey, 16-bit and CMYK pictures are converted; metadata is dropped; of an animation the first
    frame is taken.

    Raises:
        ResultInvalid: no PNG, JPEG or WebP, cut off or damaged, or larger than 8192 pixels on a side.
    """
    kind = sniff(data)
    if kind is None:
        raise ResultInvalid(f"not a PNG, JPEG or WebP image: {_describe(data)}", hint="see the worker's own log")
    try:
        with Image.open(BytesIO(data), formats=[kind.upper()]) as opened:
            _check_size(opened.size)
            opened.load()
            image = _plain(ImageOps.exif_transpose(opened))
    except _BROKEN as error:
        raise ResultInvalid(
            f"a damaged {kind.upper()} image of {len(data)} bytes: {error}", hint="it was cut off or altered on its way"
        ) from error
    image.info.clear()
    return image


def _describe(data: bytes) -> str:
    return f"{len(data)} bytes that begin with {data[:_PREVIEW_BYTES]!r}" if data else "no bytes at all"


def _check_size(size: tuple[int, int]) -> None:
    if max(size) > MAX_SIDE:
        raise ResultInvalid(
            f"an image of {size[0]} x {size[1]} pixels; the most is {MAX_SIDE} on a side", hint="ask for a smaller size"
        )


def _plain(image: Image.Image) -> Image.Image:
    """RGB or RGBA with 8 bits a channel."""
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    return image.copy() if image.mode == wanted else image.convert(wanted)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey: Pillow's own conversion would cut off at 255 instead of dividing."""
    levels = np.asarray(image).astype(np.uint32)
    return Image.fromarray((np.minimum(levels, 65_535) // 257).astype(np.uint8))


def encode_png(image: Image.Image, *, text: Mapping[str, str] | None = None) -> bytes:
    """Write a PNG: the same bytes for the same pixels and texts, and no metadata but `text`.

    Args:
        image: the picture; mode and size stay.
        text: keyword -> text, written in the order of the keywords; Latin-1 as tEXt, all else as iTXt.
    """
    chunks = PngImagePlugin.PngInfo()
    for key, value in sorted((text or {}).items()):
        clean = value.encode("utf-8", "replace").decode("utf-8")
        if clean.isascii():
            chunks.add_text(key, clean)
        else:
            chunks.add_itxt(key, clean)
    out = BytesIO()
    image.save(out, "PNG", pnginfo=chunks, icc_profile=None, compress_level=6)
    return out.getvalue()


def read_text(data: bytes) -> dict[str, str]:
    """Text chunks of a PNG: keyword -> text.

    Raises:
        ResultInvalid: the bytes are no PNG, or a damaged one.
    """
    if not is_png(data):
        raise ResultInvalid(f"not a PNG: {_describe(data)}", hint="only PNG files carry provenance")
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as opened:
            opened.load()
            chunks = opened.text if isinstance(opened, PngImagePlugin.PngImageFile) else {}
            return {str(key): str(value) for key, value in chunks.items()}
    except _BROKEN as error:
        raise ResultInvalid(f"a damaged PNG image of {len(data)} bytes: {error}", hint="fetch it again") from error
