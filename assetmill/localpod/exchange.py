"""What both sides of the endpoint need of HTTP: whole bodies, JSON answers, and whether a key is the right one.

The clients' side (`endpoint`) and the workers' side (`remote`) must not know each other; this is what they share.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from assetmill.localpod.limits import check_body


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer, pure ASCII, so that any string a worker returns can travel."""
    return Response(json.dumps(body, separators=(",", ":")), status, headers, media_type="application/json")


async def read_body(request: Request, most: int) -> bytes:
    """The whole body; a too large one is read to its end, so that the sender gets to hear the answer.

    Raises:
        RequestRejected: it is larger than `most` bytes.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= most:
            parts.append(part)
        else:
            parts.clear()
    check_body(size, most)
    return b"".join(parts)


def may_enter(request: Request, key: str | None, *, bare: bool = False) -> bool:
    """Whether a request carries the key as a bearer token; everybody may enter when there is none.

    Args:
        request: the request.
        key: the endpoint's key.
        bare: the header may also be the key alone, as RunPod's worker SDK sends it.
    """
    if key is None:
        return True
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if bare and not token:
        scheme, token = "bearer", scheme
    return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), key.encode())
