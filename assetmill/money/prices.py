"""What a GPU second costs, as data with a source and a date: list prices change, and invoices are argued about.

A list comes with the package (`prices.json`, RunPod's documentation); a newer one may be laid over it, as the
provider's own catalogue tells it (`kept`). A price is that of a *pool* of GPU models or of one model. Nothing here
guesses and nothing asks a network: a price that nobody has published is None.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from assetmill.errors import UsageError
from assetmill.money.amounts import USD_STEP

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Price:
    """List price of one GPU second.

    Args:
        pool: GPU pool id of the provider, such as `ADA_48_PRO`; None where no pool is configured.
        gpus: models that the pool may hand out.
        memory_gb: memory of one GPU.
        usd_per_s: price of a running worker with one such GPU; None when it is not published.
        source: where the price comes from.
        date: day on which the source said so, `YYYY-MM-DD`.
    """

    pool: str | None
    gpus: tuple[str, ...]
    memory_gb: int | None
    usd_per_s: Decimal | None
    source: str
    date: str

    @property
    def cited(self) -> str:
        """Source and date in one line, as the ledger keeps it beside the price."""
        return f"{self.source}, {self.date}" if self.date else self.source

    def times(self, count: int) -> Price:
        """The price of a worker with so many of these GPUs."""
        if count == 1 or self.usd_per_s is None:
            return self
        return replace(self, usd_per_s=self.usd_per_s * count, source=f"{count} x {self.source}")


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What one unit of a provider's own currency costs.

    Args:
        provider: kind of provider, as the ledger names it.
        unit: what the unit is called.
        usd: price of one; None when it is not published.
        source: where the price comes from.
        date: day on which the source said so, `YYYY-MM-DD`.
    """

    provider: str
    unit: str
    usd: Decimal | None
    source: str
    date: str


DRAFT_PRICE = Price("draft", (), None, Decimal(0), "local draft endpoint", "")
UNKNOWN_PRICE = Price(None, (), None, None, "unknown: no GPU pool configured", "")
DEAREST_LAST = Decimal(1000)


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices of GPU pools and of single models.

    Args:
        pools: pool id -> price, cheapest first, unpublished prices last.
        models: the provider's id of a GPU model, such as `NVIDIA GeForce RTX 4090` -> price.
    """

    pools: Mapping[str, Price]
    models: Mapping[str, Price]

    def of_pool(self, pool: str | None) -> Price:
        """Find the price of a GPU pool; `draft` is the local draft endpoint, None an unknown price.

        Raises:
            UsageError: no such pool; the hint names the nearest.
        """
        if pool is None:
            return UNKNOWN_PRICE
        prices = {**self.pools, "draft": DRAFT_PRICE}
        if pool in prices:
            return prices[pool]
        near = get_close_matches(pool.upper(), prices, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known pools: {', '.join(prices)}"
        raise UsageError(f"unknown GPU pool {pool!r}", hint=hint)

    def under(self, newer: PriceList) -> PriceList:
        """These prices, with newer ones in place of their own; a newer list that knows no price takes none away."""
        pools = dict(self.pools) | {
            pool: price for pool, price in newer.pools.items() if _says(price, self.pools, pool)
        }
        models = dict(self.models) | {id_: one for id_, one in newer.models.items() if _says(one, self.models, id_)}
        return PriceList(_sorted(pools), MappingProxyType(models))


def price_list(models: Mapping[str, Price]) -> PriceList:
    """Make a list of the prices of single models: a pool costs what the dearest of its models costs.

    RunPod prices by pool; should models of one pool ever differ, the dearest keeps an estimate from being too low.
    """
    pools: dict[str, Price] = {}
    for price in sorted(models.values(), key=_cheapest_first):
        if price.pool is not None:
            known = pools.get(price.pool)
            names = (*known.gpus, *price.gpus) if known else price.gpus
            dearest = known if known is not None and price.usd_per_s is None else price
            pools[price.pool] = replace(dearest, gpus=names)
    return PriceList(_sorted(pools), MappingProxyType(dict(models)))


@cache
def published_prices() -> PriceList:
    """Read the price list of the package."""
    rows = _document()["prices"]
    pools = {row["pool"]: _price(row) for row in rows}
    models = {id_: pools[row["pool"]] for row in rows for id_ in row["ids"]}
    return PriceList(_sorted(pools), MappingProxyType(models))


def load_prices() -> Mapping[str, Price]:
    """The package's prices of pools: pool id -> price, cheapest first, unpublished prices last."""
    return published_prices().pools


def price_of(pool: str | None) -> Price:
    """Find the package's price of a GPU pool; `draft` is the local draft endpoint, None an unknown price.

    Raises:
        UsageError: no such pool; the hint names the nearest.
    """
    return published_prices().of_pool(pool)


@cache
def unit_prices() -> Mapping[str, UnitPrice]:
    """What units of providers with a currency of their own cost: kind of provider -> price."""
    rows = _document()["units"]
    return MappingProxyType({row["provider"]: UnitPrice(**row | {"usd": _decimal(row["usd"])}) for row in rows})


def hourly(usd_per_hour: Decimal) -> Decimal:
    """A price for an hour as one for a second, to 1e-8 as the ledger keeps it."""
    return (usd_per_hour / SECONDS_AN_HOUR).quantize(USD_STEP, ROUND_HALF_UP)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("assetmill.money").joinpath("prices.json").read_text(encoding="utf-8"))
    return document


def _price(row: Mapping[str, Any]) -> Price:
    usd = _decimal(row["usd_per_s"])
    return Price(row["pool"], tuple(row["gpus"]), row["memory_gb"], usd, row["source"], row["date"])


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _says(newer: Price, older: Mapping[str, Price], name: str) -> bool:
    return newer.usd_per_s is not None or name not in older


def _cheapest_first(price: Price) -> Decimal:
    return DEAREST_LAST if price.usd_per_s is None else price.usd_per_s


def _sorted(prices: Mapping[str, Price]) -> Mapping[str, Price]:
    ordered: Iterable[tuple[str, Price]] = sorted(prices.items(), key=lambda item: _cheapest_first(item[1]))
    return MappingProxyType(dict(ordered))
