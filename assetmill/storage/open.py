"""From a store's URL to the store: the one place that knows which kinds there are.

A plain path is refused rather than guessed at: it would mean another folder in another working directory.
Messages name the scheme only, because a URL may hold a key.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from assetmill.errors import StorageError
from assetmill.storage.base import Store
from assetmill.storage.local import FileStore


def open_store(url: str) -> Store:
    """Open the store of a URL; nothing is read or written yet.

    Args:
        url: `file:///absolute/folder`, characters such as space and # percent-encoded.

    Raises:
        StorageError: a plain path, another kind of store, or a `file:` URL that names no absolute folder.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme == "file":
        return FileStore(_folder(url))
    if scheme == "s3":
        raise StorageError(
            "this version of assetmill publishes to file:// stores only, not to s3://",
            hint="set ASSETMILL_STORE_URL to file:///some/folder and copy the folder to the bucket",
        )
    if "://" in url:
        raise StorageError(f"no store of kind {scheme}://", hint="write file:///absolute/folder")
    raise StorageError("a store is named by a URL, not by a path", hint=f"write {Path(url).absolute().as_uri()}")


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost"):
        raise StorageError(
            f"file://{parts.netloc} names a host, not a folder", hint="write three slashes: file:///absolute/folder"
        )
    if parts.query or parts.fragment:
        raise StorageError(
            "a store's URL ends with its folder", hint="write %3F for a question mark and %23 for a # in its name"
        )
    if not path.startswith("/") or "\x00" in path:
        raise StorageError("the file: URL names no absolute folder", hint="write file:///absolute/folder")
    return Path(path)
