"""Blobs: the same bytes are kept once, under their hash, and are what their name says."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from assetmill.errors import StorageError
from assetmill.packs import put_blob
from assetmill.packs.blobs import missing_blobs
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
