"""Finished files that are gone from the store while the books believe in them: made again, and never paid again."""

from typing import Any

import pytest

from assetmill.errors import FilesGone, StorageError
from assetmill.ledger import Ledger
from assetmill.packs import PackIndex, load_latest
from assetmill.storage import Store, open_store

TAGGED = """  - {id: slime, type: entity, prompt: a slime, shape: circle, silhouette: {canvas: 64x64}, tags: [new]}
  - {id: crate, type: entity, prompt: a crate, silhouette: {canvas: 64x64}}
  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}
"""  # what is to be published differs, and nothing is to be made


def published(studio: Any) -> tuple[Store, PackIndex]:
    store = open_store(studio.settings.store_url)
    index = load_latest(store, "tiny", "draft")
    assert index is not None
    return store, index


async def test_finished_files_that_are_gone_are_made_again_by_the_next_run(studio: Any) -> None:
    await studio.run()
    store, before = published(studio)
    gone = {before.assets["slime"].file, before.assets["sky"].file}
    for key in gone:
        store.delete(key)
    executed = len(studio.artist.executed)
    with pytest.raises(FilesGone, match="run again: they are finished again") as caught:
        await studio.run(TAGGED)
    assert caught.value.keys == gone
    assert caught.value.exit_code == 5
    assert published(studio)[1] == before
    report = await studio.run(TAGGED)
    assert report.exit_code == 0
    after = published(studio)[1]
    assert after.assets["slime"].tags == ("new",)
    assert {name: asset.file for name, asset in after.assets.items()} == {
        name: asset.file for name, asset in before.assets.items()
    }
    assert all(store.head(key) for key in after.blobs())
    assert len(studio.artist.executed) == executed


async def test_where_raw_pictures_are_gone_too_nothing_is_forgotten(studio: Any) -> None:
    """The store is another than that of the books, most likely, and theirs is as whole as ever."""
    await studio.run()
    store, before = published(studio)
    raw = next(row["key"] for row in studio.rows() if row["asset_id"] == "slime")
    gone = before.assets["slime"].file
    for key in (raw, gone):
        store.delete(key)
    with Ledger.open(studio.settings.ledger_url) as ledger:
        known = ledger.finishes("tiny")
    with pytest.raises(FilesGone, match="ASSETMILL_STORE_URL"):
        await studio.run(TAGGED)
    with Ledger.open(studio.settings.ledger_url) as ledger:
        assert ledger.finishes("tiny") == known


async def test_a_channel_of_another_pack_is_refused_before_anything_is_made(studio: Any, monkeypatch: Any) -> None:
    await studio.run()
    before, executed = published(studio)[1], len(studio.artist.executed)
    write = studio.write

    def write_another(assets: str) -> Any:
        path = write(assets)
        path.write_text(path.read_text().replace("pack: {id: default", "pack: {id: another"))
        return path

    monkeypatch.setattr(studio, "write", write_another)
    with pytest.raises(StorageError, match="publishes pack default, not another") as caught:
        await studio.run("  - {id: worm, type: entity, prompt: a worm, silhouette: {canvas: 64x64}}\n")
    assert "ASSETMILL_CHANNEL" in caught.value.hint
    assert len(studio.artist.executed) == executed
    assert published(studio)[1] == before
