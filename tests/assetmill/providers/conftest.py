"""A scripted endpoint over real HTTP: it answers what a test tells it to, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.providers.runpod.api import JobApi


@dataclass
class Script:
    """Answers by path, taken one after another; the last one stays."""

    answers: dict[str, deque[Response]] = field(default_factory=lambda: defaultdict(deque))
    seen: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def say(self, path: str, *answers: Response) -> None:
        self.answers[path].extend(answers)

    def calls(self, path: str) -> int:
        return sum(seen_path == path for _, seen_path, _, _ in self.seen)

    async def answer(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/v2/ep/")
        self.seen.append((request.method, path, await request.body(), dict(request.headers)))
        queue = self.answers[path]
        if not queue:
            return JSONResponse({"error": "not found"}, 404)
        return queue.popleft() if len(queue) > 1 else queue[0]


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    state = Script()
    app = Starlette(routes=[Route("/v2/ep/{rest:path}", state.answer, methods=["GET", "POST"])])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        state.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v2/ep"
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0)
        yield state
        server.should_exit = True
        await task


@dataclass
class Time:
    """A clock that moves only when somebody sleeps."""

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        return Clock(
            now=lambda: start + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            sleep=self.sleep,
            random=random.Random(7),
        )


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def api(script: Script, time: Time) -> AsyncIterator[JobApi]:
    async with httpx.AsyncClient() as client:
        yield JobApi(client, script.url, "made-up-key", time.clock())
