"""A WebP taken apart: the size of its canvas, its EXIF and its colour profile.

The library reserves the whole canvas as soon as it opens a file, so the size has to be known before.
Of an animation it then shows the first frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from assetmill.images.bare import Bare
from assetmill.images.orientation import orientation

_SIDE = 0x3FFF


def read(data: bytes) -> Bare:
    """Take a WebP apart; the bytes stay as they are.

    Raises:
        ValueError: its first chunk tells no size.
    """
    found = dict(reversed(list(_chunks(data))))
    size = _size(data[12:16], data[20:30])
    return Bare(size, data, orientation=orientation(found.get(b"EXIF", b"")), profile=found.get(b"ICCP", b""))


def _size(name: bytes, head: bytes) -> tuple[int, int]:
    """Canvas of the first chunk (RFC 9649): VP8X, lossy or lossless."""
    if name == b"VP8X" and len(head) >= 10:  # noqa: PLR2004  flags, then 24 bits for each side
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if name == b"VP8 " and head[3:6] == b"\x9d\x01\x2a" and len(head) >= 10:  # noqa: PLR2004  14 bits for each side
        width, height = struct.unpack_from("<HH", head, 6)
        return width & _SIDE, height & _SIDE
    if name == b"VP8L" and head[:1] == b"\x2f" and len(head) >= 5:  # noqa: PLR2004  14 bits for each side
        bits = int.from_bytes(head[1:5], "little")
        return (bits & _SIDE) + 1, (bits >> 14 & _SIDE) + 1
    raise ValueError("its first chunk tells no size")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        yield name, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
