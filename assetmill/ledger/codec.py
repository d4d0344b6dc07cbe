"""JSON columns: one canonical way to write them, and tolerant ways to read them.

Written JSON is sorted, compact and pure ASCII, so that equal values are equal text in every database
and so that whatever a manifest or a worker holds (NUL, half a surrogate pair) can be stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from assetmill.errors import LedgerError
from assetmill.ledger.values import Output

TEXT_LIMIT = 2000


def _loads(text: str) -> Any:
    """Fast, with the standard library for the rare text that only it can read (half a surrogate pair)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def write_map(value: Mapping[str, Any]) -> str:
    """Write a mapping as canonical JSON.

    Raises:
        LedgerError: a value that JSON does not have, such as NaN or an object.
    """
    try:
        return json.dumps(dict(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LedgerError(f"cannot be written as JSON: {error}", hint="give plain JSON values") from error


def read_map(text: str) -> dict[str, Any]:
    """Read a mapping that `write_map` wrote."""
    value: dict[str, Any] = _loads(text)
    return value


def write_outputs(outputs: Iterable[Output]) -> str:
    """Write images as `{role: {key, sha256, bytes, width, height, and placement if it has one}}`.

    Raises:
        LedgerError: two images claim the same role.
    """
    document: dict[str, Any] = {}
    for output in outputs:
        if output.role in document:
            raise LedgerError(f"two images claim the role {output.role!r}")
        document[output.role] = {
            "key": output.key,
            "sha256": output.sha256,
            "bytes": output.bytes,
            "width": output.width,
            "height": output.height,
            **({"placement": dict(output.placement)} if output.placement is not None else {}),
        }
    return write_map(document)


def read_outputs(text: str) -> dict[str, Output]:
    """Read what `write_outputs` wrote: role -> image."""
    return {role: Output(role, **stored) for role, stored in read_map(text).items()}


def short_text(text: str | None) -> str | None:
    """Bound and clean words of others for a text column: 2,000 characters, no NUL, no half surrogates."""
    if text is None:
        return None
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= TEXT_LIMIT else clean[: TEXT_LIMIT - 1] + "…"
