"""What stands in an exported folder, for each format: every picture of the pack, and the documents of that format.

A sheet comes as its packed pages where a format reads them, and as it was drawn, cell by cell, with its AssetSheet
JSON where people do (`plain`, `assetsheet`). A sheet that was published before there were models comes as it was
drawn in every format. This only decides; `folder_write` writes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from assetmill.errors import UsageError
from assetmill.exports import phaser_pack, pixi, unity
from assetmill.exports.addresses import FILE, Addresses
from assetmill.exports.base import encoded
from assetmill.exports.folder_place import Contents, FolderPlace, Picture, pages_of, pictures_of
from assetmill.exports.folder_source import Source
from assetmill.exports.write import write_exports
from assetmill.packs import PackAsset, PackIndex

AS_DRAWN = ("plain", "assetsheet")
ENGINES = ("texturepacker", "phaser", "pixi", "godot", "tiled", "aseprite", "unity")
ALL = "all"
FORMATS = (*AS_DRAWN, *ENGINES, ALL)
RESOURCES = "res://"
TABLE = "index.csv"
_COLUMNS = ("name", "type", "width", "height", "file", "tags", "draft")


def contents_of(source: Source, form: str, *, root: str) -> Contents:
    """The folder of one format, or for `all` a folder of each.

    Args:
        source: the pack.
        form: one of FORMATS.
        root: what Godot's addresses begin with, `res://...`; empty for addresses relative to each document.

    Raises:
        UsageError: there is no such format, or `root` is no address of Godot.
    """
    if root and not root.startswith(RESOURCES):
        raise UsageError(f"{root!r} is no folder of a Godot project", hint=f"write it like {RESOURCES}art/my-game")
    if form not in FORMATS:
        raise UsageError(f"no such export format: {form}", hint=f"there are {', '.join(FORMATS)}")
    root = root if not root or root.endswith("/") else f"{root}/"
    if form != ALL:
        return _Folder(source, form, root).contents()
    joined = Contents()
    for one in (*AS_DRAWN, *ENGINES):
        joined.join(_Folder(source, one, root).contents().below(one))
    return joined


class _Folder:
    """The folder of one format while it is being thought out."""

    def __init__(self, source: Source, form: str, root: str) -> None:
        self._source = source
        self._form = form
        self._root = root if form == "godot" else ""
        self._contents = Contents()
        self._pictures: dict[str, Mapping[str, Picture]] = {}
        self._documents: dict[str, Mapping[str, str]] = {}

    def contents(self) -> Contents:
        """Pictures first, so that no document takes the name of one."""
        for name, asset in self._source.index.assets.items():
            self._pictures[name] = self._pictures_of(name, asset)
            self._contents.pictures.update({one.path: one.key for one in self._pictures[name].values()})
        for name, asset in self._source.index.assets.items():
            self._write(name, asset)
        self._write_pack()
        return self._contents

    def _packed(self, name: str) -> bool:
        return self._form in ENGINES and name in self._source.models

    def _pictures_of(self, name: str, asset: PackAsset) -> Mapping[str, Picture]:
        return pages_of(name, asset, self._source.models[name]) if self._packed(name) else pictures_of(name, asset)

    def _write(self, name: str, asset: PackAsset) -> None:
        pictures = self._pictures[name]
        if self._packed(name):
            paths = {role: picture.path for role, picture in pictures.items()}
            place = FolderPlace(self._source.index.game, self._contents, asset.type, paths, root=self._root)
            write_exports((self._form,), self._source.models[name], place)
            self._documents[name] = place.documents
            return
        if name in self._source.sheets:
            self._write_sheet(name, asset)
        if self._form == "unity":
            for role, picture in pictures.items():
                size = picture.size or (asset.width, asset.height)
                settings = unity.single_picture(self._source.index.game, name, role, size, smooth=asset.smooth)
                self._contents.add(picture.path + unity.EXTENSION, settings)

    def _write_sheet(self, name: str, asset: PackAsset) -> None:
        """The AssetSheet JSON, which names the picture beside it in place of a blob."""
        picture = next(iter(self._pictures[name].values())).path
        sheet = self._source.sheets[name] | {"imageUrl": picture.rpartition("/")[2]}
        self._contents.add(f"{asset.type}/{name}.json", encoded(sheet))

    def _write_pack(self) -> None:
        """What the whole folder is read with: a table for people, the file of the pack for Phaser and Pixi."""
        game = self._source.index.game
        if self._form == "plain":
            self._contents.add(TABLE, _table(self._source.index, self._pictures))
        if self._form == phaser_pack.FORMAT:
            self._add_pack_file(f"{game}.pack.json", phaser_pack.pack_file(self._index(), self._addresses()))
        if self._form == pixi.FORMAT:
            self._add_pack_file(f"{game}.manifest.json", pixi.manifest(self._index(), self._addresses()))

    def _add_pack_file(self, path: str, data: bytes | None) -> None:
        if data is not None:
            self._contents.add(path, data)

    def _index(self) -> PackIndex:
        """The pack as though every asset had been asked for in this format; sheets that cannot be are left out."""
        left_out = self._source.without_model
        assets = {
            name: asset.model_copy(update={"exports": (self._form,)})
            for name, asset in self._source.index.assets.items()
            if name not in left_out
        }
        return self._source.index.model_copy(update={"assets": assets})

    def _addresses(self) -> Addresses:
        def address(name: str, role: str) -> str | None:
            picture = self._pictures[name].get(role)
            return picture.path if picture else self._documents.get(name, {}).get(role)

        return address


def _tags(tags: Iterable[str]) -> str:
    """Tags in one cell, as a table of a manifest reads them."""
    return "|".join(tag.replace("|", r"\|") for tag in tags)


def _table(index: PackIndex, pictures: Mapping[str, Mapping[str, Picture]]) -> bytes:
    """One line for every picture; a layer of a background is called `<asset>/<layer>`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for name, asset in index.assets.items():
        writer.writerows(_lines(name, asset, pictures[name]))
    return out.getvalue().encode()


def _lines(name: str, asset: PackAsset, pictures: Mapping[str, Picture]) -> Iterator[tuple[object, ...]]:
    draft = "yes" if asset.draft else "no"
    for role, picture in pictures.items():
        shown = name if role == FILE else f"{name}/{role.removeprefix('layer/')}"
        width, height = picture.size or ("", "")
        yield shown, asset.type, width, height, picture.path, _tags(asset.tags), draft
