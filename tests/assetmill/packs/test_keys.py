"""Keys are the layout that games and galleries rely on."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from assetmill.errors import StorageError
from assetmill.packs import (
    blob_key,
    contact_sheet_key,
    gallery_key,
    history_key,
    index_key,
    latest_key,
    report_key,
)
from assetmill.storage.base import check_key

SHA = "0123456789abcdef" * 4
NOON = datetime(2026, 11, 21, 12, 0, 0, 123999, tzinfo=UTC)


def test_keys_are_laid_out_as_documented() -> None:
    assert blob_key(SHA, "png") == f"blobs/01/{SHA}.png"
    assert index_key("cloud-hop", SHA) == "packs/cloud-hop/index.0123456789abcdef.json"
    assert latest_key("cloud-hop", "main") == "packs/cloud-hop/main/latest.json"
    assert (
        history_key("cloud-hop", "main", NOON, SHA)
        == "packs/cloud-hop/main/history/20261121T120000.123Z-0123456789abcdef.json"
    )
    assert gallery_key("cloud-hop", "Run_1.a-b") == "packs/cloud-hop/gallery/Run_1.a-b.html"
    assert contact_sheet_key("cloud-hop", "Run_1.a-b") == "packs/cloud-hop/gallery/Run_1.a-b.jpg"
    assert report_key("cloud-hop", "Run_1.a-b") == "packs/cloud-hop/gallery/Run_1.a-b.json"


def test_every_key_is_one_that_stores_accept() -> None:
    for key in (
        blob_key(SHA, "json"),
        index_key("g", SHA),
        latest_key("g", "c"),
        history_key("g", "c", NOON, SHA),
        gallery_key("g", "r"),
    ):
        assert check_key(key) == key


def test_history_keys_sort_by_time_whatever_the_timezone() -> None:
    east = timezone(timedelta(hours=9))
    moments = [NOON + timedelta(milliseconds=1), NOON + timedelta(hours=1), NOON + timedelta(days=40)]
    keys = [history_key("g", "c", moment.astimezone(east), SHA) for moment in (NOON, *moments)]
    assert keys == sorted(keys)
    assert len(set(keys)) == 4


@pytest.mark.parametrize("name", ("", "..", "a/b", "A", ".a", "a b", "-a", "x" * 65))
def test_no_name_escapes_its_place(name: str) -> None:
    with pytest.raises(StorageError, match="cannot be part of a key"):
        index_key(name, SHA)
    with pytest.raises(StorageError, match="cannot be part of a key"):
        latest_key("game", name)
    with pytest.raises(StorageError, match="cannot be part of a key"):
        history_key("game", name, NOON, SHA)


@pytest.mark.parametrize("run_id", ("", "..", "a/b", "../../x", ".a", "a b"))
def test_no_run_id_escapes_the_gallery(run_id: str) -> None:
    with pytest.raises(StorageError, match="a run id"):
        gallery_key("game", run_id)


@pytest.mark.parametrize(("sha256", "ext"), (("0" * 63, "png"), ("0" * 64, ".png"), ("0" * 64, ""), ("G" * 64, "png")))
def test_a_blob_is_named_by_a_whole_hash_and_an_extension(sha256: str, ext: str) -> None:
    with pytest.raises(StorageError):
        blob_key(sha256, ext)
