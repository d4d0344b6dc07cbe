"""What an endpoint's workers cost, found out once before a run plans: fresh list prices, and the endpoint's own pools.

Prices that are older than a day are asked for again; a catalogue that does not answer is told and ends nothing, because
the prices that are known serve as well as they did yesterday. A GPU pool that is configured is believed; otherwise the
endpoint says which it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from assetmill.clock import Clock
from assetmill.errors import AssetmillError
from assetmill.money import Price, PriceList, published_prices
from assetmill.money.kept import Catalog, keep, read_kept
from assetmill.providers.base import EndpointFacts, Provider
from assetmill.providers.endpoint import LOOPBACK, RUNPOD, Endpoint
from assetmill.providers.runpod.catalog import fetch_catalog
from assetmill.settings import Settings

FRESH = timedelta(days=1)


async def priced(
    endpoint: Endpoint, provider: Provider, settings: Settings, clock: Clock, say: Callable[[str], None]
) -> tuple[Endpoint, EndpointFacts]:
    """The endpoint with the price of its workers, and what its settings say; who has no list price is not asked.

    Raises:
        UsageError: the kept prices cannot be read or written.
    """
    if not endpoint.paid or endpoint.standing or endpoint.kind != RUNPOD:
        return endpoint, EndpointFacts()
    prices = await _fresh(endpoint, settings, clock, say)
    facts = await provider.facts()
    pool = settings.gpu_pool or next(iter(facts.pools), None)
    price = price_at(prices, pool).times(facts.gpu_count)
    found = replace(endpoint, prices=prices, usd_per_s=price.usd_per_s, price_source=price.cited, gpu=pool)
    return found, facts


def price_at(prices: PriceList, pool: str | None) -> Price:
    """Price of a pool; one that nobody knows has an unknown price that says so."""
    if pool is not None and pool not in prices.pools:
        return Price(pool, (), None, None, f"unknown: nobody has published a price of {pool}", "")
    return prices.of_pool(pool)


async def _fresh(endpoint: Endpoint, settings: Settings, clock: Clock, say: Callable[[str], None]) -> PriceList:
    """Prices that are no older than a day, as far as they can be had; a server on this machine is always asked."""
    address = endpoint.management_url
    if not address:
        return endpoint.prices
    kept = (await asyncio.to_thread(read_kept, settings.home)).get(address)
    here = urlsplit(address).hostname in LOOPBACK
    if kept is not None and not here and clock.now() - kept.asked_at < FRESH:
        return published_prices().under(kept.prices)
    try:
        return published_prices().under((await refresh_prices(address, endpoint.key, settings.home, clock)).prices)
    except AssetmillError as error:
        say(f"prices could not be refreshed, those of {_age(kept)} serve: {error.message}")
        return endpoint.prices


async def refresh_prices(address: str, key: SecretStr | None, home: Path, clock: Clock) -> Catalog:
    """Ask the catalogue of a management API, and keep what it says in the folder of ASSETMILL_HOME.

    Raises:
        ProviderRefused, NotDelivered: it says nothing; what was kept stays.
        UsageError: it cannot be kept.
    """
    catalog = await fetch_catalog(address, key, clock)
    await asyncio.to_thread(keep, home, catalog)
    return catalog


def _age(kept: Catalog | None) -> str:
    return "the package" if kept is None else f"{kept.asked_at:%Y-%m-%d}"
