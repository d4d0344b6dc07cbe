"""RunPod's catalogue of GPUs and their list prices, read without trust.

`price.serverless` is US dollars for an hour of one GPU, before discounts that an account may have negotiated; it is
null or nothing where a model is not offered to serverless workers. The key goes to the endpoint's own management
address and nowhere else. Source: docs.runpod.io, api-reference-v2/catalog/list-gpu-types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
from pydantic import SecretStr

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ProviderRefused
from assetmill.money.kept import Catalog, Listing
from assetmill.providers.runpod.api import ASIDE_S
from assetmill.providers.runpod.management import bearer, part
from assetmill.providers.wire import json_object
from assetmill.providers.words import one_line

MOST_MODELS = 1000
MOST_USD_PER_HOUR = 1000.0
REFUSED = (401, 403)


async def fetch_catalog(address: str, key: SecretStr | None, clock: Clock) -> Catalog:
    """Ask what GPUs cost.

    Args:
        address: base address of the management API.
        key: bearer key for it.
        clock: time.

    Raises:
        ProviderRefused: it does not take the key, or there is none for it.
        NotDelivered: no answer, or none that lists GPUs.
    """
    headers = bearer(key)
    url = f"{address}/catalog/gpus"
    try:
        async with httpx.AsyncClient(follow_redirects=False, timeout=ASIDE_S) as client:
            response = await client.get(url, headers=headers)
    except httpx.HTTPError as error:
        raise NotDelivered(f"no prices from {address}: {type(error).__name__}") from None
    if response.status_code in REFUSED:
        raise ProviderRefused(
            f"no prices from {address}: HTTP {response.status_code}",
            hint="set RUNPOD_API_KEY to a key with read access to the management API",
        )
    rows = (json_object(response) or {}).get("gpus") if response.is_success else None
    if not isinstance(rows, list):
        raise NotDelivered(f"no prices from {address}: HTTP {response.status_code} without a list")
    listings = tuple(filter(None, map(_listing, rows[:MOST_MODELS])))
    return Catalog(address, clock.now(), listings)


def _listing(row: Any) -> Listing | None:
    """One model; None for a line without an id."""
    if not isinstance(row, Mapping) or not isinstance(row.get("id"), str) or not row["id"]:
        return None
    name, pool, memory = row.get("name"), row.get("pool"), row.get("memory")
    return Listing(
        id=one_line(row["id"]),
        name=one_line(name) if isinstance(name, str) and name else one_line(row["id"]),
        pool=one_line(pool) if isinstance(pool, str) and pool else None,
        memory_gb=memory if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0 else None,
        usd_per_hour=_amount(part(row, "price").get("serverless")),
    )


def _amount(value: Any) -> Decimal | None:
    """A price; None for what is none: nothing is given away."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return Decimal(str(value)) if 0 < value <= MOST_USD_PER_HOUR else None
