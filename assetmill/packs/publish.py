"""Publishing a pack so that nobody ever sees half of one.

The order is the whole trick: blobs, then the index that names them, then the record in the history, then
`latest.json`, which alone makes the new pack current. A run that dies anywhere before the last step has
changed nothing for the game, and trying again finds its own work done. `latest.json` is exchanged, never
overwritten: when another run has published meanwhile, its assets are kept and only ours are put on top.

Nothing here deletes what a published index may name, and `latest.json` is written at most once a publish:
R2 takes one write a second to a key. However many assets there are, a pack that did not change costs two
reads, and one that did some twenty requests and one listing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from assetmill.errors import Conflict, FilesGone, StorageError, StoreBusy, UsageError
from assetmill.packs.blobs import NewBlob, keep, keep_many, missing_blobs
from assetmill.packs.index import PackIndex, merge
from assetmill.packs.keys import index_key, latest_key, sha256_of
from assetmill.packs.pointers import JSON_TYPE, Current, Stored, not_before, point_at, read_current
from assetmill.storage.base import Store

PackFiles = Callable[[PackIndex], Mapping[str, bytes]]
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a publish goes on trying while others publish too.

    A lost exchange means that another run has just published, so runs that publish once each can take the
    pointer from us no more often than there are of them.

    Args:
        attempts: exchanges that are tried.
        busy: how often the store may say that it is; before each time, its client has waited for half a minute.
        shortest_s: the first wait is at most this long, and each further one at most twice as long as the last.
        longest_s: no wait is longer; twice the time in which R2 takes one write to a key.
        sleep: waits for a number of seconds; publishing blocks a thread, so this does.
        random: source of jitter.
    """

    attempts: int = 64
    busy: int = 4
    shortest_s: float = 0.05
    longest_s: float = 2.0
    sleep: Callable[[float], None] = time.sleep
    random: random.Random = field(default_factory=random.Random)

    def wait(self, lost: int) -> None:
        """Wait after `lost` exchanges, a random time so that rivals do not meet again."""
        self.sleep(self.random.uniform(0, min(self.longest_s, self.shortest_s * 2 ** min(lost, 32))))


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


def load_latest(store: Store, game: str, channel: str) -> PackIndex | None:
    """The pack that is published now, or None when the channel has none.

    Raises:
        StorageError: the store failed, or what it holds is damaged or of a newer format.
    """
    current = read_current(store, game, channel)
    return None if current is None else current.index


def publish(
    store: Store,
    *,
    game: str,
    channel: str,
    index: PackIndex,
    base: PackIndex | None,
    now: datetime,
    pack_files: PackFiles | None = None,
    patience: Patience | None = None,
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
            since is kept (see merge).
        now: time of the publish, with its timezone; names the history record.
        pack_files: makes the JSON documents of the whole pack, by role, from the index as it will be
            published. They may depend on its assets only: what differs each time would be a change each time.
        patience: how long to try while others publish; the usual if None.

    Raises:
        Conflict: other runs published without pause; try again.
        FilesGone: a file that the pack names is not in the store.
        StorageError: the store failed, or the channel publishes another pack.
        UsageError: the index is another game's.
    """
    if index.game != game:
        raise UsageError(f"the index is of game {index.game}, not {game}")
    patience = patience or Patience()
    busy = 0
    for lost in range(patience.attempts):
        if lost:
            patience.wait(lost - 1)
        current = read_current(store, game, channel)
        merged, documents = _merged(current, base, index, channel, pack_files)
        if current is not None and merged.same_as(current.index) and merged.rivals == current.index.rivals:
            return Published(current.index, current.index_key, None, latest_key(game, channel), changed=False)
        try:
            published = _advance(store, channel, merged, documents, current, now)
        except StoreBusy:  # R2 says so when several write the same key within a second
            busy += 1
            if busy == patience.busy or lost + 1 == patience.attempts:
                raise
            continue
        if published is not None:
            return published
    raise Conflict(
        f"{latest_key(game, channel)} changed {patience.attempts} times while this pack was being published",
        hint="run again: everything made is kept, and publishing costs nothing",
    )


def _merged(
    current: Current | None, base: PackIndex | None, index: PackIndex, channel: str, pack_files: PackFiles | None
) -> tuple[PackIndex, tuple[NewBlob, ...]]:
    """The index to publish, and the documents of the whole pack that it names."""
    if current is not None:
        refuse_other_pack(current.index, index.pack, channel)
    merged = index if current is None else merge(base, current.index, index)
    if pack_files is None:
        return merged, ()
    made = {role: NewBlob(data, "json", JSON_TYPE) for role, data in pack_files(merged).items()}
    files = {role: document.key for role, document in made.items()}
    return merged.model_copy(update={"files": files}), tuple(made.values())


def _advance(
    store: Store,
    channel: str,
    index: PackIndex,
    documents: tuple[NewBlob, ...],
    current: Current | None,
    now: datetime,
) -> Published | None:
    """Write documents, index, history and pointer; None when somebody else moved the pointer first."""
    keep_many(store, documents)
    _refuse_missing_blobs(store, index)
    encoded = index.encoded()
    sha256 = sha256_of(encoded)
    stored = Stored(index, index_key(index.game, sha256), sha256)
    keep(store, stored.key, encoded, content_type=JSON_TYPE)
    at = not_before(now, None if current is None else current.pointer.published_at)
    record = point_at(store, channel, stored, etag=None if current is None else current.etag, at=at)
    if record is None:
        return None
    return Published(index, stored.key, record, latest_key(index.game, channel), changed=True)


def refuse_other_pack(current: PackIndex, pack: str, channel: str) -> None:
    """Refuse to put a pack into a channel that publishes another one.

    Raises:
        StorageError: it does.
    """
    if current.pack != pack:
        raise StorageError(
            f"channel {channel} of game {current.game} publishes pack {current.pack}, not {pack}",
            hint="publish to another channel (ASSETMILL_CHANNEL)",
        )


def _refuse_missing_blobs(store: Store, index: PackIndex) -> None:
    missing = missing_blobs(store, index.blobs())
    if missing:
        names = users_of(index, missing)
        raise FilesGone(
            f"not published: {len(missing)} files of {', '.join(names[:SHOWN])} are not in the store, "
            f"first {missing[0]}",
            keys=missing,
            hint="is this the store that the books belong to (ASSETMILL_STORE_URL)? `assetmill store copy OLD_URL` "
            "brings over what another store holds; what is lost has to come from a backup",
        )


def users_of(index: PackIndex, keys: list[str]) -> list[str]:
    """Ids of the assets that need any of these blobs; `the whole pack` for files of it."""
    wanted = set(keys)
    names = [name for name, asset in index.assets.items() if not wanted.isdisjoint(asset.blobs())]
    return names if wanted.isdisjoint(index.files.values()) else [*names, "the whole pack"]
