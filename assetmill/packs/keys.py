"""How things are named in a store.

Everything that has content of its own is named by its hash and never changes; people's names stand only in
indexes; one small file per game and channel changes. So anything may be cached for ever but `latest.json`,
and going back to an older pack is a matter of one pointer.

::

    blobs/<2 hex>/<sha256>.<ext>                       images, sheet metadata
    packs/<game>/index.<16 hex>.json                   a whole pack
    packs/<game>/<channel>/latest.json                 which index is current: the only one that changes
    packs/<game>/<channel>/history/<time>-<16 hex>.json  every publish, oldest first
    packs/<game>/gallery/<run id>.html                 pictures of a run for people
    packs/<game>/gallery/<run id>.jpg                  the same at a glance: its contact sheet
    packs/<game>/gallery/<run id>.json                 what the run says of itself
    private/receipts/<game>/<2 hex>/<attempt id>.json  what each attempt cost and became; not for the public
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from assetmill.errors import StorageError

BLOBS = "blobs/"
RECEIPTS = "private/receipts/"
SHORT_HASH = 16  # hex digits: enough to tell the packs of one game apart
BASE_OF_INDEX = "../../"  # from packs/<game>/ to where all keys start

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def sha256_of(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def blob_key(sha256: str, ext: str) -> str:
    """Key of bytes that are named by their hash; `ext` without the dot."""
    _check(_SHA256, sha256, "a SHA-256 of 64 hex digits")
    _check(_EXTENSION, ext, "a file extension such as png")
    return f"{BLOBS}{sha256[:2]}/{sha256}.{ext}"


def index_key(game: str, sha256: str) -> str:
    """Key of the pack index whose bytes have this hash."""
    _check(_SHA256, sha256, "a SHA-256 of 64 hex digits")
    return f"{_game(game)}/index.{sha256[:SHORT_HASH]}.json"


def latest_key(game: str, channel: str) -> str:
    """Key of the pointer to the current index."""
    return f"{_channel(game, channel)}/latest.json"


def history_key(game: str, channel: str, at: datetime, sha256: str) -> str:
    """Key of the record of one publish; keys of one channel sort by time, to the millisecond."""
    _check(_SHA256, sha256, "a SHA-256 of 64 hex digits")
    utc = at.astimezone(UTC)
    stamp = f"{utc:%Y%m%dT%H%M%S}.{utc.microsecond // 1000:03d}Z"
    return f"{history_prefix(game, channel)}{stamp}-{sha256[:SHORT_HASH]}.json"


def history_prefix(game: str, channel: str) -> str:
    """What the keys of all records of a channel start with."""
    return f"{_channel(game, channel)}/history/"


def gallery_key(game: str, run_id: str) -> str:
    """Key of the gallery page of a run."""
    return _beside_gallery(game, run_id, "html")


def contact_sheet_key(game: str, run_id: str) -> str:
    """Key of the contact sheet of a run."""
    return _beside_gallery(game, run_id, "jpg")


def report_key(game: str, run_id: str) -> str:
    """Key of the report of a run."""
    return _beside_gallery(game, run_id, "json")


def receipt_key(game: str, attempt_id: str) -> str:
    """Key of the receipt of an attempt."""
    _check(_NAME, game, "a game id of a-z 0-9 _ -")
    _check(_RUN_ID, attempt_id, "an attempt id")
    return f"{RECEIPTS}{game}/{sha256_of(attempt_id.encode())[:2]}/{attempt_id}.json"


def _beside_gallery(game: str, run_id: str, ext: str) -> str:
    _check(_RUN_ID, run_id, "a run id")
    return f"{_game(game)}/gallery/{run_id}.{ext}"


def _game(game: str) -> str:
    _check(_NAME, game, "a game id of a-z 0-9 _ -")
    return f"packs/{game}"


def _channel(game: str, channel: str) -> str:
    _check(_NAME, channel, "a channel name of a-z 0-9 _ -")
    return f"{_game(game)}/{channel}"


def _check(pattern: re.Pattern[str], text: str, expected: str) -> None:
    if not pattern.fullmatch(text):
        raise StorageError(f"cannot be part of a key: {text[:100]!r}", hint=f"expected {expected}")
