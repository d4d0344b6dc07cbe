"""Bytes that are named by their own hash: written once, the same for ever, shared by all packs.

A result that has been paid for comes here before anything else may fail. Nothing here may overwrite
good bytes, and no file may claim by its name to be an image format that it is not. What is there is
learned from listings: asking for each of thousands of blobs would take minutes and cost a request each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assetmill.errors import Conflict, StorageError
from assetmill.packs.keys import BLOBS, blob_key, sha256_of
from assetmill.packs.parallel import AT_ONCE, in_threads
from assetmill.storage.base import Store

IMMUTABLE = "public, max-age=31536000, immutable"
FEW_FOLDERS = 16  # above this, one listing per first hex digit costs less than one per folder
FEW_BLOBS = 16  # up to this, creating what is there already costs less than listing
_DIGITS = "0123456789abcdef"

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


@dataclass(frozen=True, slots=True)
class NewBlob:
    """Bytes that are to be kept.

    Args:
        data: the bytes.
        ext: file extension without a dot; png, jpg and webp have to be what they say.
        content_type: for whoever serves the blob, such as image/png.
    """

    data: bytes
    ext: str
    content_type: str

    @property
    def key(self) -> str:
        """Where they will be."""
        return blob_key(sha256_of(self.data), self.ext)


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
    ref = _named(NewBlob(data, ext, content_type))
    keep(store, ref.key, data, content_type=content_type)
    return ref


def keep_many(store: Store, items: Iterable[NewBlob], *, at_once: int = AT_ONCE) -> tuple[BlobRef, ...]:
    """Keep many blobs: list what is there, and write only what is missing or of another length.

    Args:
        store: where to.
        items: what to keep; all of it is in memory at once. Bytes that come twice are written once.
        at_once: how many are written at the same time.

    Returns:
        Where each item is, in their order.

    Raises:
        StorageError: one of them is not of the format that it names, and nothing was written; or the store
            failed, and what was written by then stays and is found by the next try.
    """
    named = [(_named(item), item) for item in items]
    todo = {ref.key: item for ref, item in named}
    if len(todo) > FEW_BLOBS:
        there = sizes(store, todo)
        todo = {key: item for key, item in todo.items() if there.get(key) != len(item.data)}
    in_threads(
        lambda pair: keep(store, pair[0], pair[1].data, content_type=pair[1].content_type),
        todo.items(),
        at_once=at_once,
    )
    return tuple(ref for ref, _ in named)


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


def sizes(store: Store, keys: Iterable[str]) -> dict[str, int]:
    """Lengths of those of the blob keys that are in the store. Lists folders; never asks for single blobs.

    The number of listings does not grow with the number of keys; each costs one request per 1,000 blobs.
    """
    wanted = set(keys)
    folders = {key[: len(BLOBS) + 3] for key in wanted}
    prefixes = sorted(folders) if len(folders) <= FEW_FOLDERS else [f"{BLOBS}{digit}" for digit in _DIGITS]
    listed = in_threads(lambda prefix: [(i.key, i.size) for i in store.list(prefix) if i.key in wanted], prefixes)
    return {key: size for part in listed for key, size in part}


def missing_blobs(store: Store, keys: Iterable[str]) -> list[str]:
    """Those of the blob keys that are not in the store, sorted. Lists folders; never asks for single blobs."""
    wanted = set(keys)
    return sorted(wanted - sizes(store, wanted).keys())


def _named(item: NewBlob) -> BlobRef:
    """Where an item will be.

    Raises:
        StorageError: its bytes are not of the format that its extension names.
    """
    data, ext = item.data, item.ext
    if any(data[at : at + len(magic)] != magic for at, magic in _MAGIC.get(ext, ())):
        raise StorageError(
            f"these {len(data)} bytes are not {ext}: they start with {data[:8].hex() or 'nothing'}",
            hint="name raw results by what their first bytes say, and encode finished ones",
        )
    sha256 = sha256_of(data)
    return BlobRef(blob_key(sha256, ext), sha256, len(data))
