"""Draws a guide from its recipe: opaque, in the subject's colour, shaded and lightly textured.

Flat and black guides leak: the model keeps their tone (measured on the studio's earlier cut-outs: black
silhouettes left four fifths of the pixels in their own colour, shaded coloured ones a fifth). So a guide
has light from the upper left, a rounded surface and grain. No shadow is cast on the ground: it would end
up in the cut-out. Same recipe, same bytes, on any machine; a change of the drawing raises DRAWING_VERSION.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from assetmill import colours
from assetmill.errors import UsageError
from assetmill.guides.recipe import DRAWING_VERSION

Plane = NDArray[np.float32]

_SUPERSAMPLING = 2
_CORNER = 0.12  # of the shorter side of a box
_LIGHT = (-0.55, -0.83)  # direction from which light comes, x and y
_RELIEF_SIDE = 224
_ROUNDING = (0.03, 0.09)  # of the thinnest shape: a crisp edge, and a round body
_STEEPNESS = 1.5
_OCTAVES = (4, 11, 29, 83)  # grid cells of the noise along the longer side
_WEIGHTS = (0.32, 0.28, 0.22, 0.18)


def paint(recipe: Mapping[str, Any]) -> Image.Image:
    """The guide, mode RGB.

    Raises:
        UsageError: the recipe is of another drawing version or of an unknown kind.
    """
    shapes = _shapes(recipe)
    size = (int(recipe["size"][0]), int(recipe["size"][1]))
    solid = _solid(shapes, size)
    relief = _relief(solid, shapes)
    texture = float(recipe["texture"])
    grain = _noise(int(recipe["grain"]), size)
    subject = _plane(_base_colours(shapes, size)) * _light(relief, grain, texture)[..., None]
    share = (np.asarray(solid, np.float32) / 255)[..., None]
    picture = _ground(recipe["ground"], grain, size) * (1 - share) + subject * share
    return Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8), "RGB")


def outline(recipe: Mapping[str, Any]) -> Image.Image:
    """Where the subject stands: mode L, 255 inside."""
    return _solid(_shapes(recipe), (int(recipe["size"][0]), int(recipe["size"][1])))


def _shapes(recipe: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if recipe["drawing_version"] != DRAWING_VERSION:
        raise UsageError(
            f"a guide of drawing version {recipe['drawing_version']} cannot be drawn by version {DRAWING_VERSION}",
            hint="plan again: the guide's recipe is made anew",
        )
    if recipe["kind"] == "silhouette":
        return [recipe]
    if recipe["kind"] == "sheet_grid":
        shapes: Sequence[Mapping[str, Any]] = recipe["cells"]
        return shapes
    raise UsageError(f"no guide is of kind {recipe['kind']}", hint="kinds are silhouette and sheet_grid")


def _solid(shapes: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> Image.Image:
    """All outlines, filled, with smooth edges."""
    large = Image.new("L", (size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING), 0)
    pen = ImageDraw.Draw(large)
    for shape in shapes:
        _fill(pen, shape)
    return large.reduce(_SUPERSAMPLING)


def _fill(pen: ImageDraw.ImageDraw, shape: Mapping[str, Any]) -> None:
    x, y, w, h = (int(value) * _SUPERSAMPLING for value in shape["box"])
    edges = (x, y, x + w - 1, y + h - 1)
    kind = shape["shape"]
    if kind in ("circle", "ellipse"):
        pen.ellipse(edges, fill=255)
    elif kind == "polygon":
        pen.polygon([(x + px * (w - 1), y + py * (h - 1)) for px, py in shape["points"]], fill=255)
    elif kind == "tile":
        pen.rectangle(edges, fill=255)
    else:
        radius = min(w, h) * (0.5 if kind == "capsule" else _CORNER)
        pen.rounded_rectangle(edges, radius=radius, fill=255)


def _base_colours(shapes: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> Image.Image:
    """Each shape's colour in its own rectangle, a pixel wider so that smooth edges find it too."""
    picture = Image.new("RGB", size, shapes[0]["color"] if shapes else "#808080")
    pen = ImageDraw.Draw(picture)
    for shape in shapes:
        x, y, w, h = shape["box"]
        reach = 0 if shape["shape"] == "tile" else 1
        pen.rectangle((x - reach, y - reach, x + w - 1 + reach, y + h - 1 + reach), fill=shape["color"])
    return picture


