"""The files that the local Scenario holds: assets, uploads in parts, and the signed addresses that lead to them.

Everything lives in memory and goes with the server. An address is good for the query that it was made with and no
other, and only until it expires: that is how Scenario's own behave. It must never give out a file without it.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from assetmill.clock import Clock
from assetmill.localpod.scenario.painting import Drawing, PaintingFailed, size_of
from assetmill.localpod.scenario.refusal import bad_request, not_found

MOST_PARTS: Final = 100


@dataclass(frozen=True, slots=True)
class Asset:
    """A file.

    Args:
        id: its id.
        file: its bytes.
        media_type: what they are.
        type: where it comes from, in Scenario's words: `inference-txt2img`, `background-removal`, `uploaded` ...
        created_at: wall-clock time.
        size: (width, height) in pixels.
        name: name that it was uploaded under.
        job_id: job that made it.
        index: its place among what the job made, from 0.
        metadata: further fields of its metadata.
        prompt: words that it goes back to; faults that are asked for by words follow it.
        drawing: what it was drawn from; None for what was not drawn here, or was changed since.
    """

    id: str
    file: bytes = field(repr=False)
    media_type: str
    type: str
    created_at: datetime
    size: tuple[int, int]
    name: str = ""
    job_id: str | None = None
    index: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)
    prompt: str = ""
    drawing: Drawing | None = field(default=None, repr=False)


@dataclass(slots=True)
class Upload:
    """A file that comes in parts.

    Args:
        id: its id.
        name: file name.
        media_type: what it says that it is.
        size_bytes: how long it says that it is.
        count: how many parts it says that there are.
        created_at: wall-clock time.
        parts: number, from 1 -> bytes.
        status: in Scenario's words.
        asset_id: the asset that it became.
        job_id: job that checks it.
        error: why it became none.
    """

    id: str
    name: str
    media_type: str
    size_bytes: int
    count: int
    created_at: datetime
    parts: dict[int, bytes] = field(default_factory=dict, repr=False)
    status: str = "pending"
    asset_id: str | None = None
    job_id: str | None = None
    error: str | None = None


class Shelf:
    """All files.

    Args:
        clock: wall-clock time and ids.
        lifetime_s: how long an address is good for.
    """

    def __init__(self, clock: Clock, lifetime_s: float) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._secret = secrets.token_bytes(32)
        self._assets: dict[str, Asset] = {}
        self._uploads: dict[str, Upload] = {}

    def put(self, file: bytes, type_: str, **fields: Any) -> Asset:
        """Keep a picture.

        Raises:
            PaintingFailed: the bytes are no picture.
        """
        asset = Asset(
            f"asset_{self._clock.new_id()[:22]}", file, media_type(file), type_, self._clock.now(), size_of(file),
            **fields,
        )  # fmt: skip
        self._assets[asset.id] = asset
        return asset

    def asset(self, asset_id: str) -> Asset:
        """An asset.

        Raises:
            Refusal: 404.
        """
        if asset_id not in self._assets:
            raise not_found(f"asset {asset_id}")
        return self._assets[asset_id]

    def found(self, ids: list[str]) -> list[Asset]:
        """Those of several assets that there are, each once."""
        return [self._assets[one] for one in dict.fromkeys(ids) if one in self._assets]

    def upload(self, body: Any) -> Upload:
        """Begin to take a file in parts.

        Raises:
            Refusal: 400 with the fields that are wrong.
        """
        given = body if isinstance(body, dict) else {}
        counts = {name: given.get(name) for name in ("fileSize", "parts")}
        wrong = {name: "is required" for name in ("fileName", "contentType", "kind") if not given.get(name)}
        wrong |= {
            name: "must be a whole number from 1"
            for name, value in counts.items()
            if not isinstance(value, int) or isinstance(value, bool) or value < 1
        }
        if not wrong and (counts["parts"] or 0) > MOST_PARTS:
            wrong["parts"] = f"must be at most {MOST_PARTS}"
        if wrong:
            raise bad_request("; ".join(f"{name} {problem}" for name, problem in wrong.items()), **wrong)
        upload = Upload(
            f"upload_{self._clock.new_id()[:22]}", str(given["fileName"]), str(given["contentType"]),
            int(given["fileSize"]), int(given["parts"]), self._clock.now(),
        )  # fmt: skip
        self._uploads[upload.id] = upload
        return upload

    def uploading(self, upload_id: str) -> Upload:
        """An upload.

        Raises:
            Refusal: 404.
        """
        if upload_id not in self._uploads:
            raise not_found(f"upload {upload_id}")
        return self._uploads[upload_id]

    def finish(self, upload: Upload) -> Asset:
        """Make an asset of an upload whose parts are all there.

        Raises:
            PaintingFailed: parts are missing, or it is not the picture that it said it was.
        """
        whole = b"".join(upload.parts.get(number, b"") for number in range(1, upload.count + 1))
        try:
            asset = self.put(whole if len(whole) == upload.size_bytes else b"", "uploaded", name=upload.name)
        except PaintingFailed as error:
            upload.status = "failed"
            upload.error = f"{error}; {len(whole)} bytes came of {upload.size_bytes}"
            raise
        upload.status, upload.asset_id = "imported", asset.id
        return asset

    def signed(self, path: str) -> str:
        """A path with the query that opens it for a while."""
        expires = int(self._clock.now().timestamp() + self._lifetime_s)
        return f"{path}?Expires={expires}&sig={self._signature(path, expires)}"

    def opens(self, path: str, query: str) -> bool:
        """Whether a query opens a path, now: the very one that was given out, and not an hour too late."""
        expires = query.removeprefix("Expires=").partition("&")[0]
        if not (expires.isascii() and expires.isdigit()) or int(expires) < self._clock.now().timestamp():
            return False
        wanted = f"Expires={expires}&sig={self._signature(path, int(expires))}"
        return hmac.compare_digest(query.encode(), wanted.encode())

    def _signature(self, path: str, expires: int) -> str:
        return hmac.digest(self._secret, f"{path}\n{expires}".encode(), "sha256").hex()


def media_type(file: bytes) -> str:
    """What bytes are, by how they begin."""
    if file.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if file[:4] == b"RIFF" and file[8:12] == b"WEBP":
        return "image/webp"
    return "image/png" if file.startswith(b"\x89PNG") else "application/octet-stream"
