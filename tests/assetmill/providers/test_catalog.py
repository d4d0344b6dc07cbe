"""The catalogue of prices: exact amounts, nothing given away, and the key goes to its address alone."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse

from assetmill.errors import NotDelivered, ProviderRefused
from assetmill.localpod import PodConfig, known_gpus, running_pod
from assetmill.money import published_prices
from assetmill.money.kept import Catalog, Listing
from assetmill.providers.runpod.catalog import fetch_catalog

KEY = SecretStr("made-up-key")
PATH = "/v2/catalog/gpus"
T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def address(script) -> str:
    return str(script.url.removesuffix("/ep"))


def gpu(**changes: Any) -> dict[str, Any]:
    told = {"id": "NVIDIA L4", "name": "L4", "pool": "AMPERE_24", "memory": 24, "price": {"serverless": 0.684}}
    return told | changes


async def test_prices_come_as_exact_amounts_with_address_and_moment(script, time, address):
    script.say(PATH, JSONResponse({"gpus": [gpu()]}))
    catalog = await fetch_catalog(address, KEY, time.clock())
    assert catalog == Catalog(address, T0, (Listing("NVIDIA L4", "L4", "AMPERE_24", 24, Decimal("0.684")),))
    assert catalog.prices.of_pool("AMPERE_24").usd_per_s == Decimal("0.00019")
    [(method, _, _, headers)] = script.seen
    assert (method, headers["authorization"]) == ("GET", "Bearer made-up-key")


async def test_the_local_endpoint_tells_the_prices_of_the_package(time):
    async with running_pod(PodConfig(catalog=known_gpus()), lambda _: {}) as pod:
        catalog = await fetch_catalog(pod.url.rpartition("/")[0], None, time.clock())
    prices, published = catalog.prices, published_prices()
    assert {pool: price.usd_per_s for pool, price in prices.pools.items()} == {
        pool: price.usd_per_s for pool, price in published.pools.items()
    }
    assert set(prices.models) == set(published.models)


@pytest.mark.parametrize("price", (None, {}, {"serverless": None}, {"serverless": 0}, {"serverless": -1}, "1", 0.5))
async def test_a_model_that_is_not_offered_has_no_price_and_is_not_free(script, time, address, price):
    script.say(PATH, JSONResponse({"gpus": [gpu(price=price)]}))
    [listing] = (await fetch_catalog(address, KEY, time.clock())).listings
    assert listing.usd_per_hour is None


async def test_lines_that_name_no_model_are_left_out_and_odd_fields_are_not_known(script, time, address):
    lines = [gpu(id=""), gpu(id=None), "L4", gpu(name=None, pool=7, memory="24"), gpu(id="b", memory=True)]
    script.say(PATH, JSONResponse({"gpus": lines}))
    catalog = await fetch_catalog(address, KEY, time.clock())
    assert catalog.listings == (
        Listing("NVIDIA L4", "NVIDIA L4", None, None, Decimal("0.684")),
        Listing("b", "L4", "AMPERE_24", None, Decimal("0.684")),
    )


@pytest.mark.parametrize("status", (401, 403))
async def test_a_key_that_is_not_taken_is_said_and_not_repeated(script, time, address, status):
    script.say(PATH, JSONResponse({"detail": "made-up-key is wrong"}, status))
    with pytest.raises(ProviderRefused) as caught:
        await fetch_catalog(address, KEY, time.clock())
    assert "made-up-key" not in str(caught.value)
    assert "RUNPOD_API_KEY" in caught.value.hint


@pytest.mark.parametrize(
    "answer", (JSONResponse({}, 500), JSONResponse({"gpus": {}}), PlainTextResponse("<html>"), RedirectResponse("/x"))
)
async def test_an_answer_without_a_list_is_no_catalogue(script, time, address, answer):
    script.say(PATH, answer)
    with pytest.raises(NotDelivered, match="no prices from"):
        await fetch_catalog(address, KEY, time.clock())
    assert script.calls("/x") == 0, "it follows nobody elsewhere"


async def test_an_address_where_nobody_is_delivers_nothing(time):
    with pytest.raises(NotDelivered, match="ConnectError"):
        await fetch_catalog("http://127.0.0.1:9/v2", KEY, time.clock())
