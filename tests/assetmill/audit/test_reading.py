"""What is in the store is read as it is: damaged, misplaced, gone, of another game, or written at this very moment."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assetmill.audit import Kind, findings, read_snapshot
from assetmill.errors import StorageError, UsageError
from assetmill.packs import latest_key
from assetmill.storage import FileStore, ObjectInfo

LATEST = latest_key("cloud-hop", "main")


class BusyStore(FileStore):
    """A store in which somebody writes right after something was listed for the first time."""

    def __init__(self, root: Path, prefix: str, write: Callable[[], object]) -> None:
        super().__init__(root)
        self._writes = {prefix: write}

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from list(super().list(prefix))
        for busy in [busy for busy in self._writes if prefix.startswith(busy)]:
            self._writes.pop(busy)()


def spoil(shop, key: str, data: bytes) -> None:
    (shop.folder / key).write_bytes(data)


def key_of(shop, attempt_id: str) -> str:
    return str(shop.ledger.attempt(attempt_id)["key"])


def pointer_to(index: str) -> bytes:
    pointer = {
        "game": "cloud-hop",
        "pack": "art",
        "run_id": "r",
        "index": index,
        "published_at": "2026-03-01T12:00:00Z",
    }
    return json.dumps(pointer).encode()


@pytest.mark.parametrize("data", (b"", b"{}", b"not json", b'{"receipt": 9}'))
def test_a_damaged_receipt_is_named_and_hides_no_other(full_shop, data):
    spoil(full_shop, full_shop.receipt_key("knight"), data)
    [finding] = full_shop.check()
    assert (finding.kind, finding.subject) == (Kind.RECEIPT_DAMAGED, full_shop.receipt_key("knight"))
    assert finding.game == "cloud-hop"
    assert "--mend" in finding.hint
    full_shop.sql("DELETE FROM finishes WHERE attempt_id = 'bat'")
    full_shop.sql("DELETE FROM attempts WHERE attempt_id = 'bat'")
    spoil(full_shop, full_shop.receipt_key("bat"), data)
    hints = {finding.subject: finding.hint for finding in full_shop.check()}
    assert "backup" in hints[full_shop.receipt_key("bat")]
    full_shop.sql("UPDATE attempts SET status = 'submitted', settled_at = NULL WHERE attempt_id = 'knight'")
    hints = {finding.subject: finding.hint for finding in full_shop.check()}
    assert "assetmill settle" in hints[full_shop.receipt_key("knight")]


def test_a_receipt_under_anothers_key_is_damage_and_never_stands_in_for_it(full_shop):
    knight = full_shop.store.get(full_shop.receipt_key("knight"))
    spoil(full_shop, full_shop.receipt_key("slime"), knight)
    [finding] = full_shop.check()
    assert (finding.kind, finding.subject) == (Kind.RECEIPT_DAMAGED, full_shop.receipt_key("slime"))
    assert "attempt knight" in finding.message


def test_a_file_that_rotted_is_found_only_when_it_is_read(full_shop):
    key = key_of(full_shop, "ghost")
    good = full_shop.store.get(key)
    spoil(full_shop, key, good[:-1] + b"X")
    assert full_shop.check() == ()
    [finding] = full_shop.check(deep=True)
    assert (finding.kind, finding.subject) == (Kind.BLOB_DIFFERS, key)
    assert "does not hash to its name" in finding.message


def test_a_rotten_file_is_told_once_however_many_name_it(full_shop):
    key = full_shop.ledger.finishes("cloud-hop")["slime", "finish-one"].files[0].key
    good = full_shop.store.get(key)
    spoil(full_shop, key, good[:-1] + b"X")
    assert [finding.subject for finding in full_shop.check(deep=True)] == [key]
    spoil(full_shop, key, good[:-1])
    assert [finding.subject for finding in full_shop.check()] == [key]


def test_files_that_nothing_names_are_nobodys_business(full_shop):
    spoil(full_shop, key_of(full_shop, "ghost").replace(".png", ".jpg"), b"anything")
    assert full_shop.check(deep=True) == ()


def test_deleted_things_are_found_by_kind(full_shop):
    index = next(published for published in full_shop.snapshot().indexes if not published.current)
    for key in (key_of(full_shop, "ghost"), full_shop.receipt_key("bat"), str(index.key)):
        full_shop.store.delete(key)
    assert full_shop.kinds() == [Kind.RECEIPT_MISSING, Kind.RAW_MISSING, Kind.INDEX_MISSING]


def test_a_current_index_that_is_gone_breaks_its_pointer(full_shop):
    current = next(published for published in full_shop.snapshot().indexes if published.current)
    full_shop.store.delete(str(current.key))
    assert full_shop.kinds() == [Kind.INDEX_MISSING, Kind.POINTER_BROKEN]


@pytest.mark.parametrize(
    "data",
    (b"", b"null", b"{}", *map(pointer_to, ("../../../etc/passwd", "a b", "../../other/index.0123456789abcdef.json"))),
)
def test_a_pointer_that_is_none_is_damage_and_leads_nowhere(full_shop, data):
    spoil(full_shop, LATEST, data)
    [finding] = full_shop.check()
    assert (finding.kind, finding.subject) == (Kind.INDEX_DAMAGED, LATEST)


def test_an_index_whose_bytes_changed_is_damage(full_shop):
    current = next(published for published in full_shop.snapshot().indexes if published.current)
    data = full_shop.store.get(str(current.key))
    spoil(full_shop, str(current.key), data.replace(b'"width":64', b'"width":65'))
    [finding] = full_shop.check()
    assert (finding.kind, finding.subject) == (Kind.INDEX_DAMAGED, current.key)


def test_one_game_is_looked_at_without_the_others(full_shop):
    full_shop.run("run-2", game="other")
    full_shop.keep("theirs", game="other", run_id="run-2")
    full_shop.publish("theirs", game="other")
    assert full_shop.check() == ()
    full_shop.store.delete(key_of(full_shop, "theirs"))
    assert full_shop.check(game="cloud-hop") == ()
    assert full_shop.kinds(game="other") == [Kind.RAW_MISSING]
    snapshot = full_shop.snapshot(game="other")
    assert {row["attempt_id"] for row in snapshot.rows} == set(snapshot.receipts) == {"theirs"}
    assert {finish["attempt_id"] for finish in snapshot.finishes} == {"theirs"}
    assert {published.game for published in snapshot.indexes} == {"other"}


@pytest.mark.parametrize("name", ("cloud-hopp", "../cloud-hop", "", "*"))
def test_a_game_that_nobody_knows_is_a_wrong_call(full_shop, name):
    with pytest.raises(UsageError, match="no game") as caught:
        full_shop.check(game=name)
    assert "cloud-hop" in caught.value.hint


def test_a_game_that_only_the_store_knows_can_be_checked(full_shop):
    full_shop.lose_ledger()
    assert set(full_shop.kinds(game="cloud-hop")) == {Kind.ROW_MISSING, Kind.ENTRY_UNKNOWN}


def test_a_store_that_holds_nothing_of_the_books_is_taken_for_another_one(full_shop, tmp_path):
    with pytest.raises(StorageError, match="nothing at all") as caught:
        read_snapshot(full_shop.ledger, FileStore(tmp_path / "wrong"))
    assert "ASSETMILL_STORE_URL" in caught.value.hint


def test_an_attempt_that_is_settled_meanwhile_is_no_finding(full_shop):
    store = BusyStore(full_shop.folder, "private/receipts/", lambda: full_shop.keep("late"))
    snapshot = read_snapshot(full_shop.ledger, store)
    assert "late" in {row["attempt_id"] for row in snapshot.rows}
    assert findings(snapshot, full_shop.now) == ()


def test_a_pack_that_is_published_meanwhile_is_no_finding(full_shop):
    def publish() -> None:
        full_shop.keep("late")
        full_shop.publish("knight", "late", minute=2)

    snapshot = read_snapshot(full_shop.ledger, BusyStore(full_shop.folder, "packs/", publish))
    assert "late" in snapshot.receipts
    assert findings(snapshot, full_shop.now) == ()


def test_stray_files_in_the_store_are_passed_over(full_shop):
    for stray in ("packs/README.md", "packs/cloud-hop/main/history/notes", "packs/Cloud/main/latest.json"):
        path = full_shop.folder / stray
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("anything")
    assert full_shop.kinds() == [Kind.INDEX_DAMAGED]  # what lies in a history is taken for one of its records
    path = full_shop.folder / "private" / "receipts" / "cloud-hop" / "notes.txt"
    path.write_text("anything")
    assert full_shop.check()[0].subject == "private/receipts/cloud-hop/notes.txt"


def test_nothing_that_is_found_says_what_a_prompt_or_an_image_holds(full_shop):
    spoil(full_shop, full_shop.receipt_key("knight"), b"{" + b"secret words " * 1000)
    assert "secret words" not in str(full_shop.check())
