"""A store in a local folder: the newcomer's default, without a server or a key, whose files open by hand.

A plain copy would tear: readers would see half a file, two creators would both win, and a power cut would
leave empty files under good names. So an object is written to a hidden file beside its place, synced, and
then moved (put, swap) or linked (create) there in one step. A program killed at any moment leaves at most
a hidden file, which nobody lists. Writers of the same key take turns through advisory locks, so the folder
has to be on a file system with hard links and flock, on Linux or macOS.

Files in the folder that are not ours (hidden ones, names with spaces) are neither listed nor touched.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from assetmill.errors import Conflict, KeyMissing, StorageError, StoreFull
from assetmill.storage.base import ObjectInfo, Store, check_headers, check_key, check_prefix, is_key_part

LOCKS = ".locks"  # at most 256 small files: keys share them by hash
SWAP_HINT = "read it again and decide anew"

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_HINTS = {
    errno.ENOSPC: "the disk is full: free some space or choose another store",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another store",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EACCES: "the account that runs this may not write or read there: mend the permissions",
    errno.EPERM: "not permitted there; a store also needs a file system with hard links",
    errno.EOPNOTSUPP: "a store needs a file system with hard links and locks",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a file is in the way of a folder: no key may continue another key",
    errno.EISDIR: "a folder is in the way of a file: no key may be the start of another key's path",
    errno.EEXIST: "a file is in the way of a folder: no key may continue another key",
    errno.ENAMETOOLONG: "the store's folder lies too deep for this file system: choose a shorter path",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n) or write with fewer threads",
}


class FileStore(Store):
    """Objects as files under one folder, which the first write makes. The etag is the SHA-256 of the bytes.

    `head` and `read` therefore read the whole object; `list` does not, and leaves the etag out. Content
    type, cache control and metadata are checked and not kept.

    Args:
        root: an absolute folder.

    Raises:
        StorageError: the folder is not absolute, so it would move with the working directory.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_absolute():
            raise StorageError(f"the store's folder is relative: {root}", hint=f"say {root.absolute()}")
        self.root = root

    @property
    def url(self) -> str:
        """`file://` URL of the folder."""
        return self.root.as_uri()

    def get(self, key: str) -> bytes:
        """Bytes of one object."""
        path = self._path(key)
        with _told(key):
            try:
                return path.read_bytes()
            except _ABSENT:
                raise KeyMissing(f"no object {key} in {self.url}") from None

    def read(self, key: str) -> tuple[bytes, str]:
        """Bytes of one object and their etag."""
        data = self.get(key)
        return data, _etag(data)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object, replacing what is there in one step."""
        path = self._path(key)
        check_headers(content_type, cache_control, metadata)
        with _told(key), self._temporary(path, data) as temporary, self._locked(key):
            _replace(temporary, path)
        return _etag(data)

    def create(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object that does not exist yet; the link decides, so one of several callers wins."""
        path = self._path(key)
        check_headers(content_type, cache_control, metadata)
        with _told(key):
            if path.is_file():  # spares writing the bytes; only the link below decides
                raise _exists(key)
            with self._temporary(path, data) as temporary:
                _link(temporary, path, key)
        return _etag(data)

    def swap(
        self,
        key: str,
        data: bytes,
        *,
        etag: str | None,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Replace the object that has this etag; comparing and moving happen under the key's lock."""
        if etag is None:
            return self.create(key, data, content_type=content_type, cache_control=cache_control, metadata=metadata)
        path = self._path(key)
        check_headers(content_type, cache_control, metadata)
        with _told(key), self._temporary(path, data) as temporary, self._locked(key):
            now = self.head(key)
            if now is None or now.etag != etag:
                raise Conflict(f"{key} has changed since it was read", hint=SWAP_HINT)
            _replace(temporary, path)
        return _etag(data)

    def head(self, key: str) -> ObjectInfo | None:
        """Size and etag of an object, or None when there is none."""
        try:
            data, etag = self.read(key)
            modified = _moment(self._path(key).stat())
        except (KeyMissing, FileNotFoundError):
            return None
        return ObjectInfo(key, len(data), etag, modified)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, in the order of their keys, without etags."""
        folder, _, _ = check_prefix(prefix).rpartition("/")
        with _told(prefix or self.url):
            yield from _walk(self.root.joinpath(*folder.split("/")), f"{folder}/" if folder else "", prefix)

    def delete(self, key: str) -> None:
        """Remove an object; the folder it was in stays."""
        path = self._path(key)
        with _told(key):
            if not path.is_file():
                return
            with self._locked(key):
                path.unlink(missing_ok=True)
                _sync_folder(path.parent)

    def public_url(self, key: str) -> str | None:
        """`file://` URL of the object, which a browser on this machine opens."""
        return self._path(key).as_uri()

    def _path(self, key: str) -> Path:
        return self.root.joinpath(*check_key(key).split("/"))

    @contextmanager
    def _temporary(self, path: Path, data: bytes) -> Iterator[Path]:
        """A synced hidden file beside `path`, gone at the end unless it was moved away."""
        _make_folder(path.parent)
        temporary = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            self._fill(temporary, data)
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _fill(self, path: Path, data: bytes) -> None:
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Hold the key's lock against other threads and programs; the system frees it if this one dies."""
        lock = self.root / LOCKS / hashlib.sha256(key.encode()).hexdigest()[:2]
        _make_folder(lock.parent)
        handle = os.open(lock, os.O_RDONLY | os.O_CREAT, 0o666)  # one opening each: flock parts threads too
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _moment(stat: os.stat_result) -> datetime:
    """When a file was written."""
    return datetime.fromtimestamp(stat.st_mtime, UTC)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _exists(key: str) -> Conflict:
    return Conflict(f"{key} exists already", hint="created objects are never overwritten")


@contextmanager
def _told(subject: str) -> Iterator[None]:
    """Turn the system's errors into StorageErrors that say what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        kind = StoreFull if error.errno in _FULL else StorageError
        raise kind(f"{subject}: {reason}", hint=_HINTS.get(error.errno or 0, "")) from error


def _link(temporary: Path, path: Path, key: str) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        raise _exists(key) from None
    _sync_folder(path.parent)


def _replace(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; each new name is synced."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _walk(folder: Path, parent: str, prefix: str) -> Iterator[ObjectInfo]:
    """Objects under `folder` whose key (`parent` + name ...) starts with `prefix`."""
    try:
        with os.scandir(folder) as scan:
            entries = [(entry.is_dir(follow_symlinks=False), entry) for entry in scan if is_key_part(entry.name)]
    except _ABSENT:
        return
    for is_folder, entry in sorted(entries, key=lambda pair: pair[1].name + "/" * pair[0]):
        key = parent + entry.name
        if is_folder:
            if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                yield from _walk(folder / entry.name, f"{key}/", prefix)
        elif key.startswith(prefix) and (info := _info(entry, key)):
            yield info


def _info(entry: os.DirEntry[str], key: str) -> ObjectInfo | None:
    """A listed object, or None for what is no plain file or has just been deleted."""
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        stat = entry.stat(follow_symlinks=False)
        return ObjectInfo(key, stat.st_size, None, _moment(stat))
    except FileNotFoundError:
        return None
