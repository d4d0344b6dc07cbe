"""Answers that break on the wire: connections cut or reset, bytes that dribble.

An ASGI application cannot reach its socket, so `Lines` finds the connection among those of the server that carries
it. What happens here happens to the real socket: a client sees the closed connection, the RST or the pauses that
its operating system reports, and no header says that it was meant.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assetmill.clock import Clock
from assetmill.localpod.workers import woken

_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, no time to linger


class Lines:
    """The open connections of the server; `attach` them before the first call."""

    def __init__(self) -> None:
        self._connections: Callable[[], Iterable[Any]] = tuple
        self.closing = asyncio.Event()

    def attach(self, connections: Callable[[], Iterable[Any]]) -> None:
        """Say where the open connections are to be found: objects with a `client` (address, port) and a `transport`."""
        self._connections = connections

    def close(self) -> None:
        """Dawdle no more; for the shutdown."""
        self.closing.set()

    def of(self, scope: Scope) -> asyncio.Transport | None:
        """The connection that a request came in on; None when it is gone already."""
        client = tuple(scope["client"] or ())
        lines = (one.transport for one in self._connections() if tuple(one.client or ()) == client)
        return next(iter(lines), None)


class CutAnswer(Response):
    """The connection is closed, and not one byte of an answer is sent."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection; nothing is sent."""
        del send
        line = self._lines.of(scope)
        if line is not None:
            line.close()
        await _gone(receive)


class ResetAnswer(Response):
    """The answer begins, and the connection is reset (TCP RST) halfway through its body."""

    def __init__(self, lines: Lines, answer: Response) -> None:
        super().__init__(answer.body, answer.status_code, media_type=answer.media_type)
        self.raw_headers = answer.raw_headers
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the first half, then reset."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        line = self._lines.of(scope)
        if line is not None:
            line.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            line.abort()
        await _gone(receive)


class TricklingAnswer(Response):
    """The whole answer, a few bytes at a time."""

    def __init__(self, lines: Lines, answer: Response, clock: Clock, *, size_bytes: int, pause_s: float) -> None:
        super().__init__(answer.body, answer.status_code, media_type=answer.media_type)
        self.raw_headers = answer.raw_headers
        self._lines = lines
        self._clock = clock
        self._size_bytes = size_bytes
        self._pause_s = pause_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send piece by piece; what is left at the shutdown goes out at once."""
        del receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        rest = bytes(self.body)
        while rest and self._lines.of(scope) is not None and not self._lines.closing.is_set():
            piece, rest = rest[: self._size_bytes], rest[self._size_bytes :]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if rest:
                await woken(self._lines.closing, self._pause_s, self._clock)
        await send({"type": "http.response.body", "body": rest})


async def _gone(receive: Receive) -> None:
    """Return when the connection is closed: an application that ends sooner would be answered for with a 500."""
    while (await receive())["type"] != "http.disconnect":
        pass
