"""What a channel published, newest first, and the way back to an older pack.

Every publish left a record that names its index, and indexes never change, so going back moves one pointer
and touches no file. It is a publish like any other: with a record of its own, and refused when somebody else
published meanwhile. A record that cannot be read is told of and stands in nobody's way, because this is also
how a channel is mended whose `latest.json` is damaged. Nothing here deletes anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches

from assetmill.errors import Conflict, KeyMissing, StorageError, UsageError
from assetmill.packs.blobs import missing_blobs
from assetmill.packs.index import PackIndex
from assetmill.packs.keys import history_prefix, latest_key
from assetmill.packs.parallel import in_threads
from assetmill.packs.pointers import Pointer, Stored, not_before, parsed, point_at, read_index
from assetmill.packs.publish import SHOWN, Published, users_of
from assetmill.storage.base import Store

PACKS = "packs/"
LATEST = "/latest.json"
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Publish:
    """One record of a history.

    Args:
        name: what the record is called: its time and the first digits of the hash of its index.
        current: whether it is what the channel publishes now.
        pointer: what the record holds; None when it cannot be read.
        stored: the index that it names; None when that cannot be read, or was not asked for.
        problem: why something cannot be read; None when all can.
    """

    name: str
    current: bool
    pointer: Pointer | None = None
    stored: Stored | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What a channel has published.

    Args:
        game: game id.
        channel: name of the channel.
        publishes: newest first; the one that is current may be followed by records of publishes that died.
        latest: what `latest.json` holds; None when it is gone or cannot be read.
        etag: of `latest.json`, for its exchange; None when it is gone.
        problem: why `latest.json` cannot be read, or that it is gone; None when it is whole.
    """

    game: str
    channel: str
    publishes: tuple[Publish, ...]
    latest: Pointer | None
    etag: str | None
    problem: str | None = None

    @property
    def current(self) -> Publish | None:
        """The record of what is published now; None when no record that was read is."""
        return next((publish for publish in self.publishes if publish.current), None)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a game sees change from one pack to another: ids of assets, sorted, and roles of the pack's own files."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    files: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.files)


def changes(before: PackIndex | None, after: PackIndex) -> Changes:
    """Compare two packs as a game would."""
    old, new = {} if before is None else before.assets, after.assets
    old_files = {} if before is None else before.files
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(name for name in new.keys() & old.keys() if not new[name].same_as(old[name]))),
        removed=tuple(sorted(old.keys() - new.keys())),
        files=tuple(sorted(role for role, _ in old_files.items() ^ after.files.items())),
    )


def channels(store: Store, game: str) -> tuple[str, ...]:
    """Names of the channels in which a game is published."""
    folder = f"{PACKS}{game}/"
    found = (info.key for info in store.list(folder) if info.key.endswith(LATEST))
    return tuple(sorted(key.removeprefix(folder).removesuffix(LATEST) for key in found))


def read_history(store: Store, game: str, channel: str, *, newest: int | None = None, indexes: bool = True) -> History:
    """Read what a channel has published.

    Args:
        store: where.
        game: game id.
        channel: name of the channel.
        newest: read only so many records; None reads all.
        indexes: read what the records name, too. That of a pack of 5,000 assets takes 5 MB in the store and 20 MB
            of memory, so whoever wants only one says so to `opened`.

    Raises:
        UsageError: the channel has published nothing; names those that have.
        StorageError: the store failed, or `game` or `channel` cannot be a name.
    """
    holder, folder = latest_key(game, channel), history_prefix(game, channel)
    latest, etag, problem = _latest(store, holder)
    records = sorted((info.key for info in store.list(folder) if info.key.endswith(_SUFFIX)), reverse=True)
    if etag is None and not records:
        raise _nothing_published(store, game, channel)
    read = in_threads(lambda key: _publish(store, game, key, folder, index=indexes), records[:newest])
    at = _current(read, latest, holder, folder)
    marked = (replace(one, current=one is at) for one in read)
    return History(game, channel, tuple(marked), latest, etag, problem)


def opened(store: Store, history: History, publish: Publish) -> Publish:
    """A record of a history that was read without indexes, with its index."""
    folder = history_prefix(history.game, history.channel)
    read = _publish(store, history.game, f"{folder}{publish.name}{_SUFFIX}", folder, index=True)
    return replace(read, current=publish.current)


def older(history: History, steps: int) -> Publish:
    """The record that stands `steps` below the current one.

    Raises:
        UsageError: nothing is current, or the history is not that long.
    """
    names = [publish.name for publish in history.publishes]
    if history.current is None:
        raise UsageError(
            f"no record is what channel {history.channel} publishes now, so there is none before it",
            hint="name the one to go back to: --to RECORD, from `assetmill pack history`",
        )
    place = names.index(history.current.name) + steps
    if place >= len(names):
        raise UsageError(
            f"the history of channel {history.channel} ends {len(names) - 1 - place + steps} before the current pack",
            hint="`assetmill pack history` lists it",
        )
    return history.publishes[place]


