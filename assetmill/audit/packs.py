"""What the pointers of all channels lead to: the current index of each, and every index of its history.

Reading what `packs.publish` wrote without its refusals: an audit goes on where a publish would stop.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace

from pydantic import ValidationError

from assetmill.audit.snapshot import PublishedIndex
from assetmill.errors import KeyMissing
from assetmill.packs import PackIndex, Pointer, index_key
from assetmill.packs.keys import sha256_of
from assetmill.packs.parallel import in_threads
from assetmill.storage import Store

PACKS = "packs/"
LATEST = "/latest.json"
_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
_POINTER = re.compile(rf"{PACKS}({_NAME})/({_NAME})/(?:latest\.json|history/[^/]+)")
_INDEX = re.compile(rf"{PACKS}({_NAME})/index\.[0-9a-f]{{16}}\.json")


def read_indexes(store: Store, game: str | None) -> tuple[PublishedIndex, ...]:
    """Read every pointer of a store, and the index that it names; current ones come first.

    Args:
        store: where the packs are.
        game: only this one's.

    Raises:
        StorageError: the store cannot be read.
    """
    prefix = PACKS if game is None else f"{PACKS}{game}/"
    holders = sorted((info.key for info in store.list(prefix) if _POINTER.fullmatch(info.key)), key=_current_first)
    found = [pointer for pointer in in_threads(lambda key: _pointer(store, key), holders) if pointer is not None]
    keys = sorted({pointer.key for pointer in found if pointer.key is not None})
    read = dict(zip(keys, in_threads(lambda key: _index(store, key), keys), strict=True))
    return tuple(_led(pointer, read) for pointer in found)


def _current_first(key: str) -> tuple[bool, str]:
    return (not key.endswith(LATEST), key)


def _pointer(store: Store, holder: str) -> PublishedIndex | None:
    """A pointer without its index; None when it was withdrawn since it was listed."""
    _, game, channel, *_ = holder.split("/")
    found = PublishedIndex(holder, game, channel, current=holder.endswith(LATEST))
    try:
        pointer = Pointer.model_validate_json(store.get(holder))
    except KeyMissing:
        return None
    except ValidationError as error:
        return replace(found, problem=_first(holder, error))
    key = posixpath.normpath(posixpath.join(posixpath.dirname(holder), pointer.index))
    named = _INDEX.fullmatch(key)
    if named is None or named[1] != game:
        return replace(found, problem=f"{holder} names {key[:200]!r}, which is no index of {game}")
    return replace(found, key=key)


def _index(store: Store, key: str) -> PackIndex | str | None:
    """An index, why it cannot be read, or None when it is gone."""
    try:
        data = store.get(key)
    except KeyMissing:
        return None
    if index_key(key.split("/")[1], sha256_of(data)) != key:
        return f"{key} is damaged: its bytes do not have the hash in its name"
    try:
        return PackIndex.model_validate_json(data)
    except ValidationError as error:
        return _first(key, error)


def _first(key: str, error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.errors()[0]["loc"])
    return f"{key} cannot be read{f' at {where}' if where else ''}: {error.errors()[0]['msg']}"


def _led(pointer: PublishedIndex, read: Mapping[str, PackIndex | str | None]) -> PublishedIndex:
    if pointer.key is None:
        return pointer
    found = read[pointer.key]
    return replace(pointer, problem=found) if isinstance(found, str) else replace(pointer, index=found)
