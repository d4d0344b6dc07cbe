"""A place in the store: documents become blobs, and address each other and the pictures by hash.

All blobs lie two folders deep, so an address written relative to one blob is right in every other.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from assetmill.packs.keys import BLOBS

Keep = Callable[[bytes, str, str], str]
"""Keeps bytes under their hash, and returns the key; takes the extension without a dot, and the content type."""

_ANY_BLOB_FOLDER = f"{BLOBS}00"


class StoredPlace:
    """The `Place` of one asset in the store.

    Args:
        game: id of the game.
        images: blob keys of the asset's pictures, by role.
        keep: keeps a document as a blob, or will have done so before anybody reads it.
    """

    def __init__(self, game: str, images: Mapping[str, str], keep: Keep) -> None:
        self.game = game
        self._images = dict(images)
        self._keep = keep
        self._documents: dict[str, str] = {}

    @property
    def documents(self) -> dict[str, str]:
        """Blob keys of what was put so far, by role."""
        return dict(self._documents)

    def image(self, role: str) -> str:
        """Address of one of the pictures, relative to a blob: `../ab/<hash>.png`.

        Raises:
            KeyError: the asset has no such picture.
        """
        return _address(self._images[role])

    def put(self, role: str, name: str, data: bytes, content_type: str) -> str:
        """Keep a document, and return its address relative to a blob.

        Raises:
            ValueError: the role has a document already: two formats use one name.
            StorageError: it cannot be kept.
        """
        if role in self._documents:
            raise ValueError(f"role {role} has a document already, {name} cannot have it too")
        extension = posixpath.splitext(name)[1].removeprefix(".")
        self._documents[role] = self._keep(data, extension, content_type)
        return _address(self._documents[role])


def _address(key: str) -> str:
    return posixpath.relpath(key, _ANY_BLOB_FOLDER)
