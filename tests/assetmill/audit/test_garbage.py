"""What nobody needs may go; what was paid for, published, young or not understood never does."""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from os import utime
from pathlib import Path
from typing import Any

import pytest

from assetmill.audit.garbage import Garbage, delete_garbage, find_garbage
from assetmill.batch.receipt import settle_with_receipt
from assetmill.errors import AssetmillError, Conflict, LedgerError, StorageError, UsageError
from assetmill.ledger import Claim, Finish, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.money import no_cost
from assetmill.packs import PackAsset, PackIndex, Published, latest_key, load_latest, publish, put_blob, receipt_key
from assetmill.packs.history import older, read_history, roll_back
from assetmill.storage import FileStore, ObjectInfo, S3Access, open_store

GAME = "cloud-hop"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GRACE = 14 * DAY
LONG_AGO = NOW - 100 * DAY


class Books:
    """A ledger and a store of which every file is old; time passes by a minute a call."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self.store = FileStore(folder / "store")
        self.ledger = Ledger.open(self.url)
        self.minutes = 0
        self.run("run-1")
        self.end("run-1")

    def at(self) -> datetime:
        self.minutes += 1
        return LONG_AGO + timedelta(minutes=self.minutes)

    def run(self, run_id: str, started_at: datetime = LONG_AGO) -> None:
        self.ledger.begin_run(Run(run_id, GAME, "art", "m.yaml", "runpod", "ep", draft=False, started_at=started_at))

    def end(self, run_id: str) -> None:
        self.ledger.end_run(run_id, state="finished", ended_at=self.at(), kept=1, failed=0, cached=0)

    def file(self, words: str, age: timedelta = NOW - LONG_AGO) -> str:
        ref = put_blob(self.store, b"\x89PNG\r\n\x1a\n" + words.encode(), ext="png", content_type="image/png")
        self.age(ref.key, age)
        return ref.key

    def output(self, words: str) -> Output:
        key = self.file(words)
        return Output("image", key, key.rpartition("/")[2].partition(".")[0], 8 + len(words), 8, 8)

    def age(self, key: str, age: timedelta = NOW - LONG_AGO) -> None:
        moment = (NOW - age).timestamp()
        utime(self.store.root / key, (moment, moment))

    def submit(self, name: str, intended_at: datetime | None = None) -> None:
        intent = Intent(
            attempt_id=name, run_id="run-1", game=GAME, pack="art", asset_id=name, asset_type="entity", candidate=0,
            try_no=1, fingerprint=f"picture-{name}", inputs={}, provider="runpod", endpoint="ep",
            endpoint_url="https://api.example/v2/ep", gpu=None, seed=7, workflow="entity", workflow_hash="h", width=8,
            height=8, expected_outputs={"image": "p"}, price_per_s_usd=Decimal("0.0005"), price_source="list",
            draft=False, intended_at=intended_at or self.at(),
        )  # fmt: skip
        self.ledger.intend(intent, Claim("run-1", "elsewhere", NOW))
        self.ledger.submitted(name, job_id=f"job-{name}", at=self.at())

    def make(self, name: str) -> str:
        """A kept picture with its first finish and its receipt; returns the key of its raw image."""
        self.submit(name)
        raw = self.output(f"raw {name}")
        self.ledger.collected(name, outputs=(raw,), at=self.at())
        self.finish(name, "first")
        settlement = Settlement(Status.KEPT, self.at(), no_cost("a test"))
        settle_with_receipt(self.ledger, self.store, name, settlement, by="run-1")
        self.age(receipt_key(GAME, name))
        return raw.key

    def finish(self, name: str, shape: str) -> str:
        """Finish a picture with other options; returns the key of the file."""
        file = self.output(f"{shape} {name}")
        self.ledger.record_finish(
            Finish(name, f"{name}-{shape}", GAME, "run-1", (file,), None, {"shape": shape}, {}, self.at())
        )
        return file.key

    def publish(self, channel: str = "main", **files: str) -> Published:
        assets = {
            name: PackAsset(
                type="entity", file=key, width=8, height=8, bytes=len((self.store.root / key).read_bytes()),
                sha256=key.rpartition("/")[2].partition(".")[0], draft=False, made_in_run="run-1",
            )
            for name, key in files.items()
        }  # fmt: skip
        at = self.at()
        index = PackIndex(game=GAME, pack="art", run_id="run-1", created_at=at, assets=assets)
        base = load_latest(self.store, GAME, channel)
        done = publish(self.store, game=GAME, channel=channel, index=index, base=base, now=at)
        for key in (done.index_key, done.latest_key, done.history_key):
            if key is not None:
                self.age(key)
        return done

    def sql(self, statement: str) -> None:
        """Edit the database as nobody should."""
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as database, database:
            database.execute(statement)

    def find(self, **options: Any) -> Garbage:
        return find_garbage(self.ledger, self.store, **{"now": NOW, "grace": GRACE, **options})

    def sweep(self, **options: Any) -> Garbage:
        found = self.find(**options)
        delete_garbage(self.ledger, self.store, found)
        return found

    def contents(self) -> set[str]:
        return {info.key for info in self.store.list()}


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path)
    yield made
    made.ledger.close()


def test_a_store_tells_how_old_its_objects_are(books: Books) -> None:
    key = books.file("old")
    head = books.store.head(key)
    assert head is not None
    assert head.modified == LONG_AGO
    assert [info.modified for info in books.store.list()] == [LONG_AGO]


def test_a_raw_image_that_only_a_receipt_names_survives(books: Books) -> None:
    raw = books.make("coin")
    books.publish(coin=books.finish("coin", "second"))
    books.sql("UPDATE attempts SET outputs='{}', key=NULL, status='failed'")
    assert not any(row["key"] or row["outputs"] != "{}" for row in books.ledger.rows())
    books.sweep()
    assert raw in books.contents()


def test_a_raw_image_that_only_a_row_names_survives(books: Books) -> None:
    books.submit("coin", intended_at=NOW)
    raw = books.output("raw coin")
    books.ledger.collected("coin", outputs=(raw,), at=NOW)
    assert not [key for key in books.contents() if key.startswith("private/")]
    orphan = books.file("left by a killed program")
    assert set(books.sweep().blobs) == {orphan}
    assert raw.key in books.contents()


def test_only_what_nobody_needs_goes(books: Books) -> None:
    raw = books.make("coin")
    given_up, published, newest = (books.finish("coin", shape) for shape in ("second", "third", "fourth"))
    orphan = books.file("left by a killed program")
    books.publish(coin=published)
    before = books.contents()
    found = books.sweep()
    assert set(found.blobs) == {given_up, orphan}
    assert before - books.contents() == {given_up, orphan}
    assert {raw, published, newest} < books.contents()
    assert (found.finishes, found.needed, found.young) == (1, 4, 0)
    assert found.bytes == sum(found.blobs.values()) > 0


def test_what_goes_is_forgotten_first_and_nothing_else_is(books: Books) -> None:
    books.make("coin")
    books.finish("coin", "second")
    books.finish("coin", "third")
    books.sweep()
    assert [shape for _, shape in books.ledger.finishes(GAME)] == ["coin-first", "coin-third"]
    assert books.ledger.verdicts(GAME).keys() == books.ledger.finishes(GAME).keys()
    assert [row["status"] for row in books.ledger.rows()] == ["kept"]


def test_a_dry_look_changes_nothing(books: Books) -> None:
    books.make("coin")
    books.finish("coin", "second")
    books.finish("coin", "third")
    before, rows = books.contents(), books.ledger.finishes(GAME)
    assert books.find().blobs
    assert (books.contents(), books.ledger.finishes(GAME)) == (before, rows)


def test_the_young_stay_and_so_does_what_has_no_age(books: Books) -> None:
    books.make("coin")
    young = books.file("young", GRACE - timedelta(minutes=1))
    old = books.file("old", GRACE + timedelta(minutes=1))
    found = books.find()
    assert set(found.blobs) == {old}
    assert (found.young, found.ageless) == (1, 0)
    assert young in books.contents()

    class Ageless(FileStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            return (replace(info, modified=None) for info in super().list(prefix))

    books.store = Ageless(books.store.root)
    found = books.find()
    assert not found.blobs
    assert (found.young, found.ageless) == (2, 2)


def test_nothing_goes_that_was_written_since_an_open_attempt_was_sent(books: Books) -> None:
    """A picture that was paid for may have been stored by a program that died before it wrote that down."""
    books.make("coin")
    sent = LONG_AGO + 40 * DAY
    books.submit("gem", intended_at=sent)
    perhaps_paid = books.file("perhaps what gem became", NOW - sent - DAY)
    before = books.file("older than gem", NOW - sent + DAY)
    assert set(books.find().blobs) == {before}
    assert perhaps_paid in books.contents()


def test_every_pack_that_can_be_gone_back_to_keeps_its_files(books: Books) -> None:
    books.make("coin")
    shapes = [books.finish("coin", f"shape-{n}") for n in range(4)]
    for n, key in enumerate(shapes[:3]):
        books.publish(coin=key)
        books.publish(channel=f"preview-{n}", coin=key)
    assert not books.sweep().blobs
    history = read_history(books.store, GAME, "main")
    for steps in (1, 3):
        assert roll_back(books.store, history, older(history, steps), now=NOW).changed
        history = read_history(books.store, GAME, "main")


def test_publishes_that_are_given_up_go_with_their_files(books: Books) -> None:
    books.make("coin")
    shapes = [books.finish("coin", f"shape-{n}") for n in range(5)]
    done = [books.publish(coin=key) for key in shapes[:4]]
    found = books.sweep(keep=2)
    assert list(found.records) == [one.history_key for one in done[:2]]
    assert set(found.indexes) == {one.index_key for one in done[:2]}
    assert set(found.blobs) == set(shapes[:2])
    assert load_latest(books.store, GAME, "main") == done[3].index
    history = read_history(books.store, GAME, "main")
    assert [one.stored and one.stored.key for one in history.publishes] == [one.index_key for one in done[:1:-1]]
    assert all(one.problem is None for one in history.publishes)
    assert not books.find(keep=2).records


def test_what_is_current_stays_however_old_its_record_is(books: Books) -> None:
    books.make("coin")
    done = [books.publish(coin=books.finish("coin", f"shape-{n}")) for n in range(3)]
    pointer = (books.store.root / str(done[0].history_key)).read_bytes().replace(b'"../../index', b'"../index')
    books.store.put(latest_key(GAME, "main"), pointer, content_type="application/json")
    found = books.sweep(keep=1)
    assert list(found.records) == [done[1].history_key]
    assert load_latest(books.store, GAME, "main") == done[0].index
    assert done[0].history_key in books.contents()


def test_a_young_publish_is_kept_beyond_the_number(books: Books) -> None:
    books.make("coin")
    for n in range(3):
        books.publish(coin=books.finish("coin", f"shape-{n}"))
    assert not books.find(keep=1, grace=NOW - LONG_AGO).records
    assert len(books.find(keep=1).records) == 2


def test_a_channel_of_another_game_is_looked_at_too(books: Books) -> None:
    books.make("coin")
    shared = books.finish("coin", "second")
    books.finish("coin", "third")
    sha256 = shared.rpartition("/")[2].partition(".")[0]
    asset = PackAsset(
        type="entity", file=shared, width=8, height=8, bytes=19, sha256=sha256, draft=False, made_in_run="run-1"
    )
    index = PackIndex(game="other", pack="art", run_id="r", created_at=NOW, assets={"coin": asset})
    assert set(books.find().blobs) == {shared}
    books.publish(coin=shared)
    publish(books.store, game="other", channel="main", index=index, base=None, now=NOW)
    with pytest.raises(StorageError, match="no attempt of the books made"):  # of that game
        books.find()


def spoil_receipt(books: Books) -> None:
    books.store.put(receipt_key(GAME, "coin"), b"{", content_type="application/json")


def spoil_index(books: Books) -> None:
    index = load_latest(books.store, GAME, "main")
    assert index is not None
    books.store.put(index.key, b"{}", content_type="application/json")


def lose_index(books: Books) -> None:
    index = load_latest(books.store, GAME, "main")
    assert index is not None
    books.store.delete(index.key)


def spoil_pointer(books: Books) -> None:
    books.store.put(latest_key(GAME, "main"), b"{}", content_type="application/json")


def other_books(books: Books) -> None:
    books.ledger.close()
    books.ledger = Ledger.open(f"{books.url}.other")


def no_receipts_and_other_books(books: Books) -> None:
    books.store.delete(receipt_key(GAME, "coin"))
    other_books(books)


def nothing_but_files_and_other_books(books: Books) -> None:
    for key in books.contents():
        if not key.startswith("blobs/"):
            books.store.delete(key)
    other_books(books)


@pytest.mark.parametrize(
    "spoil",
    (
        spoil_receipt, spoil_index, lose_index, spoil_pointer, other_books, no_receipts_and_other_books,
        nothing_but_files_and_other_books,
    ),
)  # fmt: skip
def test_what_cannot_be_understood_ends_the_matter(books: Books, spoil: Callable[[Books], None]) -> None:
    books.make("coin")
    books.finish("coin", "second")
    books.publish(coin=books.finish("coin", "third"))
    books.file("left by a killed program")
    assert len(books.find().blobs) == 2
    spoil(books)
    before = books.contents()
    with pytest.raises((StorageError, LedgerError)) as caught:
        books.sweep()
    assert caught.value.hint
    assert caught.value.exit_code == 5
    assert books.contents() == before


def test_books_that_lack_an_attempt_of_the_store_are_no_ground_to_delete_on(books: Books) -> None:
    """What else they lack nobody knows: it may be later finishes, of which no receipt tells."""
    books.make("coin")
    books.make("gem")
    orphan = books.file("left by a killed program")
    books.sql("DELETE FROM finishes WHERE attempt_id = 'coin'")
    books.sql("DELETE FROM attempts WHERE attempt_id = 'coin'")
    with pytest.raises(StorageError, match="the books know none"):
        books.find()
    assert orphan in books.contents()


def test_nothing_is_deleted_while_a_run_may_be_going_on(books: Books) -> None:
    books.make("coin")
    orphan = books.file("left by a killed program")
    books.run("run-2", started_at=NOW - DAY + timedelta(minutes=1))
    assert books.find().under_way == ("run-2",)
    with pytest.raises(Conflict, match="run run-2 may be going on"):
        books.sweep()
    assert orphan in books.contents()
    books.end("run-2")
    books.run("run-3", started_at=NOW - DAY - timedelta(minutes=1))  # killed, long since
    books.sweep()
    assert orphan not in books.contents()


def test_a_run_that_began_since_the_look_ends_the_matter(books: Books) -> None:
    books.make("coin")
    given_up = books.finish("coin", "second")
    books.finish("coin", "third")
    found = books.find()
    books.run("run-2", started_at=NOW)
    books.end("run-2")
    with pytest.raises(Conflict, match="begun meanwhile"):
        delete_garbage(books.ledger, books.store, found)
    assert given_up in books.contents()
    assert ("coin", "coin-second") not in books.ledger.finishes(GAME)  # to be made again for free


def test_a_pack_that_somebody_went_back_to_since_the_look_keeps_its_files(books: Books) -> None:
    books.make("coin")
    books.publish(coin=books.finish("coin", "second"))
    books.publish(coin=books.finish("coin", "third"))
    found = books.find(keep=1)
    assert (len(found.indexes), len(found.records)) == (1, 1)
    history = read_history(books.store, GAME, "main")
    back = roll_back(books.store, history, older(history, 1), now=NOW)
    before = books.contents()
    with pytest.raises(Conflict, match="published meanwhile"):
        delete_garbage(books.ledger, books.store, found)
    assert books.contents() == before
    assert ("coin", "coin-second") in books.ledger.finishes(GAME)
    books.sweep(keep=1)
    now = load_latest(books.store, GAME, "main")
    assert now == back.index
    assert now.blobs() <= books.contents()


def test_a_pack_that_somebody_goes_back_to_while_finishes_are_forgotten_keeps_its_files(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.make("coin")
    books.publish(coin=books.finish("coin", "second"))
    books.publish(coin=books.finish("coin", "third"))
    found, forget = books.find(keep=1), books.ledger.forget_finishes

    def meanwhile(keys: Collection[str]) -> int:
        history = read_history(books.store, GAME, "main")
        roll_back(books.store, history, older(history, 1), now=NOW)
        return forget(keys)

    monkeypatch.setattr(books.ledger, "forget_finishes", meanwhile)
    with pytest.raises(Conflict, match="published meanwhile"):
        delete_garbage(books.ledger, books.store, found)
    now = load_latest(books.store, GAME, "main")
    assert now is not None
    assert now.blobs() <= books.contents()


def test_what_a_run_made_again_while_files_went_is_not_believed(books: Books) -> None:
    books.make("coin")
    given_up = books.finish("coin", "second")
    books.finish("coin", "third")

    class Meanwhile(FileStore):
        def delete(self, key: str) -> None:
            books.finish("coin", "second")  # finds the file there
            super().delete(key)

    found = books.find()
    books.store = Meanwhile(books.store.root)
    delete_garbage(books.ledger, books.store, found)
    assert given_up not in books.contents()
    assert ("coin", "coin-second") not in books.ledger.finishes(GAME)


def test_a_bucket_is_swept_as_a_folder_is(books: Books, seaweedfs: Any) -> None:
    """The server says how old its objects are; here they are of this minute, so it is the clock that moves."""
    books.submit("coin")
    access = S3Access(seaweedfs.endpoint_url, seaweedfs.key, seaweedfs.secret)
    bucket = open_store(f"s3://{seaweedfs.bucket}/sweep", access)
    raw, orphan = (
        put_blob(bucket, b"\x89PNG\r\n\x1a\n" + word, ext="png", content_type="image/png")
        for word in (b"raw", b"orphan")
    )
    books.ledger.collected("coin", outputs=(Output("image", raw.key, raw.sha256, raw.bytes, 8, 8),), at=LONG_AGO)
    settle_with_receipt(books.ledger, bucket, "coin", Settlement(Status.REJECTED, NOW, no_cost("test")), by="run-1")
    now = datetime.now(UTC)
    assert (found := find_garbage(books.ledger, bucket, now=now, grace=GRACE)).young == 1
    assert (found.blobs, found.ageless) == ({}, 0)
    found = find_garbage(books.ledger, bucket, now=now + GRACE + DAY, grace=GRACE)
    assert found.blobs == {orphan.key: orphan.bytes}
    delete_garbage(books.ledger, bucket, found)
    assert [info.key for info in bucket.list("blobs/")] == [raw.key]
    head = bucket.head(raw.key)
    assert head is not None
    assert head.modified is not None
    assert abs(now - head.modified) < timedelta(minutes=5)


def test_files_that_are_not_ours_are_left_alone(books: Books) -> None:
    books.make("coin")
    for key in ("blobs/notes.txt", "blobs/ab/short.png", "elsewhere/x.png", "packs/cloud-hop/notes.json"):
        books.store.put(key, b"mine", content_type="text/plain")
        books.age(key)
    assert not books.find().blobs
    assert not books.find().indexes


@pytest.mark.parametrize("options", ({"grace": timedelta(hours=23)}, {"keep": 0}))
def test_a_day_and_a_publish_are_always_kept(books: Books, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        books.find(**options)
    assert isinstance(caught.value, AssetmillError)
