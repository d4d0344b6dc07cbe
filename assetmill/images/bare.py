"""A file taken apart: what decides its pixels, without all that it carries beside them.

Sizes are read here, from the header alone, so that a picture that is too large is refused before a byte of
memory is set aside for it. Nothing here decodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assetmill.errors import ResultInvalid

Kind = Literal["png", "jpeg", "webp"]

MAX_SIDE = 8192
MAX_PIXELS = 1 << 25
"""Most pixels of a picture: twice the 4096 x 4096 that a manifest can ask for."""

PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_PREVIEW_BYTES = 24


@dataclass(frozen=True, slots=True)
class Bare:
    """One picture of a file, not yet decoded.

    Args:
        size: (width, height) in pixels, as the header tells it and before any turning.
        data: a file of the same format without metadata.
        orientation: 1 to 8, how EXIF says that it has to be turned; 1 is upright.
        profile: ICC profile that its colours are meant in; empty for none.
        key: the sample values of the one colour that stands for transparent, at the file's own depth; None if it
            has none.
        depth: bits of a sample.
    """

    size: tuple[int, int]
    data: bytes
    orientation: int = 1
    profile: bytes = b""
    key: tuple[int, ...] | None = None
    depth: int = 8


def sniff(data: bytes) -> Kind | None:
    """Format by magic bytes; None when it is none of the formats that are accepted."""
    if data.startswith(PNG):
        return "png"
    if data.startswith(_JPEG):
        return "jpeg"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def is_png(data: bytes) -> bool:
    """Whether the bytes begin as a PNG."""
    return sniff(data) == "png"


def described(data: bytes) -> str:
    """What bytes look like that are no image, in a few words."""
    return f"{len(data)} bytes that begin with {data[:_PREVIEW_BYTES]!r}" if data else "no bytes at all"


def check_size(size: tuple[int, int]) -> None:
    """Refuse a picture that is larger than anything that was ever asked for.

    Raises:
        ResultInvalid: more than 8192 pixels on a side, or more than 33,554,432 in all.
    """
    width, height = size
    if max(size) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ResultInvalid(
            f"an image of {width} x {height} pixels; the most is {MAX_SIDE} on a side and {MAX_PIXELS} in all",
            hint="ask for a smaller size",
        )
