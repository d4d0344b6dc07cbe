"""A JPEG taken apart: its picture, with EXIF, colour profile, previews and comments set aside.

What stands before the pixels is a row of segments, each with its length; those of applications are dropped but for
the two that say how colours are coded (JFIF and Adobe).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from assetmill.images.bare import Bare
from assetmill.images.orientation import orientation

_START, _SCAN, _END = 0xD8, 0xDA, 0xD9
_ALONE = frozenset({0x01, _START, *range(0xD0, 0xD8)})
"""Marks without a length."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF_AND_XMP, _PROFILES = 0xE1, 0xE2
_DROPPED = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
_PROFILE = b"ICC_PROFILE\0"
_EXIF = b"Exif\0"
_MOST_PARTS = 255


def read(data: bytes) -> Bare:
    """Take a JPEG apart.

    Raises:
        ValueError: it ends before its pixels begin, or no segment tells its size.
    """
    out, sizes, exif, profile = bytearray(data[:2]), [], b"", []
    for mark, body, whole in _segments(data):
        if mark in _FRAMES and len(body) >= 5:  # noqa: PLR2004  depth, height and width
            sizes.append(struct.unpack_from(">HH", body, 1)[::-1])
        elif mark == _EXIF_AND_XMP and body.startswith(_EXIF):
            exif = exif or body
        elif mark == _PROFILES and body.startswith(_PROFILE):
            profile.append(body[len(_PROFILE) :])
        if mark not in _DROPPED:
            out += whole
    if len(sizes) != 1:
        raise ValueError("no segment tells its size" if not sizes else "it tells more than one size")
    return Bare(sizes[0], bytes(out), orientation=orientation(exif), profile=_joined(profile))


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Mark, body, and the whole segment as it stands; the last one begins the pixels and holds all the rest."""
    at = 2
    while at + 1 < len(data):
        if data[at] != 0xFF or data[at + 1] in (0xFF, 0x00):  # noqa: PLR2004  filling, which decoders skip as well
            at += 1
            continue
        mark = data[at + 1]
        if mark in (_SCAN, _END):
            yield mark, b"", data[at:]
            return
        length = 0 if mark in _ALONE else int.from_bytes(data[at + 2 : at + 4], "big")
        if mark not in _ALONE and (length < 2 or at + 2 + length > len(data)):  # noqa: PLR2004  it counts itself
            raise ValueError("it ends before its pixels begin")
        yield mark, data[at + 4 : at + 2 + length], data[at : at + 2 + length]
        at += 2 + length
    raise ValueError("it ends before its pixels begin")


def _joined(parts: list[bytes]) -> bytes:
    """A profile from its numbered parts, each of which tells how many there are; empty when one is missing."""
    count = len(parts)
    ordered = sorted(parts)
    if count > _MOST_PARTS or any(part[:2] != bytes((at, count)) for at, part in enumerate(ordered, 1)):
        return b""
    return b"".join(part[2:] for part in ordered)
