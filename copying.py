"""Moving house: everything that packs keep, brought from one store to another as if it had been made there.

Books name files by key and know no store, so they belong to whichever holds the files. What is written first is
what others name, and each channel's `latest.json` comes last, once everything that its pack names is there: a copy
that dies anywhere leaves nothing that leads to nothing, and copying again goes on where it ended.

Nothing at the target is ever overwritten, but for a file whose bytes do not have the length that its own hash
stands for. Nothing is deleted, nothing at the source changes, and no damaged file is brought along: it is named, and
the rest goes on. Where somebody publishes something else at the target, that stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from assetmill.errors import Conflict, KeyMissing, StorageError, UsageError
from assetmill.packs.blobs import keep
from assetmill.packs.history import PACKS
from assetmill.packs.index import PackIndex
from assetmill.packs.keys import BLOBS, RECEIPTS, history_key, index_key, sha256_of
from assetmill.packs.kinds import Headers, Kind, headers_of, kind_of, short_hash, whole
from assetmill.packs.parallel import in_threads
from assetmill.packs.pointers import Pointer, parsed
from assetmill.storage.base import ObjectInfo, Store
from assetmill.storage.local import FileStore

AT_A_TIME = 1000  # objects between two words of progress
RESTORE = "restore it there from a backup, and copy again"
AGAIN = "copy again when no run is under way; what is missing even then has to come from a backup of the old store"

Told = Callable[[Kind, int, int], None]
"""Hears of progress: the kind, how many of it are done, how many there are to do."""

_HASHED = (Kind.BLOB, Kind.INDEX)
_PREFIXES = (PACKS, RECEIPTS, BLOBS)  # what names others before what is named: a run may add to both meanwhile


@dataclass(frozen=True, slots=True)
class Problem:
    """An object that was not copied, and why.

    Args:
        key: which.
        message: what is wrong, in one sentence that names it.
        hint: what to do about it.
    """

    key: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two stores hold.

    Args:
        todo: by kind, objects of the source that the target has not, or has with another length; all pointers.
        there: by kind, how many objects of the source the target has.
        held: keys of whole objects at the target.
        problems: objects that differ, and that nothing says which is right of.
        foreign: how many objects beside ours the source has, which are left alone.
    """

    todo: Mapping[Kind, tuple[ObjectInfo, ...]]
    there: Mapping[Kind, int]
    held: frozenset[str]
    problems: tuple[Problem, ...]
    foreign: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects of a kind were copied, how long they are together, and how many were there already."""

    copied: int
    bytes: int
    there: int


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did, or would do.

    Args:
        tallies: by kind.
        problems: what was not copied, in the order in which it was found.
        foreign: how many objects beside ours the source has.
    """

    tallies: Mapping[Kind, Tally]
    problems: tuple[Problem, ...]
    foreign: int


def compare(source: Store, target: Store) -> Comparison:
    """List both stores, once each; nothing is read or written.

    Raises:
        UsageError: both are the same, or the source holds nothing of ours.
        StorageError: one of them cannot be listed.
    """
    if _place(source) == _place(target):
        raise UsageError(f"{source.url} would be copied onto itself", hint="name two stores: FROM_URL and --to")
    listed, held = in_threads(_listed, (source, target))
    ours = {key: (kind, info) for key, info in listed.items() if (kind := kind_of(key))}
    if not ours:
        raise UsageError(f"{source.url} holds nothing that could be copied", hint="check the URL of the old store")
    todo: dict[Kind, list[ObjectInfo]] = {kind: [] for kind in Kind}
    there = dict.fromkeys(Kind, 0)
    problems = []
    for key, (kind, info) in sorted(ours.items()):
        rival = held.get(key)
        if kind is Kind.LATEST or rival is None or (kind in _HASHED and rival.size != info.size):
            todo[kind].append(info)
        elif rival.size == info.size:
            there[kind] += 1
        else:
            problems.append(_differs(key, target))
    pending = {info.key for infos in todo.values() for info in infos}
    return Comparison(
        {kind: tuple(infos) for kind, infos in todo.items()},
        there,
        frozenset(held.keys() - pending),
        tuple(problems),
        len(listed) - len(ours),
    )


def copy(
    source: Store, target: Store, found: Comparison, *, dry_run: bool = False, told: Told = lambda *_: None
) -> Copied:
    """Bring over what the target has not, 32 objects at a time; no more than these are in memory.

    Args:
        source: where from; nothing changes there.
        target: where to.
        found: what `compare` said of these two.
        dry_run: write nothing, and only say what would be done. Bytes are not read then, so damage is not found.
        told: hears of progress.

    Raises:
        StorageError: one of the stores failed. What was copied by then stays, and the next try goes on from there.
    """
    mover = _Mover(source, target, dry_run=dry_run, held=set(found.held))
    tallies, problems = {}, list(found.problems)
    for kind in Kind:
        todo = found.todo[kind]
        copied = there = size = done = 0
        for batch in _batches(todo):
            for info, result in zip(batch, in_threads(mover.move, batch), strict=True):
                if isinstance(result, Problem):
                    problems.append(result)
                    continue
                mover.held.add(info.key)
                copied, size, there = copied + result, size + info.size * result, there + (not result)
            done += len(batch)
            told(kind, done, len(todo))
        tallies[kind] = Tally(copied, size, found.there[kind] + there)
    return Copied(tallies, tuple(problems), found.foreign)


