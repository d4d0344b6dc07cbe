"""What every store promises, whatever stands behind it."""

import contextlib
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assetmill.errors import Conflict, KeyMissing, StorageError
from assetmill.storage import ObjectInfo, Store

BIN = "application/octet-stream"
Write = Callable[[Store, str], Any]
races = pytest.mark.parametrize("store_kind", ("file", "seaweedfs"))  # moto compares and writes in two steps

BAD_KEYS = (
    "", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", ".", "./a", "a/./b", ".hidden", "a/.hidden",
    "a b", "a\\b", "a\x00b", "a\n", "é", "a?b", "a#b", "a%2e", "a:b", "x" * 1025, "x" * 256, "x/" * 512 + "xx",
)  # fmt: skip
GOOD_KEYS = ("a", "A-b_c.d", "-", "_", "a..b", "a.", "x" * 255, "0/1/2/3.json", "y/" * 500 + "yy")

WRITES: dict[str, Write] = {
    "put": lambda store, key: store.put(key, b"x", content_type=BIN),
    "create": lambda store, key: store.create(key, b"x", content_type=BIN),
    "swap": lambda store, key: store.swap(key, b"x", etag="0", content_type=BIN),
}
READS: dict[str, Write] = {
    "get": lambda store, key: store.get(key),
    "read": lambda store, key: store.read(key),
    "head": lambda store, key: store.head(key),
    "delete": lambda store, key: store.delete(key),
    "public_url": lambda store, key: store.public_url(key),
}


def keys_of(store: Store, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.list(prefix))


def test_what_was_put_is_what_is_got(store: Store) -> None:
    for data in (b"", b"\x00\xff" * 70_000, b"text"):
        etag = store.put("a/b.bin", data, content_type=BIN)
        assert store.get("a/b.bin") == data
        assert store.read("a/b.bin") == (data, etag)
        assert store.head("a/b.bin") == ObjectInfo("a/b.bin", len(data), etag)


def test_another_program_sees_what_was_written(store: Store, reopen: Callable[[], Store]) -> None:
    store.put("a/b.bin", b"one", content_type=BIN)
    assert reopen().get("a/b.bin") == b"one"


def test_an_object_that_is_not_there_is_missing(store: Store) -> None:
    for key in ("nothing", "no/thing"):
        with pytest.raises(KeyMissing, match=key):
            store.get(key)
        with pytest.raises(KeyMissing, match=key):
            store.read(key)
        assert store.head(key) is None


def test_the_folder_of_an_object_is_no_object(store: Store) -> None:
    store.put("a/b", b"x", content_type=BIN)
    assert store.head("a") is None
    with pytest.raises(KeyMissing):
        store.get("a")
    with pytest.raises(KeyMissing):
        store.get("a/b/c")
    store.delete("a")
    assert keys_of(store) == ["a/b"]


def test_an_etag_follows_the_content(store: Store) -> None:
    first = store.put("k", b"one", content_type=BIN)
    second = store.put("k", b"two", content_type=BIN)
    assert first != second
    assert store.put("k", b"one", content_type=BIN) == first


def test_delete_removes_and_may_be_repeated(store: Store) -> None:
    store.put("a/b", b"x", content_type=BIN)
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/there")
    assert store.head("a/b") is None
    assert keys_of(store) == []
    assert store.create("a/b", b"again", content_type=BIN)


def test_create_refuses_to_overwrite(store: Store) -> None:
    store.create("a/b", b"first", content_type=BIN)
    with pytest.raises(Conflict, match="a/b"):
        store.create("a/b", b"second", content_type=BIN)
    assert store.get("a/b") == b"first"


def test_swap_needs_the_etag_of_what_is_there(store: Store) -> None:
    first = store.swap("k", b"one", etag=None, content_type=BIN)
    second = store.swap("k", b"two", etag=first, content_type=BIN)
    for stale in (first, None, "0"):
        with pytest.raises(Conflict, match="k"):
            store.swap("k", b"three", etag=stale, content_type=BIN)
    assert store.read("k") == (b"two", second)


def test_swap_of_a_deleted_object_conflicts(store: Store) -> None:
    etag = store.put("k", b"one", content_type=BIN)
    store.delete("k")
    with pytest.raises(Conflict):
        store.swap("k", b"two", etag=etag, content_type=BIN)
    assert store.head("k") is None


@races
def test_one_of_many_creators_wins(reopen: Callable[[], Store], effort: Any) -> None:
    stores = [reopen() for _ in range(16)]
    for round_ in range(effort.races):
        start = threading.Barrier(len(stores))

        def create(number: int, key: str = f"race/{round_}", start: threading.Barrier = start) -> int | None:
            start.wait()
            try:
                stores[number].create(key, b"%d" % number * 1000, content_type=BIN)
            except Conflict:
                return None
            return number

        with ThreadPoolExecutor(len(stores)) as pool:
            winners = [number for number in pool.map(create, range(len(stores))) if number is not None]
        assert len(winners) == 1
        assert stores[0].get(f"race/{round_}") == b"%d" % winners[0] * 1000


@races
def test_no_increment_is_lost_when_many_swap(reopen: Callable[[], Store], effort: Any) -> None:
    reopen().put("counter", b"0", content_type=BIN)

    def count(store: Store) -> None:
        done = 0
        while done < effort.counts:
            value, etag = store.read("counter")
            try:
                store.swap("counter", b"%d" % (int(value) + 1), etag=etag, content_type=BIN)
            except Conflict:
                continue
            done += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, [reopen() for _ in range(8)]))
    assert reopen().get("counter") == b"%d" % (8 * effort.counts)


