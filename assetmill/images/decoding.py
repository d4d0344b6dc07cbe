"""From bytes to pixels: RGB or RGBA, 8 bits a channel, sRGB, upright.

The image library gets to see only what decides pixels (see `bare`), opened as the one format that the bytes
say. Whatever it then raises means that they are damaged: it is told with the job that was paid for, and must
never end a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from assetmill.errors import ResultInvalid
from assetmill.images import jpegs, pngs, webps
from assetmill.images.bare import Bare, Kind, check_size, described, sniff
from assetmill.images.orientation import turned
from assetmill.images.profiles import to_srgb

_READERS: Final[Mapping[Kind, Callable[[bytes], Bare]]] = {
    "png": pngs.read,
    "jpeg": jpegs.read,
    "webp": webps.read,
}
_OPENERS: Final[Mapping[Kind, Callable[[BytesIO], ImageFile]]] = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,
    "webp": WebPImageFile,
}
_DEEP = 16


def nothing_in(image: Image.Image) -> str:
    """Why there is nothing to see in a decoded image, or "" if there is something."""
    if image.mode == "RGBA" and not image.getchannel("A").getbbox():
        return "every pixel is transparent"
    return "every pixel is the same" if image.getcolors(maxcolors=1) else ""


def decode(data: bytes) -> Image.Image:
    """Decode an image, turned as its EXIF says, as mode RGB, or RGBA if it has transparency.

    Palette, grey, 16-bit and CMYK pictures are converted, and colours brought to sRGB if an ICC profile says that
    they are others; metadata is dropped. Of an animation the first frame is taken, of an animated PNG the still
    picture, which may be no part of the animation.

    Raises:
        ResultInvalid: no PNG, JPEG or WebP, cut off or damaged, larger than 8192 pixels on a side or than
            33,554,432 in all.
    """
    kind = sniff(data)
    if kind is None:
        raise ResultInvalid(f"not a PNG, JPEG or WebP image: {described(data)}", hint="see the worker's own log")
    try:
        bare = _READERS[kind](data)
        check_size(bare.size)
        return _plain(_loaded(kind, bare), bare)
    except (ResultInvalid, MemoryError):
        raise
    except Exception as error:  # an image library may raise anything on damaged bytes
        raise ResultInvalid(
            f"a damaged {kind.upper()} image of {len(data)} bytes: {error}", hint="it was cut off or altered on its way"
        ) from error


def _loaded(kind: Kind, bare: Bare) -> Image.Image:
    with _OPENERS[kind](BytesIO(bare.data)) as opened:
        if opened.size != bare.size:
            raise ValueError(f"it says {bare.size[0]} x {bare.size[1]} and is {opened.width} x {opened.height}")
        opened.load()
        if opened.mode == "P":
            return opened.convert("RGBA" if opened.has_transparency_data else "RGB")
        return opened.copy()


def _plain(image: Image.Image, bare: Bare) -> Image.Image:
    """RGB or RGBA with 8 bits a channel, upright and without metadata."""
    alpha = _alpha(image, bare)
    plain = to_srgb(_base(image), bare.profile)
    if alpha is not None:
        plain.putalpha(alpha)
    plain = turned(plain, bare.orientation)
    plain.info.clear()
    return plain


def _alpha(image: Image.Image, bare: Bare) -> Image.Image | None:
    """Transparency, mode L; None for a picture without any."""
    if bare.key is not None and image.mode in ("1", "L", "I;16", "RGB"):
        return _keyed(image, bare.key, bare.depth)
    if image.mode in ("LA", "RGBA"):
        return image.getchannel("A")
    return None


def _keyed(image: Image.Image, key: tuple[int, ...], depth: int) -> Image.Image | None:
    """Transparent where all samples are those of the key; grey of 1 to 4 bits is spread over 255 levels by now.

    The library keeps the upper half of colour samples of 16 bits, so there that half is compared.
    """
    grey = image.mode != "RGB"
    if len(key) < (1 if grey else 3):
        return None
    if depth < 8:  # noqa: PLR2004  bits
        key = tuple(value * 255 // ((1 << depth) - 1) for value in key)
    elif depth == _DEEP and not grey:
        key = tuple(value >> 8 for value in key)
    levels = np.asarray(image.convert("L") if image.mode == "1" else image).reshape(image.height, image.width, -1)
    same = (levels == np.array(key[: levels.shape[2]])).all(axis=2)
    return Image.fromarray(np.where(same, 0, 255).astype(np.uint8), "L")


def _base(image: Image.Image) -> Image.Image:
    """The same colours without transparency: mode L, RGB or CMYK."""
    if image.mode.startswith("I"):
        return _eight_bits(image)
    if image.mode in ("1", "LA"):
        return image.convert("L")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey: Pillow's own conversion would cut off at 255 instead of dividing."""
    levels = np.asarray(image).astype(np.uint32)
    return Image.fromarray((np.minimum(levels, 65_535) // 257).astype(np.uint8))
