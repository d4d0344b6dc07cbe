"""Which workflow makes an asset.

Only the asset decides: the same asset gets the same workflow on every provider. A road that does not exist is an
error here, never a quiet substitute, so that a plan can show the asset as blocked with the reason.
"""

from __future__ import annotations

from types import MappingProxyType

from assetmill.errors import WorkflowError
from assetmill.manifest.models import Asset, Background, Entity, Parallax, Sheet, TitleHero

PARALLAX = MappingProxyType(
    {"depth": "parallax-depth", "per_layer": "parallax-layers", "decompose": "parallax-decompose"}
)
"""Method of a parallax background -> the workflow that makes its layers so."""


def workflow_for(asset: Asset) -> str:
    """Name of the workflow for an asset; its own `workflow` field comes first.

    A reference picture needs a graph that takes one, so a background or title with a reference is redrawn.

    Raises:
        WorkflowError: no workflow makes such an asset; the message says why.
    """
    if asset.workflow is not None:
        return asset.workflow
    redraw = bool(asset.references)
    match asset:
        case Entity():
            return "entity"
        case Background():
            return "img2img" if redraw else "background"
        case TitleHero():
            return _title(redraw=redraw, transparent=asset.transparent)
        case Sheet():
            return "sheet" if asset.cutout else "img2img"
        case Parallax():
            return _parallax(asset)


def _title(*, redraw: bool, transparent: bool) -> str:
    if redraw:
        return "entity" if transparent else "img2img"
    return "title-hero" if transparent else "txt2img"


def _parallax(asset: Parallax) -> str:
    if asset.references:
        raise WorkflowError(
            "the parallax workflows draw from words alone and cannot start from a reference picture",
            hint="take `references` away, or name your own graph in `workflow`",
        )
    return PARALLAX[asset.method]
