"""RunPod's management resources: the account's endpoints, their workers, the GPU catalogue and the bill.

At RunPod they live on `api.runpod.io`; here they stand beside the job API. Endpoints can be made, changed and ended
as there (`estate`), and what is refused there is refused here (`endpoint_bodies`); one that was made so has no workers.
Errors are problems as RFC 9457 has them, calls are counted (`quotas`), and no answer repeats the key.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.errors import RequestRejected
from assetmill.localpod.billing import bill_body, read_query
from assetmill.localpod.config import PodConfig
from assetmill.localpod.endpoint_bodies import ProblemError
from assetmill.localpod.estate import Estate
from assetmill.localpod.exchange import may_enter, read_body, reply
from assetmill.localpod.gpus import known_gpus
from assetmill.localpod.interference import Interference
from assetmill.localpod.listings import (
    WorkerLine,
    catalog_body,
    own_settings,
    pretended_workers,
    problem_body,
    workers_body,
)
from assetmill.localpod.meter import Meter
from assetmill.localpod.quotas import Quotas

PROBLEM: Final = {"content-type": "application/problem+json"}
MOST_BODY_BYTES: Final = 1_000_000
LEAST_QUOTA: Final = 5
"""Workers that an account without a balance may have. Source: RunPod's documentation, endpoint-configurations."""

Answer = Callable[[Request], Awaitable[Response]]


class ManagementSide:
    """The resources.

    Args:
        config: key, endpoint id, settings and GPUs.
        url: the endpoint's address.
        meter: what the workers have cost.
        clock: the time that a bill without a window ends at.
        workers: the workers there are.
        census: workers by state to be told in their place, None for the real ones.
        max_workers: most workers to be told, None for the real figure.
        interference: faults of calls, None without any.
        rescaled: told that the most workers of the server's own endpoint may be others than before.
    """

    def __init__(
        self,
        config: PodConfig,
        url: str,
        meter: Meter,
        clock: Clock,
        *,
        workers: Callable[[], Sequence[WorkerLine]],
        census: Callable[[], Mapping[str, int] | None],
        max_workers: Callable[[], int | None],
        interference: Interference | None = None,
        rescaled: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._meter = meter
        self._clock = clock
        self._workers = workers
        self._census = census
        self._max_workers = max_workers
        self._interference = interference
        self._rescaled = rescaled
        self._quotas = Quotas(config.management_quotas, clock.monotonic)
        parts = urlsplit(url)
        own, pool_of = (config.endpoint_id, own_settings(config)), {gpu.id: str(gpu.pool) for gpu in known_gpus()}
        quota = max(LEAST_QUOTA, config.workers)
        self.estate = Estate(own, f"{parts.scheme}://{parts.netloc}/v2", pool_of, quota, clock)

    def routes(self) -> list[Route]:
        """All of them, for the endpoint's application."""
        one, every = "/v2/serverless/{endpoint_id}", "/v2/serverless"
        return [
            self._route("/v2/catalog/gpus", "GET", "catalog", self._tell_catalog),
            self._route("/v2/billing/serverless", "GET", "billing", self._tell_bill),
            self._route(every, "GET", "endpoints-list", self._tell_endpoints),
            self._route(every, "POST", "endpoints-create", self._create),
            self._route(one, "GET", "endpoints-get", self._tell_endpoint),
            self._route(one, "PATCH", "endpoints-update", self._update),
            self._route(one, "DELETE", "endpoints-delete", self._delete),
            self._route(f"{one}/workers", "GET", "endpoints-workers", self._tell_workers),
            self._route(f"{one}/releases", "GET", "endpoints-releases", self._tell_releases),
        ]

    def most_workers(self) -> int:
        """Most workers that the server's own endpoint may have now: as set, and no more than it was started with."""
        return min(self._config.workers, self.estate.most_workers(self._config.endpoint_id))

    def _route(self, path: str, method: str, operation: str, answer: Answer) -> Route:
        async def resource(request: Request) -> Response:
            if not may_enter(request, self._config.api_key):
                return reply(problem_body(401, "the key is missing or wrong"), 401, PROBLEM)
            if self._interference is None:
                return await self._counted(request, answer)
            return await self._interference.managing(request, operation, lambda: self._counted(request, answer))

        return Route(path, resource, methods=[method])

    async def _counted(self, request: Request, answer: Answer) -> Response:
        wait_s = self._quotas.admit()
        if wait_s is not None:
            response = reply(problem_body(429, "rate limit exceeded"), 429, PROBLEM)
            response.headers["Retry-After"] = str(math.ceil(wait_s))
        else:
            try:
                response = await answer(request)
            except ProblemError as error:
                body = problem_body(error.status, error.detail, error.errors)
                response = reply(body, error.status, PROBLEM)
            except RequestRejected as error:
                response = reply(problem_body(400, error.message), 400, PROBLEM)
        response.headers.update(self._quotas.headers())
        return response

    async def _tell_endpoints(self, request: Request) -> Response:
        del request  # it carries nothing
        return reply({"endpoints": [self._told(body) for body in self.estate.listing()]})

    async def _tell_endpoint(self, request: Request) -> Response:
        return reply(self._told(self.estate.told(request.path_params["endpoint_id"])))

    async def _create(self, request: Request) -> Response:
        return reply(self.estate.create(await _json(request)), 201)

    async def _update(self, request: Request) -> Response:
        told = self.estate.update(request.path_params["endpoint_id"], await _json(request))
        self._rescaled()
        return reply(self._told(told))

    async def _delete(self, request: Request) -> Response:
        self.estate.delete(request.path_params["endpoint_id"])
        self._rescaled()
        return Response(status_code=204)

    async def _tell_releases(self, request: Request) -> Response:
        return reply(self.estate.releases(request.path_params["endpoint_id"]))

    async def _tell_workers(self, request: Request) -> Response:
        endpoint_id = self.estate.told(request.path_params["endpoint_id"])["id"]
        if endpoint_id != self._config.endpoint_id:
            return reply(workers_body(()))
        census = self._census()
        workers = self._workers() if census is None else pretended_workers(census, self._config.gpus[0].id)
        return reply(workers_body(workers))

    async def _tell_catalog(self, request: Request) -> Response:
        return reply(catalog_body(self._config, request.query_params))

    async def _tell_bill(self, request: Request) -> Response:
        """The account's bill: only the server's own endpoint ever has workers."""
        query = read_query(request.query_params, self._clock.now())
        return reply(bill_body(self._meter.charges(), self._config.endpoint_id, query))

    def _told(self, body: dict[str, Any]) -> dict[str, Any]:
        """An endpoint's settings, with another figure of most workers where a fault wants it told."""
        most = self._max_workers()
        if most is None or body["id"] != self._config.endpoint_id:
            return body
        return body | {"workers": body["workers"] | {"max": most}}


async def _json(request: Request) -> Any:
    body = await read_body(request, MOST_BODY_BYTES)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ProblemError(400, "the body is no JSON") from None
