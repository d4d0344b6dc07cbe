"""Pictures written again: always PNG, the same bytes for the same pixels, with texts that say where they come from."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO

from PIL import Image, PngImagePlugin

from assetmill.errors import ResultInvalid
from assetmill.images.bare import described, is_png

_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error,
    zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow raises on bytes that only begin like an image."""


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
        raise ResultInvalid(f"not a PNG: {described(data)}", hint="only PNG files carry provenance")
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as opened:
            opened.load()
            chunks = opened.text if isinstance(opened, PngImagePlugin.PngImageFile) else {}
            return {str(key): str(value) for key, value in chunks.items()}
    except _BROKEN as error:
        raise ResultInvalid(f"a damaged PNG image of {len(data)} bytes: {error}", hint="fetch it again") from error
