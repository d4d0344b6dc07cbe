"""RunPod's queue API: run, runsync, status, status-sync, stream, cancel, retry, purge-queue, health, requests.

It exists so that a client, its tests and a designer without a GPU share one contract. It translates between HTTP
and the queue and decides nothing itself; listening is `server`'s work. It must never echo an input or a key.
Bodies of refusals are `{"error": text}`; RunPod documents none.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.errors import AssetmillError, RequestRejected, Throttled, UsageError
from assetmill.localpod.config import PodConfig
from assetmill.localpod.exchange import may_enter, read_body, reply
from assetmill.localpod.executions import Execution
from assetmill.localpod.faults import Kind, Stage
from assetmill.localpod.faulty_queue import FaultyQueue
from assetmill.localpod.injector import Injection, Injector, Subject
from assetmill.localpod.interference import Interference
from assetmill.localpod.limits import Gate, Operation, check_queue
from assetmill.localpod.listings import requests_body
from assetmill.localpod.management import ManagementSide
from assetmill.localpod.meter import Charge, Meter
from assetmill.localpod.queue import Counts, Job, JobQueue
from assetmill.localpod.remote import WorkerSide
from assetmill.localpod.remote_workers import RemotePool
from assetmill.localpod.waits import Waiters
from assetmill.localpod.wire import health_body, job_body, read_submission, read_ttl, read_wait, short_body
from assetmill.localpod.workers import Census, Pool, Worker

RUNSYNC_WAIT_MS: Final = (1_000, 300_000)
STATUS_WAIT_MS: Final = (1_000, 90_000)  # the bounds of RunPod's own JavaScript client
DEFAULT_WAIT_MS: Final = 90_000
STREAM_WAIT_MS: Final = (1_000, 300_000)  # the bounds of RunPod's own MCP server
DEFAULT_STREAM_WAIT_MS: Final = 10_000
TICK_S: Final = 0.5

Handler = Callable[[Request], Awaitable[Response]]


class Pod:
    """A running endpoint: queue, workers and the HTTP side. Made by `running_pod`.

    Args:
        config: how it behaves.
        worker: the handler that carries jobs out; None when `config.remote_workers` do.
        clock: time, sleep and ids.
        port: the port that it listens on.

    Raises:
        UsageError: nobody would carry jobs out, or both would.
    """

    def __init__(self, config: PodConfig, worker: Worker | None, clock: Clock, port: int) -> None:
        if config.remote_workers == (worker is not None):
            raise UsageError("an endpoint has either a handler or remote workers")
        self.config = config
        host = f"[{config.host}]" if ":" in config.host else config.host
        self.url = f"http://{host}:{port}/v2/{config.endpoint_id}"
        self._clock = clock
        self._waiters = Waiters(clock)
        self._streams = Waiters(clock)
        self._injector = Injector(config.faults, clock, by_request=config.faults_by_request)
        self._queue = JobQueue(clock.monotonic, self._job_ended)
        self._faulty: FaultyQueue | None = None
        self._interference: Interference | None = None
        if self._injector.active:
            self._queue = self._faulty = FaultyQueue(clock.monotonic, self._job_ended, self._injector, config)
            self._interference = Interference(self._injector, self._faulty, clock)
        self._meter = Meter(clock, config.gpu_count, config.disk_gb)
        self._management = ManagementSide(
            config,
            self.url,
            self._meter,
            clock,
            workers=lambda: self._pool.listing(),  # noqa: PLW0108  there is no pool yet
            census=lambda: self._faulty.census if self._faulty else None,
            max_workers=lambda: self._faulty.max_workers if self._faulty else None,
            interference=self._interference,
            rescaled=lambda: self._pool.poke(),  # noqa: PLW0108  as above
        )
        most = self._management.most_workers
        remote = RemotePool(self._queue, config, clock, self._meter, most)
        self._pool = (
            remote if worker is None else Pool(self._queue, worker, config, clock, self._meter, self._slowness_s, most)
        )
        self._remote = remote if worker is None else None
        self._workers = self._remote and WorkerSide(remote, config, clock, self._streams.tell)
        self._gate = Gate(config.limits, clock.monotonic)

    def counts(self) -> Counts:
        """The queue's own counts."""
        return self._queue.counts()

    def most_outstanding(self) -> int:
        """The most jobs that ever waited or ran at the same time: what a client's window is compared with."""
        return self._queue.most_outstanding

    def census(self) -> Census:
        """The workers there are."""
        return self._pool.census()

    def executions(self) -> tuple[Execution, ...]:
        """Every time that a worker took a job, oldest first, for the endpoint's whole life."""
        return self._queue.executions.all()

    def charges(self) -> tuple[Charge, ...]:
        """What each life of each worker has cost, oldest first: what a client's estimates are compared with."""
        return self._meter.charges()

    def injected(self) -> Mapping[str, int]:
        """How often each fault has struck, by its kind."""
        return self._injector.counts()

    def injections(self) -> tuple[Injection, ...]:
        """Every fault that has struck, oldest first, and whom."""
        return self._injector.log()

    def app(self) -> Starlette:
        """The HTTP side, as an ASGI application."""
        routes = [
            self._route("run", ["POST"], self._run, Operation.RUN),
            self._route("runsync", ["POST"], self._runsync, Operation.RUNSYNC),
            self._route("status/{job_id}", ["GET", "POST"], self._status, Operation.STATUS),
            self._route("status-sync/{job_id}", ["GET", "POST"], self._status_sync, Operation.STATUS),
            self._route("stream/{job_id}", ["GET", "POST"], self._stream, Operation.STREAM),
            self._route("cancel/{job_id}", ["POST"], self._cancel, Operation.CANCEL),
            self._route("retry/{job_id}", ["POST"], self._retry),
            self._route("purge-queue", ["POST"], self._purge, Operation.PURGE),
            self._route("health", ["GET"], self._health),
        ]
        if self.config.lists_requests:
            routes.append(self._route("requests", ["GET"], self._requests, Operation.REQUESTS))
        return Starlette(
            routes=routes + self._management.routes() + (self._workers.routes() if self._workers else []),
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
            if self._faulty and self._faulty.freed():
                self._pool.poke()
            if self._remote:
                self._remote.sweep()

    def close_waits(self) -> None:
        """Answer every long poll now; for the shutdown."""
        self._waiters.close()
        self._streams.close()
        if self._interference:
            self._interference.lines.close()
        if self._workers:
            self._workers.close()

    def _job_ended(self, job_id: str) -> None:
        self._waiters.tell(job_id)
        self._streams.tell(job_id)
        if self._remote:
            self._remote.ended(job_id)

    async def aclose(self) -> None:
        """Send the workers away."""
        self.close_waits()
        await self._pool.aclose()

    def _route(self, path: str, methods: list[str], handler: Handler, operation: Operation | None = None) -> Route:
        async def endpoint(request: Request) -> Response:
            self._authorize(request)
            if request.path_params["endpoint_id"] != self.config.endpoint_id:
                raise HTTPException(404, "endpoint not found")

            async def answer() -> Response:
                running = self._pool.census().running
                with self._gate.admitted(operation, running) if operation else nullcontext():
                    return await handler(request)

            if self._interference is None:
                return await answer()
            return await self._interference.around(request, path.partition("/")[0], answer)

        return Route(f"/v2/{{endpoint_id}}/{path}", endpoint, methods=methods)

    def _authorize(self, request: Request) -> None:
        if not may_enter(request, self.config.api_key):
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

    async def _stream(self, request: Request) -> Response:
        wait_s = read_wait(request.query_params.get("wait"), STREAM_WAIT_MS, DEFAULT_STREAM_WAIT_MS)
        job = self._find(request.path_params["job_id"])
        if not (job.chunks or job.status.terminal):
            await self._streams.wait(job.id, wait_s)
            job = self._find(job.id)
        chunks = [{"output": chunk} for chunk in self._queue.drain(job.id)]
        return reply({"status": job.status.value, "stream": chunks})

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
        return reply(health_body(self.counts(), self.census(), self._faulty.census if self._faulty else None))

    async def _requests(self, request: Request) -> Response:
        del request  # it carries nothing
        return reply(requests_body(self._queue.jobs()))

    async def _submit(self, request: Request, prefix: str, *, most_bytes: int, retention_s: float) -> Job:
        body = await read_body(request, most_bytes)
        submission = read_submission(body, self.config, retention_s)
        operation = "runsync" if prefix else "run"
        if self._interference:
            self._interference.submitting(request, operation, submission.input, len(body))
        check_queue(self.config.limits, self._queue.counts().in_queue, self.config.workers)
        self._management.estate.asked(self.config.endpoint_id)
        job_id = f"{prefix}{uuid.UUID(self._clock.new_id())}-u1"
        job = self._queue.submit(job_id, submission.input, submission.policy)
        self._pool.poke()
        if self._interference:
            self._interference.submitted(request, operation, job)
        return job

    def _slowness_s(self, worker_id: str) -> float:
        """What a worker's cold start lasts beyond the usual."""
        rule = self._injector.draw(Stage.START, Subject(worker_id=worker_id))
        if rule is None:
            return 0.0
        self._injector.note(Kind.SLOW_COLD_START, worker_id)
        return rule.seconds or 0.0

    def listen(self, connections: Callable[[], Iterable[Any]]) -> None:
        """Say where the server's open connections are found; faults that break them need to know."""
        if self._interference:
            self._interference.lines.attach(connections)

    def _find(self, job_id: str) -> Job:
        return _known(self._queue.find(job_id))


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