@races
def test_a_plain_put_is_not_lost_under_a_swap(reopen: Callable[[], Store]) -> None:
    """A swap that went through has replaced what it compared with, never a put that came in between."""
    for round_ in range(20):
        store, other, key = reopen(), reopen(), f"k{round_}"
        etag = store.put(key, b"old", content_type=BIN)
        start = threading.Barrier(2)

        def put(other: Store = other, key: str = key, start: threading.Barrier = start) -> None:
            start.wait()
            other.put(key, b"put", content_type=BIN)

        with ThreadPoolExecutor(1) as pool:
            putting = pool.submit(put)
            start.wait()
            with contextlib.suppress(Conflict):
                store.swap(key, b"swapped", etag=etag, content_type=BIN)
            putting.result()
        assert store.get(key) == b"put"  # first: the swap conflicts; second: it overwrites


def test_readers_never_see_half_an_object(reopen: Callable[[], Store], effort: Any) -> None:
    versions = [bytes([letter]) * 400_000 for letter in b"abcd"]
    etags = {data: reopen().put("k", data, content_type=BIN) for data in versions}
    stop = threading.Event()

    def overwrite(store: Store) -> None:
        while not stop.is_set():
            for data in versions:
                store.put("k", data, content_type=BIN)

    def look(store: Store) -> int:
        torn = 0
        for _ in range(effort.reads):
            data, etag = store.read("k")
            info = store.head("k")
            torn += etags.get(data) != etag or info is None or info.size != len(data)
        return torn

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(overwrite, reopen()) for _ in range(2)]
        try:
            torn = list(pool.map(look, [reopen(), reopen()]))
        finally:
            stop.set()
        for writer in writers:
            writer.result()
    assert torn == [0, 0]


def test_a_list_holds_every_object_under_a_prefix(store: Store, effort: Any) -> None:
    keys = [f"blobs/{number % 16:02x}/{number:04d}.png" for number in range(effort.keys)]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda key: store.put(key, key.encode(), content_type=BIN), keys))
    store.put("packs/game/index.json", b"{}", content_type=BIN)
    listed = list(store.list("blobs/"))
    assert sorted(info.key for info in listed) == sorted(keys)
    assert {info.size for info in listed} == {len(keys[0])}
    assert len(list(store.list())) == effort.keys + 1


def test_a_prefix_is_the_start_of_a_key_not_a_folder(store: Store) -> None:
    for key in ("a/b", "a-b", "ab/c", "ab/cd/e", "b"):
        store.put(key, b"x", content_type=BIN)
    assert keys_of(store, "a") == ["a-b", "a/b", "ab/c", "ab/cd/e"]
    assert keys_of(store, "a/") == ["a/b"]
    assert keys_of(store, "ab/c") == ["ab/c", "ab/cd/e"]
    assert keys_of(store, "ab/cd/e") == ["ab/cd/e"]
    assert keys_of(store, "ab/cd/ef") == []
    assert keys_of(store, "nothing/here") == []


def test_an_etag_in_a_list_is_the_object_s_own(store: Store) -> None:
    etag = store.put("k", b"x", content_type=BIN)
    assert [info.etag in (None, etag) for info in store.list()] == [True]


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert list(store.list()) == []
    assert list(store.list("a/b")) == []


@pytest.mark.parametrize("key", GOOD_KEYS, ids=lambda key: key[:20])
def test_good_keys_are_written_and_listed(store: Store, key: str) -> None:
    store.put(key, b"x", content_type=BIN)
    assert keys_of(store) == [key]


@pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: ascii(key)[:20])
def test_bad_keys_are_refused_by_every_method(store: Store, key: str) -> None:
    for call in {**WRITES, **READS}.values():
        with pytest.raises(StorageError, match="not a storage key") as caught:
            call(store, key)
        assert caught.value.hint
        assert type(caught.value) is StorageError


@pytest.mark.parametrize("prefix", ("..", "../", "a//", "/", ".a", "a/.b", "a b", "x" * 1025))
def test_bad_prefixes_are_refused(store: Store, prefix: str) -> None:
    with pytest.raises(StorageError, match="not the start of a storage key"):
        list(store.list(prefix))


@pytest.mark.parametrize(
    "headers",
    (
        {"content_type": ""},
        {"content_type": "png"},
        {"content_type": "image/png\r\nx: y"},
        {"content_type": BIN, "cache_control": "no-cache\n"},
        {"content_type": BIN, "metadata": {"sha256": "é"}},
        {"content_type": BIN, "metadata": {"Upper": "x"}},
        {"content_type": BIN, "metadata": {"x": "y" * 9000}},
    ),
    ids=ascii,
)
@pytest.mark.parametrize("method", ("put", "create", "swap"))
def test_headers_that_http_cannot_carry_are_refused(store: Store, method: str, headers: dict[str, Any]) -> None:
    extra = {"etag": None} if method == "swap" else {}
    with pytest.raises(StorageError):
        getattr(store, method)("k", b"x", **extra, **headers)
    assert keys_of(store) == []


def test_usual_headers_are_accepted(store: Store) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    store.put(
        "k",
        b"x",
        content_type="application/json; charset=utf-8",
        cache_control="public, max-age=31536000, immutable",
        metadata={"sha256": digest},
    )
    assert store.get("k") == b"x"