def _relief(solid: Image.Image, shapes: Sequence[Mapping[str, Any]]) -> Plane:
    """How strongly a surface faces the light, about -1 to 1: rounded at the edges, flat for tiles.

    Worked out in a small picture: the surface is smooth, and only its outline needs all pixels.
    """
    if not shapes or shapes[0]["shape"] == "tile":
        return np.zeros((solid.height, solid.width), np.float32)
    scale = min(1.0, _RELIEF_SIDE / max(solid.size))
    small = solid.resize((max(2, round(solid.width * scale)), max(2, round(solid.height * scale))))
    thickness = min(min(shape["box"][2:]) for shape in shapes) * scale
    surface = np.zeros((small.height, small.width), np.float32)
    for share in _ROUNDING:
        reach = max(1, round(thickness * share))
        down, across = np.gradient(_blur(np.asarray(small, np.float32) / np.float32(255), reach))
        surface -= (across * _LIGHT[0] + down * _LIGHT[1]) * reach
    facing = Image.fromarray(np.clip(surface * _STEEPNESS, -1, 1))
    return np.asarray(facing.resize(solid.size, Image.Resampling.BICUBIC), np.float32)


def _blur(plane: Plane, reach: int) -> Plane:
    """Three box blurs of `reach` pixels to each side, in floats: 8-bit levels would leave rings on the surface."""
    for _ in range(3):
        for axis in (0, 1):
            pads = [(reach + 1, reach) if at == axis else (0, 0) for at in (0, 1)]
            sums = np.cumsum(np.pad(plane, pads, mode="edge"), axis=axis, dtype=np.float64)
            width = 2 * reach + 1
            ahead, behind = (sums[width:], sums[:-width]) if axis == 0 else (sums[:, width:], sums[:, :-width])
            plane = ((ahead - behind) / width).astype(np.float32)
    return plane


def _light(relief: Plane, grain: Plane, texture: float) -> Plane:
    """Factor on the subject's colour: relief, a fall of light from top to bottom, and grain."""
    fall = np.linspace(0.07, -0.07, relief.shape[0], dtype=np.float32)[:, None]
    factor: Plane = 1 + 0.45 * relief + fall + grain * (0.1 + 0.5 * texture)
    return factor


def _ground(colour: str, grain: Plane, size: tuple[int, int]) -> Plane:
    """Neutral ground: lighter in the middle by a little, with the faintest grain."""
    x = np.linspace(-1, 1, size[0], dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, size[1], dtype=np.float32)[:, None]
    tone = 1 + 0.015 - 0.02 * (x**2 + y**2) + grain * 0.02
    return np.asarray(colours.rgb(colour), np.float32)[None, None, :] * tone[..., None]


def _plane(image: Image.Image) -> Plane:
    return np.asarray(image, np.float32)


def _noise(seed: int, size: tuple[int, int]) -> Plane:
    """Smooth value noise in several grain sizes, about -0.5 to 0.5."""
    total = np.zeros((size[1], size[0]), np.float32)
    for octave, (count, weight) in enumerate(zip(_OCTAVES, _WEIGHTS, strict=True)):
        step = max(size) / count
        across, down = max(2, round(size[0] / step)), max(2, round(size[1] / step))
        lattice = Image.fromarray(_lattice(seed + octave, across, down))
        total += np.asarray(lattice.resize(size, Image.Resampling.BICUBIC), np.float32) * weight
    return total


def _lattice(seed: int, width: int, height: int) -> Plane:
    """Values from -0.5 to 0.5 hashed from seed and position: no generator whose stream a library may change."""
    y, x = np.mgrid[0:height, 0:width].astype(np.uint32)
    value = x * np.uint32(0x9E3779B1) + y * np.uint32(0x85EBCA77) + np.uint32(seed & 0xFFFFFFFF)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        value = (value ^ (value >> np.uint32(shift))) * np.uint32(factor)
    mixed: Plane = (value ^ (value >> np.uint32(15))).astype(np.float32) / np.float32(2**32) - np.float32(0.5)
    return mixed
