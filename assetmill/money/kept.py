"""Prices that a provider's own catalogue has told, kept in a file so that plans know them without asking a network.

`prices.json` in the folder of ASSETMILL_HOME holds the newest catalogue of each address that was asked; prices of one
address are never used for another, because a server on this machine may tell whatever it likes. It is replaced as a
whole or not at all. It is no record: deleted, it is asked for again, and the package's own list serves until then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Any

from assetmill.errors import UsageError
from assetmill.money.prices import Price, PriceList, hourly, price_list, published_prices

FILE = "prices.json"
VERSION = 1
MOST_CATALOGS = 8
"""Addresses of this machine come and go with their ports: only the newest are kept."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One GPU model in a catalogue.

    Args:
        id: the provider's id of the model, as workers are listed with it.
        name: what people call it.
        pool: pool that hands it out; None where it belongs to none.
        memory_gb: its memory; None where it is not told.
        usd_per_hour: list price of one such GPU in a serverless worker; None where it is not offered.
    """

    id: str
    name: str
    pool: str | None
    memory_gb: int | None
    usd_per_hour: Decimal | None


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a provider said that its GPUs cost.

    Args:
        address: base address of the API that said so.
        asked_at: when; aware time.
        listings: the models.
    """

    address: str
    asked_at: datetime
    listings: tuple[Listing, ...]

    @property
    def prices(self) -> PriceList:
        """The same as prices of a second, with source and date."""
        source, date = f"{self.address}/catalog/gpus: list price", self.asked_at.astimezone(UTC).strftime("%Y-%m-%d")
        models = {
            one.id: Price(
                pool=one.pool,
                gpus=(one.name,),
                memory_gb=one.memory_gb,
                usd_per_s=None if one.usd_per_hour is None else hourly(one.usd_per_hour),
                source=source,
                date=date,
            )
            for one in self.listings
        }
        return price_list(models)


def known_prices(home: Path, address: str) -> PriceList:
    """Prices that hold at an address: the package's, with what its catalogue last told in their place.

    Raises:
        UsageError: the file is there and cannot be read.
    """
    kept = read_kept(home).get(address)
    return published_prices() if kept is None else published_prices().under(kept.prices)


def read_kept(home: Path) -> Mapping[str, Catalog]:
    """Read the kept catalogues: address -> catalogue; none where there is no file.

    Raises:
        UsageError: the file is there and cannot be read.
    """
    path = home / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["prices"] != VERSION:
            raise UsageError(f"{path} is of another version of assetmill", hint="assetmill prices --refresh")
        return MappingProxyType({address: _catalog(address, one) for address, one in document["catalogs"].items()})
    except FileNotFoundError:
        return MappingProxyType({})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        hint = "delete it, or write it again with `assetmill prices --refresh`"
        raise UsageError(f"{path} cannot be read: {type(error).__name__}", hint=hint) from error


def keep(home: Path, catalog: Catalog) -> None:
    """Keep a catalogue in place of the last one of its address.

    Raises:
        UsageError: the folder or the file cannot be written.
    """
    try:
        others = dict(read_kept(home))
    except UsageError:  # whatever was there, it is of no use any more
        others = {}
    newest = sorted((others | {catalog.address: catalog}).values(), key=lambda one: one.asked_at)[-MOST_CATALOGS:]
    document = {"prices": VERSION, "currency": "USD", "catalogs": {one.address: _plain(one) for one in newest}}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    try:
        home.mkdir(parents=True, exist_ok=True)
        _replace(home / FILE, text)
    except OSError as error:
        raise UsageError(f"{home / FILE} cannot be written: {error.strerror}", hint="set ASSETMILL_HOME") from error


def _replace(path: Path, text: str) -> None:
    """Write a file beside the old one, and let it take its place in one step."""
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
        try:
            temporary.write(text)
            temporary.flush()
            os.fsync(temporary.fileno())
            Path(temporary.name).replace(path)
        except BaseException:
            Path(temporary.name).unlink(missing_ok=True)
            raise


def _plain(catalog: Catalog) -> dict[str, Any]:
    gpus = [
        {
            "id": one.id,
            "name": one.name,
            "pool": one.pool,
            "memory_gb": one.memory_gb,
            "usd_per_hour": None if one.usd_per_hour is None else str(one.usd_per_hour),
        }
        for one in catalog.listings
    ]
    return {"asked_at": catalog.asked_at.astimezone(UTC).isoformat(), "gpus": gpus}


def _catalog(address: str, document: Mapping[str, Any]) -> Catalog:
    asked_at = datetime.fromisoformat(document["asked_at"])
    if asked_at.tzinfo is None:
        raise ValueError("a time without a zone")
    rows = document["gpus"]
    return Catalog(address, asked_at, tuple(_listing(row) for row in rows))


def _listing(row: Mapping[str, Any]) -> Listing:
    usd = row["usd_per_hour"]
    return Listing(
        id=str(row["id"]),
        name=str(row["name"]),
        pool=row["pool"],
        memory_gb=row["memory_gb"],
        usd_per_hour=None if usd is None else Decimal(usd),
    )
