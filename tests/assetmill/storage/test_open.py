"""Which URLs open a store, and what the others are told."""

from pathlib import Path

import pytest

from assetmill.errors import StorageError
from assetmill.storage import FileStore, S3Access, open_store

ACCESS = S3Access("https://s3.example.com", "k", "s")


@pytest.mark.parametrize("name", ("plain", "with space", "a#b", "q?a", "100%", "é"))
def test_a_folder_of_any_name_opens_by_its_url(tmp_path: Path, name: str) -> None:
    store = open_store((tmp_path / name).as_uri())
    store.put("k", b"x", content_type="text/plain")
    assert (tmp_path / name / "k").read_bytes() == b"x"
    assert open_store(store.url).get("k") == b"x"


def test_localhost_is_this_machine(tmp_path: Path) -> None:
    store = open_store(f"FILE://localhost{tmp_path}")
    assert isinstance(store, FileStore)
    assert store.root == tmp_path


@pytest.mark.parametrize("path", ("out/store", "/srv/store", "", "store", "~/store"))
def test_a_plain_path_is_refused_with_the_url_to_write(path: str) -> None:
    with pytest.raises(StorageError, match="not by a path") as caught:
        open_store(path)
    assert "file:///" in caught.value.hint


@pytest.mark.parametrize(
    "url", ("file://out/store", "file:store", "file:", "file:///a?b", "file:///a#b", "file:///%00")
)
def test_a_file_url_that_names_no_folder_is_refused(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_store(url)
    assert caught.value.hint


@pytest.mark.parametrize("url", ("gs://key:secret@bucket", "https://key:secret@host/"))
def test_other_stores_are_refused_without_repeating_what_the_url_holds(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_store(url)
    assert url.split(":", maxsplit=1)[0] in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "file:///" in caught.value.hint


@pytest.mark.parametrize("url", ("s3://assets", "s3://assets/", "S3://assets/games", "s3://assets/games/cloud-hop/"))
def test_a_bucket_opens_by_its_url(url: str) -> None:
    store = open_store(url, ACCESS)
    assert store.url == "s3" + url[2:].removesuffix("/")
    assert open_store(store.url, ACCESS).url == store.url


@pytest.mark.parametrize(
    "url",
    ("s3://", "s3:///prefix", "s3:assets", "s3://key:secret@assets", "s3://assets:9000", "s3://Assets", "s3://as_sets",
     "s3://assets?secret", "s3://assets#secret", "s3://assets//games", "s3://assets/games//", "s3://assets/.secret",
     "s3://assets/a b", "s3://assets/%41"),
)  # fmt: skip
def test_an_s3_url_that_names_no_place_is_refused(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_store(url, ACCESS)
    assert caught.value.hint
    assert "key:secret" not in str(caught.value)


def test_a_bucket_without_access_says_what_to_set() -> None:
    with pytest.raises(StorageError, match="endpoint and a key") as caught:
        open_store("s3://assets")
    assert "R2_ACCOUNT_ID" in caught.value.hint
