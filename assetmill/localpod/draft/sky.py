"""The sky of a landscape, its light, and what is in the air.

Everything repeats from the right edge to the left. The canvas lives here because the sky is the first
thing on it; strata are laid on it later, in scenery.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from assetmill.localpod.draft.biomes import Biome
from assetmill.localpod.draft.pixels import Array, Rgb, blur, colour, mix, noise, smoothstep, to_array

FINE = 2
"""Masks are drawn this much larger and reduced."""


@dataclass(slots=True)
class Canvas:
    """What is being painted."""

    rgb: Array
    depth: Array
    behind: Array | None = None

    def lay(self, rgb: Array, alpha: Array, depth: Array | float) -> None:
        """Put one stratum in front."""
        self.rgb = mix(self.rgb, rgb, alpha)
        self.depth = np.where(alpha > 0.5, depth, self.depth).astype(np.float32)  # noqa: PLR2004  half covered


def sky(biome: Biome, shape: tuple[int, int], rng: np.random.Generator) -> Canvas:
    """A canvas of `shape` (height, width) with nothing on it but sky and light."""
    height, width = shape
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    top, middle, low = (colour(one) for one in biome.sky)
    column = mix(
        mix(np.broadcast_to(top, (height, 3)), middle, np.clip(y[:, 0] / 0.45, 0, 1)),
        low,
        smoothstep(0.35, 0.8, y[:, 0]),
    )
    haze = noise(shape, width / 3, rng) - 0.5
    rgb = np.broadcast_to(column[:, None, :], (height, width, 3)) * (1 + haze[..., None] * np.float32(0.07))
    canvas = Canvas(rgb.astype(np.float32), np.broadcast_to(0.02 + 0.06 * y, shape).astype(np.float32))
    _light(canvas, biome, rng)
    return canvas


def _light(canvas: Canvas, biome: Biome, rng: np.random.Generator) -> None:
    """Sun, moon or the glow of a cave."""
    if biome.light == "none":
        return
    height, width = canvas.depth.shape
    unit = min(height, width)
    x0, y0 = width * (0.18 + 0.6 * float(rng.random())), height * (0.14 + 0.1 * float(rng.random()))
    if biome.light == "glow":
        x0, y0 = width * 0.5, height * 0.6
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    away = np.hypot(np.minimum(abs(x - x0), width - abs(x - x0)), y - y0) / np.float32(unit)
    warm = colour({"sun": (255, 248, 214), "moon": (238, 240, 255), "glow": biome.sky[2]}[biome.light])
    canvas.rgb = mix(
        canvas.rgb, warm, np.exp(-away * np.float32(5.5)) * np.float32(0.5 if biome.light != "glow" else 0.75)
    )
    if biome.light != "glow":
        canvas.rgb = mix(canvas.rgb, warm, 1 - smoothstep(0.066, 0.072, away))
    if biome.light == "moon":
        shade = np.hypot(x - x0 - unit * 0.03, y - y0 + unit * 0.015) / np.float32(unit)
        canvas.rgb = mix(
            canvas.rgb,
            colour(biome.sky[1]),
            (1 - smoothstep(0.05, 0.062, shade)) * (1 - smoothstep(0.06, 0.068, away)) * 0.55,
        )


def air_behind(canvas: Canvas, biome: Biome, rng: np.random.Generator) -> None:
    """Paint what hangs in the air behind all land: stars, clouds, rays."""
    if "stars" in biome.air:
        canvas.rgb = mix(canvas.rgb, colour((255, 252, 236)), _stars(canvas.depth.shape, rng))
    if "clouds" in biome.air:
        _clouds(canvas, biome, rng)
    if "rays" in biome.air:
        canvas.rgb = canvas.rgb + _rays(canvas.depth.shape, rng)[..., None] * np.float32(0.16)


def _stars(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    height, width = shape[:2]
    image = Image.new("L", (width, height))
    pen = ImageDraw.Draw(image)
    unit = min(height, width) / 400
    for x, y, r in rng.random((150, 3)):
        size = (0.5 + 1.3 * r**4) * unit
        pen.ellipse(
            (x * width - size, y * height * 0.75 - size, x * width + size, y * height * 0.75 + size),
            fill=round(120 + 135 * float(r)),
        )
    return to_array(image)


def _clouds(canvas: Canvas, biome: Biome, rng: np.random.Generator) -> None:
    """Puffs of a few overlapping balls, flat below, wrapped round the edge."""
    height, width = canvas.depth.shape
    unit = min(height, width)
    image = Image.new("L", (width * FINE, height * FINE))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, s = (
            float(rng.random()) * width,
            (0.07 + 0.38 * float(rng.random())) * height,
            (0.05 + 0.07 * float(rng.random())) * unit,
        )
        balls = [
            (x + s * (i - 2) * 0.85, y - s * 0.35 * float(rng.random()), s * (0.9 - 0.22 * abs(i - 2)))
            for i in range(5)
        ]
        for wrap in (-width, 0, width):
            for bx, by, r in balls:
                pen.ellipse([v * FINE for v in (bx + wrap - r, by - r, bx + wrap + r, by + r * 0.8)], fill=255)
    mask = to_array(image.reduce(FINE))
    shown = lit(mask, mix(colour(biome.sky[2]), colour((255, 255, 255)), 0.75), unit * 0.035, 0.3)
    canvas.rgb = mix(canvas.rgb, shown, mask * np.float32(0.88))


def _rays(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    height, width = shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slant = ((x + y * 0.45) / width * 2 * np.pi).astype(np.float32)
    beams = np.sin(slant * 3 + np.float32(rng.random() * 6)) + np.sin(slant * 7 + np.float32(rng.random() * 6)) * 0.6
    return np.asarray(smoothstep(0.2, 1.5, beams) * np.clip(1 - y / height * 1.1, 0, 1), dtype=np.float32)


def flecks(biome: Biome, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Array, Rgb] | None:
    """Small things in the air before everything: (share, colour)."""
    kinds: dict[str, tuple[Rgb, int, float]] = {
        "snow": ((255, 255, 255), 110, 0.9), "embers": ((255, 196, 90), 60, 0.9), "bubbles": ((214, 244, 255), 46, 0.6),
        "motes": ((240, 255, 190), 44, 0.7),
    }  # fmt: skip
    kind = next((kinds[name] for name in biome.air if name in kinds), None)
    if kind is None:
        return None
    height, width = shape[:2]
    image = Image.new("L", (width * FINE, height * FINE))
    pen = ImageDraw.Draw(image)
    for x, y, r in rng.random((kind[1], 3)):
        size = (0.8 + 2.2 * float(r) ** 2) * min(height, width) / 400 * FINE
        cx, cy = float(x) * width * FINE, float(y) * height * FINE
        box = (cx - size, cy - size, cx + size, cy + size)
        pen.ellipse(box, outline=220, width=2) if "bubbles" in biome.air else pen.ellipse(box, fill=230)
    return to_array(image.reduce(FINE)) * np.float32(kind[2]), kind[0]


def lit(mask: Array, base: Array, radius: float, strength: float) -> Array:
    """Light from the upper left on what the mask shows; wrapped, so that no edge is seen."""
    pad = max(2, round(2 * radius))
    wide = np.pad(mask, ((pad, pad), (0, 0)), mode="edge")
    wide = np.pad(wide, ((0, 0), (pad, pad)), mode="wrap")
    soft = blur(wide, radius)
    down, across = np.gradient(soft)
    slope = np.asarray(across * 0.5 + down * 0.85, dtype=np.float32)[pad:-pad, pad:-pad]
    tone = slope * np.float32(radius * 1.5 * strength)
    bright, dark = mix(base, colour((255, 250, 224)), 0.55), base * np.float32(0.62)
    return mix(
        mix(np.broadcast_to(base, (*mask.shape, 3)), bright, np.clip(tone * 1.3, 0, 1)),
        dark,
        np.clip(-tone * 1.3, 0, 1),
    )
