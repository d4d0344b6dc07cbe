"""The way to RunPod's management API, as the settings have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from assetmill.clock import Clock
from assetmill.errors import ProviderRefused
from assetmill.money import PriceList
from assetmill.money.kept import known_prices
from assetmill.providers.endpoint import LOOPBACK, Endpoint
from assetmill.providers.endpoints import catalog_of
from assetmill.providers.runpod.manage import ManagementApi
from assetmill.settings import Settings


@asynccontextmanager
async def managing(settings: Settings, clock: Clock) -> AsyncIterator[ManagementApi]:
    """The API of the account that RUNPOD_API_KEY belongs to, for the length of the block.

    Raises:
        UsageError: RUNPOD_MANAGEMENT_URL cannot be.
        ProviderRefused: there is no key.
    """
    address, key = catalog_of(settings, None)
    if key is None and httpx.URL(address).host not in LOOPBACK:
        raise ProviderRefused("RUNPOD_API_KEY is not set", hint="put a key there that may manage endpoints")
    async with httpx.AsyncClient() as client:
        yield ManagementApi(client, address, key, clock, settings.secrets)


@asynccontextmanager
async def managing_at(endpoint: Endpoint, settings: Settings, clock: Clock) -> AsyncIterator[ManagementApi]:
    """The API that an endpoint of a run belongs to, with that endpoint's own key."""
    async with httpx.AsyncClient() as client:
        yield ManagementApi(client, endpoint.management_url, endpoint.key, clock, settings.secrets)


def prices_there(settings: Settings) -> PriceList:
    """What GPUs cost there, as far as it is known without asking.

    Raises:
        UsageError: the kept prices cannot be read.
    """
    return known_prices(settings.home, catalog_of(settings, None)[0])
