"""Copying a store: whole, in an order that may be cut anywhere, and never over what somebody else has there."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import StorageError, StoreFull, UsageError
from assetmill.packs import (
    PackAsset,
    PackIndex,
    blob_key,
    contact_sheet_key,
    gallery_key,
    history_key,
    index_key,
    latest_key,
    load_latest,
    publish,
    put_blob,
    receipt_key,
    report_key,
)
from assetmill.packs.blobs import IMMUTABLE, missing_blobs
from assetmill.packs.copying import Copied, compare, copy
from assetmill.packs.history import named, read_history, roll_back
from assetmill.packs.kinds import Headers, Kind, headers_of, kind_of
from assetmill.storage import FileStore, Store

MakeAsset = Callable[..., PackAsset]
MakeIndex = Callable[..., PackIndex]
GAME = "cloud-hop"
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
LATEST = latest_key(GAME, "main")
SHA = "0123456789abcdef" * 4
TYPES = {"content_type": "application/octet-stream", "cache_control": None}


class Recorder(FileStore):
    """A store in a folder that knows with which headers each object was written, in what order, and how many at once.

    From write `full_at` on, it is full.
    """

    def __init__(self, root: Path, full_at: int | None = None) -> None:
        super().__init__(root)
        self.headers: dict[str, Headers] = {}
        self.written: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.full_at = full_at
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes:
        self.asked.append(("get", key))
        return super().get(key)

    def put(self, key: str, data: bytes, **headers: Any) -> str:
        self.asked.append(("put", key))
        return self._note(key, headers, lambda: FileStore.put(self, key, data, **headers))

    def create(self, key: str, data: bytes, **headers: Any) -> str:
        self.asked.append(("create", key))
        return self._note(key, headers, lambda: FileStore.create(self, key, data, **headers))

    def list(self, prefix: str = "") -> Any:
        self.asked.append(("list", prefix))
        return super().list(prefix)

    def _note(self, key: str, headers: dict[str, Any], write: Callable[[], str]) -> str:
        with self._lock:
            if self.full_at is not None and len(self.written) >= self.full_at:
                raise StoreFull("the disk is full")
            etag = write()
            self.headers[key] = Headers(headers["content_type"], headers["cache_control"])
            self.written.append(key)
            return etag


PAGES = (Kind.GALLERY, Kind.CONTACT_SHEET, Kind.REPORT)


@pytest.fixture
def old(tmp_path: Path, make_asset: MakeAsset, make_index: MakeIndex) -> Recorder:
    """A store with two publishes, a page, a receipt, and things that are nobody's."""
    store = Recorder(tmp_path / "old")
    _publish(store, make_index({"coin": make_asset(store, "coin")}), NOON)
    both = {"coin": make_asset(store, "new coin"), "gem": make_asset(store, "gem")}
    _publish(store, make_index(both, run="run-2"), NOON + timedelta(hours=1))
    page, private = {"content_type": "text/html", "cache_control": "no-cache"}, "private"
    store.put(gallery_key(GAME, "run-2"), b"<p>", **page)
    store.put(contact_sheet_key(GAME, "run-2"), b"jpeg", **page)
    store.put(report_key(GAME, "run-2"), b"{}", **page)
    store.create(receipt_key(GAME, "a1"), b"{}", content_type="application/json", cache_control=private)
    for foreign in ("probes/run-2", "notes.txt", "blobs/README", f"packs/{GAME}/todo.txt", "private/receipts/x/y"):
        store.put(foreign, b"ours alone", **TYPES)
    return store


@pytest.fixture
def new(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "new")


def _publish(store: Store, index: PackIndex, now: datetime) -> None:
    publish(store, game=GAME, channel="main", index=index, base=load_latest(store, GAME, "main"), now=now)


def _copied(source: Store, target: Store, **options: Any) -> Copied:
    return copy(source, target, compare(source, target), **options)


def _ours(store: Store) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in store.list() if kind_of(info.key)}


def _counts(done: Copied) -> dict[str, int]:
    return {str(kind): tally.copied for kind, tally in done.tallies.items()}


