"""What a bucket has to bear beside the contract: headers, neighbours, wrong keys, many threads."""

import asyncio
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import BucketMissing, Conflict, StorageError, StoreRefused
from assetmill.storage import S3Access, Store, open_store

ROOT = Path(__file__).parents[3]
IMMUTABLE = "public, max-age=31536000, immutable"
CALLS = ("get", "read", "head", "delete", "list", "put", "create", "swap")


@pytest.fixture(params=("seaweedfs", "moto_s3"))
def store_kind(request: pytest.FixtureRequest) -> str:
    """Buckets only."""
    return str(request.param)


def call(store: Store, method: str) -> object:
    """One call of each kind, to its end."""
    if method == "list":
        return list(store.list())
    if method in ("get", "read", "head", "delete"):
        return getattr(store, method)("k")
    extra = {"etag": "0"} if method == "swap" else {}
    return getattr(store, method)("k", b"x", content_type="text/plain", **extra)


def written(store: Store, method: str, data: bytes) -> str:
    """Write an object with all headers, in one of the three ways, and return its etag."""
    extra = {"etag": store.put("k", b"old", content_type="text/plain")} if method == "swap" else {}
    etag = getattr(store, method)(
        "k", data, content_type="image/png", cache_control=IMMUTABLE, metadata={"made-by": "a test"}, **extra
    )
    assert isinstance(etag, str)
    return etag


@pytest.mark.parametrize("method", ("put", "create", "swap"))
def test_whoever_fetches_an_object_gets_its_headers(store: Store, server: Any, method: str) -> None:
    data = b"\x89PNG" * 1000
    etag = written(store, method, data)
    answer = server.ask("GET", f"{store.url.rpartition('/')[2]}/k")
    assert answer.status_code == 200
    assert answer.content == data
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == IMMUTABLE
    assert answer.headers["x-amz-meta-made-by"] == "a test"
    assert answer.headers["x-amz-meta-sha256"] == hashlib.sha256(data).hexdigest()
    assert answer.headers["etag"] == f'"{etag}"'
    assert "content-encoding" not in answer.headers


def test_an_object_without_cache_control_is_served_without(store: Store, server: Any) -> None:
    store.put("k", b"x", content_type="text/plain")
    assert "cache-control" not in server.ask("GET", f"{store.url.rpartition('/')[2]}/k").headers


def test_a_listing_has_the_etags_and_sizes_of_the_objects(store: Store) -> None:
    etags = {f"a/{number}": store.put(f"a/{number}", b"x" * number, content_type="a/b") for number in range(5)}
    assert {info.key: info.etag for info in store.list("a/")} == etags
    assert {info.key: info.size for info in store.list("a/")} == {f"a/{number}": number for number in range(5)}


def test_objects_that_are_not_ours_are_not_listed(store: Store, server: Any) -> None:
    prefix = store.url.rpartition("/")[2]
    store.put("a/k", b"x", content_type="a/b")
    for name in ("my%20notes.txt", ".hidden", "a/.part", "%C3%A4.png", "folder/"):
        assert server.ask("PUT", f"{prefix}/{name}", b"foreign").is_success
    assert [info.key for info in store.list()] == ["a/k"]


def test_folders_that_deleting_left_behind_are_no_objects(store: Store) -> None:
    store.put("a/b/c", b"x", content_type="a/b")
    store.delete("a/b/c")
    assert list(store.list()) == []
    assert store.head("a/b") is None


def test_a_store_sees_only_what_is_under_its_own_prefix(access: S3Access, prefixes: Iterator[str]) -> None:
    place = f"s3://assets/{next(prefixes)}"
    inner, longer, outer = (open_store(f"{place}{end}", access) for end in ("/game", "/game-2", ""))
    inner.put("k", b"inner", content_type="a/b")
    longer.put("k", b"longer", content_type="a/b")
    assert [info.key for info in inner.list()] == ["k"]
    assert inner.get("k") == b"inner"
    assert sorted(info.key for info in outer.list()) == ["game-2/k", "game/k"]
    assert outer.get("game-2/k") == b"longer"


def test_a_whole_bucket_is_a_store_too(access: S3Access, prefixes: Iterator[str]) -> None:
    store, place = open_store("s3://assets/", access), next(prefixes)
    store.put(f"{place}/k", b"x", content_type="a/b")
    assert store.url == "s3://assets"
    assert [info.key for info in store.list(f"{place}/")] == [f"{place}/k"]
    assert open_store(f"s3://assets/{place}", access).get("k") == b"x"


