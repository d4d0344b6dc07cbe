"""Which layers a parallax background has, and under which names their pictures travel.

Prompts, plans, checks, packs and pages all ask; they have to agree on number and order, or a layer would be
published under the name of another. The farthest layer comes first everywhere. Nothing is drawn here.
"""

from __future__ import annotations

import re

from assetmill.manifest.models import DEPTH_LAYERS, Parallax, ParallaxLayer

WHOLE = "full"
"""Role of the whole picture, as it was drawn before it was taken apart, or put together from its layers."""

DEPTH_MAP = "depth"
"""Role of the depth map by which method `depth` cuts."""

SLOWEST, FASTEST = 0.1, 0.8
"""Scroll factors of the game runtime's farthest and nearest layers; its third, the middle one, has 0.5."""

_DEPTH_FACTORS = (SLOWEST, 0.5, FASTEST)
_LAYER_ROLE = re.compile(r"layer_\d+")


def count_of(asset: Parallax) -> int:
    """Number of layers."""
    return len(asset.layers) or asset.layer_count or 0


def layer_roles(asset: Parallax) -> tuple[str, ...]:
    """Roles of its layers' pictures, farthest first: `far`, `mid`, `near`, or `layer_0`, `layer_1` and so on."""
    if asset.method == "depth":
        return DEPTH_LAYERS
    return tuple(layer_role(index) for index in range(count_of(asset)))


def layer_role(index: int) -> str:
    """Role of a layer's picture, from 0, the farthest."""
    return f"layer_{index}"


def is_layer(role: str) -> bool:
    """Whether a role names a layer, whatever the method."""
    return role in DEPTH_LAYERS or _LAYER_ROLE.fullmatch(role) is not None


def layers_of(asset: Parallax) -> tuple[ParallaxLayer, ...]:
    """Its layers, farthest first: the manifest's own, or as many as `layer_count` asks for, evenly spread.

    Depths run from 0 to 1, scroll factors from 0.1 to 0.8. Layers cut by depth are named far, mid and near, others
    layer_0 and so on, as their pictures are.
    """
    if asset.layers:
        return asset.layers
    roles = layer_roles(asset)
    factors = _DEPTH_FACTORS if asset.method == "depth" else _evenly(len(roles))
    return tuple(
        ParallaxLayer(id=role, depth=round(i / (len(roles) - 1), 4), scroll_factor=factor, opaque=i == 0)
        for i, (role, factor) in enumerate(zip(roles, factors, strict=True))
    )


def _evenly(count: int) -> tuple[float, ...]:
    step = (FASTEST - SLOWEST) / (count - 1)
    return tuple(round(SLOWEST + step * index, 4) for index in range(count))
