"""A scripted endpoint over real HTTP: it answers what a test tells it to, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.providers.base import JobRequest
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod import RunPodProvider
from assetmill.providers.runpod.api import JobApi

KEY = "made-up-key"


Answer = Response | Callable[[bytes], Response | Awaitable[Response]]


@dataclass
class Script:
    """Answers by path, taken one after another; the last one stays. A callable is given the request's body."""

    answers: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    seen: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def say(self, path: str, *answers: Answer) -> None:
        self.answers[path].extend(answers)

    def say_now(self, path: str, *answers: Answer) -> None:
        """Forget what was to be said there, and say this."""
        self.answers[path].clear()
        self.say(path, *answers)

    def calls(self, path: str) -> int:
        return sum(seen_path == path for _, seen_path, _, _ in self.seen)

    async def answer(self, request: Request) -> Response:
        path, body = request.url.path.removeprefix("/v2/ep/"), await request.body()
        self.seen.append((request.method, path, body, dict(request.headers)))
        queue = self.answers[path]
        if not queue:
            return JSONResponse({"error": "not found"}, 404)
        told = queue.popleft() if len(queue) > 1 else queue[0]
        answer = told if isinstance(told, Response) else told(body)
        return answer if isinstance(answer, Response) else await answer


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    state = Script()
    app = Starlette(routes=[Route("/{rest:path}", state.answer, methods=["GET", "POST"])])
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

    async def reach(self, seconds: float, unless: asyncio.Task[Any] | None = None) -> None:
        """Return when somebody's sleeping has brought the clock here, or the task has ended."""
        while self.seconds < seconds and not (unless and unless.done()):  # noqa: ASYNC110  a number has no event
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
        yield JobApi(client, script.url, KEY, time.clock())


@pytest.fixture
def endpoint(script: Script) -> Endpoint:
    """The scripted endpoint, which is its own management API: ask it at `/v2/serverless/ep`."""
    management = script.url.removesuffix("/ep")
    return Endpoint("ep", "runpod", script.url, SecretStr(KEY), "flux", 3, None, "", id="ep", management_url=management)


@pytest.fixture
async def provider(endpoint: Endpoint, time: Time) -> AsyncIterator[RunPodProvider]:
    made = RunPodProvider(endpoint, time.clock(), window=50, stall_s=900.0)
    yield made
    await made.aclose()


@pytest.fixture
def request_of() -> Callable[[str], JobRequest]:
    """A small request with a key of our own."""
    return lambda attempt_id: JobRequest(attempt_id, {"9": {"class_type": "SaveImage", "inputs": {}}}, {})
