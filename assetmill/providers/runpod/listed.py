"""What an endpoint's settings and its workers listing say about money, read without trust.

A worker is paid from its start to its stop. Its listing tells an uptime in whole seconds, so that its start lies
within a second or so; one that still fetches its image is not paid yet, and has no start; one that waits for capacity
is not told. Whatever cannot be read is left out: nobody's job waits for it. Source: docs.runpod.io,
api-reference-v2/serverless and serverless/workers/overview.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx

from assetmill.clock import Clock
from assetmill.providers.base import EndpointFacts, WorkerSeen
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod.answers import MAX_ID_CHARS
from assetmill.providers.runpod.management import ask, count, part
from assetmill.providers.words import one_line

READY = frozenset({"idle", "ready", "running"})
UNPAID = frozenset({"throttled", "stopped", "exited"})
LONGEST_S = 366 * 86_400.0  # no worker has been up for longer


async def endpoint_facts(client: httpx.AsyncClient, endpoint: Endpoint) -> EndpointFacts:
    """Read an endpoint's settings; what they do not say is not known."""
    body = await ask(client, endpoint)
    workers, gpu = part(body, "workers"), part(body, "gpu")
    pools = gpu.get("pools")
    return EndpointFacts(
        idle_timeout_s=_seconds(workers.get("idleTimeout")),
        pools=tuple(one_line(pool) for pool in pools if isinstance(pool, str)) if isinstance(pools, list) else (),
        gpu_count=count(gpu.get("count")) or 1,
        max_workers=count(workers.get("max")),
    )


async def paid_workers(client: httpx.AsyncClient, endpoint: Endpoint, clock: Clock) -> tuple[WorkerSeen, ...]:
    """Read the workers that are paid for now, or will be: those that fetch their image have no start yet."""
    asked = clock.now()
    body = await ask(client, endpoint, "/workers")
    told = clock.now()
    rows = body.get("workers")
    lines = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return tuple(seen for row in lines if (seen := _worker(row, asked, told)) is not None)


def _worker(row: Mapping[str, Any], asked: datetime, told: datetime) -> WorkerSeen | None:
    """One line of the listing; None for a worker that is not paid, or that has no name."""
    worker_id, status = row.get("id"), str(row.get("status", "")).lower()
    if not isinstance(worker_id, str) or not worker_id or status in UNPAID:
        return None
    uptime_s = _seconds(row.get("uptimeSeconds"))
    if status == "initializing" and not uptime_s:
        uptime_s = None  # its image is on the way: nobody knows when it will start
    gpu = row.get("gpuTypeId")
    since = until = None
    if uptime_s is not None:  # whole seconds: it may have been up for almost one more
        since, until = asked - timedelta(seconds=uptime_s + 1), told - timedelta(seconds=uptime_s)
    return WorkerSeen(
        id=one_line(worker_id)[:MAX_ID_CHARS],
        gpu=one_line(gpu)[:MAX_ID_CHARS] or None if isinstance(gpu, str) else None,
        since=since,
        until=until,
        ready=status in READY,
    )


def _seconds(value: Any) -> float | None:
    """A duration out of an answer; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= LONGEST_S else None
