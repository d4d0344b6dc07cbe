"""One file with which Pixi knows a whole pack: the manifest of `Assets.init`.

It is one bundle with the name of the pack. Aliases are asset ids, `<asset>/<layer>` for a layer of a parallax
background; since Pixi loads any alias alone, a game that wants less than everything needs no other bundles, and
aliases that stand in two would be warned of. Sources count from the top of the store, which is Pixi's `basePath`.
"""

from __future__ import annotations

from typing import Any

from assetmill.exports.addresses import FILE, Addresses, encoded, in_store, layer_role, needed
from assetmill.exports.texturepacker import ROLE
from assetmill.packs.index import PackAsset, PackIndex

FORMAT = "pixi"
NEAREST = {"scaleMode": "nearest"}


def manifest(index: PackIndex, at: Addresses | None = None) -> bytes | None:
    """The file, or None when no asset is exported for Pixi.

    Args:
        index: the pack; of its assets those whose `exports` name pixi.
        at: where the files are; the store when left out.

    Raises:
        StorageError: a sheet lacks a document that the export writes.
    """
    at = at or in_store(index)
    assets = [
        entry
        for asset_id in sorted(index.assets)
        if FORMAT in index.assets[asset_id].exports
        for entry in _entries(asset_id, index.assets[asset_id], at)
    ]
    return encoded({"bundles": [{"name": index.pack, "assets": assets}]}) if assets else None


def _entries(asset_id: str, asset: PackAsset, at: Addresses) -> list[dict[str, Any]]:
    if asset.type == "sheet":
        # A sheet hands this on to the textures of all its pages.
        pages = {} if asset.smooth else {"data": {"textureOptions": NEAREST}}
        return [{"alias": asset_id, "src": needed(at, asset_id, ROLE), **pages}]
    roles = {f"{asset_id}/{layer.id}": layer_role(layer.id) for layer in asset.layers} or {asset_id: FILE}
    data = {} if asset.smooth else {"data": NEAREST}
    return [{"alias": alias, "src": needed(at, asset_id, role), **data} for alias, role in roles.items()]
