"""RunPod's queue API: run, runsync, status, status-sync, cancel, retry, purge-queue, health.

It exists so that a client, its tests and a designer without a GPU share one contract. It translates between HTTP
and the queue and decides nothing itself; listening is `server`'s work. It must never echo an input or a key.
Bodies of refusals are `{"error": text}`; RunPod documents none.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import uuid
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.errors import AssetmillError, RequestRejected, Throttled
from assetmill.localpod.config import PodConfig
from assetmill.localpod.limits import Gate, Operation, check_body, check_queue
from assetmill.localpod.queue import Counts, Job, JobQueue
from assetmill.localpod.wire import health_body, job_body, read_submission, read_ttl, read_wait, short_body
from assetmill.localpod.workers import Census, Pool, Worker, woken

RUNSYNC_WAIT_MS: Final = (1_000, 300_000)
STATUS_WAIT_MS: Final = (1_000, 90_000)  # the bounds of RunPod's own JavaScript client
DEFAULT_WAIT_MS: Final = 90_000
TICK_S: Final = 0.5

Handler = Callable[[Request], Awaitable[Response]]


class Waiters:
    """Requests that wait for a job's end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: dict[str, list[asyncio.Event]] = {}
        self._closed = False

    def tell(self, job_id: str) -> None:
        """Wake everybody who waits for this job."""
        for event in self._events.get(job_id, ()):
            event.set()

    def close(self) -> None:
        """Wake everybody, now and from now on."""
        self._closed = True
        for job_id in self._events:
            self.tell(job_id)

    async def wait(self, job_id: str, seconds: float) -> None:
        """Return when the job ends, when `seconds` are over, or when the endpoint goes."""
        if self._closed:
            return
        event = asyncio.Event()
        self._events.setdefault(job_id, []).append(event)
        try:
            await woken(event, seconds, self._clock)
        finally:
            self._events[job_id].remove(event)
            if not self._events[job_id]:
                del self._events[job_id]


