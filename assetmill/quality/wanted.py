"""What a finished picture has to be: its size, and whether it has transparency.

Checks and finishing both ask; plans ask too, so no image library is loaded here.
"""

from __future__ import annotations

from assetmill.manifest.models import AssetBase, Background, Entity, Parallax, Sheet, TitleHero
from assetmill.sheets.cells import sheet_size


def target_size(asset: AssetBase) -> tuple[int, int]:
    """Size (width, height) in pixels of the finished picture."""
    if isinstance(asset, Entity):
        return asset.silhouette.canvas
    if isinstance(asset, Sheet):
        return sheet_size(asset)
    if isinstance(asset, Background | TitleHero | Parallax):
        return asset.width, asset.height
    raise TypeError(f"an asset without a size: {type(asset).__name__}")


def is_cutout(asset: AssetBase) -> bool:
    """Whether the finished picture has transparency; a parallax has it in some of its layers."""
    if isinstance(asset, Sheet):
        return asset.cutout
    return isinstance(asset, Entity) or (isinstance(asset, TitleHero) and asset.transparent)
