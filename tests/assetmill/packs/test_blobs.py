"""Blobs: the same bytes are kept once, under their hash, and are what their name says."""

import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from assetmill.errors import StorageError
from assetmill.packs import NewBlob, keep_many, put_blob
from assetmill.packs.blobs import FEW_BLOBS, missing_blobs, sizes
from assetmill.packs.keys import blob_key
from assetmill.storage import FileStore

PNG_BYTES = b"\x89PNG\r\n\x1a\n rest"
JPEG_BYTES = b"\xff\xd8\xff\xe0 rest"
WEBP_BYTES = b"RIFF\x00\x00\x00\x00WEBPVP8 "


def test_a_blob_is_kept_under_its_hash(pack_store: FileStore) -> None:
    ref = put_blob(pack_store, PNG_BYTES, ext="png", content_type="image/png")
    digest = hashlib.sha256(PNG_BYTES).hexdigest()
    assert (ref.sha256, ref.bytes, ref.key) == (digest, len(PNG_BYTES), f"blobs/{digest[:2]}/{digest}.png")
    assert pack_store.get(ref.key) == PNG_BYTES


def test_keeping_a_blob_again_writes_nothing(pack_store: FileStore) -> None:
    ref = put_blob(pack_store, PNG_BYTES, ext="png", content_type="image/png")
    path = pack_store.root / ref.key
    before = path.stat()
    assert put_blob(pack_store, PNG_BYTES, ext="png", content_type="image/png") == ref
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_many_may_keep_the_same_blob_at_once(pack_store: FileStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        keep = [
            pool.submit(put_blob, pack_store, b"{}", ext="json", content_type="application/json") for _ in range(64)
        ]
        refs = {future.result() for future in keep}
    assert len(refs) == 1
    assert [info.key for info in pack_store.list()] == [refs.pop().key]


def test_a_blob_that_was_cut_short_is_put_right(pack_store: FileStore) -> None:
    ref = put_blob(pack_store, PNG_BYTES, ext="png", content_type="image/png")
    (pack_store.root / ref.key).write_bytes(PNG_BYTES[:5])
    put_blob(pack_store, PNG_BYTES, ext="png", content_type="image/png")
    assert pack_store.get(ref.key) == PNG_BYTES


@pytest.mark.parametrize(("ext", "data"), (("png", PNG_BYTES), ("jpg", JPEG_BYTES), ("webp", WEBP_BYTES)))
def test_an_image_is_what_its_name_says(pack_store: FileStore, ext: str, data: bytes) -> None:
    assert put_blob(pack_store, data, ext=ext, content_type=f"image/{ext}").key.endswith(f".{ext}")
    for other in {PNG_BYTES, JPEG_BYTES, WEBP_BYTES, b"", b"<html>"} - {data}:
        with pytest.raises(StorageError, match=f"are not {ext}"):
            put_blob(pack_store, other, ext=ext, content_type=f"image/{ext}")
    assert len(list(pack_store.list())) == 1


@pytest.mark.parametrize("count", (3, 60))
def test_exactly_the_missing_blobs_are_named(pack_store: FileStore, count: int) -> None:
    there = [put_blob(pack_store, b"%d" % n, ext="json", content_type="application/json").key for n in range(count)]
    gone = sorted(blob_key(hashlib.sha256(b"gone %d" % n).hexdigest(), "json") for n in range(3))
    assert missing_blobs(pack_store, [*there, *gone]) == gone
    assert missing_blobs(pack_store, there) == []
    assert missing_blobs(pack_store, []) == []


def documents(count: int, *, start: int = 0) -> list[NewBlob]:
    return [NewBlob(b"%d" % n, "json", "application/json") for n in range(start, start + count)]


@pytest.mark.parametrize("count", (0, 1, FEW_BLOBS, 100))
def test_many_blobs_are_kept_as_one_would_be(pack_store: FileStore, count: int) -> None:
    items = [*documents(count), *documents(min(count, 3))]  # some come twice
    refs = keep_many(pack_store, items)
    assert [pack_store.get(ref.key) for ref in refs] == [item.data for item in items]
    assert [(ref.key, ref.bytes) for ref in refs] == [(item.key, len(item.data)) for item in items]
    assert len(list(pack_store.list())) == count


def test_only_what_is_missing_is_written(
    pack_store: FileStore, counting: Callable[[FileStore], tuple[FileStore, Counter[str]]]
) -> None:
    keep_many(pack_store, documents(90))
    store, calls = counting(pack_store)
    keep_many(store, documents(100))
    assert calls["create"] == 10
    assert calls["list"] == 16
    assert calls.keys() <= {"create", "list"}
    calls.clear()
    keep_many(store, documents(100))
    assert calls == {"list": 16}


def test_of_many_blobs_the_one_that_was_cut_short_is_put_right(pack_store: FileStore) -> None:
    items = documents(100, start=1000)
    refs = keep_many(pack_store, items)
    (pack_store.root / refs[7].key).write_bytes(b"1")
    keep_many(pack_store, items)
    assert pack_store.get(refs[7].key) == items[7].data


def test_nothing_of_many_is_written_when_one_is_not_what_its_name_says(pack_store: FileStore) -> None:
    with pytest.raises(StorageError, match="are not png"):
        keep_many(pack_store, [*documents(3), NewBlob(JPEG_BYTES, "png", "image/png")])
    assert list(pack_store.list()) == []


def test_what_was_written_before_the_store_failed_is_found_by_the_next_try(pack_store: FileStore) -> None:
    class Failing(FileStore):
        left = 40

        def create(self, key: str, data: bytes, **headers: object) -> str:
            self.left -= 1
            if self.left < 0:
                raise StorageError("the disk is full")
            return super().create(key, data, **headers)  # type: ignore[arg-type]  # headers as they came

    items = documents(100)
    with pytest.raises(StorageError, match="full"):
        keep_many(Failing(pack_store.root), items, at_once=4)
    there = len(list(pack_store.list()))
    assert 30 <= there <= 40
    keep_many(pack_store, items)
    assert sizes(pack_store, (item.key for item in items)) == {item.key: len(item.data) for item in items}
