"""The workers' side of RunPod's queue: job-take, job-done, job-stream, job-stop and ping, over HTTP.

It exists so that an unmodified worker on RunPod's own SDK (worker-comfyui is one) serves the local endpoint. It
translates between HTTP and the registry of `remote_workers` and decides nothing itself. It must never answer 400 to
a well-formed request for a job (the SDK asks again at once, without a pause), and never refuse a result with a 5xx
(the SDK posts it again, up to three times; anything else it posts once, and then only logs what it has lost).

RunPod publishes none of this. What is known was read in the SDK (`runpod` 1.12.0) and seen on the wire:

- A worker has its addresses from the environment (`worker_environment`). In that of job-take it fills in `$ID`, in
  all others `$RUNPOD_POD_ID` for the worker and `$ID` for the job. It appends `&…` to them, so each needs a `?`.
- The addresses of job-take-batch (when it has room for more than one job) and of job-stop are made from that of
  job-take, by its `/job-take/`.
- The key is sent as it is, without `Bearer`; a key in `~/.runpod/config.toml` is taken before the variable.
- Without `RUNPOD_AI_API_KEY` or `RUNPOD_POD_ID` no heartbeat is sent. Its interval counts in whole seconds; one
  below 1000 ms is none at all. A process beside the worker sends it, and goes on if the worker is killed alone.
- `job_in_progress=0` with a request for a job says that the worker holds none.
- A result is JSON that calls itself a form: `output`, `error`, and `stopPod` for a worker that wants to be replaced,
  which nobody does here. A progress update is a result with `status` IN_PROGRESS; it is sent by a thread of its own,
  so it may come after the result.
- A result that is refused with 400 is lost, and the job still counts as completed.
- After SIGTERM a worker ends when its open requests are answered; a job that comes with the answer is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.errors import RequestRejected
from assetmill.localpod.config import PodConfig
from assetmill.localpod.exchange import may_enter, read_body, reply
from assetmill.localpod.queue import Lease, Status
from assetmill.localpod.remote_workers import Call, RemotePool
from assetmill.localpod.wire import parse_json
from assetmill.localpod.workers import Result, woken

Handler = Callable[[Request], Awaitable[Response]]
REFUSAL_HOLD_S: Final = 1.0  # a worker with a wrong key or address asks again at once, for ever
MOST_AT_ONCE: Final = 1_000  # jobs in one job-take-batch
PING_INTERVAL_MS: Final = 2_000


def worker_environment(url: str, worker_id: str) -> dict[str, str]:
    """What a worker on RunPod's SDK needs in its environment, all but the key.

    The key belongs in `RUNPOD_AI_API_KEY`; when the endpoint asks for none, any word there makes the SDK send
    heartbeats.

    Args:
        url: the endpoint's address, up to its id.
        worker_id: the worker's name; each needs its own.
    """
    return {
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_WEBHOOK_GET_JOB": f"{url}/job-take/$ID?gpu=local",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{url}/job-done/$RUNPOD_POD_ID/$ID?gpu=local",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{url}/job-stream/$RUNPOD_POD_ID/$ID?gpu=local",
        "RUNPOD_WEBHOOK_PING": f"{url}/ping/$RUNPOD_POD_ID?gpu=local",
        "RUNPOD_PING_INTERVAL": str(PING_INTERVAL_MS),
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",  # they ask for the internet
    }


class WorkerSide:
    """The routes that workers call.

    Args:
        pool: the registry of workers.
        config: key, endpoint id and limits.
        clock: sleep.
        on_chunk: told the id of a job that has streamed a piece.
    """

    def __init__(self, pool: RemotePool, config: PodConfig, clock: Clock, on_chunk: Callable[[str], None]) -> None:
        self._pool = pool
        self._config = config
        self._clock = clock
        self._on_chunk = on_chunk
        self._closing = asyncio.Event()

    def routes(self) -> list[Route]:
        """All of them, for the endpoint's application."""
        return [
            self._route("job-take/{worker_id}", "GET", self._take),
            self._route("job-take-batch/{worker_id}", "GET", self._take_batch),
            self._route("job-done/{worker_id}/{job_id}", "POST", self._done),
            self._route("job-stream/{worker_id}/{job_id}", "POST", self._stream),
            self._route("job-stop/{worker_id}", "GET", self._stop),
            self._route("ping/{worker_id}", "GET", self._ping),
        ]

    def close(self) -> None:
        """Hold nobody back any more."""
        self._closing.set()

    def _route(self, path: str, method: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            known = request.path_params["endpoint_id"] == self._config.endpoint_id
            allowed = may_enter(request, self._config.api_key, bare=True)
            if not (known and allowed):
                await woken(self._closing, REFUSAL_HOLD_S, self._clock)
                raise HTTPException(404, "endpoint not found") if allowed else HTTPException(401, "unauthorized")
            return await handler(request)

        return Route(f"/v2/{{endpoint_id}}/{path}", endpoint, methods=[method])

    async def _take(self, request: Request) -> Response:
        leases = await self._leases(request, 1)
        return reply(_job(leases[0])) if leases else Response(status_code=204)

    async def _take_batch(self, request: Request) -> Response:
        leases = await self._leases(request, _batch_size(request))
        return reply([_job(lease) for lease in leases]) if leases else Response(status_code=204)

    async def _leases(self, request: Request, most: int) -> list[Lease]:
        async with _held_for(request) as call:
            return await self._pool.take(
                request.path_params["worker_id"],
                call,
                most=most,
                empty_handed=request.query_params.get("job_in_progress") == "0",
            )

    async def _stop(self, request: Request) -> Response:
        async with _held_for(request) as call:
            job_ids = await self._pool.stops(request.path_params["worker_id"], call)
        return reply({"jobsToStop": job_ids}) if job_ids else Response(status_code=204)

    async def _done(self, request: Request) -> Response:
        worker_id, job_id = request.path_params["worker_id"], request.path_params["job_id"]
        try:
            posted = _object(await read_body(request, self._config.limits.result_bytes))
        except RequestRejected:
            self._pool.hand_in(worker_id, job_id, Result())
            raise
        if posted.get("status") == Status.IN_PROGRESS:
            return reply({"accepted": self._pool.progress(worker_id, job_id, posted.get("output"))})
        result = Result(output=posted.get("output"), error=posted.get("error") or None)
        return reply({"accepted": self._pool.hand_in(worker_id, job_id, result)})

    async def _stream(self, request: Request) -> Response:
        worker_id, job_id = request.path_params["worker_id"], request.path_params["job_id"]
        posted = _object(await read_body(request, self._config.limits.chunk_bytes))
        accepted = self._pool.stream(worker_id, job_id, posted.get("output"))
        if accepted:
            self._on_chunk(job_id)
        return reply({"accepted": accepted})

    async def _ping(self, request: Request) -> Response:
        jobs = request.query_params.get("job_id", "").split(",")
        healthy = request.query_params.get("status") != "unhealthy"  # the SDK's own checks failed: it ends itself
        self._pool.beat(request.path_params["worker_id"], frozenset(jobs), healthy=healthy)
        return reply({})


@asynccontextmanager
async def _held_for(request: Request) -> AsyncIterator[Call]:
    """A call that knows when its sender has closed the connection."""
    call = Call()
    watching = asyncio.create_task(_watch(request, call))
    try:
        yield call
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(request: Request, call: Call) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    call.hang_up()


def _job(lease: Lease) -> dict[str, Any]:
    return {"id": lease.job_id, "input": lease.input}


def _batch_size(request: Request) -> int:
    text = request.query_params.get("batch_size", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_AT_ONCE))):
        raise RequestRejected("batch_size must be a whole number")
    return min(max(int(text), 1), MOST_AT_ONCE)


def _object(body: bytes) -> dict[str, Any]:
    document = parse_json(body)
    if not isinstance(document, dict):
        raise RequestRejected("body must be a JSON object")
    return document
