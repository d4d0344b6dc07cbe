"""The size to generate at, for a size that was asked for.

Flux was trained around one megapixel and ComfyUI cuts odd sizes down without a word, so pictures are drawn at a
nearby size that the model likes and are brought to the asked size afterwards. Nothing here resizes anything.
"""

from __future__ import annotations

import math
from functools import lru_cache

SIZE_STEP = 16
"""px; the latent grid of Flux in ComfyUI: other sizes come back smaller than asked."""
MIN_SIDE = 512
MAX_SIDE = 1536
MAX_PIXELS = 1_600_000
"""px; above this quality falls and time rises faster than the picture gains."""
LAYER_PIXELS = 640 * 640
"""px; the area at which Qwen-Image-Layered's makers recommend to take pictures apart."""
_LAYER_SPAN = (0.8, 1.2)
_REACH = 3 * SIZE_STEP
_AREA_WEIGHT = 0.05


def keeps_aspect(width: int, height: int) -> bool:
    """Whether `generation_size` can keep this shape: its longer side is at most 3 times the shorter."""
    return max(width, height) * MIN_SIDE <= min(width, height) * MAX_SIDE


@lru_cache(maxsize=4096)  # a plan of 10,000 assets asks for a few sizes again and again
def generation_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in px to generate a picture at that will be finished at `width` x `height` px.

    Both are multiples of 16, each side is 512 to 1536, the area at most 1.6 megapixels. The shape is kept as
    near as the grid allows (within 2 %), and the size is changed no more than the limits demand; a size that
    fits already is returned as it is. A shape longer than 3 to 1 cannot be kept: it is clamped to 1536 x 512 (or
    512 x 1536), the finished picture is then stretched or cropped, and `keeps_aspect` tells beforehand.

    Raises:
        ValueError: a side is not positive.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a size has positive sides, not {width} x {height}")
    if not keeps_aspect(width, height):
        return (MAX_SIDE, MIN_SIDE) if width > height else (MIN_SIDE, MAX_SIDE)
    scale = _scale(width, height)
    wanted_width, wanted_height = width * scale, height * scale

    def misfit(size: tuple[int, int]) -> float:
        shape = abs(math.log(size[0] * height / (size[1] * width)))
        area = abs(math.log(size[0] * size[1] / (wanted_width * wanted_height)))
        return shape + _AREA_WEIGHT * area

    near = ((w, h) for w in _steps_near(wanted_width) for h in _steps_near(wanted_height))
    return min((size for size in near if size[0] * size[1] <= MAX_PIXELS), key=misfit)


@lru_cache(maxsize=4096)
def layer_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in px at which a picture of `width` x `height` px is taken apart into layers.

    Both are multiples of 16. The shape is kept as near as the grid allows with an area of 0.8 to 1.2 times 640 x 640:
    layers of another shape than their picture would not lie on it. Among equal shapes the nearest area wins.
    """
    least, most = (LAYER_PIXELS * share for share in _LAYER_SPAN)
    longest = int(math.sqrt(most * max(width / height, height / width))) // SIZE_STEP + 2
    sides = range(1, longest + 1)
    fitting = ((w * SIZE_STEP, h * SIZE_STEP) for w in sides for h in sides if least <= w * h * SIZE_STEP**2 <= most)

    def misfit(size: tuple[int, int]) -> tuple[float, float]:
        shape = abs(math.log(size[0] * height / (size[1] * width)))
        return round(shape, 6), abs(math.log(size[0] * size[1] / LAYER_PIXELS))

    return min(fitting, key=misfit)


def _scale(width: int, height: int) -> float:
    """The factor nearest to 1 that brings both sides and the area into their limits."""
    least = MIN_SIDE / min(width, height)
    greatest = min(MAX_SIDE / max(width, height), math.sqrt(MAX_PIXELS / (width * height)))
    return max(least, min(1.0, greatest))


def _steps_near(side: float) -> list[int]:
    """Allowed sides in px within reach of `side`."""
    first = math.ceil(max(MIN_SIDE, side - _REACH) / SIZE_STEP) * SIZE_STEP
    return list(range(first, int(min(MAX_SIDE, side + _REACH)) + 1, SIZE_STEP))
