"""Files of a whole pack, for engines that load a pack in one go. They follow from the index alone."""

from __future__ import annotations

from assetmill.exports.addresses import Addresses
from assetmill.exports.phaser_pack import FORMAT as PHASER
from assetmill.exports.phaser_pack import pack_file
from assetmill.exports.pixi import FORMAT as PIXI
from assetmill.exports.pixi import manifest
from assetmill.packs.index import PackIndex


def pack_files(index: PackIndex, at: Addresses | None = None) -> dict[str, bytes]:
    """JSON documents by role (`phaser`, `pixi`), of those formats that an asset of the pack is exported in.

    The same assets give the same bytes, whoever published them and when.

    Args:
        index: the pack.
        at: where the files are; the store when left out.

    Raises:
        StorageError: a sheet lacks a document that its export writes.
    """
    made = {PHASER: pack_file(index, at), PIXI: manifest(index, at)}
    return {role: data for role, data in made.items() if data is not None}
