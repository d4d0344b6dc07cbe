"""Bytes that are named by their own hash: written once, the same for ever, shared by all packs.

A result that has been paid for comes here before anything else may fail. Nothing here may overwrite
good bytes, and no file may claim by its name to be an image format that it is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assetmill.errors import Conflict, StorageError
from assetmill.packs.keys import BLOBS, blob_key, sha256_of
from assetmill.storage.base import Store

IMMUTABLE = "public, max-age=31536000, immutable"
FEW_FOLDERS = 16  # above this, one long listing costs less than many short ones

# First bytes of the formats that packs hold: PNG and WebP specifications, JFIF.
_MAGIC = {"png": ((0, b"\x89PNG\r\n\x1a\n"),), "jpg": ((0, b"\xff\xd8\xff"),), "webp": ((0, b"RIFF"), (8, b"WEBP"))}


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A blob that is in the store.

    Args:
        key: where it is.
        sha256: hash of its bytes, 64 hex digits.
        bytes: its length.
    """

    key: str
    sha256: str
    bytes: int


def put_blob(store: Store, data: bytes, *, ext: str, content_type: str) -> BlobRef:
    """Keep bytes under their hash; keeping the same bytes again is success and writes nothing.

    Args:
        store: where to.
        data: the bytes.
        ext: file extension without a dot; png, jpg and webp have to be what they say.
        content_type: for whoever serves the blob, such as image/png.

    Raises:
        StorageError: the store failed, or the bytes are not of the format that `ext` names.
    """
    if any(data[at : at + len(magic)] != magic for at, magic in _MAGIC.get(ext, ())):
        raise StorageError(
            f"these {len(data)} bytes are not {ext}: they start with {data[:8].hex() or 'nothing'}",
            hint="name raw results by what their first bytes say, and encode finished ones",
        )
    sha256 = sha256_of(data)
    ref = BlobRef(blob_key(sha256, ext), sha256, len(data))
    keep(store, ref.key, data, content_type=content_type)
    return ref


def keep(store: Store, key: str, data: bytes, *, content_type: str) -> None:
    """Create an object whose key holds the hash of its bytes.

    One that exists is taken to be the same. Should its length differ, something other than a store has
    damaged it, and the right bytes are put back.
    """
    try:
        store.create(key, data, content_type=content_type, cache_control=IMMUTABLE)
    except Conflict:
        there = store.head(key)
        if there is None or there.size != len(data):
            store.put(key, data, content_type=content_type, cache_control=IMMUTABLE)


def missing_blobs(store: Store, keys: Iterable[str]) -> list[str]:
    """Those of the blob keys that are not in the store, sorted. Lists folders; never asks for single blobs."""
    wanted = set(keys)
    folders = {key[: len(BLOBS) + 3] for key in wanted}
    prefixes = sorted(folders) if len(folders) <= FEW_FOLDERS else [BLOBS]
    present = {info.key for prefix in prefixes for info in store.list(prefix)}
    return sorted(wanted - present)
