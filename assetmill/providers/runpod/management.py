"""RunPod's management API, as far as it is asked: an endpoint's settings and its workers. It only looks.

Never raises: whatever cannot be read is empty, and whoever asks goes on without. The key goes to the endpoint's own
management address and nowhere else. Source: docs.runpod.io, api-reference-v2/serverless.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from assetmill.errors import ProviderRefused
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod.api import ASIDE_S
from assetmill.providers.wire import json_object


def bearer(key: SecretStr | None) -> dict[str, str]:
    """The header that carries a key; none without one.

    Raises:
        ProviderRefused: no header can hold the key, which is not repeated.
    """
    if key is None:
        return {}
    try:
        key.get_secret_value().encode("ascii")
    except UnicodeEncodeError:
        words = "the key has a character that no key has"
        raise ProviderRefused(words, hint="copy RUNPOD_API_KEY once more from RunPod's console") from None
    return {"Authorization": f"Bearer {key.get_secret_value()}"}


async def ask(client: httpx.AsyncClient, endpoint: Endpoint, path: str = "") -> Mapping[str, Any]:
    """GET a resource of an endpoint; empty where there is no such API, or it does not answer as it should.

    Args:
        client: shared HTTP client.
        endpoint: its id, management address and key.
        path: below the endpoint: empty for its settings, `/workers` for its workers.
    """
    if not endpoint.management_url or not endpoint.id:
        return {}
    url = f"{endpoint.management_url}/serverless/{endpoint.id}{path}"
    try:
        response = await client.get(url, headers=bearer(endpoint.key), timeout=ASIDE_S, follow_redirects=False)
    except (httpx.HTTPError, ProviderRefused):
        return {}
    return (json_object(response) or {}) if response.is_success else {}


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an answer; empty where there is none."""
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def count(value: Any) -> int | None:
    """A count out of an answer; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


async def most_workers(client: httpx.AsyncClient, endpoint: Endpoint) -> int | None:
    """Most workers that RunPod may run for an endpoint; None where nobody says."""
    return count(part(await ask(client, endpoint), "workers").get("max"))
