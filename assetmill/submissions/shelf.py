"""Documents of submissions in a store: read, created, exchanged, and never overwritten blindly.

The store's compare-and-swap is the only lock there is, so that any number of ingesters on any number of machines may be
at it, and one that dies holds nobody up for longer than its claim. Two marks spare reading what is settled; whatever a
mark says could be found out without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from assetmill.errors import Conflict, KeyMissing, StorageError, UsageError
from assetmill.packs.index import Moment
from assetmill.packs.kinds import PAGE, PRIVATE
from assetmill.packs.parallel import in_threads
from assetmill.packs.pointers import JSON_TYPE
from assetmill.storage.base import Store
from assetmill.submissions import keys
from assetmill.submissions.records import Part, Record

_BYTES_TYPE = "text/plain; charset=utf-8"
_TRIES = 50
Doc = TypeVar("Doc", bound=BaseModel)


class Version(Part):
    """One arrival in a line: everything that its record is made of, should its maker die before it is there."""

    number: int
    id: str
    sha256: str
    size: int
    file: str
    at: Moment
    by: str = ""
    note: str = ""


class Line(Part):
    """The versions of one file name in one inbox, in the order in which they came."""

    slug: str
    inbox: str
    name: str
    versions: tuple[Version, ...] = Field(min_length=1)

    @property
    def newest(self) -> Version:
        """The one that counts."""
        return self.versions[-1]


class First(Part):
    """Who handed in certain bytes first."""

    slug: str
    id: str


class Shelf:
    """Everything of submissions that a store keeps.

    Args:
        store: where.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def record(self, record_id: str) -> Record:
        """One record.

        Raises:
            UsageError: there is no such submission.
            StorageError: it is damaged, or of a newer version.
        """
        found = self._read(Record, keys.record_key(record_id)) if keys.is_id(record_id) else None
        if found is None:
            raise UsageError(f"there is no submission {record_id!r}", hint="`assetmill submissions` lists them")
        return found[0]

    def find(self, record_id: str) -> Record | None:
        """One record, or None when there is none."""
        found = self._read(Record, keys.record_key(record_id))
        return found[0] if found else None

    def add(self, record: Record) -> bool:
        """Create a record; False when it is there."""
        return self.create(keys.record_key(record.id), record.encoded())

    def change(self, record_id: str, step: Callable[[Record], Record | None]) -> Record | None:
        """Take one step: `step` says what the record becomes, or None to leave it; exactly one of several wins.

        Args:
            record_id: whose.
            step: pure; called again with what somebody else has made of the record meanwhile.

        Returns:
            What the record has become, or None when `step` left it as it is.

        Raises:
            UsageError: there is no such submission.
            StorageError: the store failed.
        """
        key = keys.record_key(record_id)
        for _ in range(_TRIES):
            found = self._read(Record, key)
            if found is None:
                raise UsageError(f"there is no submission {record_id!r}", hint="`assetmill submissions` lists them")
            record = step(found[0])
            if record is None:
                return None
            if record == found[0] or self._swap(key, record.encoded(), found[1]):
                return record
        raise Conflict(f"{key} is changed by others all the time", hint="try again later")

    def line(self, slug: str) -> tuple[Line, str] | None:
        """A line of versions with its etag; None when nothing of this name has come yet."""
        return self._read(Line, keys.line_key(slug))

    def extend(self, line: Line, etag: str | None) -> bool:
        """Write a line as it goes on; False when somebody else came first."""
        return self._swap(keys.line_key(line.slug), line.model_dump_json(indent=1).encode(), etag)

    def keep_bytes(self, record_id: str, file: str, data: bytes) -> None:
        """Keep what was handed in, once and for ever.

        Raises:
            StorageError: other bytes are there: two contents whose hashes begin alike.
        """
        key = keys.submitted_key(record_id, file)
        if not self.create(key, data, content_type=_BYTES_TYPE) and self.store.get(key) != data:
            raise StorageError(f"{key} holds other bytes", hint="change the file a little and hand it in again")

    def bytes_of(self, record: Record) -> bytes:
        """What was handed in."""
        return self.store.get(keys.submitted_key(record.id, record.file))

    def first(self, sha256: str, provider: str | None) -> tuple[First, str] | None:
        """Who handed in these bytes first, with the etag."""
        return self._read(First, keys.content_key(sha256, provider))

    def claim_first(self, sha256: str, provider: str | None, first: First, etag: str | None) -> bool:
        """Say who handed in these bytes first; False when somebody else came before."""
        return self._swap(keys.content_key(sha256, provider), first.model_dump_json().encode(), etag)

    def keep_paper(self, record_id: str, document: bytes) -> str:
        """Keep details of a submission and return their key."""
        key = keys.paper_key(record_id, document)
        self.create(key, document)
        return key

    def keep_page(self, record_id: str, page: bytes) -> None:
        """Write the page of a submission."""
        self.store.put(keys.page_key(record_id), page, content_type=PAGE, cache_control=PRIVATE)

    def mark(self, key: str) -> None:
        """Set a mark."""
        self.create(key, b"", content_type="text/plain")

    def marked(self, prefix: str) -> frozenset[str]:
        """Keys of all marks of a kind."""
        return frozenset(info.key for info in self.store.list(prefix))

    def all_keys(self) -> frozenset[str]:
        """Every key of submissions, in one listing."""
        return frozenset(info.key for info in self.store.list(keys.DESK))

    def records(self, ids: Iterable[str], unreadable: list[str] | None = None) -> list[Record]:
        """Records of these ids that are there, oldest first.

        One that is damaged, or of a newer version, hides no other: it is left out, and words about it are added to
        `unreadable`.
        """
        found = in_threads(self._found, sorted(ids))
        if unreadable is not None:
            unreadable.extend(one for one in found if isinstance(one, str))
        records = [one for one in found if isinstance(one, Record)]
        return sorted(records, key=lambda record: (record.received_at, record.version, record.id))

    def _found(self, record_id: str) -> Record | str | None:
        """A record, None if there is none, or why it cannot be read."""
        key = keys.record_key(record_id)
        try:
            return _parsed(Record, self.store.get(key), key)
        except KeyMissing:
            return None

    def create(self, key: str, data: bytes, *, content_type: str = JSON_TYPE) -> bool:
        """Write an object that is not there yet; False when it is."""
        with suppress(Conflict):
            self.store.create(key, data, content_type=content_type, cache_control=PRIVATE)
            return True
        return False

    def _swap(self, key: str, data: bytes, etag: str | None) -> bool:
        with suppress(Conflict):
            self.store.swap(key, data, etag=etag, content_type=JSON_TYPE, cache_control=PRIVATE)
            return True
        return False

    def _read(self, model: type[Doc], key: str) -> tuple[Doc, str] | None:
        """A document with its etag.

        Raises:
            StorageError: it is damaged, or of a newer version.
        """
        try:
            data, etag = self.store.read(key)
        except KeyMissing:
            return None
        document = _parsed(model, data, key)
        if isinstance(document, str):
            raise StorageError(document, hint="written by a newer assetmill, or damaged")
        return document, etag


def _parsed(model: type[Doc], data: bytes, key: str) -> Doc | str:
    """A document, or why this version cannot read it."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{key} cannot be read{f' at {where}' if where else ''}: {first['msg']}"


def ids_in(all_keys: AbstractSet[str]) -> set[str]:
    """Ids of all records among keys."""
    names = (key.removeprefix(keys.DESK) for key in all_keys)
    return {name.removesuffix(".json") for name in names if "/" not in name and keys.is_id(name.removesuffix(".json"))}


def without_record(all_keys: AbstractSet[str]) -> set[str]:
    """Ids of bytes whose record is not there: their maker died on the way, or somebody else was quicker."""
    files = {key.removeprefix(keys.FILES).partition("/")[0] for key in all_keys if key.startswith(keys.FILES)}
    return {name for name in files if keys.is_id(name)} - ids_in(all_keys)