def named(history: History, prefix: str) -> Publish:
    """The record whose name starts like this.

    Raises:
        UsageError: none does, or several do.
    """
    found = [publish for publish in history.publishes if publish.name.startswith(prefix)]
    if prefix and len(found) == 1:
        return found[0]
    names = [publish.name for publish in history.publishes]
    if not found or not prefix:
        near = get_close_matches(prefix, names, n=1)
        hint = f"did you mean {near[0]}?" if near else "`assetmill pack history` lists them"
        raise UsageError(f"no record of channel {history.channel} starts with {prefix!r}", hint=hint)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    start = ", ".join(publish.name for publish in found[:SHOWN])
    raise UsageError(f"{len(found)} records start with {prefix!r}: {start}{more}", hint="write more of the name")


def roll_back(store: Store, history: History, target: Publish, *, now: datetime) -> Published:
    """Make an older index current again, as a publish of its own.

    Args:
        store: where.
        history: as it was read when somebody decided.
        target: one of its records, with its index.
        now: time of this publish.

    Raises:
        Conflict: something was published since the history was read; nothing has changed.
        StorageError: the record or its index cannot be read, or files of it are gone; nothing has changed.
    """
    stored, latest = target.stored, latest_key(history.game, history.channel)
    if stored is None:
        raise StorageError(f"cannot go back to {target.name}: {target.problem}", hint="choose another record")
    _refuse_incomplete(store, target.name, stored.index)
    if history.latest is not None and history.latest.target(latest) == stored.key:
        return Published(stored.index, stored.key, None, latest, changed=False)
    at = not_before(now, history.latest.published_at if history.latest else None)
    record = point_at(store, history.channel, stored, etag=history.etag, at=at)
    if record is None:
        raise Conflict(
            f"channel {history.channel} of {history.game} was published meanwhile; nothing was changed",
            hint="look at `assetmill pack history` again",
        )
    return Published(stored.index, stored.key, record, latest, changed=True)


def _latest(store: Store, holder: str) -> tuple[Pointer | None, str | None, str | None]:
    """What `latest.json` holds, its etag, and why it cannot be read."""
    try:
        data, etag = store.read(holder)
    except KeyMissing:
        return None, None, f"{holder} is gone"
    try:
        return parsed(Pointer, data, holder), etag, None
    except StorageError as error:
        return None, etag, error.message


def _publish(store: Store, game: str, key: str, folder: str, *, index: bool) -> Publish:
    name = key.removeprefix(folder).removesuffix(_SUFFIX)
    pointer = None
    try:
        pointer = parsed(Pointer, store.get(key), key)
        return Publish(name, False, pointer, read_index(store, game, pointer.target(key), key) if index else None)
    except KeyMissing:
        return Publish(name, False, problem=f"{key} is gone")
    except StorageError as error:
        return Publish(name, False, pointer, problem=error.message)


def _current(read: list[Publish], latest: Pointer | None, holder: str, folder: str) -> Publish | None:
    """The record of what `latest.json` says: of the same moment, or else the newest of the same index."""
    if latest is None:
        return None
    same = [p for p in read if p.pointer and p.pointer.target(f"{folder}{p.name}") == latest.target(holder)]
    at_once = (p for p in same if p.pointer and p.pointer.published_at == latest.published_at)
    return next(at_once, next(iter(same), None))


def _refuse_incomplete(store: Store, name: str, index: PackIndex) -> None:
    missing = missing_blobs(store, index.blobs())
    if missing:
        users = users_of(index, missing)
        raise StorageError(
            f"cannot go back to {name}: {len(missing)} files of {', '.join(users[:SHOWN])}"
            f"{f' and {len(users) - SHOWN} more' if len(users) > SHOWN else ''} are gone, first {missing[0]}",
            hint="restore them from a backup of the store, or choose another record",
        )


def _nothing_published(store: Store, game: str, channel: str) -> UsageError:
    others = channels(store, game)
    if others:
        hint = f"it is in {', '.join(others)}: add --channel {others[0]}"
        return UsageError(f"nothing of {game} is published in channel {channel}", hint=hint)
    parts = (info.key.split("/") for info in store.list(PACKS))
    games = sorted({part[1] for part in parts})
    near = get_close_matches(game, games, n=1)
    hint = f"did you mean {near[0]}?" if near else f"games in {store.url}: {', '.join(games) or 'none yet'}"
    return UsageError(f"nothing of game {game!r} is published", hint=hint)
