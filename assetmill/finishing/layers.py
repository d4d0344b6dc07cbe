"""What the layers of a parallax background need before each of them is finished by itself.

The farthest gets no holes: nothing lies behind it. Where edges have to join and do not, all layers are blended over in
the same way, because a layer that was treated alone would no longer lie on the others. It is done with colours
weighted by their alpha, so that nothing hidden becomes visible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from assetmill.manifest.models import Parallax
from assetmill.manifest.parallax import layer_roles
from assetmill.quality.measure import SOLID

OVERLAP = 1 / 8
"""Share of a side over which its ends are blended into each other: what is left is that much shorter. Less leaves a
visible fold in clouds and hills, more doubles things."""

Levels = NDArray[np.float32]


def prepared(asset: Parallax, pictures: Mapping[str, Image.Image], torn: Iterable[int]) -> dict[str, Image.Image]:
    """Pictures by role, the farthest layer opaque, and every one of them joined along the torn axes.

    Args:
        asset: whose they are.
        pictures: role -> picture; the whole picture and a depth map go the same way as the layers.
        torn: axes along which edges are blended: 1 sideways, 0 upwards.
    """
    farthest = layer_roles(asset)[0]
    made = {**pictures, farthest: closed(pictures[farthest])}
    for axis in torn:
        made = {role: joined(picture, axis) for role, picture in made.items()}
    return made


def closed(picture: Image.Image) -> Image.Image:
    """Mode RGB: see-through pixels get the colour of the nearest solid one. Without a solid pixel they become white."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    levels = np.array(picture)
    hole = levels[..., 3] < SOLID
    if hole.all():
        return Image.new("RGB", picture.size, "#ffffff")
    if hole.any():
        rows, columns = ndimage.distance_transform_edt(hole, return_distances=False, return_indices=True)
        levels[hole, :3] = levels[rows[hole], columns[hole], :3]
    return Image.fromarray(np.ascontiguousarray(levels[..., :3]), "RGB")


def joined(picture: Image.Image, axis: int) -> Image.Image:
    """A picture whose ends meet: its end is blended into its start, and the blended part of the end is cut off.

    Args:
        picture: mode RGB or RGBA.
        axis: 1 to join left and right, 0 to join top and bottom.

    Returns:
        The same mode; an eighth shorter along the axis.
    """
    picture = picture if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")
    levels = np.moveaxis(_weighted(picture), axis, 0)
    span = max(1, round(len(levels) * OVERLAP))
    share = np.linspace(0, 1, span + 2, dtype=np.float32)[1:-1]
    share = (share * share * (3 - 2 * share)).reshape(-1, 1, 1)
    start = levels[:span] * share + levels[-span:] * (1 - share)
    return _picture(np.moveaxis(np.concatenate([start, levels[span:-span]]), 0, axis))


def _weighted(picture: Image.Image) -> Levels:
    levels = np.array(picture, np.float32)
    if picture.mode == "RGBA":
        levels[..., :3] *= levels[..., 3:] / 255
    return levels


def _picture(levels: Levels) -> Image.Image:
    if levels.shape[-1] == 4:  # noqa: PLR2004  red, green, blue, alpha
        seen = np.maximum(levels[..., 3:], 1)
        levels = np.concatenate([np.where(levels[..., 3:] > 0, levels[..., :3] * 255 / seen, 0), levels[..., 3:]], -1)
    return Image.fromarray((np.clip(levels, 0, 255) + 0.5).astype(np.uint8))
