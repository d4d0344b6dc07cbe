"""Publishing a pack so that nobody ever sees half of one.

The order is the whole trick: blobs, then the index that names them, then the record in the history, then
`latest.json`, which alone makes the new pack current. A run that dies anywhere before the last step has
changed nothing for the game, and trying again finds its own work done. `latest.json` is exchanged, never
overwritten: when another run has published meanwhile, its assets are kept and only ours are put on top.

Nothing here deletes what a published index may name, and `latest.json` is written at most once a publish:
R2 takes one write a second to a key.
"""

from __future__ import annotations

import posixpath
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import ValidationError

from assetmill.errors import Conflict, KeyMissing, StorageError, UsageError
from assetmill.packs.blobs import IMMUTABLE, keep, missing_blobs
from assetmill.packs.index import Moment, PackIndex, Record, merge
from assetmill.packs.keys import history_key, index_key, latest_key, sha256_of
from assetmill.storage.base import Store

JSON_TYPE = "application/json"
NO_CACHE = "no-cache"
ATTEMPTS = 8  # each lost exchange means that another run has just published
RESTORE_HINT = "restore the file, or point latest.json at an older index of the history"

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


@dataclass(frozen=True, slots=True)
class Published:
    """What stands in the store after a publish.

    Args:
        index: the current pack; it may hold assets that another run published meanwhile.
        index_key: where it is.
        history_key: the record of this publish, None when nothing changed.
        latest_key: the pointer that a game reads.
        changed: False when the pack already was like this and nothing was written.
    """

    index: PackIndex
    index_key: str
    history_key: str | None
    latest_key: str
    changed: bool


@dataclass(frozen=True, slots=True)
class _Current:
    index: PackIndex
    index_key: str
    etag: str


def load_latest(store: Store, game: str, channel: str) -> PackIndex | None:
    """The pack that is published now, or None when the channel has none.

    Raises:
        StorageError: the store failed, or what it holds is damaged or of a newer format.
    """
    current = _current(store, game, channel)
    return None if current is None else current.index


def publish(
    store: Store, *, game: str, channel: str, index: PackIndex, base: PackIndex | None, now: datetime
) -> Published:
    """Make a pack current, once everything it names is in the store; if nothing changed, write nothing.

    A publish that failed may be repeated as it was. Should it have died between history and `latest.json`,
    the history keeps a record of a whole index that never was current.

    Args:
        store: where to; the blobs of `index` are there already (see put_blob).
        game: game id, as in the index.
        channel: which of the game's pointers to move.
        index: the pack.
        base: the index that `index` was carried over from, as `load_latest` gave it. What others published
            since is kept.
        now: time of the publish, with its timezone; names the history record.

    Raises:
        Conflict: other runs published without pause; try again.
        StorageError: the store failed, a blob is missing, or the channel publishes another pack.
        UsageError: the index is another game's.
    """
    if index.game != game:
        raise UsageError(f"the index is of game {index.game}, not {game}")
    for _ in range(ATTEMPTS):
        current = _current(store, game, channel)
        if current is not None:
            _refuse_other_pack(current.index, index, channel)
        merged = index if current is None else merge(base, current.index, index)
        if current is not None and merged.same_as(current.index):
            return Published(current.index, current.index_key, None, latest_key(game, channel), changed=False)
        published = _advance(store, channel, merged, None if current is None else current.etag, now)
        if published is not None:
            return published
    raise Conflict(
        f"{latest_key(game, channel)} changed {ATTEMPTS} times while this pack was being published",
        hint="run again: everything made is kept, and publishing costs nothing",
    )


def _advance(store: Store, channel: str, index: PackIndex, etag: str | None, now: datetime) -> Published | None:
    """Write index, history and pointer; None when somebody else moved the pointer first."""
    _refuse_missing_blobs(store, index)
    encoded = index.encoded()
    sha256 = sha256_of(encoded)
    key, latest = index_key(index.game, sha256), latest_key(index.game, channel)
    record = history_key(index.game, channel, now, sha256)
    keep(store, key, encoded, content_type=JSON_TYPE)
    with suppress(Conflict):  # the same index at the same time is this very publish, tried before
        store.create(record, _pointer(index, key, record, now), content_type=JSON_TYPE, cache_control=IMMUTABLE)
    pointer = _pointer(index, key, latest, now)
    try:
        store.swap(latest, pointer, etag=etag, content_type=JSON_TYPE, cache_control=NO_CACHE)
    except Conflict:
        if not _holds(store, latest, pointer):  # if it does, the write was ours and only its answer was lost
            store.delete(record)
            return None
    return Published(index, key, record, latest, changed=True)


def _pointer(index: PackIndex, key: str, holder: str, now: datetime) -> bytes:
    """Bytes of a pointer to the index at `key`, relative to the key that will hold them."""
    relative = posixpath.relpath(key, posixpath.dirname(holder))
    pointer = Pointer(game=index.game, pack=index.pack, run_id=index.run_id, index=relative, published_at=now)
    return pointer.encoded()


def _holds(store: Store, key: str, data: bytes) -> bool:
    try:
        return store.get(key) == data
    except KeyMissing:
        return False


def _current(store: Store, game: str, channel: str) -> _Current | None:
    """The current index with the etag of the pointer that names it."""
    holder = latest_key(game, channel)
    try:
        data, etag = store.read(holder)
    except KeyMissing:
        return None
    pointer = _parsed(Pointer, data, holder)
    key = posixpath.normpath(posixpath.join(posixpath.dirname(holder), pointer.index))
    try:
        encoded = store.get(key)
    except KeyMissing:
        raise StorageError(f"{holder} names {key}, which is gone", hint=RESTORE_HINT) from None
    if index_key(game, sha256_of(encoded)) != key:
        raise StorageError(f"{key} is damaged: its bytes do not have the hash in its name", hint=RESTORE_HINT)
    return _Current(_parsed(PackIndex, encoded, key), key, etag)


def _parsed(model: type[_Model], data: bytes, key: str) -> _Model:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise StorageError(
            f"{key} cannot be read{f' at {where}' if where else ''}: {error.errors()[0]['msg']}",
            hint="written by a newer assetmill, or damaged",
        ) from None


def _refuse_other_pack(current: PackIndex, index: PackIndex, channel: str) -> None:
    if current.pack != index.pack:
        raise StorageError(
            f"channel {channel} of game {index.game} publishes pack {current.pack}, not {index.pack}",
            hint="publish to another channel (ASSETMILL_CHANNEL)",
        )


def _refuse_missing_blobs(store: Store, index: PackIndex) -> None:
    missing = missing_blobs(store, index.blobs())
    if missing:
        gone = set(missing)
        names = [name for name, asset in index.assets.items() if not gone.isdisjoint(asset.blobs())]
        raise StorageError(
            f"not published: {len(missing)} files of {', '.join(names[:5])} are not in the store, first {missing[0]}",
            hint="restore them, or run these assets again",
        )