class Pod:
    """A running endpoint: queue, workers and the HTTP side. Made by `running_pod`.

    Args:
        config: how it behaves.
        worker: the handler that carries jobs out.
        clock: time, sleep and ids.
        port: the port that it listens on.
    """

    def __init__(self, config: PodConfig, worker: Worker, clock: Clock, port: int) -> None:
        self.config = config
        host = f"[{config.host}]" if ":" in config.host else config.host
        self.url = f"http://{host}:{port}/v2/{config.endpoint_id}"
        self._clock = clock
        self._waiters = Waiters(clock)
        self._queue = JobQueue(clock.monotonic, self._waiters.tell)
        self._pool = Pool(self._queue, worker, config, clock)
        self._gate = Gate(config.limits, clock.monotonic)

    def counts(self) -> Counts:
        """The queue's own counts."""
        return self._queue.counts()

    def census(self) -> Census:
        """The workers there are."""
        return self._pool.census()

    def app(self) -> Starlette:
        """The HTTP side, as an ASGI application."""
        routes = [
            self._route("run", ["POST"], self._run, Operation.RUN),
            self._route("runsync", ["POST"], self._runsync, Operation.RUNSYNC),
            self._route("status/{job_id}", ["GET", "POST"], self._status, Operation.STATUS),
            self._route("status-sync/{job_id}", ["GET", "POST"], self._status_sync, Operation.STATUS),
            self._route("cancel/{job_id}", ["POST"], self._cancel, Operation.CANCEL),
            self._route("retry/{job_id}", ["POST"], self._retry),
            self._route("purge-queue", ["POST"], self._purge, Operation.PURGE),
            self._route("health", ["GET"], self._health),
        ]
        return Starlette(
            routes=routes,
            exception_handlers={
                RequestRejected: _refused,
                Throttled: _refused,
                HTTPException: _not_served,
                Exception: _not_served,
            },
        )

    async def keep_time(self) -> None:
        """Let due jobs end even when nobody calls, so that long polls hear of it."""
        while True:
            await self._clock.sleep(TICK_S)
            self._queue.sweep()

    def close_waits(self) -> None:
        """Answer every long poll now; for the shutdown."""
        self._waiters.close()

    async def aclose(self) -> None:
        """Send the workers away."""
        self.close_waits()
        await self._pool.aclose()

    def _route(self, path: str, methods: list[str], handler: Handler, operation: Operation | None = None) -> Route:
        async def endpoint(request: Request) -> Response:
            self._authorize(request)
            if request.path_params["endpoint_id"] != self.config.endpoint_id:
                raise HTTPException(404, "endpoint not found")
            running = self._pool.census().running
            with self._gate.admitted(operation, running) if operation else nullcontext():
                return await handler(request)

        return Route(f"/v2/{{endpoint_id}}/{path}", endpoint, methods=methods)

    def _authorize(self, request: Request) -> None:
        if self.config.api_key is None:
            return
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        given, wanted = key.strip().encode(), self.config.api_key.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, wanted):
            raise HTTPException(401, "unauthorized")

    async def _run(self, request: Request) -> Response:
        job = await self._submit(
            request, "", most_bytes=self.config.limits.run_body_bytes, retention_s=self.config.run_retention_s
        )
        return reply({"id": job.id, "status": "IN_QUEUE"})  # as RunPod says it, even if a worker was quick

    async def _runsync(self, request: Request) -> Response:
        wait_s = read_wait(request.query_params.get("wait"), RUNSYNC_WAIT_MS, DEFAULT_WAIT_MS)
        job = await self._submit(
            request,
            "sync-",
            most_bytes=self.config.limits.runsync_body_bytes,
            retention_s=self.config.runsync_retention_s,
        )
        await self._waiters.wait(job.id, wait_s)
        return reply(job_body(self._find(job.id)))

    async def _status(self, request: Request) -> Response:
        job_id = request.path_params["job_id"]
        ttl = request.query_params.get("ttl")
        if ttl is not None:
            self._queue.set_ttl(job_id, read_ttl(ttl))
        return reply(job_body(self._find(job_id)))

    async def _status_sync(self, request: Request) -> Response:
        wait_s = read_wait(request.query_params.get("wait"), STATUS_WAIT_MS, DEFAULT_WAIT_MS)
        job = self._find(request.path_params["job_id"])
        if not job.status.terminal:
            await self._waiters.wait(job.id, wait_s)
            job = self._find(job.id)
        return reply(job_body(job))

    async def _cancel(self, request: Request) -> Response:
        return reply(short_body(_known(self._queue.cancel(request.path_params["job_id"]))))

    async def _retry(self, request: Request) -> Response:
        job = _known(self._queue.retry(request.path_params["job_id"]))
        self._pool.poke()
        return reply(short_body(job))

    async def _purge(self, request: Request) -> Response:
        del request  # it carries nothing
        return reply({"removed": self._queue.purge(), "status": "completed"})

    async def _health(self, request: Request) -> Response:
        del request  # it carries nothing
        return reply(health_body(self.counts(), self.census()))

    async def _submit(self, request: Request, prefix: str, *, most_bytes: int, retention_s: float) -> Job:
        body = await _body(request, most_bytes)
        submission = read_submission(body, self.config, retention_s)
        check_queue(self.config.limits, self._queue.counts().in_queue, self.config.workers)
        job_id = f"{prefix}{uuid.UUID(self._clock.new_id())}-u1"
        job = self._queue.submit(job_id, submission.input, submission.policy)
        self._pool.poke()
        return job

    def _find(self, job_id: str) -> Job:
        return _known(self._queue.find(job_id))


def reply(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer, pure ASCII, so that any string a worker returns can travel."""
    return Response(json.dumps(body, separators=(",", ":")), status, headers, media_type="application/json")


async def _body(request: Request, most: int) -> bytes:
    """The whole body; a too large one is read to its end, so that the sender gets to hear the answer."""
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


def _known(job: Job | None) -> Job:
    if job is None:
        raise HTTPException(404, "job not found")
    return job


async def _refused(_: Request, error: Exception) -> Response:
    message = error.message if isinstance(error, AssetmillError) else str(error)
    if isinstance(error, Throttled):
        seconds = max(1, math.ceil(error.retry_after_s or 1))
        return reply({"error": message}, 429, {"Retry-After": str(seconds)})
    return reply({"error": message}, 400)


async def _not_served(_: Request, error: Exception) -> Response:
    status, text = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "internal error")
    return reply({"error": text}, status)
