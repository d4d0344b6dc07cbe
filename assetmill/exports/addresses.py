"""Where the files of a pack lie, counted from its top: what a file that loads a whole pack has to know.

Engines resolve the addresses in such a file against a base that the game sets, never against the file itself. In
the store the top is where all keys start; in a folder with human names it is that folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from assetmill.errors import StorageError
from assetmill.packs.index import PackIndex

Addresses = Callable[[str, str], str | None]
"""Address of a file by asset id and role (`FILE`, `layer_role(...)`, or one of the asset's `files`), if it exists."""

FILE = "file"
"""Stands for the picture that stands for the asset."""


def layer_role(layer_id: str) -> str:
    """Stands for the picture of one parallax layer."""
    return f"layer/{layer_id}"


def in_store(index: PackIndex) -> Addresses:
    """Keys of the store."""

    def address(asset_id: str, role: str) -> str | None:
        asset = index.assets[asset_id]
        if role == FILE:
            return asset.file
        return asset.files.get(role) or next((one.file for one in asset.layers if layer_role(one.id) == role), None)

    return address


def needed(at: Addresses, asset_id: str, role: str) -> str:
    """Address of a file that has to be there.

    Raises:
        StorageError: it is not.
    """
    address = at(asset_id, role)
    if address is None:
        raise StorageError(
            f"{asset_id} has no file of role {role}, which its export needs",
            hint="run the pack again: finishing a picture again is free",
        )
    return address


def encoded(document: Mapping[str, Any]) -> bytes:
    """A file of a whole pack as it is stored: UTF-8 JSON without spaces, for a game has to wait for it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
