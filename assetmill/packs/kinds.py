"""What a key stands for, told from the key alone, and the headers under which such an object is kept.

A folder forgets headers, so whoever brings objects from one store to another has to know them anew. A key is of a
kind if it is exactly what `packs.keys` would make of its own parts: a name that merely looks like one is nobody's,
and is never touched. Nothing here guesses: an extension that this version never writes has no headers.
"""

from __future__ import annotations

import posixpath
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from assetmill.errors import StorageError
from assetmill.exports.base import JSON, TEXT
from assetmill.packs.blobs import IMMUTABLE
from assetmill.packs.keys import (
    blob_key,
    contact_sheet_key,
    gallery_key,
    history_key,
    index_key,
    latest_key,
    receipt_key,
    report_key,
)
from assetmill.packs.pointers import JSON_TYPE, NO_CACHE

PRIVATE = "private"
PAGE = "text/html; charset=utf-8"
JPEG = "image/jpeg"
BLOB_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "json": JSON,
    "tsj": JSON,  # Tiled
    "tres": TEXT,  # Godot
    "meta": TEXT,  # Unity
}
"""Content type of a blob by its extension: what workers send, what is finished, and what is exported."""

_HASH_DIGITS = 64
_STAMP = "%Y%m%dT%H%M%S.%fZ"


class Kind(StrEnum):
    """Kinds of objects, in the order in which they may be written: nothing names what comes after it."""

    BLOB = "blobs"
    RECEIPT = "receipts"
    INDEX = "indexes"
    RECORD = "records"
    CONTACT_SHEET = "contact sheets"
    REPORT = "run reports"
    GALLERY = "galleries"
    LATEST = "pointers"


@dataclass(frozen=True, slots=True)
class Headers:
    """What whoever serves an object over HTTP says of it."""

    content_type: str
    cache_control: str


def kind_of(key: str) -> Kind | None:
    """What a key stands for; None for a probe, and for whatever is not ours."""
    with suppress(StorageError, ValueError):
        kind, rebuilt = _rebuilt(key.split("/"))
        return kind if rebuilt == key else None
    return None


def headers_of(key: str) -> Headers | None:
    """The headers of an object of ours; None if this version writes none such."""
    kind = kind_of(key)
    if kind is Kind.BLOB:
        content_type = BLOB_TYPES.get(key.rpartition(".")[2])
        return Headers(content_type, IMMUTABLE) if content_type else None
    return None if kind is None else _HEADERS[kind]


def short_hash(key: str) -> str:
    """The first digits of the hash of an index, from the key of that index or of a record that names it."""
    stem = posixpath.basename(key).removesuffix(".json")
    return stem.rpartition("." if stem.startswith("index.") else "-")[2]


def whole(short: str) -> str:
    """A hash that begins like this: all that the functions of `packs.keys` look at."""
    return short.ljust(_HASH_DIGITS, "0")


_HEADERS = {
    Kind.RECEIPT: Headers(JSON_TYPE, PRIVATE),
    Kind.INDEX: Headers(JSON_TYPE, IMMUTABLE),
    Kind.RECORD: Headers(JSON_TYPE, IMMUTABLE),
    Kind.CONTACT_SHEET: Headers(JPEG, NO_CACHE),
    Kind.REPORT: Headers(JSON_TYPE, NO_CACHE),
    Kind.GALLERY: Headers(PAGE, NO_CACHE),
    Kind.LATEST: Headers(JSON_TYPE, NO_CACHE),
}


def _rebuilt(parts: list[str]) -> tuple[Kind | None, str]:
    """The kind that a key with these parts could be of, and the key that these parts make.

    Raises:
        StorageError, ValueError: they make none.
    """
    made: tuple[Kind | None, str] = (None, "")
    match parts:
        case ["blobs", _, name]:
            sha256, _, ext = name.partition(".")
            made = Kind.BLOB, blob_key(sha256, ext)
        case ["private", "receipts", game, _, name]:
            made = Kind.RECEIPT, receipt_key(game, name.removesuffix(".json"))
        case ["packs", game, name]:
            made = Kind.INDEX, index_key(game, whole(short_hash(name)))
        case ["packs", game, channel, "latest.json"]:
            made = Kind.LATEST, latest_key(game, channel)
        case ["packs", game, channel, "history", name]:
            at = datetime.strptime(name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
            made = Kind.RECORD, history_key(game, channel, at, whole(short_hash(name)))
        case ["packs", game, "gallery", name]:
            stem, _, ext = name.rpartition(".")
            made = {
                "html": (Kind.GALLERY, gallery_key(game, stem)),
                "jpg": (Kind.CONTACT_SHEET, contact_sheet_key(game, stem)),
                "json": (Kind.REPORT, report_key(game, stem)),
            }.get(ext, made)
    return made
