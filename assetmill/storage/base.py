"""What a store of objects can do, whoever keeps them, and which keys and headers every store accepts.

Packs are written with three promises that a plain copy of files does not give: a reader never sees half
an object, creating never overwrites, and an exchange notices that somebody else wrote first. Whatever
stands behind this Protocol keeps all three. Methods block; callers on an event loop use a thread.

Keys and headers are judged here, once, so that a pack made on one store can move to any other. Nothing
here knows what the objects mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from assetmill.errors import StorageError

MAX_KEY_BYTES = 1024  # the limit of S3 and R2
MAX_PART_BYTES = 255  # the longest file name of the usual file systems
MAX_METADATA_BYTES = 8000  # R2 keeps 8192, and a store adds a hash and a name of its own
KEY_HINT = "keys are parts of A-Z a-z 0-9 . _ - joined by single slashes, and no part starts with a dot"

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*(?:[A-Za-z0-9_-][A-Za-z0-9._-]*)?")
_CONTENT_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+(; ?[a-z]+=[A-Za-z0-9-]+)?")
_HEADER_TEXT = re.compile(r"[\x20-\x7e]*")
_METADATA_NAME = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object without its bytes.

    Args:
        key: where it is.
        size: its length in bytes.
        etag: names its content; None in a listing of a store that would have to read every object for it.
        modified: when it was written, aware UTC; None where the store does not say. It tells nothing of what
            the object is, so two objects that differ in nothing else are equal.
    """

    key: str
    size: int
    etag: str | None
    modified: datetime | None = field(default=None, compare=False)


class Store(Protocol):
    """A flat set of objects, each bytes under a key. Safe to use from several threads and programs at once.

    `content_type` and `cache_control` are for whoever serves the objects over HTTP; a store of plain files
    checks and forgets them, so nothing may be known from headers or `metadata` alone.

    Every method raises StorageError when the store cannot be reached, is full, or refuses the key; its kinds
    (StoreRefused, BucketMissing, ClockSkewed, StoreFull, StoreBusy, StoreUnreachable) say what to do.
    """

    @property
    def url(self) -> str:
        """The URL that opens this store; never holds a secret."""
        ...

    def get(self, key: str) -> bytes:
        """Bytes of one object.

        Raises:
            KeyMissing: there is no such object.
        """
        ...

    def read(self, key: str) -> tuple[bytes, str]:
        """Bytes of one object and the etag of exactly these bytes, for a later `swap`.

        Raises:
            KeyMissing: there is no such object.
        """
        ...

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object, whether or not there is one already, and return its etag."""
        ...

    def create(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object that does not exist yet and return its etag; of several callers one wins.

        Raises:
            Conflict: the object exists.
        """
        ...

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
        """Replace the object that has this etag (None: that does not exist yet) and return the new etag.

        Raises:
            Conflict: somebody else wrote or deleted it since.
        """
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """Size and etag of an object, or None when there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every whole object whose key starts with `prefix`, in no promised order.

        The prefix need not end at a slash. Objects written or deleted meanwhile may or may not be seen.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        ...

    def public_url(self, key: str) -> str | None:
        """Where a browser can fetch the object, or None when the store is not public."""
        ...


def is_key_part(name: str) -> bool:
    """Whether a name can stand between the slashes of a key."""
    return len(name) <= MAX_PART_BYTES and _PART.fullmatch(name) is not None


def is_key(name: str) -> bool:
    """Whether every store takes a name as a key."""
    return len(name) <= MAX_KEY_BYTES and all(is_key_part(part) for part in name.split("/"))


def check_key(key: str) -> str:
    """Return a key that every store accepts.

    Raises:
        StorageError: too long, empty, or with parts that a file system or a signature would stumble over.
    """
    if not is_key(key):
        raise StorageError(f"not a storage key: {key[:200]!r}", hint=KEY_HINT)
    return key


def check_prefix(prefix: str) -> str:
    """Return a prefix that some key can start with.

    Raises:
        StorageError: no key starts like this.
    """
    if len(prefix) > MAX_KEY_BYTES or not _PREFIX.fullmatch(prefix):
        raise StorageError(f"not the start of a storage key: {prefix[:200]!r}", hint=KEY_HINT)
    return prefix


def check_headers(content_type: str, cache_control: str | None, metadata: Mapping[str, str] | None) -> None:
    """Refuse headers that an HTTP store could not send, on every store alike.

    Raises:
        StorageError: no content type, text that a header cannot hold, or more metadata than R2 would keep.
    """
    if not _CONTENT_TYPE.fullmatch(content_type):
        raise StorageError(f"not a content type: {content_type!r}", hint="write it like image/png")
    if cache_control is not None and not _HEADER_TEXT.fullmatch(cache_control):
        raise StorageError(f"not a cache-control header: {cache_control!r}", hint="printable ASCII only")
    pairs = (metadata or {}).items()
    if not all(_METADATA_NAME.fullmatch(name) and _HEADER_TEXT.fullmatch(value) for name, value in pairs):
        raise StorageError("metadata that a header cannot hold", hint="names of a-z 0-9 -, values of printable ASCII")
    if sum(len(name) + len(value) for name, value in pairs) > MAX_METADATA_BYTES:
        raise StorageError(f"more than {MAX_METADATA_BYTES} bytes of metadata", hint="put it into the object")
