"""A folder with human names, before it is written: which files it will hold, and how they address each other.

`<type>/<asset>.<ext>` holds a picture, documents stand beside it under the names that their formats give them, and
the layers of a parallax background have a folder of their own. An id holds no dot, and whatever a format adds to
one begins with a dot, so no file can have the name of another asset's. Nothing is read or written here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from assetmill.exports.addresses import FILE, layer_role
from assetmill.packs import PackAsset
from assetmill.sheets.model import SheetModel, Size

PICTURES = ("png", "jpg", "webp")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of an asset.

    Args:
        path: where it will be, from the top of the folder.
        key: where it is in the store.
        size: (width, height) in pixels; None where the index does not say.
    """

    path: str
    key: str
    size: Size | None


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that a folder will hold, by path from its top: pictures as blob keys, documents as bytes."""

    pictures: dict[str, str] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)

    def add(self, path: str, data: bytes) -> str:
        """Take a document in and return its path.

        Raises:
            ValueError: something has that name already: two formats use one.
        """
        if path in self.documents or path in self.pictures:
            raise ValueError(f"{path} is there already")
        self.documents[path] = data
        return path

    def below(self, folder: str) -> Contents:
        """The same in a folder of this folder."""
        return Contents(
            {f"{folder}/{path}": key for path, key in self.pictures.items()},
            {f"{folder}/{path}": data for path, data in self.documents.items()},
        )

    def join(self, other: Contents) -> None:
        """Take in everything of another folder, whose paths are all different."""
        self.pictures.update(other.pictures)
        self.documents.update(other.documents)


class FolderPlace:
    """The `Place` of one asset in a folder.

    Args:
        game: id of the game.
        contents: takes the documents.
        folder: where they go, from the top: the asset's type.
        images: paths of the asset's pictures, by role.
        root: what stands before a path in an address, `res://art/cloud-hop/` for Godot; without it addresses are
            relative to the document.
    """

    def __init__(
        self, game: str, contents: Contents, folder: str, images: Mapping[str, str], *, root: str = ""
    ) -> None:
        self.game = game
        self._contents = contents
        self._folder = folder
        self._images = dict(images)
        self._root = root
        self.documents: dict[str, str] = {}

    def image(self, role: str) -> str:
        """Address of one of the pictures.

        Raises:
            KeyError: the asset has no such picture.
        """
        return self._address(self._images[role])

    def put(self, role: str, name: str, data: bytes, content_type: str) -> str:  # noqa: ARG002  files have no type
        """Take a document in and return its address."""
        self.documents[role] = self._contents.add(f"{self._folder}/{name}", data)
        return self._address(self.documents[role])

    def _address(self, path: str) -> str:
        return f"{self._root}{path}" if self._root else posixpath.relpath(path, self._folder)


def pages_of(name: str, asset: PackAsset, model: SheetModel) -> dict[str, Picture]:
    """The packed pages of a sheet, by role; a role that the asset has no file for is its one picture."""
    pages = {}
    for number, page in enumerate(model.pages):
        key = asset.files.get(page.role, asset.file)
        stem = f"{asset.type}/{name}.{number}" if number else f"{asset.type}/{name}"
        pages[page.role] = Picture(f"{stem}.{extension(key)}", key, page.size)
    return pages


def pictures_of(name: str, asset: PackAsset) -> dict[str, Picture]:
    """The pictures of an asset as they are drawn, by role: the one that stands for it, and its layers."""
    size = (asset.width, asset.height)
    pictures = {FILE: Picture(f"{asset.type}/{name}.{extension(asset.file)}", asset.file, size)}
    for layer in asset.layers:
        path = f"{asset.type}/{name}/{layer.id}.{extension(layer.file)}"
        pictures[layer_role(layer.id)] = Picture(path, layer.file, (layer.width, layer.height))
    shown = {picture.key for picture in pictures.values()}
    if asset.type != "sheet":  # further files of a sheet are its packed pages
        for role, key in sorted(asset.files.items()):
            if key not in shown and extension(key) in PICTURES:
                pictures[role] = Picture(f"{asset.type}/{name}.{role}.{extension(key)}", key, None)
    return pictures


def extension(key: str) -> str:
    """Extension of a blob, without the dot."""
    return key.rpartition(".")[2]
