"""Image files made by hand, so that what the library under test writes is not what proves that it reads."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    size: tuple[int, int], depth: int, colour: int, rows: list[bytes], *before: bytes, after: tuple[bytes, ...] = ()
) -> bytes:
    """A PNG of packed rows; `before` and `after` are chunks around its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return MAGIC + head + b"".join(before) + pixels + b"".join(after) + chunk(b"IEND", b"")


def shorts(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def written(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(value: int, order: str = ">", form: int = 3) -> bytes:
    """An EXIF block that tells an orientation, among other entries."""
    code = {1: "B", 3: "H", 4: "I"}[form]
    field = struct.pack(order + code, value).ljust(4, b"\0")
    entries = (
        struct.pack(order + "HHI4s", 0x0100, 4, 1, struct.pack(order + "I", 64)),
        struct.pack(order + "HHI4s", 0x0112, form, 1, field),
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return b"Exif\0\0" + head + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def coloured() -> Image.Image:
    """12 x 8 pixels, no two alike."""
    return Image.fromarray(np.arange(12 * 8 * 3, dtype=np.uint16).astype(np.uint8).reshape(8, 12, 3), "RGB")


def smooth(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A ramp that lossy formats keep nearly as it is."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    return Image.fromarray(np.stack([x * 255 // size[0], y * 255 // size[1], x * 0 + 90], -1).astype(np.uint8), "RGB")


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """What tests call by name; importlib mode has no module to import it from."""
    return SimpleNamespace(
        chunk=chunk, png=png, shorts=shorts, written=written, exif=exif, coloured=coloured, smooth=smooth
    )
