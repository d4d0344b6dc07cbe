"""Small packs with real blobs behind them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from assetmill.packs import PackAsset, PackIndex, put_blob
from assetmill.storage import Store

PNG = b"\x89PNG\r\n\x1a\n"
T0 = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)

MakeAsset = Callable[..., PackAsset]
MakeIndex = Callable[..., PackIndex]


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
