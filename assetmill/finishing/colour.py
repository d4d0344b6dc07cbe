"""Alpha threshold, colour reduction and palette.

Mapping to a palette is exact: every pixel gets the nearest colour, found without Pillow's own table,
which rounds to 64 levels. Palettes handed to Pillow are filled up with their last colour, because it
fills up with black, and black then wins for dark pixels. What is fully transparent has no say in anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assetmill import colours

_PALETTE_SIZE = 256
_CHUNK = 1 << 15
_SAMPLE = 1 << 16  # pixels that colours are chosen from: more change nothing that can be seen
_EYE = np.array([1, 2, 1], np.float64)
"""How much a step in red, green and blue counts. Of the small whole weights tried, those that most often choose the
colour that OKLab and CIELAB call nearest (77 % and 62 % of random colours on random palettes of 4 to 32); those of
brightness alone map purple to green."""

Table = NDArray[np.uint8]


def threshold(picture: Image.Image, least: int) -> Image.Image:
    """Alpha at or above `least` becomes 255, all other 0; a `least` of 0 keeps soft edges. Mode RGBA."""
    if least == 0:
        return picture
    picture = picture.copy()
    picture.putalpha(picture.getchannel("A").point([255 if alpha >= least else 0 for alpha in range(256)]))
    return picture


def reduce(picture: Image.Image, count: int, palette: Sequence[str], *, dither: bool) -> Image.Image:
    """Reduce the colours of a picture; alpha stays as it is.

    Args:
        picture: mode RGB or RGBA.
        count: greatest number of colours; 0 sets no limit.
        palette: colours to map to, '#rrggbb'; empty lets the picture choose its own.
        dither: spread the rounding over neighbouring pixels.
    """
    if not palette and not count:
        return picture
    rgb = picture.convert("RGB")
    table = np.array([colours.rgb(colour) for colour in palette], np.uint8) if palette else _own(picture, count)
    if palette and 0 < count < len(table):
        table = _most_used(rgb, table, count, _visible(picture))
    mapped = _dithered(rgb, table, _visible(picture)) if dither else _nearest(rgb, table)
    if picture.mode == "RGBA":
        mapped.putalpha(picture.getchannel("A"))
    return mapped


def clear_hidden(picture: Image.Image) -> Image.Image:
    """Make fully transparent pixels black: equal pictures give equal bytes, and files shrink."""
    if picture.mode != "RGBA":
        return picture
    levels = np.array(picture)
    levels[levels[..., 3] == 0] = 0
    return Image.fromarray(levels, "RGBA")


def _visible(picture: Image.Image) -> NDArray[np.bool_]:
    if picture.mode != "RGBA":
        return np.ones((picture.height, picture.width), np.bool_)
    return np.asarray(picture.getchannel("A")) > 0


def _own(picture: Image.Image, count: int) -> Table:
    """At most `count` colours that suit the visible pixels."""
    seen = np.asarray(picture.convert("RGB"))[_visible(picture)]
    if not len(seen):
        return np.zeros((1, 3), np.uint8)
    distinct = np.unique(_packed(seen))
    if len(distinct) <= count:
        return _unpacked(distinct)
    sample = seen[:: -(-len(seen) // _SAMPLE)]
    strip = Image.fromarray(sample[None, ...], "RGB").quantize(count, method=Image.Quantize.MEDIANCUT)
    table = np.array(strip.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return np.unique(table[: int(np.asarray(strip).max()) + 1], axis=0)


def _most_used(rgb: Image.Image, table: Table, count: int, visible: NDArray[np.bool_]) -> Table:
    """The `count` colours of a table that most visible pixels are nearest to, in the table's order."""
    levels = np.asarray(rgb)[visible]
    used = np.bincount(_index(levels, table), minlength=len(table))
    chosen = np.sort(np.argsort(-used, kind="stable")[:count])
    return table[chosen]


def _nearest(rgb: Image.Image, table: Table) -> Image.Image:
    levels = np.asarray(rgb)
    return Image.fromarray(table[_index(levels.reshape(-1, 3), table)].reshape(levels.shape), "RGB")


def _index(levels: NDArray[np.uint8], table: Table) -> NDArray[np.intp]:
    """Index of the nearest colour for each of N pixels (N x 3), worked out once per distinct colour.

    Weighted squares are compared in whole numbers held by floats: exact, so that no machine's arithmetic
    decides a tie another way. What all distances of a pixel share is left out.
    """
    packed, back = np.unique(_packed(levels), return_inverse=True)
    distinct = _unpacked(packed).astype(np.float64)
    wide = table.astype(np.float64)
    own = (wide**2 * _EYE).sum(axis=1)
    found = np.empty(len(distinct), np.intp)
    for start in range(0, len(distinct), _CHUNK):
        part = slice(start, start + _CHUNK)
        found[part] = np.argmin(own - 2 * (distinct[part] * _EYE) @ wide.T, axis=1)
    return found[back.reshape(-1)]


def _packed(levels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Each of N pixels (N x 3) as one number: sorting numbers is much faster than sorting rows."""
    wide = levels.astype(np.uint32)
    packed: NDArray[np.uint32] = (wide << np.array([16, 8, 0], np.uint32)).sum(axis=1, dtype=np.uint32)
    return packed


def _unpacked(values: NDArray[np.uint32]) -> Table:
    return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=-1).astype(np.uint8)


def _dithered(rgb: Image.Image, table: Table, visible: NDArray[np.bool_]) -> Image.Image:
    """Every pixel one of the table's colours, the rounding spread over its neighbours.

    Hidden pixels get a colour of the table first: their own would be rounded too, and its error spread into the
    visible ones beside them.
    """
    levels = np.array(rgb)
    levels[~visible] = table[0]
    filled = np.concatenate([table, np.repeat(table[-1:], _PALETTE_SIZE - len(table), axis=0)])
    holder = Image.new("P", (1, 1))
    holder.putpalette(filled.reshape(-1).tolist())
    return Image.fromarray(levels, "RGB").quantize(palette=holder, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")
