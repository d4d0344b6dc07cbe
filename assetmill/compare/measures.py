"""Figures that are new here: how far two pictures are from each other, and how much of its guide one has kept.

What the checks measure already is asked of `quality.measure`. All figures are of the picture as it came back, decoded;
the same bytes give the same figures on any machine. Each function states its range; none judges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from assetmill import guides
from assetmill.compare.values import Figures, PairFigures
from assetmill.guides.drawing import paint
from assetmill.manifest.models import AssetBase, Background, Parallax
from assetmill.quality import measure
from assetmill.quality.wanted import is_cutout

SIDE = 256
"""Outlines and colours are compared at this size: finer adds nothing to a figure."""

HASH_SIDE = 8
DCT_SIDE = 32
SAME_COLOUR = 12.0
"""CIE 1976 delta E below which a pixel still has its guide's colour; neighbouring tones of one thing differ by less."""

GREY = (128, 128, 128)
LEVEL_BITS = 3  # dropped: 32 levels a channel
SHARE_OF_A_COLOUR = 1e-4

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # sRGB, D65
_WHITE = np.array([0.9505, 1.0, 1.089])

Plane = NDArray[np.float64]
Mask = NDArray[np.bool_]


def figures_of(asset: AssetBase, image: Image.Image, *, guided: bool) -> Figures:
    """Measure one picture.

    Args:
        asset: what was wanted.
        image: mode RGB or RGBA, as it came back.
        guided: whether it was drawn from the asset's guide.
    """
    own: dict[str, Any] = {"colours": colours(image), "detail": measure.detail(flat(image))}
    if is_cutout(asset):
        alpha = measure.alpha_of(image)
        own["solid"] = measure.coverage(alpha)
        own["border_touch"] = measure.border_touch(alpha)
        own["soft_alpha"] = measure.soft_share(alpha)
    if guided:
        own |= _against_guide(asset, image)
    seamless = asset.seamless if isinstance(asset, Background | Parallax) else "none"
    axes = [axis for letter, axis in (("x", 1), ("y", 0)) if seamless != "none" and letter in seamless]
    if axes:
        own["seam"] = max(measure.seam(image, axis) for axis in axes)
    return Figures(**{name: round(value, 5) for name, value in own.items()})


def pair_figures(asset: AssetBase, first: Image.Image, second: Image.Image) -> PairFigures:
    """Measure how far two pictures of one asset are from each other."""
    overlap = None
    if is_cutout(asset):
        overlap = round(silhouette_overlap(first, second), 5)
    colour = float(np.linalg.norm(_mean_colour(first) - _mean_colour(second)))
    return PairFigures(
        silhouette_overlap=overlap, perceptual=perceptual_distance(first, second), colour=round(colour, 3)
    )


def perceptual_distance(first: Image.Image, second: Image.Image) -> float:
    """Share of differing bits of two 63-bit hashes, 0 to 1: below 0.1 pictures look alike, 0.5 is chance."""
    return float((_dct_hash(first) != _dct_hash(second)).mean())


def silhouette_overlap(first: Image.Image, second: Image.Image) -> float:
    """Intersection over union of two subjects, 0 to 1, both brought to the same size; 1 where both are empty."""
    one, other = (_small_alpha(image) >= measure.SOLID for image in (first, second))
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 1.0


def colours(image: Image.Image) -> int:
    """Colours of solid pixels at 32 levels a channel that cover 0.01 % of these or more."""
    levels = np.asarray(image.convert("RGB"), np.uint32)[measure.alpha_of(image) >= measure.SOLID] >> LEVEL_BITS
    if not len(levels):
        return 0
    bits = 8 - LEVEL_BITS
    counts = np.bincount((levels[:, 0] << 2 * bits) | (levels[:, 1] << bits) | levels[:, 2])
    return int((counts >= max(1.0, len(levels) * SHARE_OF_A_COLOUR)).sum())


def guide_leak(image: Image.Image, painted: Image.Image, inside: Mask) -> float:
    """Share of the subject inside the guide's outline that has the guide's colour at the very place, 0 to 1.

    Args:
        image: as it came back.
        painted: the guide, mode RGB.
        inside: where its subject stands, of the guide's size.
    """
    fitted = image.resize(painted.size, Image.Resampling.BOX)
    subject = inside & (measure.alpha_of(fitted) >= measure.SOLID)
    if not subject.any():
        return 0.0
    distance = np.linalg.norm(_lab(fitted.convert("RGB")) - _lab(painted), axis=-1)
    return float((distance[subject] < SAME_COLOUR).mean())


def flat(image: Image.Image) -> Image.Image:
    """The picture before middle grey, mode RGB: what is transparent has no say in how it looks."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, GREY)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _against_guide(asset: AssetBase, image: Image.Image) -> dict[str, float]:
    """The guide is drawn again, small: its recipe follows from the asset and a size."""
    scale = SIDE / max(image.size)
    recipe = guides.recipe(asset, (max(16, round(image.width * scale)), max(16, round(image.height * scale))))
    if recipe is None:
        return {}
    painted, inside = paint(recipe), np.asarray(guides.mask(recipe)) >= measure.SOLID
    found = {"guide_leak": guide_leak(image, painted, inside)}
    if is_cutout(asset):
        alpha = Image.fromarray(measure.alpha_of(image)).resize(painted.size, Image.Resampling.BOX)
        found["guide_overlap"] = measure.overlap(np.asarray(alpha), inside)
    return found


def _dct_hash(image: Image.Image) -> Mask:
    """The lowest frequencies of lightness, each above their median or not; the mean is no part of it."""
    grey = flat(image).convert("L").resize((DCT_SIDE, DCT_SIDE), Image.Resampling.LANCZOS)
    low = fft.dctn(np.asarray(grey, np.float64), norm="ortho")[:HASH_SIDE, :HASH_SIDE].ravel()[1:]
    bits: Mask = low > np.median(low)
    return bits


def _small_alpha(image: Image.Image) -> NDArray[np.uint8]:
    alpha = Image.fromarray(measure.alpha_of(image))
    return np.asarray(alpha.resize((SIDE, SIDE), Image.Resampling.BOX))


def _mean_colour(image: Image.Image) -> Plane:
    """Mean colour of what is solid, CIELAB; of everything where nothing is."""
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    lab, solid = _lab(small.convert("RGB")), measure.alpha_of(small) >= measure.SOLID
    mean: Plane = lab[solid].mean(axis=0) if solid.any() else lab.mean(axis=(0, 1))
    return mean


def _lab(image: Image.Image) -> Plane:
    """CIELAB of an sRGB picture, D65: rows by columns by (L*, a*, b*)."""
    levels = np.asarray(image, np.float64) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004  IEC 61966-2-1
    xyz = linear @ _TO_XYZ.T / _WHITE
    bent = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)  # CIE 15
    return np.stack(
        [116 * bent[..., 1] - 16, 500 * (bent[..., 0] - bent[..., 1]), 200 * (bent[..., 1] - bent[..., 2])], -1
    )
