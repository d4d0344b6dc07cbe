"""Hides configured secrets in what others say: a gateway or a worker may repeat the key that it was shown.

Applied once, to an endpoint's whole answer, before anything is read from it: all that is logged, written down, shown
or raised comes after. It knows secrets by their exact value, in the spellings in which programs pass them on; signed
addresses and image data are dealt with where a worker's words are read.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = b"[secret]"
SHORTEST = 8
"""A shorter secret is not looked for: it would be found in the midst of ordinary words."""

_LARGE = 100_000
_PICTURES = re.compile(rb"[A-Za-z0-9+/=]{4096,}")  # becomes a picture or nothing, and takes long to search


class Redaction:
    """Hides some secrets.

    Args:
        secrets: their values; those of fewer than 8 characters are left out.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {spelling for secret in secrets if len(secret) >= SHORTEST for spelling in _spellings(secret)}
        self._spellings = tuple(sorted(found, key=len, reverse=True))

    def hide(self, data: bytes) -> bytes:
        """The data without secrets; the very same object where there are none."""
        searched = _PICTURES.sub(b"", data) if len(data) > _LARGE else data
        if not any(spelling in searched for spelling in self._spellings):
            return data
        for spelling in self._spellings:
            data = data.replace(spelling, HIDDEN)
        return data


def _spellings(secret: str) -> Iterator[bytes]:
    """As it is, in JSON, in an address, in hex, and in base64 at any place of a longer text."""
    written = json.dumps(secret)[1:-1]
    for text in (
        secret,
        written,
        written.replace("/", r"\/"),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    ):
        yield text.encode()
    data = secret.encode()
    yield data.hex().encode()
    yield data.hex().upper().encode()
    for before in range(3):
        digits = base64.b64encode(bytes(before) + data)
        core = digits[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]  # those that no neighbour has a part in
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))
