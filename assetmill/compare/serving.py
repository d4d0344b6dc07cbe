"""The page behind a socket of this machine, so that votes get into the books as they are cast.

It listens on loopback only and hands out nothing but the page, the pictures of this one comparison, and its votes. A
web page of somebody else must not vote or read through a visitor's browser: a request has to name this machine as its
host, and a vote has to come as JSON from a page of our own. Store and books block, so they are asked in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.compare.ballots import Sheet, first_fault, votes_of
from assetmill.compare.page import render, vote_json
from assetmill.compare.policy import policy_text
from assetmill.compare.summary import verdicts
from assetmill.compare.values import Comparison
from assetmill.errors import AssetmillError, KeyMissing, UsageError
from assetmill.ledger import Ledger
from assetmill.packs.blobs import IMMUTABLE
from assetmill.packs.kinds import BLOB_TYPES
from assetmill.storage import Store

LOOPBACK: Final = "127.0.0.1"
HOSTS: Final = (LOOPBACK, "localhost")
MOST_BYTES: Final = 100_000
FILES: Final = "files/"
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen: this machine only."""

    port: int
    host: str = LOOPBACK


class Booth:
    """A comparison that is open for votes.

    Args:
        comparison: what is shown.
        store: where its pictures are.
        ledger: where votes go; stays open as long as the booth.
        clock: when a vote was cast.
        port: where it is reached.
    """

    def __init__(self, comparison: Comparison, store: Store, ledger: Ledger, clock: Clock, port: int) -> None:
        self._comparison = comparison
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._port = port

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{LOOPBACK}:{self._port}/"

    def app(self) -> Starlette:
        """The HTTP side."""
        return Starlette(
            routes=[
                Route("/", self._guarded(self._page), methods=["GET"]),
                Route("/votes", self._guarded(self._read), methods=["GET"]),
                Route("/votes", self._guarded(self._cast), methods=["POST"]),
                Route("/summary", self._guarded(self._summary), methods=["GET"]),
                Route(f"/{FILES}{{key:path}}", self._guarded(self._file), methods=["GET"]),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)],
        )

    def listen(self, connections: Callable[[], Iterable[Any]]) -> None:
        """Nobody waits here for long, so there is no connection to be looked after."""

    async def keep_time(self) -> None:
        """Nothing happens here by itself."""

    async def aclose(self) -> None:
        """Nobody waits."""

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Say in words what went wrong, and keep the page's answers out of caches."""

        async def guarded(request: Request) -> Response:
            try:
                response: Response = await answer(request)
            except UsageError as error:
                response = JSONResponse({"error": str(error)}, status_code=400)
            except AssetmillError as error:
                response = JSONResponse({"error": error.message}, status_code=503)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return guarded

    async def _page(self, request: Request) -> Response:
        del request
        votes = await self._votes()
        page = await asyncio.to_thread(render, self._comparison, votes, href=lambda key: FILES + key, served=True)
        return HTMLResponse(page)

    async def _read(self, request: Request) -> Response:
        del request
        return JSONResponse({"comparison": self._comparison.id, "votes": [vote_json(v) for v in await self._votes()]})

    async def _summary(self, request: Request) -> Response:
        del request
        return PlainTextResponse(policy_text(self._comparison, verdicts(self._comparison, await self._votes())))

    async def _cast(self, request: Request) -> Response:
        _refuse_strangers(request)
        try:
            sheet = Sheet.model_validate_json(await _body(request))
        except ValidationError as error:
            raise UsageError(f"no vote: {first_fault(error)}") from None
        votes = votes_of(self._comparison, sheet, now=self._clock.now(), fresh=True)
        await asyncio.to_thread(self._ledger.votes.cast, votes)
        return JSONResponse({"saved": len(votes)})

    async def _file(self, request: Request) -> Response:
        key = request.path_params["key"]
        if key not in self._comparison.blobs:
            return JSONResponse({"error": "no picture of this comparison"}, status_code=404)
        try:
            data = await asyncio.to_thread(self._store.get, key)
        except KeyMissing:
            return JSONResponse({"error": "the picture is gone from the store"}, status_code=404)
        kind = BLOB_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        return Response(data, media_type=kind, headers={"Cache-Control": IMMUTABLE})

    async def _votes(self) -> list[Any]:
        return await asyncio.to_thread(self._ledger.votes.of, self._comparison.id)


def _refuse_strangers(request: Request) -> None:
    """Take votes from our own page and from programs, not from another site in the same browser.

    Raises:
        UsageError: it comes from elsewhere, or is no JSON.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise UsageError("votes are taken from the comparison page only")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise UsageError("a vote has to be JSON")


async def _body(request: Request) -> bytes:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise UsageError(f"more than {MOST_BYTES} bytes of votes at once")
    return data
