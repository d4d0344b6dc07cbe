"""Stores under test: a further kind of store is one more name in STORE_KINDS and one more branch below."""

from collections.abc import Callable
from pathlib import Path

import pytest

from assetmill.storage import FileStore, Store, open_store

STORE_KINDS = ("file",)


@pytest.fixture(params=STORE_KINDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty store of each kind."""
    if request.param == "file":
        return (tmp_path / "store").as_uri()
    raise AssertionError(f"no store of kind {request.param}")


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


@pytest.fixture
def reopen(store_url: str) -> Callable[[], Store]:
    """Opens the same place again, as another program would."""
    return lambda: open_store(store_url)


@pytest.fixture
def folder_store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "folder store")
