"""RunPod's management resources of one endpoint: its settings, its workers, the GPU catalogue and the bill.

At RunPod they live on `api.runpod.io`; here they stand beside the job API. They only tell; nothing can be changed.
Errors are problems as RFC 9457 has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.errors import RequestRejected
from assetmill.localpod.billing import bill_body, read_query
from assetmill.localpod.config import PodConfig
from assetmill.localpod.exchange import may_enter, reply
from assetmill.localpod.listings import (
    WorkerLine,
    catalog_body,
    endpoint_body,
    pretended_workers,
    problem_body,
    workers_body,
)
from assetmill.localpod.meter import Meter

PROBLEM: Final = {"content-type": "application/problem+json"}


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
    ) -> None:
        self._config = config
        self._url = url
        self._meter = meter
        self._clock = clock
        self._workers = workers
        self._census = census
        self._max_workers = max_workers

    def routes(self) -> list[Route]:
        """All of them, for the endpoint's application."""
        return [
            Route("/v2/catalog/gpus", self._tell_catalog, methods=["GET"]),
            Route("/v2/billing/serverless", self._tell_bill, methods=["GET"]),
            Route("/v2/serverless/{endpoint_id}", self._tell_endpoint, methods=["GET"]),
            Route("/v2/serverless/{endpoint_id}/workers", self._tell_workers, methods=["GET"]),
        ]

    async def _tell_endpoint(self, request: Request) -> Response:
        return self._refusal(request) or reply(endpoint_body(self._config, self._url, self._max_workers()))

    async def _tell_workers(self, request: Request) -> Response:
        census = self._census()
        workers = self._workers() if census is None else pretended_workers(census, self._config.gpus[0].id)
        return self._refusal(request) or reply(workers_body(workers))

    async def _tell_catalog(self, request: Request) -> Response:
        try:
            return self._refusal(request) or reply(catalog_body(self._config, request.query_params))
        except RequestRejected as error:
            return reply(problem_body(400, error.message), 400, PROBLEM)

    async def _tell_bill(self, request: Request) -> Response:
        """The account's bill: all of its endpoints are this one."""
        try:
            query = read_query(request.query_params, self._clock.now())
        except RequestRejected as error:
            return self._refusal(request) or reply(problem_body(400, error.message), 400, PROBLEM)
        return self._refusal(request) or reply(bill_body(self._meter.charges(), self._config.endpoint_id, query))

    def _refusal(self, request: Request) -> Response | None:
        if not may_enter(request, self._config.api_key):
            return reply(problem_body(401, "the key is missing or wrong"), 401, PROBLEM)
        if request.path_params.get("endpoint_id", self._config.endpoint_id) != self._config.endpoint_id:
            return reply(problem_body(404, "no such endpoint"), 404, PROBLEM)
        return None
