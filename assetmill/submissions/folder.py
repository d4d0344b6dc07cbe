"""An inbox that is a folder: a network share, or the folder of a store on this machine.

People copy into it by hand and over slow lines, with names that no key could bear. So a file has to have lain still, is
compared before and after it is read, and is read through one opened handle that never follows a link: a link in a
shared folder may lead to anything that this program can read.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import tempfile
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from assetmill.errors import StorageError
from assetmill.manifest.limits import MAX_FILE_BYTES
from assetmill.storage.base import Store
from assetmill.submissions.inbox import Arrival, Inbox, why_foreign, why_waiting
from assetmill.submissions.names import PAGE_KINDS, Sort, page_name, sort_of

_NOT_FOLLOWED = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe would else be waited for
_GONE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)  # a link has taken its place, or nothing
_READABLE = 0o644  # the others who use a share read the pages


class FolderInbox(Inbox):
    """Files right in one folder; folders in it are nobody's submission.

    Args:
        folder: where; made when it is first needed.
        store: whose objects pages lead to.
        name: short and lasting.
        within: the folder's key prefix, when it is one of the store's own.
    """

    def __init__(self, folder: Path, store: Store, *, name: str = "folder", within: str | None = None) -> None:
        self._folder = folder
        self._store = store
        self._name = name
        self._within = within

    @property
    def name(self) -> str:
        """As it was given."""
        return self._name

    def look(self, now: datetime, quiet_s: float) -> list[Arrival]:
        """Files in the folder, oldest first. One that is not plain is foreign, and so is a link, wherever it leads."""
        try:
            with os.scandir(self._folder) as scan:
                entries = [entry for entry in scan if sort_of(entry.name) is not Sort.IGNORED]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _told(self._folder, error) from error
        found = [(entry.name, _stat(entry)) for entry in entries]
        files = [(name, stat) for name, stat in found if stat is not None and not modes.S_ISDIR(stat.st_mode)]
        files.sort(key=lambda pair: (pair[1].st_ctime_ns, pair[0]))
        return [self._arrival(name, stat, now, quiet_s) for name, stat in files]

    def _arrival(self, name: str, stat: os.stat_result, now: datetime, quiet_s: float) -> Arrival:
        age_s = now.timestamp() - stat.st_ctime  # copying tools set back the other time, nobody sets this one
        foreign = why_foreign(name, stat.st_size)
        if not modes.S_ISREG(stat.st_mode):
            foreign = "not a plain file: put the manifest itself here, no link to it"
        return Arrival(self.name, name, stat.st_size, _said(name, stat), why_waiting(age_s, quiet_s), foreign)

    def read(self, arrival: Arrival) -> bytes | None:
        """Bytes of the file, if nothing about it has changed since it was seen, nor while they were read."""
        try:
            handle = os.open(self._folder / arrival.name, _NOT_FOLLOWED)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise _told(self._folder / arrival.name, error) from error
        with os.fdopen(handle, "rb") as file:
            before = os.fstat(file.fileno())
            if not modes.S_ISREG(before.st_mode):
                return None
            try:
                data = file.read(MAX_FILE_BYTES + 1)
            except OSError as error:
                raise _told(self._folder / arrival.name, error) from error
            after = os.fstat(file.fileno())
        return data if _said(arrival.name, after) == arrival.state and len(data) == after.st_size else None

    def fitting(self, name: str) -> str:
        """The name itself: it was a file's before."""
        return name

    def write(self, name: str, data: bytes) -> None:
        """Put a file there; readers see the old one or the new one."""
        self._place_file(name, data)

    def show(self, name: str, kind: str, page: bytes) -> None:
        """Write the page beside the file."""
        self._place_file(page_name(name, kind), page)

    def clear(self, name: str, kinds: Collection[str]) -> None:
        """Remove pages beside the file."""
        for kind in PAGE_KINDS:
            if kind in kinds:
                try:
                    (self._folder / page_name(name, kind)).unlink(missing_ok=True)
                except OSError as error:
                    raise _told(self._folder, error) from error

    def place(self, name: str) -> str:
        """Path of the file."""
        return str(self._folder / name)

    def link(self, key: str) -> str | None:
        """Relative in a folder of the store, elsewhere the object's own address."""
        return self._store.public_url(key) if self._within is None else os.path.relpath(key, self._within)

    def _place_file(self, name: str, data: bytes) -> None:
        """Write a hidden file and move it to its place."""
        hidden: Path | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(prefix=".", suffix=".part", dir=self._folder)
            hidden = Path(path)
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), _READABLE)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(self._folder / name)
        except OSError as error:
            if hidden is not None:
                hidden.unlink(missing_ok=True)
            raise _told(self._folder, error) from error


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    """What the system says of a file, not of what it links to; None if it has just gone."""
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None


def _said(name: str, stat: os.stat_result) -> str:
    """Changes whenever the file's bytes do."""
    return f"{name}\n{stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _told(place: Path, error: OSError) -> StorageError:
    reason = error.strerror or type(error).__name__
    return StorageError(f"{place}: {reason}", hint="look at the inbox and its permissions")
