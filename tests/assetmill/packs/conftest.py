"""Small packs with real blobs behind them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assetmill.packs import PackAsset, PackIndex, put_blob
from assetmill.storage import FileStore, ObjectInfo, Store

PNG = b"\x89PNG\r\n\x1a\n"
T0 = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)

MakeAsset = Callable[..., PackAsset]
MakeIndex = Callable[..., PackIndex]


@pytest.fixture
def pack_store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


class CountingStore(FileStore):
    """A store in a folder that counts what is asked of it from outside."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls: Counter[str] = Counter()
        self.inner = FileStore(root)

    def get(self, key: str) -> bytes:
        self.calls["get"] += 1
        return self.inner.get(key)

    def read(self, key: str) -> tuple[bytes, str]:
        self.calls["read"] += 1
        return self.inner.read(key)

    def put(self, key: str, data: bytes, **headers: Any) -> str:
        self.calls["put"] += 1
        return self.inner.put(key, data, **headers)

    def create(self, key: str, data: bytes, **headers: Any) -> str:
        self.calls["create"] += 1
        return self.inner.create(key, data, **headers)

    def swap(self, key: str, data: bytes, *, etag: str | None, **headers: Any) -> str:
        self.calls["swap"] += 1
        return self.inner.swap(key, data, etag=etag, **headers)

    def head(self, key: str) -> ObjectInfo | None:
        self.calls["head"] += 1
        return self.inner.head(key)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self.calls["list"] += 1
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        self.calls["delete"] += 1
        self.inner.delete(key)


@pytest.fixture
def counting() -> Callable[[FileStore], tuple[FileStore, Counter[str]]]:
    """The same folder as a store that counts calls, and the counts."""

    def count(store: FileStore) -> tuple[FileStore, Counter[str]]:
        counted = CountingStore(store.root)
        return counted, counted.calls

    return count


@pytest.fixture
def make_asset() -> MakeAsset:
    def make(store: Store, words: str, *, run: str = "run-1", **fields: Any) -> PackAsset:
        """An asset whose picture differs with `words`."""
        blob = put_blob(store, PNG + words.encode(), ext="png", content_type="image/png")
        values: dict[str, Any] = {
            "type": "entity", "file": blob.key, "width": 64, "height": 32, "bytes": blob.bytes,
            "sha256": blob.sha256, "draft": False, "made_in_run": run,
        }  # fmt: skip
        return PackAsset(**{**values, **fields})

    return make


@pytest.fixture
def make_index() -> MakeIndex:
    def make(assets: Mapping[str, PackAsset], *, run: str = "run-1", pack: str = "sky", at: datetime = T0) -> PackIndex:
        return PackIndex(game="cloud-hop", pack=pack, run_id=run, created_at=at, assets=dict(assets))

    return make
