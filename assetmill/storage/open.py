"""From a store's URL to the store: the one place that knows which kinds there are.

The S3 client takes half a second to import, so only an s3:// URL does.

A plain path is refused rather than guessed at: it would mean another folder in another working directory.
Messages name the scheme only, because a URL may hold a key.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from assetmill.clock import Clock
from assetmill.errors import StorageError
from assetmill.storage.access import S3Access
from assetmill.storage.base import Store
from assetmill.storage.local import FileStore

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BUCKET_HINT = (
    "write s3://bucket or s3://bucket/prefix; keys and endpoint have variables of their own, see .env.example"
)


def open_store(url: str, access: S3Access | None = None) -> Store:
    """Open the store of a URL; nothing is read or written yet.

    Args:
        url: `file:///absolute/folder`, characters such as space and # percent-encoded, or `s3://bucket/prefix`.
        access: how to reach an S3 store, such as `Settings.store_access`; folders need none.

    Raises:
        StorageError: a plain path, another kind of store, a `file:` URL that names no absolute folder, or an `s3:`
            URL without a bucket or without access.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme == "file":
        return FileStore(_folder(url))
    if scheme == "s3":
        return _bucket(url, access)
    if "://" in url:
        raise StorageError(f"no store of kind {scheme}://", hint="write file:///absolute/folder or s3://bucket/prefix")
    raise StorageError("a store is named by a URL, not by a path", hint=f"write {Path(url).absolute().as_uri()}")


def _bucket(url: str, access: S3Access | None) -> Store:
    parts = urlsplit(url)
    if not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise StorageError("the s3: URL names no bucket", hint=_BUCKET_HINT)
    if access is None:
        raise StorageError(
            "an s3:// store needs an endpoint and a key", hint="set R2_ACCOUNT_ID and the keys, see .env.example"
        )
    from assetmill.storage.s3 import S3Store  # noqa: PLC0415  takes half a second, and folders need none of it

    return S3Store(access, parts.netloc, parts.path.removeprefix("/").removesuffix("/"), new_id=Clock().new_id)


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
