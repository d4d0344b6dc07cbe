"""Layers of a backdrop: one drawn by itself, or a whole picture taken apart into several.

A drawing knows how near each of its pixels is, so it comes apart exactly: layers laid on each other are the picture
again, to the pixel. A picture that nobody here has drawn is taken apart as if its lower parts were nearer. Layers
bear no draft mark: they lie on each other, and it would show through.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assetmill.localpod.draft.biomes import Stratum, biome_of
from assetmill.localpod.draft.pixels import Array, blur, rng_of, to_array, to_image
from assetmill.localpod.draft.scenery import PAINT_SIDE, own_tint, paint_scene, stratum_onto
from assetmill.localpod.draft.sky import Canvas, sky
from assetmill.localpod.draft.values import Picture
from assetmill.localpod.draft.wording import Wording

_REACH = 0.15  # strata no farther than this from the wanted depth belong to a layer
_LEAST = 0.002  # share of a picture from which a depth counts as one of its own
_GAP = 3  # of 255: depths farther apart are those of two things
_KNOWN = 0.02  # share of known colour from which a blurred one is trusted


@dataclass(slots=True, kw_only=True)
class _Plane(Canvas):
    """A canvas that remembers what was laid on it: how much of each pixel, and in which colours."""

    covered: Array
    fore: Array

    def lay(self, rgb: Array, alpha: Array, depth: Array | float) -> None:
        """Put one stratum in front."""
        Canvas.lay(self, rgb, alpha, depth)
        self.covered = np.maximum(self.covered, alpha)
        self.fore = np.where(alpha[..., None] > 0, rgb, self.fore).astype(np.float32)


def draw_layer(wording: Wording, depth: float, size: tuple[int, int], seed: int) -> Picture:
    """One layer alone.

    Args:
        wording: what it shows.
        depth: 0 far to 1 near; at 0 the farthest layer, which is opaque.
        size: (width, height) in pixels.
        seed: as a sampler has it.

    Returns:
        Its picture, with a matte unless it is the farthest.
    """
    if depth == 0:
        scene = paint_scene(wording, size, seed)
        return Picture(scene.behind, depth=scene.depth.point([0] * 256), behind=scene.behind)
    plane = _painted(wording, depth, size, seed)
    matte = Image.fromarray((np.clip(plane.covered, 0, 1) * 255 + 0.5).astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    fore = np.where(plane.covered[..., None] >= 1, plane.rgb, plane.fore)
    return Picture(
        to_image(plane.rgb).resize(size, Image.Resampling.BICUBIC),
        matte=matte,
        fore=to_image(fore.astype(np.float32)).resize(size, Image.Resampling.BICUBIC),
    )


def _painted(wording: Wording, depth: float, size: tuple[int, int], seed: int) -> _Plane:
    biome, hour = biome_of(f"{wording.subject} {wording.subject} {wording.subject} {wording.world}")
    rng = rng_of("layer", seed, wording.whole)
    share = min(1.0, PAINT_SIDE / max(size))
    ground = sky(biome, (max(8, round(size[1] * share)), max(8, round(size[0] * share))), rng)
    plane = _Plane(ground.rgb, ground.depth, covered=np.zeros_like(ground.depth), fore=ground.rgb)
    for stratum in _strata(biome.strata, depth):
        stratum_onto(plane, stratum, biome, hour, own_tint(wording), rng)
    return plane


def _strata(strata: tuple[Stratum, ...], depth: float) -> list[Stratum]:
    """The strata around a depth: those within reach of the one that is nearest to it."""
    nearest = min(strata, key=lambda one: abs(one.depth - depth))
    return [one for one in strata if abs(one.depth - nearest.depth) <= _REACH]


def taken_apart(picture: Picture, count: int) -> tuple[Picture, ...]:
    """A picture as `count` layers of its own size, farthest first, each RGBA; the first is opaque.

    Laid on each other in their order they are the picture again. What a nearer layer uncovers when it moves shows
    what stands behind it, as far as the drawing knows, else the colours around.
    """
    image = picture.image.convert("RGB")
    near = np.asarray(_depth(picture))
    cuts = _cuts(near, count)
    hole = Image.fromarray(np.where(near >= cuts[0], 255, 0).astype(np.uint8)) if cuts else Image.new("L", image.size)
    behind = picture.behind.convert("RGB") if picture.behind is not None else around(image, hole)
    layers = [Image.composite(behind, image, hole).convert("RGBA")]
    for least, most in zip(cuts, (*cuts[1:], 256), strict=True):
        layer = image.convert("RGBA")
        layer.putalpha(Image.fromarray(np.where((near >= least) & (near < most), 255, 0).astype(np.uint8)))
        layers.append(layer)
    return tuple(Picture(layer) for layer in layers)


def _depth(picture: Picture) -> Image.Image:
    depth = picture.depth if picture.depth is not None else Image.linear_gradient("L")
    return depth if depth.size == picture.size else depth.resize(picture.size, Image.Resampling.NEAREST)


def _cuts(near: NDArray[np.uint8], count: int) -> tuple[int, ...]:
    """Depths at which all layers but the farthest begin: rising, and with something between any two of them."""
    share = np.bincount(near.reshape(-1), minlength=256) / near.size
    levels = np.flatnonzero(share >= _LEAST)
    if len(levels) < count:
        levels = np.flatnonzero(share)
    if len(levels) < count:  # fewer depths than layers: what is left over is empty
        levels = np.concatenate([levels, np.arange(256 - count + len(levels), 256)])
    return tuple(int(levels[at]) for at in _places(levels, count))


def _places(levels: NDArray[np.intp], count: int) -> list[int]:
    """Where to cut rising depths into `count` parts: at the widest gaps; where nothing parts them, in the middle."""
    gaps = np.diff(levels)
    wide = [int(at) + 1 for at in np.argsort(-gaps, kind="stable") if gaps[at] > _GAP]
    places = sorted(wide[: count - 1])
    while len(places) < count - 1:
        ends = [0, *places, len(levels)]
        first, last = max(itertools.pairwise(ends), key=lambda part: part[1] - part[0])
        places = sorted([*places, (first + last) // 2])
    return places


def around(image: Image.Image, hole: Image.Image) -> Image.Image:
    """The picture with the hole closed by the blurred colours around it, the nearest that are known."""
    small = (max(2, image.width // 16), max(2, image.height // 16))
    known = 1 - to_array(hole.resize(small, Image.Resampling.BOX))
    colours = to_array(image.resize(small, Image.Resampling.BOX))
    mean = (colours * known[..., None]).sum(axis=(0, 1)) / max(1e-6, float(known.sum()))
    filled = np.broadcast_to(mean, colours.shape)
    for radius in (32, 16, 8, 4, 2, 1):
        weight = blur(known, radius)
        near = np.dstack([blur(colours[..., band] * known, radius) for band in range(3)])
        reached = (weight > _KNOWN)[..., None]
        filled = np.where(reached, near / np.maximum(weight, _KNOWN)[..., None], filled)
    return to_image(filled.astype(np.float32)).resize(image.size, Image.Resampling.BICUBIC)