@pytest.mark.parametrize(
    ("key", "kind"),
    (
        (blob_key(SHA, "png"), Kind.BLOB),
        (index_key(GAME, SHA), Kind.INDEX),
        (latest_key(GAME, "main"), Kind.LATEST),
        (latest_key(GAME, "gallery"), Kind.LATEST),
        (history_key(GAME, "main", NOON, SHA), Kind.RECORD),
        (gallery_key(GAME, "run.2-a"), Kind.GALLERY),
        (contact_sheet_key(GAME, "run.2-a"), Kind.CONTACT_SHEET),
        (report_key(GAME, "run.2-a"), Kind.REPORT),
        (receipt_key(GAME, "latest"), Kind.RECEIPT),
        ("probes/run-1", None),
        (f"blobs/ff/{SHA}.png", None),
        (f"blobs/01/{SHA}.PNG", None),
        (f"blobs/01/{SHA}", None),
        (f"packs/{GAME}/index.{SHA}.json", None),
        (f"packs/{GAME}/index.0123.json", None),
        (f"packs/{GAME}/main/latest.json.bak", None),
        (f"packs/{GAME}/main/history/20261121T120000.1Z-{SHA[:16]}.json", None),
        (f"packs/{GAME}/main/history/notes.json", None),
        (f"packs/{GAME}/gallery/run-2.htm", None),
        (f"private/receipts/{GAME}/00/a1.json", None),
    ),
)
def test_a_key_is_of_the_kind_that_would_make_it_and_of_none_if_it_only_looks_like_one(
    key: str, kind: Kind | None
) -> None:
    assert kind_of(key) is kind
    assert (headers_of(key) is None) == (kind is None)


def test_everything_of_ours_is_there_afterwards_byte_for_byte_and_nothing_else(old: Recorder, new: Recorder) -> None:
    done = _copied(old, new)
    assert (done.problems, done.foreign) == ((), 3)  # under the folders that are looked at
    assert _ours(new) == _ours(old)
    assert {info.key for info in new.list()} == _ours(old).keys()
    assert _counts(done) == {
        "blobs": 3, "receipts": 1, "indexes": 2, "records": 2, "contact sheets": 1, "run reports": 1,
        "galleries": 1, "pointers": 1,
    }  # fmt: skip
    assert done.tallies[Kind.BLOB].bytes == sum(info.size for info in new.list("blobs/"))
    assert load_latest(new, GAME, "main") == load_latest(old, GAME, "main")
    assert [one.name for one in read_history(new, GAME, "main").publishes] == [
        one.name for one in read_history(old, GAME, "main").publishes
    ]


def test_headers_are_those_with_which_packs_are_written(old: Recorder, new: Recorder) -> None:
    _copied(old, new)
    published = {key: headers for key, headers in old.headers.items() if kind_of(key) not in (None, *PAGES)}
    latest = {LATEST: Headers("application/json", "no-cache")}  # exchanged, not created
    assert {key: new.headers[key] for key in published} == published | latest
    assert new.headers[gallery_key(GAME, "run-2")] == Headers("text/html; charset=utf-8", "no-cache")
    assert new.headers[contact_sheet_key(GAME, "run-2")] == Headers("image/jpeg", "no-cache")
    assert new.headers[report_key(GAME, "run-2")] == Headers("application/json", "no-cache")


def test_what_others_name_comes_first_and_the_pointer_last(old: Recorder, new: Recorder) -> None:
    _copied(old, new)
    order = [list(Kind).index(kind_of(key) or Kind.BLOB) for key in new.written]
    assert order == sorted(order)
    assert new.written[-1] == LATEST


def test_a_copy_that_is_cut_anywhere_leaves_whole_packs_only_and_the_next_one_ends_it(
    old: Recorder, tmp_path: Path
) -> None:
    whole = _ours(old)
    for writes in range(len(whole)):
        new = Recorder(tmp_path / f"cut-{writes}", full_at=writes)
        with pytest.raises(StoreFull):
            _copied(old, new)
        there = _ours(new)
        assert len(there) == writes
        assert LATEST not in there
        channels = [info.key for info in new.list(f"packs/{GAME}/main/")]
        assert channels == [] or all(one.stored for one in read_history(new, GAME, "main").publishes)
        for index in (PackIndex.model_validate_json(there[key]) for key in there if kind_of(key) is Kind.INDEX):
            assert missing_blobs(new, index.blobs()) == []
        new.full_at = None
        again = _copied(old, new)
        assert sum(_counts(again).values()) == len(whole) - writes
        assert _ours(new) == whole
        shutil.rmtree(new.root)


def test_copying_again_reads_nothing_but_pointers_and_writes_nothing(old: Recorder, new: Recorder) -> None:
    _copied(old, new)
    for store in (old, new):
        store.asked.clear()
    done = _copied(old, new)
    assert (sum(_counts(done).values()), done.problems) == (0, ())
    assert {kind: tally.there for kind, tally in done.tallies.items()} == {
        Kind.BLOB: 3, Kind.RECEIPT: 1, Kind.INDEX: 2, Kind.RECORD: 2, Kind.CONTACT_SHEET: 1, Kind.REPORT: 1,
        Kind.GALLERY: 1, Kind.LATEST: 1,
    }  # fmt: skip
    for store in (old, new):
        assert sorted(store.asked) == [
            ("get", LATEST), ("list", "blobs/"), ("list", "packs/"), ("list", "private/receipts/"),
        ]  # fmt: skip


