"""A picture of the caller's, made ready to travel: upright, without metadata, as a PNG of its own size."""

from __future__ import annotations

from pathlib import Path

from assetmill.errors import ResultInvalid, UsageError
from assetmill.images import decode, encode_png
from assetmill.smoke.kinds import Picture


def read_picture(path: Path) -> Picture:
    """Read a picture from a file.

    Raises:
        UsageError: there is none, or it is no PNG, JPEG or WebP, or is larger than any picture here may be.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="IMAGE is a PNG, JPEG or WebP file") from None
    return picture_of(data, str(path))


def picture_of(data: bytes, source: str) -> Picture:
    """A picture from bytes.

    Args:
        data: PNG, JPEG or WebP.
        source: where it is from, in words.

    Raises:
        UsageError: the bytes are no such picture.
    """
    try:
        image = decode(data)
    except ResultInvalid as error:
        raise UsageError(f"{source}: {error.message}", hint="IMAGE is a PNG, JPEG or WebP file") from None
    return Picture(encode_png(image), image.size, source)
