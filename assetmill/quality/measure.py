"""Figures about pixels. Pure numpy; each function states its range, none judges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Levels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SOLID = 128
"""Alpha from which a pixel counts as part of the subject."""

_SOFT = (8, 247)
_SEAM_PERCENTILE = 99
_LOOK = 128  # px, longest side at which whole pictures are compared
_OTHER = 24  # levels of a channel
_BANDS = 8
_FAINT = 2.0  # levels: less is not seen in the evenest sky


def alpha_of(image: Image.Image) -> Levels:
    """Alpha channel, rows by columns; all 255 for a picture without one."""
    if image.mode == "RGBA":
        return np.asarray(image.getchannel("A"))
    return np.full((image.height, image.width), 255, np.uint8)


def coverage(alpha: Levels) -> float:
    """Share of solid pixels, 0 to 1."""
    return float((alpha >= SOLID).mean()) if alpha.size else 0.0


def border_touch(alpha: Levels) -> float:
    """Share of the outermost ring of pixels that is solid, 0 to 1."""
    solid = alpha >= SOLID
    ring = np.concatenate([solid[0], solid[-1], solid[1:-1, 0], solid[1:-1, -1]])
    return float(ring.mean())


def soft_share(alpha: Levels) -> float:
    """Half transparent pixels per solid pixel: 0.02 is usual, above 0.13 a cut-out looks smeared."""
    solid = int((alpha >= SOLID).sum())
    soft = int(((alpha > _SOFT[0]) & (alpha < _SOFT[1])).sum())
    return soft / solid if solid else 0.0


def overlap(alpha: Levels, guide: Mask) -> float:
    """Intersection over union of the subject and the guide's silhouette, 0 to 1."""
    solid = alpha >= SOLID
    union = int((solid | guide).sum())
    return int((solid & guide).sum()) / union if union else 0.0


def contrast(image: Image.Image) -> float:
    """Standard deviation of lightness over the picture, 0 to about 127 levels."""
    return float(np.asarray(image.convert("L"), np.float32).std())


def detail(image: Image.Image) -> float:
    """Mean difference of neighbouring pixels' lightness, in levels: near 0 for a blank or blurred picture."""
    levels = np.asarray(image.convert("L"), np.float32)
    steps = [np.abs(np.diff(levels, axis=axis)).mean() for axis in (0, 1) if levels.shape[axis] > 1]
    return float(np.mean(steps)) if steps else 0.0


def seam(image: Image.Image, axis: int) -> float:
    """How much a picture jumps where its repeats join, relative to the sharpest steps inside it.

    Args:
        image: the picture.
        axis: 0 for the join of bottom and top, 1 for that of right and left.

    Returns:
        Mean colour step across the join over the 99th percentile of steps inside; above 1.5 it shows.
    """
    levels = np.moveaxis(np.asarray(image.convert("RGB"), np.float32), axis, 0)
    across = np.linalg.norm(levels[0] - levels[-1], axis=-1).mean()
    inside = np.linalg.norm(np.diff(levels, axis=0), axis=-1)
    usual = float(np.percentile(inside, _SEAM_PERCENTILE)) if inside.size else 0.0
    return float(across) / max(usual, 1.0)


def join(image: Image.Image, axis: int) -> float:
    """How unusual the step is where repeats of a picture join, among the steps between its neighbouring lines.

    `seam` asks whether the join is sharper than the sharpest edges of the picture; here eight bands across the join are
    each compared with themselves, so that a faint line through an even sky counts as well. One band alone says
    nothing: a trunk may well stand at the edge. What is transparent does not count.

    Args:
        image: the picture, mode RGB or RGBA.
        axis: 0 for the join of bottom and top, 1 for that of right and left.

    Returns:
        Mean step across the join over the 99th percentile of the mean steps from line to line, of the band in which it
        is second greatest; above 1.5 it shows.
    """
    levels = np.moveaxis(_premultiplied(image), axis, 0)
    across = np.linalg.norm(levels[0] - levels[-1], axis=-1)
    inside = np.linalg.norm(np.diff(levels, axis=0), axis=-1)
    found = [
        float(band.mean()) / max(float(np.percentile(usual.mean(axis=1), _SEAM_PERCENTILE)), _FAINT)
        for band, usual in zip(np.array_split(across, _BANDS), np.array_split(inside, _BANDS, axis=1), strict=True)
        if band.size and usual.size
    ]
    return sorted(found)[-2] if len(found) > 1 else 0.0


def _premultiplied(image: Image.Image) -> NDArray[np.float32]:
    """Levels of a picture, rows by columns by channels; transparent pixels are 0 whatever colour is hidden in them."""
    levels = np.asarray(image if image.mode in ("RGB", "RGBA") else image.convert("RGB"), np.float32)
    if image.mode != "RGBA":
        return levels
    return np.concatenate([levels[..., :3] * (levels[..., 3:] / 255), levels[..., 3:]], axis=-1)


def unlike(one: Image.Image, other: Image.Image) -> float:
    """Share of two opaque pictures in which they show something else, 0 to 1.

    Both are brought to at most 128 pixels a side first, so that noise, soft edges and what one of them lost by being
    made smaller count for little; a pixel is another if one of its channels differs by more than 24 levels.
    """
    scale = min(1.0, _LOOK / max(one.size))
    size = (max(1, round(one.width * scale)), max(1, round(one.height * scale)))
    levels = [np.asarray(p.convert("RGB").resize(size, Image.Resampling.BOX), np.float32) for p in (one, other)]
    return float((np.abs(levels[0] - levels[1]).max(axis=-1) > _OTHER).mean())
