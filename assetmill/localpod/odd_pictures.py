"""Pictures as workers really send them: another size, nothing to see, or a form that few programs expect.

Each is drawn from the picture that the worker made, and all but the blank one and the one with a false header show
it: whoever reads the form wrongly publishes other pixels. Texts of a PNG, the mark of a draft among them, stay.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from assetmill.localpod.faults import Kind, Rule

HUGE_SIDE: Final = 30_000
"""3.6 GB once it is unpacked to RGBA."""
_ORIENTATION, _TURN_RIGHT = 0x0112, 6
_HEADER_AT = 12  # a PNG begins with its magic, and the header's length and name
_HEADER_END = 29


def opened(data: bytes) -> Image.Image:
    """A picture, wholly read.

    Raises:
        OSError, SyntaxError, ValueError: it is none.
    """
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def _wrong_size(data: bytes, _rule: Rule) -> bytes:
    image = opened(data)
    return _png(image.resize((max(1, image.width // 2), image.height + 1)), image)


def _blank(data: bytes, rule: Rule) -> bytes:
    """Wholly black, or wholly transparent; an alpha channel that was there stays, opaque."""
    image = opened(data)
    if rule.transparent:
        return _png(Image.new("RGBA", image.size, (0, 0, 0, 0)), image)
    return _png(Image.new("RGBA" if _has_alpha(image) else "RGB", image.size, "black"), image)


def _jpeg(data: bytes, _rule: Rule) -> bytes:
    return _written(opened(data).convert("RGB"), "JPEG")


def _cmyk_jpeg(data: bytes, _rule: Rule) -> bytes:
    """As Adobe's programs write it: the inks inverted."""
    return _written(opened(data).convert("RGB").convert("CMYK"), "JPEG", quality=95)


def _palette_png(data: bytes, _rule: Rule) -> bytes:
    image = opened(data)
    plain = image.convert("RGBA" if _has_alpha(image) else "RGB")
    return _png(plain.quantize(256, method=Image.Quantize.FASTOCTREE), image)


def _deep_png(data: bytes, _rule: Rule) -> bytes:
    """16 bits a channel. The library cannot write it: a small one is made for its texts, and gets other pixels."""
    image = opened(data)
    alpha = _has_alpha(image)
    levels = np.asarray(image.convert("RGBA" if alpha else "RGB"))
    rows = (levels.astype(">u2") * 257).astype(">u2").reshape(image.height, -1)
    head = struct.pack(">IIBBBBB", *image.size, 16, 6 if alpha else 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 1)
    small = _png(Image.new("RGB", (1, 1)), image)
    texts = small[_HEADER_END + 4 : small.index(b"IDAT") - 4]
    return small[: _HEADER_AT - 4] + _chunk(b"IHDR", head) + texts + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _apng(data: bytes, _rule: Rule) -> bytes:
    """An animation that begins with the picture and goes on in the dark."""
    image = opened(data)
    dark = Image.new(image.mode, image.size)
    return _png(image, image, save_all=True, append_images=[dark], duration=100)


def _exif_rotated(data: bytes, _rule: Rule) -> bytes:
    """Lying on its left side, with the word that it has to be turned to the right."""
    image = opened(data)
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURN_RIGHT
    return _png(image.transpose(Image.Transpose.ROTATE_90), image, exif=exif)


def _huge_header(data: bytes, _rule: Rule) -> bytes:
    whole = _png(opened(data), opened(data))
    head = struct.pack(">II", HUGE_SIDE, HUGE_SIDE) + whole[_HEADER_AT + 12 : _HEADER_END]
    return whole[: _HEADER_AT - 4] + _chunk(b"IHDR", head) + whole[_HEADER_END + 4 :]


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(image: Image.Image, source: Image.Image, **options: Any) -> bytes:
    chunks = PngInfo()
    for key, text in (source.text if isinstance(source, PngImageFile) else {}).items():
        chunks.add_text(key, text)
    return _written(image, "PNG", pnginfo=chunks, compress_level=1, **options)


def _written(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


REDRAWN: Final[Mapping[Kind, Callable[[bytes, Rule], bytes]]] = MappingProxyType(
    {
        Kind.WRONG_SIZE_IMAGE: _wrong_size,
        Kind.BLANK_IMAGE: _blank,
        Kind.JPEG_AS_PNG: _jpeg,
        Kind.CMYK_JPEG: _cmyk_jpeg,
        Kind.PALETTE_PNG: _palette_png,
        Kind.DEEP_PNG: _deep_png,
        Kind.APNG: _apng,
        Kind.EXIF_ROTATED: _exif_rotated,
        Kind.HUGE_HEADER: _huge_header,
    }
)
"""Faults that need a picture which can be opened, and what each makes of it."""
