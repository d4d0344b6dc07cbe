"""Light on flat shapes: a mask becomes a plump, outlined thing.

The height of a shape is its own blur, so edges round off and broad parts stay calm; light falls from
the upper left everywhere, which keeps all drafts of a pack in one look. Light is reckoned at a reduced
size, because it is soft anyway; edges stay at full size, because they are not. No shape is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from assetmill.localpod.draft.pixels import Array, Rgb, blur, colour, mix, smoothstep, to_array, to_image

LIT_SIDE = 144
"""Longest side in pixels at which light is reckoned."""

_LIGHT = np.asarray((-0.46, -0.66, 0.6), dtype=np.float32)
_COOL = colour((48, 28, 92))
_WARM = colour((255, 249, 222))


@dataclass(frozen=True, slots=True)
class Finish:
    """How surfaces look, from the style words of a prompt.

    Args:
        bands: light steps of cel shading; 0 shades smoothly.
        depth: how strongly light and shadow differ.
        gloss: strength of highlights.
        outline: outline width as a share of the subject's size.
        grain: how much tooth a surface has.
    """

    bands: int = 0
    depth: float = 1.0
    gloss: float = 0.7
    outline: float = 0.016
    grain: float = 0.06


def finish_of(prompt: str) -> Finish:
    """The finish that the style words of a prompt ask for."""
    text = prompt.casefold()
    return next((finish for said, finish in _FINISHES.items() if any(word in text for word in said)), Finish())


_FINISHES: dict[tuple[str, ...], Finish] = {
    ("pixel art", "pixel-art", "pixelated"): Finish(bands=3, depth=0.9, gloss=0.4, outline=0.022, grain=0.04),
    ("flat vector", "flat design", "flat style", "minimalist"): Finish(
        bands=2, depth=0.45, gloss=0, outline=0, grain=0
    ),
    ("3d", "rendered"): Finish(depth=1.15, gloss=1.0, outline=0.006, grain=0.03),
    ("cartoon", "cel shad", "cel-shad"): Finish(bands=4, depth=0.95, gloss=0.8, outline=0.02, grain=0.03),
}
"""Style words -> finish; the first that is said wins."""


def surface(mask: Image.Image, base: Rgb, finish: Finish, *, round_: float = 0.22, gloss: float = 1.0,
            grain: Array | None = None) -> Image.Image:  # fmt: skip
    """An RGB image of the mask's size: a lit surface of colour `base` that fills the mask.

    Args:
        mask: mode L, the shape.
        base: its colour in full light.
        finish: shading style.
        round_: how far from the edge it curves, as a share of the shorter side.
        gloss: factor on the highlights.
        grain: noise between 0 and 1 of any size, laid over the surface.
    """
    share = min(1.0, LIT_SIDE / max(mask.size))
    small = mask.resize((max(1, round(mask.width * share)), max(1, round(mask.height * share))), Image.Resampling.BOX)
    radius = max(1.0, min(small.size) * round_)
    pad = round(2 * radius)
    inside = (slice(pad, pad + small.height), slice(pad, pad + small.width))
    tone, light = _tones(np.pad(to_array(small), pad), radius, finish)
    rgb = _ramp(colour(base), tone[inside], light[inside], finish.gloss * gloss)
    if grain is not None:
        tooth = Image.fromarray(grain).resize(small.size, Image.Resampling.BILINEAR)
        rgb = rgb * (1 + (np.asarray(tooth, dtype=np.float32)[..., None] - 0.5) * np.float32(2 * finish.grain))
    return to_image(rgb).resize(mask.size, Image.Resampling.BICUBIC)


def _tones(mask: Array, radius: float, finish: Finish) -> tuple[Array, Array]:
    """(tone around 0, raw light) of the blurred mask's own height field."""
    height = np.float32(0.6) * blur(mask, radius * 0.62) + np.float32(0.4) * blur(mask, radius * 0.25)
    slope_y, slope_x = (np.asarray(slope, dtype=np.float32) for slope in np.gradient(height))
    steep = np.float32(1.7 * radius * finish.depth)
    norm = np.asarray(1 / np.sqrt((slope_x * steep) ** 2 + (slope_y * steep) ** 2 + 1), dtype=np.float32)
    light = (-slope_x * steep * _LIGHT[0] - slope_y * steep * _LIGHT[1] + _LIGHT[2]) * norm
    tone: Array = (light - _LIGHT[2]) * np.float32(0.85) + _falloff(mask) * np.float32(finish.depth)
    if finish.bands:
        steps = np.float32(finish.bands * 1.6)
        tone = np.asarray(0.75 * np.round(tone * steps) / steps + 0.25 * tone, dtype=np.float32)
    return tone, light


def _falloff(mask: Array) -> Array:
    """A little lighter above, darker below, over the mask's own height."""
    rows = np.flatnonzero(mask.max(axis=1) > 0.5)  # noqa: PLR2004  half covered
    if not len(rows):
        return np.zeros((mask.shape[0], 1), dtype=np.float32)
    y = (np.arange(mask.shape[0], dtype=np.float32) - rows[0]) / np.float32(max(1, rows[-1] - rows[0]))
    fall: Array = (0.16 - 0.32 * np.clip(y, 0, 1)).astype(np.float32)[:, None]
    return fall


def _ramp(base: Array, tone: Array, light: Array, gloss: float) -> Array:
    dark = mix(base * 0.4, _COOL, 0.2)
    bright = mix(base, _WARM, 0.6)
    lit = mix(np.broadcast_to(base, (*tone.shape, 3)), bright, np.clip(tone * 1.5, 0, 1))
    both = mix(lit, dark, np.clip(-tone * 1.25, 0, 1))
    return mix(both, _WARM, smoothstep(0.93, 0.995, light) * np.float32(gloss * 0.6))


def ink_of(base: Rgb) -> Rgb:
    """Outline colour that belongs to a surface: dark, and never quite black."""
    red, green, blue = (float(part) for part in mix(colour(base) * 0.24, _COOL * 0.8, 0.35) * 255)
    return round(red), round(green), round(blue)


def edge(mask: Image.Image, width: float) -> Image.Image:
    """Mode L: a line of about `width` pixels just inside the edge of `mask`."""
    soft = mask.filter(ImageFilter.GaussianBlur(max(0.6, width * 0.8)))
    line = soft.point(_EDGE_LUT)
    return ImageChops.multiply(line, mask)


_EDGE_LUT = [
    round(255 * (1 - float(smoothstep(0.8, 0.93, np.asarray(value / 255, dtype=np.float32))))) for value in range(256)
]
