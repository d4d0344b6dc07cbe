"""Paints the pages of an atlas: frames at their spots, clear in between, opaque ones with their edges repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assetmill.sheets.packing import PageLayout

Pixels = NDArray[np.uint8]


def paint(page: PageLayout, frames: Mapping[int, Pixels], *, extrude: int = 0) -> Image.Image:
    """One page, mode RGBA.

    Args:
        page: its layout; spots whose number has no frame stay clear.
        frames: rows by columns by RGBA, by number.
        extrude: how many times a frame's outermost pixels are repeated around it. A frame at the very edge has
            no room for that, and then none of it is done.
    """
    made = np.zeros((page.size[1], page.size[0], 4), np.uint8)
    for number, (x, y) in page.spots.items():
        if number in frames:
            around = min(extrude, x, y)
            pixels = _extruded(frames[number], around) if around else frames[number]
            height, width = pixels.shape[:2]
            made[y - around : y - around + height, x - around : x - around + width] = pixels
    return Image.fromarray(made, "RGBA")


def _extruded(pixels: Pixels, around: int) -> Pixels:
    return np.pad(pixels, ((around, around), (around, around), (0, 0)), mode="edge")


def alike(frames: Sequence[Pixels]) -> tuple[list[Pixels], list[int]]:
    """Each different picture once, in order of appearance, and for every frame the number of its own."""
    numbers: dict[tuple[tuple[int, ...], bytes], int] = {}
    firsts: list[Pixels] = []
    which: list[int] = []
    for pixels in frames:
        number = numbers.setdefault((pixels.shape, pixels.tobytes()), len(firsts))
        if number == len(firsts):
            firsts.append(pixels)
        which.append(number)
    return firsts, which
