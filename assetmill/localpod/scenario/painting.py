"""Draws what orders ask for: the draft artist's pictures, as the files that Scenario would make of them.

Same order, same bytes. Pictures from words and from other pictures are JPEG, as they mostly are there; cut-outs
and layers are PNG with transparency. Nothing is read but the order and the file that it starts from.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from PIL import Image, ImageColor, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from assetmill.localpod.draft import DRAFT_KEY
from assetmill.localpod.draft.artist import draw
from assetmill.localpod.draft.keying import key_out
from assetmill.localpod.draft.planes import taken_apart
from assetmill.localpod.draft.stamp import stamped
from assetmill.localpod.draft.values import Brief, Latent, Picture

_STANDS_ALONE: Final = re.compile(
    r"\b(?:plain|blank|solid|transparent|white|flat)\b[^.]{0,24}\b(?:backdrop|background)\b", re.IGNORECASE
)
_KEPT: Final = 8  # pictures whose drawing is remembered: what follows a picture mostly follows it soon
_QUALITY: Final = 90
_COMPRESSION: Final = 1  # of 9: a third larger than the best and several times as fast
_LARGEST: Final = 4096 * 4096


class PaintingFailed(Exception):  # noqa: N818  named for what the job reports
    """The file that an order starts from is no picture, or too large a one."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One picture of an order: everything that its pixels follow from.

    Args:
        prompt: its words.
        seed: chance.
        size: (width, height) in pixels; None for that of the file.
        source: the file that it starts from; None for an empty canvas.
        strength: share of it that is drawn anew.
    """

    prompt: str
    seed: int
    size: tuple[int, int] | None = None
    source: bytes | None = None
    strength: float = 1.0


class Studio:
    """Where pictures are drawn; may be used by several threads at once.

    Args:
        marked: what is made says that it is a draft: in each file, and on opaque scenes in a corner.
    """

    def __init__(self, *, marked: bool) -> None:
        self._marked = marked
        self._drawn = lru_cache(_KEPT)(_drawn)

    def picture(self, drawing: Drawing) -> bytes:
        """The file of a drawing, JPEG.

        Raises:
            PaintingFailed: its source is no picture.
        """
        picture = self._drawn(drawing)
        image = picture.image.convert("RGB")
        return self._jpeg(stamped(image) if self._marked and picture.marked else image)

    def cut_out(self, file: bytes, drawing: Drawing | None, form: str, ground: str | None) -> bytes:
        """A picture without its background.

        Args:
            file: the picture.
            drawing: what it was drawn from, where it was drawn here: that knows its subject for certain.
            form: png, webp or jpg, which has no transparency.
            ground: colour behind it; None for none, and white where there must be one.

        Raises:
            PaintingFailed: the file is no picture.
        """
        known = self._drawn(drawing) if drawing is not None else None
        matte, fore = (known.matte, known.fore) if known and known.matte and known.fore else key_out(_opened(file))
        cut = fore.convert("RGB")
        cut.putalpha(matte)
        if ground is None and form != "jpg":
            return self._png(cut) if form == "png" else _webp(cut)
        flat = Image.new("RGBA", cut.size, _colour(ground or "#ffffff"))
        flat.alpha_composite(cut)
        return self._jpeg(flat.convert("RGB")) if form == "jpg" else self._png(flat)

    def layers(self, file: bytes, drawing: Drawing | None, count: int) -> list[bytes]:
        """A picture taken apart, PNG, the farthest first; put together again they are the picture.

        Raises:
            PaintingFailed: the file is no picture.
        """
        image = _opened(file)
        picture = Picture(image) if drawing is None else replace(self._drawn(drawing), image=image)
        return [self._png(layer.image) for layer in taken_apart(picture, count)]

    def _png(self, image: Image.Image) -> bytes:
        chunks = PngInfo()
        if self._marked:
            chunks.add_text(DRAFT_KEY, "1")
        buffer = io.BytesIO()
        image.save(buffer, "PNG", pnginfo=chunks, compress_level=_COMPRESSION)
        return buffer.getvalue()

    def _jpeg(self, image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        comment = DRAFT_KEY if self._marked else ""
        image.save(buffer, "JPEG", quality=_QUALITY, subsampling=0, comment=comment)
        return buffer.getvalue()


def size_of(file: bytes) -> tuple[int, int]:
    """(width, height) of a picture in pixels.

    Raises:
        PaintingFailed: it is none.
    """
    try:
        with Image.open(io.BytesIO(file)) as image:
            return image.size
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise PaintingFailed("the file is no picture") from None


def _drawn(drawing: Drawing) -> Picture:
    alone = _STANDS_ALONE.search(drawing.prompt) is not None
    if drawing.source is None:
        latent = Latent(_drawable(drawing.size or (1024, 1024)))
    else:
        image = _opened(drawing.source)
        size = _drawable(drawing.size or image.size)
        latent = Latent(size, Picture(image if image.size == size else image.resize(size)))
    return draw(Brief(drawing.prompt, drawing.seed, latent, drawing.strength, cut_out=alone))


def _drawable(size: tuple[int, int]) -> tuple[int, int]:
    width, height = (max(8, side // 8 * 8) for side in size)
    return width, height


def _opened(file: bytes) -> Image.Image:
    """The picture, RGB, what is transparent in it on white.

    Raises:
        PaintingFailed: it is none, or too large a one.
    """
    width, height = size_of(file)
    if width * height > _LARGEST:
        raise PaintingFailed(f"the picture is too large: {width}x{height}")
    try:
        with Image.open(io.BytesIO(file)) as image:
            whole = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError):
        raise PaintingFailed("the file is no whole picture") from None
    flat = Image.new("RGBA", whole.size, (255, 255, 255, 255))
    flat.alpha_composite(whole)
    return flat.convert("RGB")


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()


def _colour(text: str) -> tuple[int, int, int, int]:
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise PaintingFailed(f"{text!r} is no colour") from None
    return red, green, blue, 255
