"""Published packs: how things are named, what an index says, and the order in which it is all written.

Works on any Store. Nothing here makes or judges a picture, and nothing here knows a price or a prompt.
"""

from assetmill.packs.blobs import BlobRef, NewBlob, keep_many, put_blob
from assetmill.packs.index import Box, PackAsset, PackIndex, PackLayer, Placement, Rival, carry_over, merge
from assetmill.packs.keys import (
    blob_key,
    contact_sheet_key,
    gallery_key,
    history_key,
    index_key,
    latest_key,
    receipt_key,
    report_key,
)
from assetmill.packs.pointers import Pointer
from assetmill.packs.publish import Patience, Published, load_latest, publish, refuse_other_pack

__all__ = [
    "BlobRef",
    "Box",
    "NewBlob",
    "PackAsset",
    "PackIndex",
    "PackLayer",
    "Patience",
    "Placement",
    "Pointer",
    "Published",
    "Rival",
    "blob_key",
    "carry_over",
    "contact_sheet_key",
    "gallery_key",
    "history_key",
    "index_key",
    "keep_many",
    "latest_key",
    "load_latest",
    "merge",
    "publish",
    "put_blob",
    "receipt_key",
    "refuse_other_pack",
    "report_key",
]
