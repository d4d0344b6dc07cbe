"""Landscapes: a sky and strata from far to near, each of them lit, hazed by distance and grown over.

A scene is painted back to front, and every stratum leaves its depth, so that the scene can be taken apart
into layers that put together look like the whole. Everything repeats from the right edge to the left: a
backdrop that scrolls has no seam. Painted at a reduced size; the sharp edges come from masks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from assetmill.localpod.draft.biomes import TINTS, Biome, Stratum, biome_of
from assetmill.localpod.draft.crests import crest
from assetmill.localpod.draft.decor import GROWTH
from assetmill.localpod.draft.palette import chroma, colours_named
from assetmill.localpod.draft.pixels import (
    Array,
    Rgb,
    blur,
    colour,
    mix,
    noise,
    rng_of,
    smoothstep,
    to_array,
    to_image,
)
from assetmill.localpod.draft.sky import FINE, Canvas, air_behind, flecks, lit, sky
from assetmill.localpod.draft.wording import Wording

PAINT_SIDE = 672
"""Longest side in pixels at which scenes are painted."""

FAR = 0.33
"""Strata nearer than this are left out of what stands behind."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A painted landscape; all three of the asked size.

    Args:
        image: RGB.
        depth: mode L, 0 far to 255 near.
        behind: RGB, the far strata alone.
    """

    image: Image.Image
    depth: Image.Image
    behind: Image.Image


def paint_scene(wording: Wording, size: tuple[int, int], seed: int) -> Scene:
    """The landscape that the words mean, of `size` (width, height) in pixels."""
    text = f"{wording.subject} {wording.subject} {wording.subject} {wording.world}"
    biome, hour = biome_of(text)
    rng = rng_of("scene", seed, wording.whole)
    share = min(1.0, PAINT_SIDE / max(size))
    shape = (max(8, round(size[1] * share)), max(8, round(size[0] * share)))
    canvas = sky(biome, shape, rng)
    tint = own_tint(wording)
    air_behind(canvas, biome, rng)
    for stratum in biome.strata:
        if stratum.depth >= FAR and canvas.behind is None:
            canvas.behind = canvas.rgb
        stratum_onto(canvas, stratum, biome, hour, tint, rng)
    return _finished(canvas, biome, size, rng)


def own_tint(wording: Wording) -> Rgb | None:
    """A strong colour that the prompt names leads the land a little its way."""
    return next((one for one in colours_named(wording.subject) if chroma(one) > 70), None)  # noqa: PLR2004  clearly coloured


def _finished(canvas: Canvas, biome: Biome, size: tuple[int, int], rng: np.random.Generator) -> Scene:
    behind = canvas.rgb if canvas.behind is None else canvas.behind
    grain = (noise(canvas.rgb.shape[:2], 9, rng, 2)[..., None] - 0.5) * np.float32(0.012)
    specks = flecks(biome, canvas.rgb.shape[:2], rng)
    image = mix(canvas.rgb, colour(specks[1]), specks[0]) if specks is not None else canvas.rgb
    upscale = Image.Resampling.BICUBIC
    return Scene(
        image=to_image(image + grain).resize(size, upscale),
        depth=Image.fromarray((np.clip(canvas.depth, 0, 1) * 255).astype(np.uint8)).resize(
            size, Image.Resampling.NEAREST
        ),
        behind=to_image(behind + grain).resize(size, upscale),
    )


def stratum_onto(
    canvas: Canvas, stratum: Stratum, biome: Biome, hour: str, tint: Rgb | None, rng: np.random.Generator
) -> None:
    """Lay one stratum on a canvas, with what grows on it."""
    height, width = canvas.depth.shape
    unit = min(height, width)
    line = crest(stratum.kind, (height, width), stratum.crest, stratum.rise, rng)
    land = _below(line, height) if stratum.kind != "hang" else 1 - _below(line, height)
    grown = _growth(stratum, line, (height, width), rng)
    mask = land if grown is None else np.maximum(land, grown) if stratum.kind != "none" else grown
    base = _aired(stratum, biome, hour, tint)
    shown = lit(mask, base, unit * (0.012 + 0.03 * stratum.depth), 0.5 + 0.5 * stratum.depth)
    if stratum.kind == "swell":
        shown = _foam(shown, line, unit, stratum)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    shown = shown * (1 + noise((height, width), unit * 0.08, rng, 2)[..., None] * np.float32(0.09) - np.float32(0.045))
    shown = mix(
        shown,
        colour(biome.sky[2]),
        smoothstep(0.0, 1.0, y - stratum.crest)[..., None] * np.float32(0.5 * (1 - stratum.depth)),
    )
    canvas.lay(
        shown.astype(np.float32),
        mask,
        np.clip(stratum.depth + (y - stratum.crest) * 0.1, stratum.depth - 0.04, stratum.depth + 0.04),
    )
    if stratum.growth == "tower":
        _windows(canvas, mask, stratum, rng)


def _below(line: Array, height: int) -> Array:
    rows = np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(np.clip(rows - line[None, :] + 0.5, 0, 1), dtype=np.float32)


def _growth(stratum: Stratum, line: Array, shape: tuple[int, int], rng: np.random.Generator) -> Array | None:
    """Mask of everything that stands on (or hangs from) the line, wrapped round the edge."""
    if not stratum.growth:
        return None
    height, width = shape
    image = Image.new("L", (width * FINE, height * FINE))
    pen = ImageDraw.Draw(image)
    draw = GROWTH[stratum.growth]
    tall = stratum.scale * min(shape)
    crowd = max(1, round(stratum.crowd * min(1.6, max(0.45, width / height / 1.5))))
    for i in range(crowd):
        jitter = 0.7 * (float(rng.random()) - 0.5) if stratum.growth != "merlon" else 0.0
        x = (i + 0.5 + jitter) / crowd * width
        s = tall * (0.75 + 0.5 * float(rng.random()) if stratum.growth != "merlon" else 1.0)
        y = (
            float(line[int(x) % width])
            if stratum.kind != "none"
            else (stratum.crest + 0.3 * (float(rng.random()) - 0.5)) * height
        )
        state = rng.bit_generator.state
        for wrap in (-width, 0, width) if x < 2.2 * s or x > width - 2.2 * s else (0,):
            rng.bit_generator.state = state
            draw(pen, (x + wrap) * FINE, (y + (0.01 * tall if stratum.kind != "none" else 0)) * FINE, s * FINE, rng)
    return to_array(image.reduce(FINE))


def _aired(stratum: Stratum, biome: Biome, hour: str, tint: Rgb | None) -> Array:
    """The stratum's colour, after the hour, the prompt's own colour and the air in between."""
    base = colour(stratum.colour)
    if tint is not None:
        base = mix(base, colour(tint) * np.float32(0.55 + 0.45 * float(base.max())), 0.35)
    shade, share = TINTS[hour]
    base = mix(base, colour(shade) * np.float32(0.5 + 0.5 * float(base.mean())), share)
    return mix(base, colour(biome.sky[2]), 0.42 * max(0.0, 1 - stratum.depth * 2.2))


def _foam(shown: Array, line: Array, unit: int, stratum: Stratum) -> Array:
    """A bright lip along the waves and fainter ones below."""
    rows = np.arange(shown.shape[0], dtype=np.float32)[:, None] - line[None, :]
    lip = np.exp(-(((rows - unit * 0.006) / np.float32(unit * 0.006)) ** 2))
    second = np.exp(-(((rows - unit * 0.05 * (0.5 + stratum.depth)) / np.float32(unit * 0.004)) ** 2)) * 0.4
    return mix(shown, colour((255, 250, 226)), np.clip(lip * 0.75 + second, 0, 1))


def _windows(canvas: Canvas, mask: Array, stratum: Stratum, rng: np.random.Generator) -> None:
    """Lit windows in a city: a grid of small panes, a part of them on."""
    height, width = mask.shape
    step = max(4, round(min(height, width) * (0.012 + 0.02 * stratum.depth)))
    rows, columns = height // step + 1, width // step
    on = (rng.random((rows, columns)) < 0.3).astype(np.float32)  # noqa: PLR2004  a third of them
    pane = np.zeros((step, step), dtype=np.float32)
    pane[step // 4 : step - step // 4, step // 3 : step - step // 3] = 1
    grid = np.pad(np.kron(on, pane), ((0, 0), (0, step)))[:height, :width]
    inside = blur(mask, step * 0.8) > 0.97  # noqa: PLR2004  well inside a house
    canvas.rgb = mix(canvas.rgb, colour((255, 226, 140)), grid * inside * np.float32(0.35 + 0.5 * stratum.depth))
