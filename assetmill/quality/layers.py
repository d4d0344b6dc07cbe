"""Checks of a parallax background: is every layer there, can one see through it, are they together the picture?

They look at the pictures as they came back, as the other checks do. Where a whole picture came with the layers, the
layers laid on each other have to show the same; drawn one by one there is no whole picture, and nothing to compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from PIL import Image

from assetmill.manifest.models import Parallax, Qa
from assetmill.manifest.parallax import WHOLE, layer_roles, layers_of
from assetmill.quality import measure
from assetmill.quality.checks import ASPECT_LIMIT, SEAM_LIMIT, check, merge
from assetmill.quality.verdict import Quality

EMPTY_LAYER = 0.001
"""Share of solid pixels below which there is nothing to see on a layer."""
HIDING = 0.985
"""Share of solid pixels from which a layer hides what lies behind it: the rest is specks and soft edges."""
HOLES = 0.005
"""Share of the farthest layer that may be see-through before somebody should look at what filled it."""
UNLIKE_LIMIT = 0.02
"""Greatest share in which the layers together may differ from the whole picture. Measured on drafts of six scenes, cut
by depth and decomposed: layers made smaller by half, stored as JPEG at quality 75 and covered with noise of 8 levels
come to 0.001 at most; leaving out a layer that can be seen comes to 0.034 at least, mostly to 0.1 to 0.2."""
OTHER_PICTURE = 0.5
"""Share from which on the layers are those of another picture, and are not published."""

_AXES = (("x", 1, "left and right"), ("y", 0, "top and bottom"))


def judge(
    asset: Parallax, pictures: Mapping[str, Image.Image], qa: Qa, asked: tuple[int, int], torn: Mapping[int, int]
) -> Quality:
    """Judge all pictures of a parallax background, decoded.

    Args:
        asset: what was wanted.
        pictures: role -> picture, the layers and, where there is one, the whole picture.
        qa: the pack's limits.
        asked: (width, height) in pixels of the finished layers.
        torn: what `torn_edges` found.
    """
    roles = layer_roles(asset)
    layers = [pictures[role] for role in roles]
    names = [layer.id for layer in layers_of(asset)]
    parts = [check(asset, pictures.get(WHOLE, layers[0]), qa, asked=asked), _farthest(names[0], layers[0])]
    parts += [_nearer(name, layer) for name, layer in zip(names[1:], layers[1:], strict=True)]
    parts += [*_shapes(names, layers), *_torn(torn, len(layers))]
    if WHOLE in pictures:
        parts.append(_together(layers, pictures[WHOLE]))
    return merge(parts)


def torn_edges(asset: Parallax, pictures: Mapping[str, Image.Image]) -> dict[int, int]:
    """Axis (1 sideways, 0 upwards) -> number of layers whose edges have to join there and do not."""
    layers = [pictures[role] for role in layer_roles(asset)]
    counts = {
        axis: sum(measure.join(layer, axis) > SEAM_LIMIT for layer in layers)
        for letter, axis, _ in _AXES
        if asset.seamless != "none" and letter in asset.seamless
    }
    return {axis: count for axis, count in counts.items() if count}


def stacked(layers: list[Image.Image]) -> Image.Image:
    """Layers laid on each other, farthest first, as mode RGB of the first one's size."""
    whole = layers[0].convert("RGBA")
    for layer in layers[1:]:
        fitted = layer if layer.size == whole.size else layer.resize(whole.size, Image.Resampling.BILINEAR)
        whole.alpha_composite(fitted.convert("RGBA"))
    return whole.convert("RGB")


def _farthest(name: str, layer: Image.Image) -> Quality:
    holes = 1 - measure.coverage(measure.alpha_of(layer))
    if holes <= HOLES:
        return Quality(1.0)
    return Quality(max(0.3, 1 - holes), (f"layer {name}, the farthest, has holes ({holes:.0%}), filled from around",))


def _nearer(name: str, layer: Image.Image) -> Quality:
    """A layer in front of others has to have something on it, and holes to look through."""
    covered = measure.coverage(measure.alpha_of(layer))
    if covered < EMPTY_LAYER:
        return Quality(0.7, (f"layer {name} is empty",))
    return Quality(0.7, (f"layer {name} hides all layers behind it",)) if covered >= HIDING else Quality(1.0)


def _shapes(names: list[str], layers: list[Image.Image]) -> Iterator[Quality]:
    wanted = layers[0].width / layers[0].height
    for name, layer in zip(names[1:], layers[1:], strict=True):
        if abs(layer.width / layer.height / wanted - 1) > ASPECT_LIMIT:
            yield Quality(0.7, (f"layer {name} came back as {layer.width} x {layer.height}, in another shape",))


def _torn(torn: Mapping[int, int], layers: int) -> Iterator[Quality]:
    for _, axis, names in _AXES:
        if axis in torn:
            yield Quality(0.8, (f"{names} did not join in {torn[axis]} of {layers} layers: blended over in all",))


def _together(layers: list[Image.Image], whole: Image.Image) -> Quality:
    share = measure.unlike(whole, stacked(layers))
    if share <= UNLIKE_LIMIT:
        return Quality(1.0)
    text = f"the layers together are not the whole picture: {share:.0%} of it differs"
    if share >= OTHER_PICTURE:
        return Quality(0.0, (), text)
    return Quality(round(0.8 * (1 - share), 4), (text,))