def test_a_damaged_file_is_named_and_left_and_so_is_the_pointer_to_its_pack(old: Recorder, new: Recorder) -> None:
    current = load_latest(old, GAME, "main")
    assert current is not None
    bad = current.assets["gem"].file
    (old.root / bad).write_bytes(b"\x89PNG\r\n\x1a\nGEM")  # as long as it was
    done = _copied(old, new)
    assert [problem.key for problem in done.problems] == [bad, LATEST]
    assert "damaged" in done.problems[0].message
    assert bad in done.problems[1].message
    assert _ours(new).keys() == _ours(old).keys() - {bad, LATEST}
    (old.root / bad).write_bytes(b"\x89PNG\r\n\x1a\ngem")
    assert _counts(_copied(old, new)) == {
        "blobs": 1, "receipts": 0, "indexes": 0, "records": 0, "contact sheets": 0, "run reports": 0,
        "galleries": 0, "pointers": 1,
    }  # fmt: skip
    assert _ours(new) == _ours(old)


def test_a_damaged_file_that_no_current_pack_needs_holds_nothing_up(old: Recorder, new: Recorder) -> None:
    spare = put_blob(old, b"{}", ext="json", content_type="application/json")
    (old.root / spare.key).write_bytes(b"[]")
    done = _copied(old, new)
    assert [problem.key for problem in done.problems] == [spare.key]
    assert load_latest(new, GAME, "main") == load_latest(old, GAME, "main")


def test_a_damaged_index_takes_its_records_with_it(old: Recorder, new: Recorder) -> None:
    first = read_history(old, GAME, "main").publishes[-1]
    assert first.stored is not None
    (old.root / first.stored.key).write_bytes(b"{}")
    done = _copied(old, new)
    record = f"packs/{GAME}/main/history/{first.name}.json"
    assert [problem.key for problem in done.problems] == [first.stored.key, record]
    assert load_latest(new, GAME, "main") == load_latest(old, GAME, "main")


def test_a_file_that_was_cut_short_at_the_target_is_put_right(old: Recorder, new: Recorder) -> None:
    _copied(old, new)
    (blob,) = [key for key in _ours(old) if kind_of(key) is Kind.BLOB][:1]
    (new.root / blob).write_bytes(b"")
    assert _counts(_copied(old, new))["blobs"] == 1
    assert _ours(new) == _ours(old)


def test_a_pack_whose_files_are_in_another_store_is_refused_with_the_way_to_bring_them(
    old: Recorder, new: Recorder
) -> None:
    index = load_latest(old, GAME, "main")
    assert index is not None
    with pytest.raises(StorageError, match="not in the store") as caught:
        _publish(new, index, NOON + timedelta(days=1))
    assert "ASSETMILL_STORE_URL" in caught.value.hint
    assert "`assetmill store copy OLD_URL`" in caught.value.hint
    assert "backup" in caught.value.hint
    _copied(old, new)
    _publish(new, index, NOON + timedelta(days=1))
    assert load_latest(new, GAME, "main") == index


@pytest.mark.parametrize("known", (True, False), ids=("listed", "written meanwhile"))
@pytest.mark.parametrize("key", (receipt_key(GAME, "a1"), gallery_key(GAME, "run-2")))
def test_what_the_target_has_under_the_same_name_stays_and_is_told(
    old: Recorder, new: Recorder, key: str, *, known: bool
) -> None:
    found = compare(old, new)
    new.put(key, b"something else", **TYPES)
    done = copy(old, new, compare(old, new) if known else found)
    assert [problem.key for problem in done.problems] == [key]
    assert new.get(key) == b"something else"
    assert load_latest(new, GAME, "main") == load_latest(old, GAME, "main")


def test_what_somebody_else_copied_meanwhile_is_there(old: Recorder, new: Recorder) -> None:
    found = compare(old, new)
    _copied(old, new)
    done = copy(old, new, found)
    assert done.problems == ()
    assert [done.tallies[kind].there for kind in (Kind.RECEIPT, Kind.RECORD, Kind.LATEST)] == [1, 2, 1]
    assert _ours(new) == _ours(old)


