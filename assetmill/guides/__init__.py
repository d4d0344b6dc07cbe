"""Guides: the simple pictures that img2img starts from, a silhouette or a grid of shapes.

`recipe` says everything about a guide in a few plain values and draws nothing; planning puts it into the
fingerprint of ten thousand assets. `draw` makes the picture when a job is really sent. Numpy and Pillow
are loaded on the first drawing, so that a plan starts without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assetmill.guides.recipe import DRAWING_VERSION, recipe
from assetmill.guides.strength import default_strength

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["DRAWING_VERSION", "default_strength", "draw", "mask", "recipe"]


def draw(recipe: Mapping[str, Any]) -> bytes:
    """Draw a guide as a PNG: RGB, opaque, exactly as large as the recipe says, the same bytes each time.

    Raises:
        UsageError: the recipe is of another drawing version or of an unknown kind.
    """
    from assetmill.guides.drawing import paint  # noqa: PLC0415  planning imports this module and never draws
    from assetmill.images import encode_png  # noqa: PLC0415  as above

    return encode_png(paint(recipe))


def mask(recipe: Mapping[str, Any]) -> Image.Image:
    """Where a guide's subject stands: mode "L", 255 inside, of the recipe's size.

    Raises:
        UsageError: as `draw`.
    """
    from assetmill.guides.drawing import outline  # noqa: PLC0415  planning imports this module and never draws

    return outline(recipe)
