"""Background removal of a picture that nobody here has drawn.

The ground is the colour of the border; what it reaches from outside goes, what it encloses stays. Edges
come out soft and without the ground's colour in them. A picture without an even border stays whole, as
there is nothing to tell its subject from its ground.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from assetmill.localpod.draft.cells import border_colour, outside
from assetmill.localpod.draft.pixels import Array, to_array, to_image

_NEAR = 14.0  # colour distance up to which a pixel is all ground
_CLEAR = (52.0, 220.0)  # least and greatest distance from which it is all subject, by the subject's contrast
_LOOK = 384  # px, longest side at which the outside is traced


def key_out(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """(matte in mode L, colours in mode RGB with the ground taken out of soft edges)."""
    rgb = image.convert("RGB")
    pixels = np.asarray(rgb, dtype=np.float32)
    ground = border_colour(pixels)
    if ground is None:
        return Image.new("L", rgb.size, 255), rgb
    away = np.sqrt(((pixels - ground) ** 2).sum(axis=2))
    subject = away[away > _CLEAR[0]]
    clear = float(np.clip(0.8 * np.median(subject), *_CLEAR)) if subject.size else _CLEAR[0]
    soft = np.asarray(np.clip((away - _NEAR) / (clear - _NEAR), 0, 1), dtype=np.float32)
    alpha = np.maximum(soft, 1 - _outside(away, rgb.size))
    share = np.maximum(alpha, np.float32(0.02))[..., None]
    clean = (pixels - ground * (1 - share)) / share
    return Image.fromarray((alpha * 255 + 0.5).astype(np.uint8)), to_image(clean / 255)


def _outside(away: Array, size: tuple[int, int]) -> Array:
    """1 where the ground reaches in from the border, widened a little so that soft edges stay soft."""
    share = min(1.0, _LOOK / max(size))
    small = (max(4, round(size[0] * share)), max(4, round(size[1] * share)))
    near = np.asarray(Image.fromarray(away).resize(small, Image.Resampling.BOX)) < _CLEAR[0]
    reached = Image.fromarray(outside(near).astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(3))
    return to_array(reached.resize(size, Image.Resampling.BILINEAR))
