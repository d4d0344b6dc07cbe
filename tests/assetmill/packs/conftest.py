"""Stores for packs: one in a folder, and one that counts."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assetmill.storage import FileStore, ObjectInfo


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
