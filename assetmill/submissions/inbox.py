"""Where files arrive, and where pages for the artist lie beside them: a prefix of the store, or a folder.

An inbox says what lies in it and whether it has lain still for long enough, reads it, and writes pages. It knows
nothing of manifests, and never changes or deletes what people have put there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from assetmill.errors import KeyMissing
from assetmill.manifest.limits import MAX_FILE_BYTES
from assetmill.packs.kinds import PAGE
from assetmill.packs.pointers import JSON_TYPE, NO_CACHE
from assetmill.storage.base import ObjectInfo, Store, is_key
from assetmill.submissions.keys import INBOX
from assetmill.submissions.names import PAGE_KINDS, Sort, name_with, page_name, plain_file, provider_of, sort_of

_TYPES = {"html": PAGE, "json": JSON_TYPE}
_MANIFEST_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file in an inbox, as it was when somebody looked.

    Args:
        inbox: name of the inbox.
        name: its name there, exactly; may hold what no page can (see `names.readable`).
        size: bytes.
        state: changes whenever the file does; never shown.
        waiting: why it is not picked up yet; empty when it may be.
        foreign: why it is no manifest; empty when it may be one.
    """

    inbox: str
    name: str
    size: int
    state: str
    waiting: str = ""
    foreign: str = ""


class Inbox(Protocol):
    """What stands between artists and the desk. Methods block and raise StorageError when the place fails."""

    @property
    def name(self) -> str:
        """Short and lasting: ids of submissions depend on it."""
        ...

    def look(self, now: datetime, quiet_s: float) -> list[Arrival]:
        """Everything that lies there but hidden files, halves of uploads by their names, and our own pages."""
        ...

    def read(self, arrival: Arrival) -> bytes | None:
        """The bytes of a file, whole; None when it is gone, is no plain file or has changed since it was seen."""
        ...

    def fitting(self, name: str) -> str:
        """The name under which a file can lie there."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put a file there, in one step."""
        ...

    def show(self, name: str, kind: str, page: bytes) -> None:
        """Write a page beside a file, in one step; `kind` is one of PAGE_KINDS."""
        ...

    def clear(self, name: str, kinds: Collection[str]) -> None:
        """Remove pages of ours beside a file."""
        ...

    def place(self, name: str) -> str:
        """Where a file lies, for people."""
        ...

    def link(self, key: str) -> str | None:
        """Address of an object of the store that works in a page beside a file; None where there is none."""
        ...


def too_large(size: int) -> str:
    """Why a file of this size is no manifest; empty if it may be one."""
    return f"the file has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read" if size > MAX_FILE_BYTES else ""


def why_foreign(name: str, size: int) -> str:
    """Why a file of this name and size is no manifest; empty if it may be one."""
    if sort_of(name) is Sort.FOREIGN:
        return "its name has to end in .yaml, .yml, .csv or .tsv, and to hold no control characters"
    return too_large(size)


def why_waiting(age_s: float, quiet_s: float) -> str:
    """Why a file that changed so long ago waits; empty if it does not."""
    return f"changed {max(age_s, 0):.0f} s ago; it may still be on its way" if age_s < quiet_s else ""


class StoreInbox(Inbox):
    """`submissions/inbox/` of a store. A put is whole or not there; the quiet time lets a second one follow.

    Args:
        store: where.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """`store`."""
        return "store"

    def look(self, now: datetime, quiet_s: float) -> list[Arrival]:
        """Objects right under the prefix; whatever lies deeper is nobody's submission."""
        listed = sorted(self._store.list(INBOX), key=lambda info: (info.modified or now, info.key))
        names = [(info.key.removeprefix(INBOX), info) for info in listed]
        return [
            self._arrival(name, info, now, quiet_s)
            for name, info in names
            if name and "/" not in name and sort_of(name) is not Sort.IGNORED
        ]

    def _arrival(self, name: str, info: ObjectInfo, now: datetime, quiet_s: float) -> Arrival:
        age_s = (now - info.modified).total_seconds() if info.modified else quiet_s
        state = f"{name}\n{info.size}\n{info.etag}\n{info.modified and info.modified.isoformat()}"
        return Arrival(self.name, name, info.size, state, why_waiting(age_s, quiet_s), why_foreign(name, info.size))

    def read(self, arrival: Arrival) -> bytes | None:
        """Bytes of the object as it is now: a newer one is whole, too."""
        try:
            return self._store.get(INBOX + arrival.name)
        except KeyMissing:
            return None

    def fitting(self, name: str) -> str:
        """The name itself where a key can bear it, else the name made plain."""
        return name if is_key(INBOX + name) else name_with(plain_file(name), provider_of(name))

    def write(self, name: str, data: bytes) -> None:
        """Put the object."""
        self._store.put(INBOX + name, data, content_type=_MANIFEST_TYPE, cache_control=NO_CACHE)

    def show(self, name: str, kind: str, page: bytes) -> None:
        """Put the page beside the object."""
        content_type = _TYPES[kind.rpartition(".")[2]]
        self._store.put(INBOX + page_name(name, kind), page, content_type=content_type, cache_control=NO_CACHE)

    def clear(self, name: str, kinds: Collection[str]) -> None:
        """Delete pages beside the object."""
        for kind in PAGE_KINDS:
            if kind in kinds:
                self._store.delete(INBOX + page_name(name, kind))

    def place(self, name: str) -> str:
        """Address in the store."""
        return f"{self._store.url.rstrip('/')}/{INBOX}{name}"

    def link(self, key: str) -> str | None:
        """Relative: pages and packs lie in the same store."""
        return posixpath.relpath(key, INBOX.rstrip("/"))
