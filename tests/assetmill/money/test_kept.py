"""A catalogue's prices are kept as a whole or not at all, and serve only the address that told them."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from assetmill.errors import UsageError
from assetmill.money import published_prices
from assetmill.money.kept import FILE, MOST_CATALOGS, Catalog, Listing, keep, known_prices, read_kept

THERE = "https://api.example/v2"
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def catalog(usd_per_hour: str | None = "1.5", address: str = THERE, at: datetime = NOW) -> Catalog:
    usd = None if usd_per_hour is None else Decimal(usd_per_hour)
    return Catalog(address, at, (Listing("NVIDIA GeForce RTX 4090", "RTX 4090", "ADA_24", 24, usd),))


def test_what_was_kept_is_read_again_and_cites_its_source_and_day(tmp_path: Path) -> None:
    keep(tmp_path / "new" / "home", catalog())
    [(address, kept)] = read_kept(tmp_path / "new" / "home").items()
    assert (address, kept) == (THERE, catalog())
    price = known_prices(tmp_path / "new" / "home", THERE).of_pool("ADA_24")
    assert price.usd_per_s == Decimal("0.00041667")
    assert price.cited == f"{THERE}/catalog/gpus: list price, 2026-11-22"


def test_prices_of_one_address_are_not_used_for_another(tmp_path: Path) -> None:
    keep(tmp_path, catalog(address="http://127.0.0.1:8000/v2"))
    assert known_prices(tmp_path, THERE) == published_prices()
    assert known_prices(tmp_path / "nothing here", THERE) == published_prices()


def test_a_newer_catalogue_takes_the_place_of_the_last_one_of_its_address(tmp_path: Path) -> None:
    keep(tmp_path, catalog("1.5"))
    keep(tmp_path, catalog("3.6", at=NOW + timedelta(days=1)))
    keep(tmp_path, catalog(None, address="http://127.0.0.1:8000/v2"))
    assert known_prices(tmp_path, THERE).of_pool("ADA_24").usd_per_s == Decimal("0.001")
    assert len(read_kept(tmp_path)) == 2
    assert [path.name for path in tmp_path.iterdir()] == [FILE], "nothing half written is left"


def test_only_the_newest_addresses_are_kept(tmp_path: Path) -> None:
    for number in range(MOST_CATALOGS + 2):
        keep(tmp_path, catalog(address=f"http://127.0.0.1:{8000 + number}/v2", at=NOW + timedelta(minutes=number)))
    assert sorted(read_kept(tmp_path)) == [f"http://127.0.0.1:{8002 + number}/v2" for number in range(MOST_CATALOGS)]


@pytest.mark.parametrize(
    "text", ("", "[]", "{}", '{"prices": 1}', '{"prices": 9, "catalogs": {}}', '{"prices": 1, "catalogs": {"x": {}}}')
)
def test_a_damaged_file_is_named_and_a_refresh_replaces_it(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=FILE) as caught:
        known_prices(tmp_path, THERE)
    assert "--refresh" in caught.value.hint
    keep(tmp_path, catalog())
    assert known_prices(tmp_path, THERE).of_pool("ADA_24").date == "2026-11-22"


def test_amounts_are_kept_as_text_so_that_they_stay_exact(tmp_path: Path) -> None:
    keep(tmp_path, catalog("0.1"))
    [gpu] = json.loads((tmp_path / FILE).read_text())["catalogs"][THERE]["gpus"]
    assert gpu["usd_per_hour"] == "0.1"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        keep(tmp_path / "file" / "home", catalog())
