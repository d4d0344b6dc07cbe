"""A PNG taken apart: its first picture and what belongs to it, each chunk proved by its checksum.

Chunks of text, time, gamma and animation are left behind. So a picture that moves shows the still one that every
viewer without animation shows, and a text that unpacks to gigabytes is never unpacked. The transparent colour of
grey and RGB pictures is kept apart too, because image libraries compare it at another depth than the file's.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from assetmill.images.bare import PNG, Bare, check_size
from assetmill.images.orientation import orientation

MAX_PROFILE_BYTES = 1 << 22
"""Most bytes of an ICC profile; those of printing presses have two million."""

_PIXELS = (b"IHDR", b"PLTE", b"IDAT")
_INDEXED = 3
_HEADER_BYTES = 13
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Where each pass of an interlaced picture begins, and its steps: x, y, across, down (PNG, third edition, 8.1)."""
_UNPACK_AT_ONCE = 1 << 20
_LEAST_CHUNK = 12  # length, name and checksum


def read(data: bytes) -> Bare:
    """Take a PNG apart.

    Raises:
        ValueError, zlib.error: it is cut off within its pixels, a checksum is wrong, or it does not begin as a PNG
            does.
        ResultInvalid: it is too large.
    """
    parts = list(_chunks(data))
    if not parts or parts[0][0] != b"IHDR" or len(parts[0][1]) != _HEADER_BYTES:
        raise ValueError("it does not begin with its header")
    found = dict(reversed(parts))  # of chunks that stand twice, the first counts
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", found[b"IHDR"])
    check_size((width, height))
    bits = depth * _CHANNELS.get(colour, 0)
    _check_rows((body for name, body in parts if name == b"IDAT"), _row_bytes(width, height, bits, interlaced != 0))
    indexed = colour == _INDEXED
    kept = [part for part in parts if part[0] in _PIXELS or (indexed and part[0] == b"tRNS")]
    clear = b"" if indexed else found.get(b"tRNS", b"")[:6]
    return Bare(
        (width, height),
        PNG + b"".join(chunk(name, body) for name, body in (*kept, (b"IEND", b""))),
        orientation=orientation(found.get(b"eXIf", b"")),
        profile=_profile(found.get(b"iCCP", b"")),
        key=struct.unpack(f">{len(clear) // 2}H", clear[: len(clear) // 2 * 2]) or None,
        depth=depth,
    )


def _row_bytes(width: int, height: int, bits: int, interlaced: bool) -> int:
    """Unpacked length of all rows: each has a byte for its filter, and begins on a byte of its own."""
    total = 0
    for x, y, across, down in _ADAM7 if interlaced else _WHOLE:
        columns, rows = -(-max(0, width - x) // across), -(-max(0, height - y) // down)
        total += rows * (1 + -(-columns * bits // 8)) if columns else 0
    return total


def _check_rows(packed: Iterable[bytes], wanted: int) -> None:
    """Refuse pixels that end early: image libraries show black for what is missing."""
    unpacker, got = zlib.decompressobj(), 0
    for body in packed:
        rest = body
        while rest and got < wanted:
            got += len(unpacker.decompress(rest, _UNPACK_AT_ONCE))
            rest = unpacker.unconsumed_tail
        if got >= wanted:
            return
    raise ValueError("its pixels end early")


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk as it stands in a file."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk up to the end mark.

    A file that is cut off after its pixels is whole: every pixel is there. Only chunks that are used have to
    be sound.
    """
    at, painted = len(PNG), False
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        if at + _LEAST_CHUNK + length > len(data) and name != b"IEND":
            if painted:
                return
            raise ValueError(f"it ends within its chunk {_shown(name)}")
        if name == b"IEND":
            return
        if name in _PIXELS and data[at + 8 + length : at + _LEAST_CHUNK + length] != _checksum(name, body):
            raise ValueError(f"the checksum of its chunk {_shown(name)} is wrong")
        painted = painted or name == b"IDAT"
        yield name, body
        at += _LEAST_CHUNK + length


def _checksum(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def _shown(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")


def _profile(body: bytes) -> bytes:
    """The ICC profile of a chunk iCCP: a name, a zero, the method, the packed profile. Empty when it is broken."""
    packed = body.partition(b"\0")[2][1:]
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed, MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if unpacker.eof else b""