def test_a_channel_that_publishes_something_else_keeps_it_and_the_hint_moves_it(
    old: Recorder, new: Recorder, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    own = make_index({"frog": make_asset(new, "frog")}, run="other")
    _publish(new, own, NOON + timedelta(days=1))
    done = _copied(old, new)
    assert [problem.key for problem in done.problems] == [LATEST]
    assert load_latest(new, GAME, "main") == own
    record = done.problems[0].hint.rpartition("--to ")[2]
    assert f"ASSETMILL_STORE_URL={new.url} assetmill pack rollback {GAME} --channel main" in done.problems[0].hint
    history = read_history(new, GAME, "main")
    roll_back(new, history, named(history, record), now=NOON + timedelta(days=2))
    assert load_latest(new, GAME, "main") == load_latest(old, GAME, "main")
    assert _copied(old, new).problems == ()


def test_an_older_pack_at_the_target_is_not_moved_behind_anybodys_back(
    old: Recorder, new: Recorder, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    _copied(old, new)
    before = load_latest(new, GAME, "main")
    _publish(old, make_index({"frog": make_asset(old, "frog")}, run="run-3"), NOON + timedelta(hours=2))
    done = _copied(old, new)
    assert [problem.key for problem in done.problems] == [LATEST]
    assert load_latest(new, GAME, "main") == before


def test_a_pointer_that_nobody_can_read_is_left_at_either_end(old: Recorder, new: Recorder) -> None:
    new.put(LATEST, b"{", **TYPES)
    assert [problem.key for problem in _copied(old, new).problems] == [LATEST]
    assert new.get(LATEST) == b"{"
    new.delete(LATEST)
    old.put(LATEST, b"{", **TYPES)
    assert [problem.key for problem in _copied(old, new).problems] == [LATEST]
    assert new.head(LATEST) is None


def test_a_pointer_that_leads_out_of_the_packs_is_left(old: Recorder, new: Recorder) -> None:
    astray = old.get(LATEST).replace(b"../index.", b"../../../notes.")
    old.put(LATEST, astray, **TYPES)
    assert [problem.key for problem in _copied(old, new).problems] == [LATEST]
    assert new.head(LATEST) is None


def test_a_pack_that_is_published_meanwhile_waits_for_the_next_copy(
    old: Recorder, new: Recorder, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    found = compare(old, new)
    _publish(old, make_index({"gem": make_asset(old, "gem")}, run="run-3"), NOON + timedelta(hours=2))
    done = copy(old, new, found)
    assert [problem.key for problem in done.problems] == [LATEST]
    assert "copy again" in done.problems[0].hint
    assert new.head(LATEST) is None
    assert _copied(old, new).problems == ()
    assert load_latest(new, GAME, "main") == load_latest(old, GAME, "main")


def test_a_file_of_a_format_that_this_version_never_writes_is_told(old: Recorder, new: Recorder) -> None:
    strange = put_blob(old, b"glTF", ext="glb", content_type="model/gltf-binary")
    done = _copied(old, new)
    assert [problem.key for problem in done.problems] == [strange.key]
    assert "content type" in done.problems[0].message


def test_what_is_deleted_meanwhile_is_told_and_the_rest_goes_on(old: Recorder, new: Recorder) -> None:
    spare = put_blob(old, b"{}", ext="json", content_type="application/json")
    found = compare(old, new)
    old.delete(spare.key)
    done = copy(old, new, found)
    assert [problem.key for problem in done.problems] == [spare.key]
    assert _ours(new) == _ours(old)


def test_a_dry_run_says_the_same_and_writes_nothing(old: Recorder, new: Recorder) -> None:
    said = _copied(old, new, dry_run=True)
    assert list(new.list()) == []
    assert said == _copied(old, new)


def test_more_files_than_are_copied_at_once_are_all_copied_and_counted(old: Recorder, new: Recorder) -> None:
    for number in range(1100):
        data = b"%d" % number
        blob = put_blob(old, data, ext="json", content_type="application/json")
        assert headers_of(blob.key) == Headers("application/json", IMMUTABLE)
    heard: list[tuple[Kind, int, int]] = []
    done = _copied(old, new, told=lambda *words: heard.append(words))
    assert _counts(done)["blobs"] == 1103
    assert [words[1:] for words in heard if words[0] is Kind.BLOB] == [(1000, 1103), (1103, 1103)]
    assert len(list(new.list("blobs/"))) == 1103


def test_a_store_is_not_copied_onto_itself_by_whatever_name(old: Recorder, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(old.root)
    for same in (FileStore(old.root), FileStore(tmp_path / "alias"), FileStore(tmp_path / "new" / ".." / "old")):
        with pytest.raises(UsageError, match="onto itself"):
            compare(old, same)


def test_a_source_with_nothing_of_ours_is_a_slip_of_the_pen(old: Recorder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing that could be copied"):
        compare(FileStore(tmp_path / "odl"), old)
