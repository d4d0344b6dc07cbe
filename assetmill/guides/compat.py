"""The geometry of the studio's earlier asset pipeline, exactly, for packs that have to match its pictures.

Nothing in assetmill draws with it. It stands here so that old placements, regions and strengths can be
worked out again and compared: its test vectors are the contract. All positions are on that pipeline's
fixed canvas of 512 x 512 pixels; where it rounded, it rounded halves up, as JavaScript does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from assetmill import colours

CANVAS = 512
FILL = 0.9
DEFAULT_STRENGTH = 0.925
VARIATION_COLOURS = {
    "red": "#ff4444", "blue": "#4444ff", "green": "#44ff44", "yellow": "#ffff44", "purple": "#aa44ff",
    "orange": "#ff8844", "pink": "#ff44aa", "cyan": "#44ffff", "white": "#ffffff", "black": "#222222",
    "gold": "#ffd700", "silver": "#c0c0c0",
}  # fmt: skip
FALLBACK_COLOURS = ("#ff4444", "#4444ff", "#44ff44", "#ffff44", "#aa44ff", "#ff8844", "#44ffff", "#ff44aa")
_THIN = 30
_LEAST_STROKE = 4


@dataclass(frozen=True, slots=True)
class Silhouette:
    """Rectangle of a silhouette; `radius` is that of a circle in its place, `stroke` an outline's width or None."""

    x: int
    y: int
    width: int
    height: int
    radius: float
    stroke: int | None


@dataclass(frozen=True, slots=True)
class Region:
    """Rectangle of a cell."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class GridFit:
    """How a sheet is brought to the canvas: scale, and the offset of its upper left corner."""

    scale: float
    offset_x: float
    offset_y: float


def js_round(value: float) -> int:
    """Round to the nearest whole number, halves upwards (also below zero), as JavaScript's Math.round."""
    return floor(value + 0.5)


def silhouette(width: float, height: float) -> Silhouette:
    """Silhouette of an entity of this world size."""
    aspect, longest = width / height, floor(FILL * CANVAS)
    w, h = (longest, floor(longest / aspect)) if aspect >= 1 else (floor(longest * aspect), longest)
    least = min(w, h)
    stroke = max(_LEAST_STROKE, floor(0.3 * least)) if least < _THIN else None
    return Silhouette((CANVAS - w) // 2, (CANVAS - h) // 2, w, h, least / 2, stroke)


def strength(colour: str | None) -> float:
    """Strength of img2img: 0.87 for white up to 0.93 for black; without a colour, 0.925."""
    return DEFAULT_STRENGTH if colour is None else 0.87 + (1 - colours.luminance(colour)) * 0.06


def grid_size(
    columns: int, rows: int, cell_width: int, cell_height: int, *, spacing: int = 0, margin: int = 0
) -> tuple[int, int]:
    """Size (width, height) of a sheet before it is scaled."""
    return (
        2 * margin + columns * cell_width + (columns - 1) * spacing,
        2 * margin + rows * cell_height + (rows - 1) * spacing,
    )


def grid_fit(width: int, height: int) -> GridFit:
    """Scale a sheet to 0.9 of the canvas and centre it."""
    scale = min(CANVAS / width, CANVAS / height) * FILL
    return GridFit(scale, (CANVAS - width * scale) / 2, (CANVAS - height * scale) / 2)


def regions(
    columns: int, rows: int, cell_width: int, cell_height: int, *, spacing: int = 0, margin: int = 0
) -> tuple[Region, ...]:
    """Rectangles of all cells on the canvas, in reading order."""
    fit = grid_fit(*grid_size(columns, rows, cell_width, cell_height, spacing=spacing, margin=margin))
    w, h = js_round(cell_width * fit.scale), js_round(cell_height * fit.scale)
    return tuple(
        Region(
            js_round(fit.offset_x + (margin + column * (cell_width + spacing)) * fit.scale),
            js_round(fit.offset_y + (margin + row * (cell_height + spacing)) * fit.scale),
            w,
            h,
        )
        for row in range(rows)
        for column in range(columns)
    )


def circle_radius(cell_width: int, cell_height: int, scale: float) -> float:
    """Radius of the circle that stands in every cell of a guide."""
    return 0.4 * min(cell_width, cell_height) * scale


def variation_colour(key: str, index: int) -> str:
    """Colour of a variant's circle: by its key, else from a fixed row by its position."""
    return VARIATION_COLOURS.get(key, FALLBACK_COLOURS[index % len(FALLBACK_COLOURS)])
