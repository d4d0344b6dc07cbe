"""`prices`: what a second of each GPU costs, from where and since when; asks the provider only with `--refresh`."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assetmill.cli.outcome import ERR, print_json
from assetmill.clock import Clock
from assetmill.money import Price, PriceList, unit_prices
from assetmill.money.kept import FILE, known_prices
from assetmill.money.prices import SECONDS_AN_HOUR
from assetmill.providers.endpoints import catalog_of
from assetmill.settings import load_settings, reach_this_machine_directly

UNKNOWN = "unknown"


def show_prices(endpoint: str | None, *, refresh: bool, as_json: bool) -> int:
    """Print the prices that plans and runs go by.

    Args:
        endpoint: whose prices; None for those of RunPod.
        refresh: ask the catalogue first, and keep what it says.
        as_json: one JSON object on stdout.
    """
    settings = load_settings()
    address, key = catalog_of(settings, endpoint)
    if refresh:
        from assetmill.batch.pricing import refresh_prices  # noqa: PLC0415  only this asks a network

        reach_this_machine_directly()
        kept = asyncio.run(refresh_prices(address, key, settings.home, Clock()))
        ERR.print(
            f"{len(kept.listings)} GPU models from {escape(address)}, kept in {escape(str(settings.home / FILE))}"
        )
    prices = known_prices(settings.home, address)
    if as_json:
        print_json(_document(address, prices))
    else:
        _print(prices, Console(highlight=False))
    return 0


def _document(address: str, prices: PriceList) -> dict[str, Any]:
    return {
        "currency": "USD",
        "address": address,
        "pools": [_row(price) for price in prices.pools.values()],
        "models": {id_: _row(price) for id_, price in prices.models.items()},
        "units": [
            {
                "provider": one.provider,
                "unit": one.unit,
                "usd": _amount(one.usd),
                "source": one.source,
                "date": one.date,
            }
            for one in unit_prices().values()
        ],
        "exit_code": 0,
    }


def _row(price: Price) -> dict[str, Any]:
    return {
        "pool": price.pool,
        "gpus": price.gpus,
        "memory_gb": price.memory_gb,
        "usd_per_s": _amount(price.usd_per_s),
        "usd_per_hour": _amount(_hour(price)),
        "source": price.source,
        "date": price.date,
    }


def _print(prices: PriceList, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("GPU pool", "models"):
        table.add_column(heading)
    for heading in ("memory", "$ a second", "$ an hour"):
        table.add_column(heading, justify="right")
    table.add_column("from")
    marks: dict[str, str] = {}
    for price in prices.pools.values():
        mark = marks.setdefault(price.cited, f"({len(marks) + 1})")
        memory = UNKNOWN if price.memory_gb is None else f"{price.memory_gb} GB"
        second, hour = (_amount(amount) or UNKNOWN for amount in (price.usd_per_s, _hour(price)))
        table.add_row(price.pool, ", ".join(price.gpus), memory, second, hour, mark)
    console.print(table)
    for source, mark in marks.items():
        console.print(f"{mark} {escape(source)}", soft_wrap=True)


def _hour(price: Price) -> Decimal | None:
    """A GPU-hour, to a hundredth of a cent: a second is kept to 1e-8, and 3,600 of those add up to no more."""
    return None if price.usd_per_s is None else round(price.usd_per_s * SECONDS_AN_HOUR, 4)


def _amount(amount: Decimal | None) -> str | None:
    """An amount as it is, without trailing zeros or an exponent."""
    return None if amount is None else f"{amount.normalize():f}"
