"""The files of one finished picture, named before they are written and written all at once.

Every file is named by its own hash, so what refers to another file can be made before anything is in the store,
and a picture with ten small documents waits for the store once and not ten times. Nothing is written before all
of it is made: a document that cannot be made leaves no file behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from assetmill.batch.context import Batch
from assetmill.exports.base import JSON
from assetmill.exports.stored import StoredPlace
from assetmill.exports.write import write_exports
from assetmill.finishing import Finished
from assetmill.ledger import Output
from assetmill.manifest.models import AssetBase, Sheet
from assetmill.packs import NewBlob, keep_many
from assetmill.packs.keys import sha256_of
from assetmill.sheets.metadata import asset_sheet
from assetmill.sheets.model import MODEL_ROLE

WRITERS = 8
PNG = "image/png"


@dataclass(frozen=True, slots=True)
class _Drawer:
    """Files by their keys, until they are written."""

    blobs: dict[str, NewBlob] = field(default_factory=dict)

    def add(self, data: bytes, ext: str, content_type: str) -> str:
        """Take a file in; returns the key that it will have."""
        blob = NewBlob(data, ext, content_type)
        self.blobs[blob.key] = blob
        return blob.key

    def output(self, role: str, key: str, size: tuple[int, int] = (0, 0)) -> Output:
        """A file as the books know it; a document has no size in pixels."""
        data = self.blobs[key].data
        return Output(role, key, sha256_of(data), len(data), *size)


def keep_finished(
    batch: Batch, asset: AssetBase, finished: Finished, created_at: datetime
) -> tuple[tuple[Output, ...], str | None]:
    """Store everything that was made of one picture.

    Args:
        batch: for its store, its pack, and whether prompts may be published.
        asset: what was wanted, with the formats that it is exported in.
        finished: pictures, and for a sheet its model.
        created_at: when the picture was ordered: finishing it again as it was gives the same files.

    Returns:
        Files by role, pictures first, and the key of the AssetSheet JSON if there is one.

    Raises:
        StorageError: the store failed; run again.
    """
    drawer = _Drawer()
    pictures = {role: drawer.add(file.data, "png", PNG) for role, file in finished.files.items()}
    outputs = [_picture(drawer, finished, role, key) for role, key in pictures.items()]
    documents = _documents(drawer, batch.pack.game.id, asset, finished, pictures)
    outputs += [drawer.output(role, key) for role, key in documents.items()]
    sheet_key = _asset_sheet(batch, drawer, asset, outputs[0], created_at)
    keep_many(batch.store, drawer.blobs.values(), at_once=WRITERS)
    return tuple(outputs), sheet_key


def _picture(drawer: _Drawer, finished: Finished, role: str, key: str) -> Output:
    file, placement = finished.files[role], finished.placements.get(role)
    output = drawer.output(role, key, (file.width, file.height))
    return replace(output, placement=placement.as_json()) if placement else output


def _documents(
    drawer: _Drawer, game: str, asset: AssetBase, finished: Finished, pictures: Mapping[str, str]
) -> Mapping[str, str]:
    """Key of each document by role: the sheet's model, and what engines load."""
    if finished.model is None:
        return {}
    place = StoredPlace(game, pictures, drawer.add)
    write_exports(asset.export, finished.model, place)
    return {MODEL_ROLE: drawer.add(finished.model.encoded(), "json", JSON), **place.documents}


def _asset_sheet(batch: Batch, drawer: _Drawer, asset: AssetBase, image: Output, created_at: datetime) -> str | None:
    if not isinstance(asset, Sheet) or "assetsheet" not in asset.export:
        return None
    document = asset_sheet(
        asset,
        pack_id=batch.pack.pack.id,
        image_key=image.key,
        image_size=(image.width, image.height),
        created_at=created_at,
        with_prompts=not batch.strip,
    )
    return drawer.add(json.dumps(document, ensure_ascii=False, indent=1).encode(), "json", JSON)