def test_a_key_that_is_too_long_with_its_prefix_is_refused(store: Store) -> None:
    key = "y/" * 511 + "y"  # 1023 bytes
    for method in ("get", "head", "delete", "public_url"):
        with pytest.raises(StorageError, match="too long there"):
            getattr(store, method)(key)
    with pytest.raises(StorageError, match="too long there"):
        store.put(key, b"x", content_type="a/b")


@pytest.mark.parametrize("method", CALLS)
def test_a_missing_bucket_is_said_by_every_call(access: S3Access, method: str) -> None:
    with pytest.raises(BucketMissing) as caught:
        call(open_store("s3://no-such-bucket/x", access), method)
    assert "R2_JURISDICTION" in caught.value.hint
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("wrong", ("key", "secret"))
def test_a_wrong_key_or_secret_is_refused_and_not_repeated(seaweedfs: Any, wrong: str, method: str) -> None:
    right = {"key": seaweedfs.key, "secret": seaweedfs.secret}
    access = S3Access(seaweedfs.endpoint_url, **{**right, wrong: "WRONG-0123456789abcdef"})
    with pytest.raises(StoreRefused) as caught:
        call(open_store("s3://assets/refused", access), method)
    assert "R2_SECRET_ACCESS_KEY" in caught.value.hint
    for secret in ("WRONG-0123456789abcdef", *right.values()):
        assert secret not in str(caught.value)


def test_thirty_two_threads_share_one_client(access: S3Access, store_url: str) -> None:
    stores = [open_store(store_url, access) for _ in range(32)]
    start = threading.Barrier(len(stores))

    def work(number: int) -> bytes:
        start.wait()
        for turn in range(3):
            stores[number].put(f"{number}/{turn}", b"%d" % turn, content_type="a/b")
        return stores[number].get(f"{number}/2")

    with ThreadPoolExecutor(len(stores)) as pool:
        assert list(pool.map(work, range(32))) == [b"2"] * 32
    assert len(list(stores[0].list())) == 96
    assert len({id(store._bucket._filesystem) for store in stores}) == 1  # type: ignore[attr-defined]  # the client


async def test_a_thread_of_an_event_loop_does(store: Store) -> None:
    await asyncio.gather(*(asyncio.to_thread(store.put, str(number), b"x", content_type="a/b") for number in range(20)))
    assert len(await asyncio.to_thread(lambda: list(store.list()))) == 20


def test_a_creator_of_the_same_bytes_has_not_won(store: Store) -> None:
    store.create("k", b"same", content_type="a/b")
    with pytest.raises(Conflict, match="exists already"):
        store.create("k", b"same", content_type="a/b")


def test_a_swapper_to_the_same_bytes_has_not_won(store: Store) -> None:
    etag = store.put("k", b"one", content_type="a/b")
    store.swap("k", b"two", etag=etag, content_type="a/b")
    with pytest.raises(Conflict, match="has changed"):
        store.swap("k", b"two", etag=etag, content_type="a/b")


def test_a_program_with_a_bucket_ends_quietly(moto_s3: Any) -> None:
    code = (
        "import sys; from assetmill.storage import S3Access, open_store\n"
        "store = open_store('s3://assets/quiet', S3Access(*sys.argv[1:]))\n"
        "store.put('k', b'x', content_type='a/b'); assert store.get('k') == b'x'"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "default", "-c", code, moto_s3.endpoint_url, moto_s3.key, moto_s3.secret],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_folder_never_loads_the_s3_client(tmp_path: Path) -> None:
    code = (
        "import sys; from assetmill.settings import load_settings; from assetmill.storage import open_store\n"
        "open_store(sys.argv[1], load_settings().store_access).put('k', b'x', content_type='a/b')\n"
        "print(*{'s3fs', 'fsspec', 'aiohttp', 'botocore'} & sys.modules.keys())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path.as_uri()], cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.stdout.strip() == ""


def test_public_addresses_are_under_the_public_base_and_leave_private_objects_out() -> None:
    access = S3Access("http://127.0.0.1:1", "k", "s", public_url="https://assets.example.com/")
    store, whole = open_store("s3://assets/games", access), open_store("s3://assets", access)
    assert store.public_url("blobs/ab/cd.png") == "https://assets.example.com/games/blobs/ab/cd.png"
    assert whole.public_url("blobs/ab/cd.png") == "https://assets.example.com/blobs/ab/cd.png"
    assert store.public_url("private/receipts/a.json") is None
    assert store.public_url("privateer/a.json") is not None
    assert open_store("s3://assets/games", S3Access("http://127.0.0.1:1", "k", "s")).public_url("k") is None
