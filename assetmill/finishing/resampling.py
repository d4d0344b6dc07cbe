"""Resizing without halos.

Colours of a cut-out are weighted by alpha, so that those of hidden pixels do not bleed into its edge. It is done in
floats: filters that sharpen overshoot at an edge, and where alpha is cut off at 255 and the weighted colours are
not, a light rim appears inside every outline (10 % too bright, measured with Pillow's own 8-bit weights).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
}

_LEAST_ALPHA = 0.5  # rounds to nothing

Edges = tuple[float, float, float, float]
Plane = NDArray[np.float32]


def resized(
    picture: Image.Image, size: tuple[int, int], resample: Image.Resampling, box: Edges | None = None
) -> Image.Image:
    """A picture, or the part of it within `box`, in another size.

    Args:
        picture: any mode; RGBA is weighted.
        size: (width, height) in pixels.
        resample: the filter; `nearest` blends nothing, and so needs no weights.
        box: edges (left, top, right, bottom) in pixels; None for all of it.
    """
    if picture.size == size and box in (None, (0, 0, *size)):
        return picture
    if picture.mode != "RGBA" or resample == Image.Resampling.NEAREST:
        return picture.resize(size, resample, box=box)
    *bands, alpha = (np.asarray(band, np.float32) for band in picture.split())
    weight: Plane = alpha / np.float32(255)
    alpha = _resized(alpha, size, resample, box)
    seen = alpha >= _LEAST_ALPHA
    share = np.where(seen, alpha, 1) / 255
    made = [np.where(seen, _resized(band * weight, size, resample, box) / share, 0) for band in bands]
    levels = np.stack([*made, np.where(seen, alpha, 0)], axis=-1)
    return Image.fromarray((np.clip(levels, 0, 255) + 0.5).astype(np.uint8), "RGBA")


def _resized(levels: Plane, size: tuple[int, int], resample: Image.Resampling, box: Edges | None) -> Plane:
    return np.asarray(Image.fromarray(levels).resize(size, resample, box=box), np.float32)
