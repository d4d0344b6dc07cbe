"""Number work on pictures that every drawing module shares.

Drawing happens on float32 arrays between 0 and 1, at a size that one core handles in tens of
milliseconds; whole pictures travel between graph nodes as Pillow images. Nothing here knows what is
drawn, loops over pixels, or draws a random number that it was not handed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.float32]
Rgb = tuple[int, int, int]


def rng_of(*parts: object) -> np.random.Generator:
    """A random generator that follows from `parts` alone, on every machine."""
    digest = hashlib.blake2b("\x1f".join(str(part) for part in parts).encode("utf-8", "replace"), digest_size=8)
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest.digest(), "big")))


def colour(rgb: Rgb) -> Array:
    """An 8-bit colour as three floats."""
    return np.asarray(rgb, dtype=np.float32) / np.float32(255)


def mix(low: Array, high: Array, share: Array | float) -> Array:
    """`low` where `share` is 0, `high` where it is 1; a (h, w) share spreads over colours."""
    weight = np.asarray(share, dtype=np.float32)
    if weight.ndim and weight.ndim < max(low.ndim, high.ndim):
        weight = weight[..., None]
    return np.asarray(low + (high - low) * weight, dtype=np.float32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, a soft S between."""
    share = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)


def blur(field: Array, radius: float) -> Array:
    """Two box passes each way, about a Gaussian of that radius in pixels; edges are repeated."""
    half = round(radius * 1.2)
    if half < 1:
        return field
    for axis in (0, 1):
        for _ in range(2):
            field = _box(field, half, axis)
    return field


def _box(field: Array, half: int, axis: int) -> Array:
    pad = [(0, 0), (0, 0)]
    pad[axis] = (half + 1, half)
    sums = np.cumsum(np.pad(field, pad, mode="edge"), axis=axis, dtype=np.float32)
    width = 2 * half + 1
    upper, lower = (sums[width:], sums[:-width]) if axis == 0 else (sums[:, width:], sums[:, :-width])
    return (upper - lower) / np.float32(width)


def noise(shape: tuple[int, int], cell: float, rng: np.random.Generator, octaves: int = 3) -> Array:
    """Cloudy noise between 0 and 1 of `shape` (height, width) that repeats from right to left.

    Args:
        shape: (height, width) in pixels.
        cell: size of the coarsest blots in pixels.
        rng: source of the blots.
        octaves: finer layers, each half as strong.
    """
    height, width = shape
    total = np.zeros(shape, dtype=np.float32)
    strength = 0.0
    for octave in range(octaves):
        step = max(cell / 2**octave, 2.0)
        rows, columns = max(2, round(height / step) + 1), max(2, round(width / step))
        grid = rng.random((rows, columns), dtype=np.float32)
        total += resize(np.pad(grid, ((0, 0), (2, 2)), mode="wrap"), (height, width), wrap=2) / 2**octave
        strength += 1 / 2**octave
    return np.asarray(np.clip((total / strength - 0.5) * 1.6 + 0.5, 0, 1), dtype=np.float32)


def resize(field: Array, shape: tuple[int, int], wrap: int = 0) -> Array:
    """Bicubic resize of one field to `shape` (height, width); `wrap` columns each side are only context."""
    height, width = shape
    box = (wrap, 0, field.shape[1] - wrap, field.shape[0])
    image = Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image, dtype=np.float32)


def wave(width: int, rng: np.random.Generator, frequencies: Sequence[int], rough: float = 0.6) -> Array:
    """A line of `width` samples between about -1 and 1 whose ends meet: sines of whole frequencies."""
    x = np.linspace(0, 2 * np.pi, width, endpoint=False, dtype=np.float32)
    line = np.zeros(width, dtype=np.float32)
    total = 0.0
    for rank, frequency in enumerate(frequencies):
        line += np.float32(rough**rank) * np.sin(x * frequency + np.float32(rng.random() * 2 * np.pi))
        total += rough**rank
    return line / np.float32(total)


def to_image(rgb: Array, alpha: Array | None = None) -> Image.Image:
    """Floats to an RGB or RGBA image."""
    planes = rgb if alpha is None else np.dstack([rgb, alpha])
    return Image.fromarray((np.clip(planes, 0, 1) * 255 + 0.5).astype(np.uint8))


def to_array(image: Image.Image) -> Array:
    """An 8-bit image to floats."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def grow(mask: Image.Image, pixels: int) -> Image.Image:
    """The mask widened (or, below 0, narrowed) by so many pixels; doubling steps keep it cheap."""
    if pixels < 0:
        return Image.eval(grow(Image.eval(mask, lambda v: 255 - v), -pixels), lambda v: 255 - v)
    field = np.asarray(mask)
    for axis in (0, 1):
        reach = 0
        while reach < pixels:
            step = min(max(reach, 1), pixels - reach)
            field = np.maximum(np.maximum(_shift(field, step, axis), _shift(field, -step, axis)), field)
            reach += step
    return Image.fromarray(field)


def _shift(field: npt.NDArray[np.uint8], step: int, axis: int) -> npt.NDArray[np.uint8]:
    moved = np.zeros_like(field)
    ahead, behind = (slice(step, None), slice(None, -step)) if step > 0 else (slice(None, step), slice(-step, None))
    if axis == 0:
        moved[ahead] = field[behind]
    else:
        moved[:, ahead] = field[:, behind]
    return moved
