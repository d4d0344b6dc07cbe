"""Which documents each export format of the manifest stands for, and the writing of them.

A format may share documents with another (Phaser and Pixi read the same TexturePacker file), so a set of formats
is written together and each document once. Formats are loaded when they are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Protocol, cast

from assetmill.errors import UsageError
from assetmill.exports.base import Place
from assetmill.sheets.model import SheetModel

_MODULES: dict[str, tuple[str, ...]] = {
    "png": (),  # the picture itself is always published
    "assetsheet": (),  # written from the manifest, which knows more of a sheet than its model
    "texturepacker": ("texturepacker",),
    "phaser": ("texturepacker", "phaser"),
    "pixi": ("texturepacker",),
    "godot": ("godot",),
    "tiled": ("tiled",),
    "aseprite": ("aseprite",),
    "unity": ("unity",),
}


class _Format(Protocol):
    def write(self, model: SheetModel, place: Place) -> None: ...


def write_exports(formats: Iterable[str], model: SheetModel, place: Place) -> None:
    """Put the documents of these formats into a place.

    Args:
        formats: names as in the manifest's `export`; the order does not matter.
        model: the sheet.
        place: where the documents go, and where the pictures are.

    Raises:
        UsageError: there is no such format.
    """
    wanted = set(formats)
    unknown = sorted(wanted - _MODULES.keys())
    if unknown:
        raise UsageError(f"no such export format: {', '.join(unknown)}", hint=f"there are {', '.join(_MODULES)}")
    needed = {name for known in wanted for name in _MODULES[known]}
    for name in sorted(needed):
        cast("_Format", import_module(f"assetmill.exports.{name}")).write(model, place)
