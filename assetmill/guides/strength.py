"""How far a guide may be redrawn (ComfyUI's `denoise`, 0 to 1) when the manifest does not say.

Kept apart from the drawing: planning asks it for every asset.
"""

from __future__ import annotations

from assetmill.guides.compat import strength
from assetmill.manifest.models import AssetBase, Entity, Sheet

SHEET_STRENGTH = 0.85
"""Less than for entities: at 0.9 and above shapes wander out of their cells."""

REFERENCE_STRENGTH = 0.65
"""A reference is a finished picture: redrawn as far as a silhouette, nothing of it would be left."""

FREE_STRENGTH = 1.0
"""Text to image: there is nothing to keep."""


def default_strength(asset: AssetBase) -> float:
    """Denoise for an asset without `strength`.

    Entities follow the studio's old rule: the darker the subject's colour, the more is redrawn, from 0.87
    (white) to 0.93 (black), and 0.925 without a colour.
    """
    if not isinstance(asset, Entity | Sheet):
        return FREE_STRENGTH
    if asset.references:
        return REFERENCE_STRENGTH
    return strength(asset.color) if isinstance(asset, Entity) else SHEET_STRENGTH
