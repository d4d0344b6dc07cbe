"""Words of providers, made fit for a log and the books: one line, bounded, without addresses and without data.

An answer may repeat a signed address or a picture; neither is ever written down.
"""

from __future__ import annotations

import re
import reprlib
from typing import Any

MAX_ERROR_CHARS = 600
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]{0,9}://[^\s\"'<>]+", re.IGNORECASE)
_SIGNED = re.compile(r"[^\s\"'<>]{0,500}(?:X-Amz-|Signature=)[^\s\"'<>]*", re.IGNORECASE)
_DATA = re.compile(r"[A-Za-z0-9+/=_-]{60,}")  # base64 may come in lines of 64
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxstring = 4, 8, 8, 300


def one_line(value: Any) -> str:
    """Any JSON value as one line of at most 601 characters, fit for a log and the books."""
    text = _ADDRESS.sub("[address]", plain_text(value)[: 4 * MAX_ERROR_CHARS])
    text = _DATA.sub("[data]", _SIGNED.sub("[address]", text))
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text[:MAX_ERROR_CHARS] + ("…" if len(text) > MAX_ERROR_CHARS else "")


def plain_text(value: Any) -> str:
    """A value as text: strings as they are, containers shortened however deep or large they may be."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return _SHORT.repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits has no text
        return f"[{type(value).__name__}]"
