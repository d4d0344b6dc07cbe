"""One file with which Phaser loads a whole pack: `load.pack`.

Each asset is a section, so that a game may also load one asset alone (`load.pack(key, url, section)`). Keys of
textures are asset ids, as animations and tile maps name them; a layer of a parallax background is `<asset>/<layer>`.
Addresses count from the top of the store, for Phaser resolves them against `setBaseURL` and not against this file.

A tile sheet is no `spritesheet`: Phaser 4.2.1 takes the margin of such a texture twice when a tile map is made of
it. Of an atlas, tile maps are right.
"""

from __future__ import annotations

import posixpath
from typing import Any

from assetmill.exports.addresses import FILE, Addresses, encoded, in_store, layer_role, needed
from assetmill.exports.phaser import ANIMATIONS, MULTI_ATLAS
from assetmill.exports.texturepacker import ROLE
from assetmill.packs.index import PackAsset, PackIndex

FORMAT = "phaser"
FIRST_PAGE = ("atlas", "image")  # role of a sheet's first page: packed, or as it was; the store calls the latter FILE


def pack_file(index: PackIndex, at: Addresses | None = None) -> bytes | None:
    """The file, or None when no asset is exported for Phaser.

    Args:
        index: the pack; of its assets those whose `exports` name phaser.
        at: where the files are; the store when left out.

    Raises:
        StorageError: a sheet lacks a document that the export writes.
    """
    at = at or in_store(index)
    sections = {
        asset_id: {"files": _files(asset_id, index.assets[asset_id], at)}
        for asset_id in sorted(index.assets)
        if FORMAT in index.assets[asset_id].exports
    }
    return encoded(sections) if sections else None


def _files(asset_id: str, asset: PackAsset, at: Addresses) -> list[dict[str, Any]]:
    if asset.type == "sheet":
        return _sheet(asset_id, at)
    if asset.layers:
        return [_image(f"{asset_id}/{layer.id}", needed(at, asset_id, layer_role(layer.id))) for layer in asset.layers]
    return [_image(asset_id, needed(at, asset_id, FILE))]


def _image(key: str, url: str) -> dict[str, Any]:
    return {"type": "image", "key": key, "url": url}


def _sheet(asset_id: str, at: Addresses) -> list[dict[str, Any]]:
    multi, animations = at(asset_id, MULTI_ATLAS), at(asset_id, ANIMATIONS)
    atlas = _multi_atlas(asset_id, multi) if multi else _atlas(asset_id, at)
    key = f"{asset_id}/anims"
    return [atlas, *([{"type": "animation", "key": key, "url": animations}] if animations else [])]


def _atlas(asset_id: str, at: Addresses) -> dict[str, Any]:
    picture = next(filter(None, (at(asset_id, role) for role in FIRST_PAGE)), None) or needed(at, asset_id, FILE)
    return {"type": "atlas", "key": asset_id, "textureURL": picture, "atlasURL": needed(at, asset_id, ROLE)}


def _multi_atlas(asset_id: str, url: str) -> dict[str, Any]:
    folder = posixpath.dirname(url)  # where the pictures that the document names are looked for
    return {"type": "multiatlas", "key": asset_id, "url": url, "path": f"{folder}/" if folder else ""}
