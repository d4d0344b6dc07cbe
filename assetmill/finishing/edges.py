"""Edges of a cut-out freed from the rim that its old background left.

A half transparent edge pixel was a blend of subject and background before it was cut out, and still has that
colour. Only colours change here, never alpha. It would spoil glows and smoke, so it is done on request alone.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

SOLID = 247
"""Alpha from which a pixel counts as wholly the subject's: the matting models seldom reach 255."""

_REACH = 64  # part of the longer side: what is farther from the subject is no edge of it
_LEAST_REACH = 4


def defringe(picture: Image.Image) -> Image.Image:
    """Give half transparent pixels near the subject the colour of the nearest solid one.

    Args:
        picture: mode RGBA. One without a solid pixel comes back as it is.

    Returns:
        Mode RGBA. Pixels farther from a solid one than a sixty-fourth of the longer side, and than 4 pixels, keep
        their colour.
    """
    levels = np.array(picture)
    alpha = levels[..., 3]
    rows, columns = np.nonzero((alpha > 0) & (alpha < SOLID))
    if not len(rows) or not (alpha >= SOLID).any():
        return picture
    nearest = ndimage.distance_transform_edt(alpha < SOLID, return_distances=False, return_indices=True)
    down, across = nearest[:, rows, columns]
    reach = max(_LEAST_REACH, max(picture.size) // _REACH)
    near = (down - rows) ** 2 + (across - columns) ** 2 <= reach**2
    levels[rows[near], columns[near], :3] = levels[down[near], across[near], :3]
    return Image.fromarray(levels, "RGBA")
