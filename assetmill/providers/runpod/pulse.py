"""Whether an endpoint on RunPod answers, takes our key, and may run workers: what can be asked for free.

It only looks. The key goes to the endpoint's own addresses and nowhere else; no answer's words are repeated, only its
status. Source: docs.runpod.io, operation reference (`/health`) and api-reference-v2/serverless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from assetmill.errors import NotDelivered, ProviderRefused
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod.api import ASIDE_S, UNAUTHORISED
from assetmill.providers.runpod.diagnosis import STATUSES
from assetmill.providers.runpod.management import ask, bearer, count, part
from assetmill.providers.wire import json_object


@dataclass(frozen=True, slots=True)
class Pulse:
    """An endpoint that answers.

    Args:
        workers: status -> how many there are now; empty where it does not say.
        in_queue: jobs that wait; None where it does not say.
        min_workers: workers that are always up, by its settings.
        max_workers: most workers that it may have, by its settings.
    """

    workers: Mapping[str, int] = field(default_factory=dict)
    in_queue: int | None = None
    min_workers: int | None = None
    max_workers: int | None = None


async def pulse_of(client: httpx.AsyncClient, endpoint: Endpoint) -> Pulse:
    """Ask for health and settings.

    Raises:
        ProviderRefused: the key is refused, or there is no such endpoint.
        NotDelivered: nothing usable answers there.
    """
    health = await _health(client, endpoint)
    settings = await ask(client, endpoint)
    workers = part(settings, "workers")
    seen = part(health, "workers")
    return Pulse(
        workers={status: found for status in STATUSES if (found := count(seen.get(status)))},
        in_queue=count(part(health, "jobs").get("inQueue")),
        min_workers=count(workers.get("min")),
        max_workers=count(workers.get("max")),
    )


async def _health(client: httpx.AsyncClient, endpoint: Endpoint) -> Mapping[str, object]:
    try:
        response = await client.get(f"{endpoint.url}/health", headers=bearer(endpoint.key), timeout=ASIDE_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotDelivered(
            f"no endpoint answers at {endpoint.url}: {type(error).__name__}", hint="check its address and the network"
        ) from None
    status = response.status_code
    if status in UNAUTHORISED:
        raise ProviderRefused(
            f"the provider refused the key (HTTP {status})", hint="check RUNPOD_API_KEY and its rights"
        )
    if status == httpx.codes.NOT_FOUND:
        raise ProviderRefused("the provider knows no such endpoint (HTTP 404)", hint="check the endpoint id")
    body = json_object(response)
    if not response.is_success or body is None:
        raise NotDelivered(f"{endpoint.url} answers HTTP {status} without counts", hint="ask again in a minute")
    return body
