"""The small files that say which index is current: `latest.json`, and the records of the history.

A channel changes in one way only: a record of it is written into the history, and then `latest.json` is
exchanged, never overwritten. Publishing and going back both come through here, so that neither can forget
the other. Nothing here writes an index or a blob, and nothing but a record that never counted is deleted.
"""

from __future__ import annotations

import posixpath
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from pydantic import ValidationError

from assetmill.errors import Conflict, KeyMissing, StorageError, StoreBusy
from assetmill.packs.blobs import IMMUTABLE
from assetmill.packs.index import Moment, PackIndex, Record
from assetmill.packs.keys import history_key, index_key, latest_key, sha256_of
from assetmill.storage.base import Store

JSON_TYPE = "application/json"
NO_CACHE = "no-cache"
STEP = timedelta(milliseconds=1)  # what keys of the history can tell apart
RESTORE_HINT = "restore the file, or go back to an older index: assetmill pack rollback GAME --to RECORD"

_Model = TypeVar("_Model", bound="Record")


class Pointer(Record):
    """What `latest.json` and every history record hold.

    `index` is relative to the file that holds it, so it resolves on any host.
    """

    version: Literal[1] = 1
    game: str
    pack: str
    run_id: str
    index: str
    published_at: Moment

    def encoded(self) -> bytes:
        """The pointer as it is stored: UTF-8 JSON."""
        return self.model_dump_json(indent=1).encode()

    def target(self, holder: str) -> str:
        """Key of the index, when the pointer is the object at `holder`."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(holder), self.index))


@dataclass(frozen=True, slots=True)
class Current:
    """What a channel publishes.

    Args:
        pointer: what `latest.json` holds.
        index: the pack.
        index_key: where the index is.
        etag: of `latest.json`, for its exchange.
    """

    pointer: Pointer
    index: PackIndex
    index_key: str
    etag: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An index in the store, by the hash of the bytes that are there: an older version may have written them."""

    index: PackIndex
    key: str
    sha256: str


def read_current(store: Store, game: str, channel: str) -> Current | None:
    """The current pack, with the etag of the pointer that names it; None when the channel has none.

    Raises:
        StorageError: the store failed, or what it holds is damaged or of a newer format.
    """
    holder = latest_key(game, channel)
    try:
        data, etag = store.read(holder)
    except KeyMissing:
        return None
    pointer = parsed(Pointer, data, holder)
    stored = read_index(store, game, pointer.target(holder), holder)
    return Current(pointer, stored.index, stored.key, etag)


def read_index(store: Store, game: str, key: str, holder: str) -> Stored:
    """An index that the pointer at `holder` names.

    Raises:
        StorageError: it is gone, or damaged, or of a newer format.
    """
    try:
        encoded = store.get(key)
    except KeyMissing:
        raise StorageError(f"{holder} names {key}, which is gone", hint=RESTORE_HINT) from None
    sha256 = sha256_of(encoded)
    if index_key(game, sha256) != key:
        raise StorageError(f"{key} is damaged: its bytes do not have the hash in its name", hint=RESTORE_HINT)
    return Stored(parsed(PackIndex, encoded, key), key, sha256)


def parsed(model: type[_Model], data: bytes, key: str) -> _Model:
    """A stored document.

    Raises:
        StorageError: says where in `key` it is not what this version writes.
    """
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise StorageError(
            f"{key} cannot be read{f' at {where}' if where else ''}: {error.errors()[0]['msg']}",
            hint="written by a newer assetmill, or damaged",
        ) from None


def not_before(now: datetime, published_at: datetime | None) -> datetime:
    """The time of a publish: now, or just after the one that it replaces.

    Two machines whose clocks differ, or two runs of which one waited for the other, would otherwise leave a
    history in another order than that in which games saw it.
    """
    return now if published_at is None else max(now, published_at + STEP)


def point_at(store: Store, channel: str, stored: Stored, *, etag: str | None, at: datetime) -> str | None:
    """Write the record, and make an index current that is whole in the store.

    Args:
        store: where.
        channel: whose pointer.
        stored: the index.
        etag: of the `latest.json` that is replaced; None if there is none.
        at: when; see `not_before`.

    Returns:
        Key of the record, or None when somebody else moved the pointer first; then there is no record either.

    Raises:
        StoreBusy: the store takes no more now; the pointer was not seen to change.
        StorageError: the store failed.
    """
    index = stored.index
    latest = latest_key(index.game, channel)
    record = history_key(index.game, channel, at, stored.sha256)
    with suppress(Conflict):  # the same index at the same time is this very publish, tried before
        store.create(record, _pointer(stored, record, at), content_type=JSON_TYPE, cache_control=IMMUTABLE)
    pointer = _pointer(stored, latest, at)
    try:
        store.swap(latest, pointer, etag=etag, content_type=JSON_TYPE, cache_control=NO_CACHE)
    except Conflict:
        return record if _ours(store, latest, pointer, record) else None
    except StoreBusy:  # said to a second sending, perhaps, while the first went through
        with suppress(StorageError):  # who cannot look leaves the record: it may be that of the current pack
            if _ours(store, latest, pointer, record):
                return record
        raise
    return record


def _ours(store: Store, latest: str, pointer: bytes, record: str) -> bool:
    """Whether a refused exchange was carried out, and only its answer was lost; if not, its record is withdrawn."""
    if _holds(store, latest, pointer):
        return True
    store.delete(record)
    return False


def _pointer(stored: Stored, holder: str, at: datetime) -> bytes:
    """Bytes of a pointer to an index, relative to the key that will hold them."""
    index = stored.index
    relative = posixpath.relpath(stored.key, posixpath.dirname(holder))
    pointer = Pointer(game=index.game, pack=index.pack, run_id=index.run_id, index=relative, published_at=at)
    return pointer.encoded()


def _holds(store: Store, key: str, data: bytes) -> bool:
    try:
        return store.get(key) == data
    except KeyMissing:
        return False
