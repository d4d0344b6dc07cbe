"""Everything that decides finished bytes apart from the raw picture, as plain JSON values.

The plan hashes these fields and compares them with those of the last finish; what differs is redone for
free. A field that changes the result and is missing here would leave old files standing.
"""

from __future__ import annotations

from typing import Any

from assetmill.manifest.models import AssetBase, Background, Entity, Pack, Parallax, Sheet
from assetmill.quality.wanted import is_cutout, target_size

FINISH_VERSION = 2
"""Goes up when the same raw picture and fields would give other bytes, also those of a sheet's pages and model."""

LAYERING = 1
"""Goes up when layers of the same raw pictures would come out otherwise; other assets need not be finished again."""

_SHEET_FIELDS = {
    "id", "kind", "layout", "pivot", "overrides", "animations", "variants", "tiles", "autotile", "component", "states",
    "nine_slice", "prompt",
}  # fmt: skip
"""Fields of a sheet that its AssetSheet JSON, its model and its pages are made from."""


def is_smooth(asset: AssetBase, pack: Pack) -> bool:
    """Whether engines should filter the picture when they scale it; pixel art would blur."""
    style = pack.style_of(asset)
    pixels = style is not None and style.base == "pixel"
    return not (pixels or asset.post.pixel_scale > 1 or asset.post.resample == "nearest")


def finish_fields(asset: AssetBase, pack: Pack, *, strip: bool = False) -> dict[str, Any]:
    """What decides the finished files of an asset.

    Args:
        asset: the asset.
        pack: for its palette, its limits and its styles.
        strip: provenance is left out of the published files.
    """
    post = asset.post
    fields: dict[str, Any] = {
        "finish_version": FINISH_VERSION,
        "size": list(target_size(asset)),
        "cutout": is_cutout(asset),
        "post": dict(vars(post)),  # plain values; a plan of 10,000 assets feels the difference to model_dump
        "qa": dict(vars(pack.qa)),
        "export": list(asset.export),
        "strip_provenance": strip,
    }
    if not strip:
        fields["asset"] = asset.id  # provenance names it, and assets with the same wish share their raw picture
    if post.palette == "pack":
        fields["palette"] = list(pack.pack.palette)
    if isinstance(asset, Entity) and post.trim:
        fields["fill"] = asset.silhouette.fill
    if isinstance(asset, Background | Parallax):
        fields["seamless"] = asset.seamless
    if isinstance(asset, Parallax):
        fields["layering"] = LAYERING
    if isinstance(asset, Sheet):
        fields["sheet"] = asset.model_dump(mode="json", include=_SHEET_FIELDS)
        fields["smooth"] = is_smooth(asset, pack)
    return fields