@dataclass(frozen=True, slots=True)
class _Mover:
    """Copies single objects; those that are named by others have to come first.

    Args:
        source: where from.
        target: where to.
        dry_run: nothing is written.
        held: keys of what is whole at the target, or would be by now.
    """

    source: Store
    target: Store
    dry_run: bool
    held: set[str]

    def move(self, info: ObjectInfo) -> bool | Problem:
        """Copy an object. True when it was written, False when it turned out to be there."""
        key, kind, headers = info.key, kind_of(info.key), headers_of(info.key)
        if headers is None:
            hint = "copy with the version of assetmill that wrote it"
            return Problem(key, f"{key}: this version does not know what content type such a file has", hint)
        try:
            if kind is Kind.LATEST:
                return self._point(key, headers)
            return self._move_hashed(key, headers) if kind in _HASHED else self._move_other(key, kind, headers)
        except KeyMissing:
            return Problem(key, f"{key} has gone from {self.source.url} meanwhile", AGAIN)

    def _move_hashed(self, key: str, headers: Headers) -> bool | Problem:
        if self.dry_run:
            return True
        data = self.source.get(key)
        if not _is_what_its_name_says(key, data):
            return Problem(key, f"{key} is damaged: its bytes do not have the hash in its name", RESTORE)
        keep(self.target, key, data, content_type=headers.content_type)
        return True

    def _move_other(self, key: str, kind: Kind | None, headers: Headers) -> bool | Problem:
        if kind is Kind.RECORD:
            index = index_key(key.split("/")[1], whole(short_hash(key)))
            if index not in self.held:
                return Problem(key, f"{key} names {index}, which is not there", AGAIN)
        return self.dry_run or self._create(key, self.source.get(key), headers)

    def _point(self, key: str, headers: Headers) -> bool | Problem:
        """Make the pack of a channel current, unless a file of it is missing or the channel publishes another."""
        data = self.source.get(key)
        try:
            pointer = parsed(Pointer, data, key)
        except StorageError as error:
            return Problem(key, error.message, RESTORE)
        published = self._published(key)
        if published == pointer.target(key):
            return False
        lacking = self._lacking(pointer.target(key))
        if lacking:
            message = f"{key} was not copied, because {len(lacking)} files of its pack are missing, first {lacking[0]}"
            return Problem(key, message, AGAIN)
        if published is not None:
            what = "publishes another pack" if published else "has a latest.json that cannot be read"
            return self._rival(key, pointer, what)
        return self.dry_run or self._create(key, data, headers)

    def _published(self, key: str) -> str | None:
        """Key of the index that a channel publishes at the target: empty if nobody can tell, None if nothing."""
        try:
            data = self.target.get(key)
        except KeyMissing:
            return None
        try:
            return parsed(Pointer, data, key).target(key)
        except StorageError:
            return ""

    def _lacking(self, index: str) -> list[str]:
        """What of a pack is not at the target; the index alone if that cannot be read."""
        if index not in self.held or kind_of(index) is not Kind.INDEX:
            return [index]
        data = self.source.get(index)
        try:
            named = parsed(PackIndex, data, index).blobs()
        except StorageError:
            return [index]
        return sorted(named - self.held)

    def _rival(self, key: str, pointer: Pointer, what: str) -> Problem:
        _, game, channel, _ = key.split("/")
        record = history_key(game, channel, pointer.published_at, whole(short_hash(pointer.target(key))))
        name = record.rpartition("/")[2].removesuffix(".json") if record in self.held else "RECORD"
        back = f"assetmill pack rollback {game} --channel {channel} --to {name}"
        return Problem(
            key,
            f"{key} stays as it is: at {self.target.url} the channel {what}",
            f"to publish the one that was copied: ASSETMILL_STORE_URL={self.target.url} {back}",
        )

    def _create(self, key: str, data: bytes, headers: Headers) -> bool | Problem:
        try:
            self.target.create(key, data, content_type=headers.content_type, cache_control=headers.cache_control)
        except Conflict:  # somebody wrote it since both were listed
            return False if self.target.get(key) == data else _differs(key, self.target)
        return True


def _place(store: Store) -> str:
    """What two URLs of the same store have in common."""
    return store.root.resolve().as_uri() if isinstance(store, FileStore) else store.url


def _listed(store: Store) -> dict[str, ObjectInfo]:
    return {info.key: info for prefix in _PREFIXES for info in store.list(prefix)}


def _batches(infos: tuple[ObjectInfo, ...]) -> Iterator[list[ObjectInfo]]:
    rest = iter(infos)
    while batch := list(islice(rest, AT_A_TIME)):
        yield batch


def _is_what_its_name_says(key: str, data: bytes) -> bool:
    """Whether a blob or an index has the hash that its key holds, or begins with."""
    name = short_hash(key) if kind_of(key) is Kind.INDEX else key.rpartition("/")[2].partition(".")[0]
    return sha256_of(data).startswith(name)


def _differs(key: str, target: Store) -> Problem:
    message = f"{key} stays as it is: {target.url} has another one of this name"
    return Problem(key, message, "delete the one that is wrong, and copy again")
