"""Publishing: whole or not at all, whatever breaks and whoever else publishes."""

import itertools
import json
import posixpath
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import StorageError, StoreBusy, UsageError
from assetmill.packs import (
    PackAsset,
    PackIndex,
    Patience,
    Published,
    blob_key,
    carry_over,
    history_key,
    latest_key,
    load_latest,
    publish,
)
from assetmill.packs.blobs import missing_blobs
from assetmill.storage import FileStore, S3Access, Store, open_store

MakeAsset = Callable[..., PackAsset]
MakeIndex = Callable[..., PackIndex]
GAME, CHANNEL = "cloud-hop", "main"
LATEST = latest_key(GAME, CHANNEL)
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


class BreakingStore(FileStore):
    """Fails at one write, counted from 0: before the bytes are written, or after, as a lost answer does."""

    def __init__(self, root: Path, *, fail_at: int, after: bool) -> None:
        super().__init__(root)
        self.fail_at = fail_at
        self.after = after
        self.writes = 0

    def _broken(self, write: Callable[[], Any]) -> Any:
        mine = self.writes == self.fail_at
        self.writes += 1
        if mine and not self.after:
            raise StorageError("the store went away")
        result = write()
        if mine:
            raise StorageError("the store went away before it answered")
        return result

    def put(self, key: str, data: bytes, **headers: Any) -> str:
        return str(self._broken(lambda: FileStore.put(self, key, data, **headers)))

    def create(self, key: str, data: bytes, **headers: Any) -> str:
        return str(self._broken(lambda: FileStore.create(self, key, data, **headers)))

    def swap(self, key: str, data: bytes, *, etag: str | None, **headers: Any) -> str:
        if etag is None:
            return self.create(key, data, **headers)
        return str(self._broken(lambda: FileStore.swap(self, key, data, etag=etag, **headers)))

    def delete(self, key: str) -> None:
        self._broken(lambda: FileStore.delete(self, key))


def bring_out(
    store: Store, index: PackIndex, *, base: PackIndex | None = None, now: datetime = NOON, **more: Any
) -> Published:
    return publish(store, game=GAME, channel=CHANNEL, index=index, base=base, now=now, **more)


def patience(waited: list[float], attempts: int = 64) -> Patience:
    """Waits in no time, and says how long it would have waited."""
    return Patience(attempts=attempts, sleep=waited.append, random=random.Random(7))


def whole_latest(store: Store) -> PackIndex:
    """The current pack as a game reads it, every file of it checked."""
    index = load_latest(store, GAME, CHANNEL)
    assert index is not None
    assert missing_blobs(store, index.blobs()) == []
    for asset in index.assets.values():
        info = store.head(asset.file)
        assert info is not None
        assert info.size == asset.bytes
    return index


def history_of(store: Store) -> list[str]:
    return [info.key for info in store.list(f"packs/{GAME}/{CHANNEL}/history/")]


def test_a_first_publish_makes_the_pack_current(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    assert load_latest(pack_store, GAME, CHANNEL) is None
    index = make_index({"coin": make_asset(pack_store, "coin")})
    published = bring_out(pack_store, index)
    record = history_key(GAME, CHANNEL, NOON, index.sha256)
    assert published == Published(index, index.key, record, LATEST, changed=True)
    assert whole_latest(pack_store) == index
    assert pack_store.get(index.key) == index.encoded()


def test_every_pointer_leads_to_its_index(pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex) -> None:
    published = bring_out(pack_store, make_index({"coin": make_asset(pack_store, "coin")}))
    assert published.history_key is not None
    for holder in (published.latest_key, published.history_key):
        pointer = json.loads(pack_store.get(holder))
        assert posixpath.normpath(posixpath.join(posixpath.dirname(holder), pointer["index"])) == published.index_key
        assert (pointer["pack"], pointer["run_id"], pointer["published_at"]) == (
            "sky", "run-1", "2026-11-21T12:00:00.123456Z",
        )  # fmt: skip


def test_an_unchanged_pack_is_not_published_again(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    first = bring_out(pack_store, make_index({"coin": make_asset(pack_store, "coin")}))
    before = {info.key: pack_store.get(info.key) for info in pack_store.list()}
    again = make_index({"coin": make_asset(pack_store, "coin", run="run-2")}, run="run-2", at=LATER)
    published = bring_out(pack_store, again, base=first.index, now=LATER)
    assert published == Published(first.index, first.index_key, None, LATEST, changed=False)
    assert {info.key: pack_store.get(info.key) for info in pack_store.list()} == before


def test_a_change_of_one_field_is_published(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    first = bring_out(pack_store, make_index({"coin": make_asset(pack_store, "coin")}))
    changed = make_index({"coin": make_asset(pack_store, "coin", tags=("shiny",))}, run="run-2")
    published = bring_out(pack_store, changed, base=first.index, now=LATER)
    assert published.changed
    assert whole_latest(pack_store) == changed
    assert history_of(pack_store) == [first.history_key, published.history_key]
    assert pack_store.get(first.index_key) == first.index.encoded()


def test_channels_and_games_do_not_meet(pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex) -> None:
    index = make_index({"coin": make_asset(pack_store, "coin")})
    bring_out(pack_store, index)
    assert load_latest(pack_store, GAME, "preview") is None
    assert load_latest(pack_store, "other-game", CHANNEL) is None
    with pytest.raises(UsageError, match="cloud-hop, not other-game"):
        publish(pack_store, game="other-game", channel=CHANNEL, index=index, base=None, now=NOON)


def test_a_channel_does_not_change_its_pack_by_accident(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    first = make_index({"coin": make_asset(pack_store, "coin")})
    bring_out(pack_store, first)
    with pytest.raises(StorageError, match="publishes pack sky, not winter") as caught:
        bring_out(pack_store, make_index({"coin": make_asset(pack_store, "snow")}, pack="winter"))
    assert "ASSETMILL_CHANNEL" in caught.value.hint
    assert whole_latest(pack_store) == first


def test_a_pack_with_a_missing_file_is_not_published(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    first = make_index({"coin": make_asset(pack_store, "coin")})
    bring_out(pack_store, first)
    lost = blob_key("0" * 64, "png")
    for fields in ({"file": lost, "sha256": "0" * 64}, {"sheet": lost}, {"files": {"raw": lost}}):
        broken = make_index({"coin": make_asset(pack_store, "new", **fields)})
        with pytest.raises(StorageError, match=f"1 files of coin are not in the store, first {lost}"):
            bring_out(pack_store, broken, base=first, now=LATER)
    assert whole_latest(pack_store) == first
    assert len(history_of(pack_store)) == 1


@pytest.mark.parametrize("after", (False, True), ids=("refused", "answer lost"))
@pytest.mark.parametrize("had_one", (False, True), ids=("first pack", "second pack"))
def test_a_pack_is_never_half_published(
    tmp_path: Path, make_asset: MakeAsset, make_index: MakeIndex, *, had_one: bool, after: bool
) -> None:
    """Breaks every write in turn, each blob's included; then the same run is repeated on a sound store."""

    def run(store: Store, base: PackIndex | None, at: datetime) -> PackIndex:
        made = {name: make_asset(store, f"new {name}", run="run-2") for name in ("coin", "gem")}
        index = make_index(carry_over(base, made, ["coin", "gem", "kept"]), run="run-2", at=LATER)
        return bring_out(store, index, base=base, now=at).index

    outcomes = []
    for step in itertools.count():
        sound = FileStore(tmp_path / f"store {step}")
        old = {name: make_asset(sound, f"old {name}") for name in ("coin", "kept")}
        first = bring_out(sound, make_index(old)).index if had_one else None
        breaking = BreakingStore(sound.root, fail_at=step, after=after)
        try:
            run(breaking, first, LATER)
        except StorageError:
            current = load_latest(sound, GAME, CHANNEL)
            outcomes.append(current == first)
            assert current is None or whole_latest(sound).run_id in {"run-1", "run-2"}
        else:
            break
        final = run(sound, load_latest(sound, GAME, CHANNEL), LATER + timedelta(minutes=1))
        assert whole_latest(sound) == final
        assert final.assets.keys() == ({"coin", "gem", "kept"} if had_one else {"coin", "gem"})
        shutil.rmtree(sound.root)
    # two blobs, index, history, latest: only the last one, once written, makes the new pack current
    assert outcomes == [True, True, True, True, not after]


def test_a_publish_whose_index_was_written_before_goes_through(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    index = make_index({"coin": make_asset(pack_store, "coin")})
    bring_out(pack_store, index)
    pack_store.delete(LATEST)  # as if the run had died just before
    assert bring_out(pack_store, index).changed
    assert whole_latest(pack_store) == index
    assert len(history_of(pack_store)) == 1


def test_what_another_run_published_meanwhile_is_kept(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    base = bring_out(pack_store, make_index({name: make_asset(pack_store, name) for name in ("coin", "gem")})).index
    theirs = make_index({**base.assets, "gem": make_asset(pack_store, "their gem")}, run="theirs")
    bring_out(pack_store, theirs, base=base)
    ours = make_index({**base.assets, "coin": make_asset(pack_store, "our coin")}, run="ours")
    published = bring_out(pack_store, ours, base=base, now=LATER)
    assert whole_latest(pack_store) == published.index
    assert published.index.assets == {"coin": ours.assets["coin"], "gem": theirs.assets["gem"]}


class RacedStore(FileStore):
    """Lets somebody else publish at the last moment before `latest.json` is exchanged, a number of times."""

    def __init__(self, root: Path, rivals: list[PackIndex]) -> None:
        super().__init__(root)
        self.rivals = rivals

    def swap(self, key: str, data: bytes, *, etag: str | None, **headers: Any) -> str:
        if self.rivals:
            calm = FileStore(self.root)
            bring_out(calm, self.rivals.pop(0), base=load_latest(calm, GAME, CHANNEL))
        return FileStore.swap(self, key, data, etag=etag, **headers)


@pytest.mark.parametrize("had_one", (False, True), ids=("first pack", "second pack"))
def test_losing_the_race_for_latest_puts_our_assets_on_top(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex, *, had_one: bool
) -> None:
    base = bring_out(pack_store, make_index({"old": make_asset(pack_store, "old")})).index if had_one else None
    kept = {} if base is None else base.assets
    rivals = [make_index({**kept, "gem": make_asset(pack_store, f"gem {n}")}, run=f"rival-{n}") for n in range(3)]
    last_gem = rivals[-1].assets["gem"]
    raced = RacedStore(pack_store.root, rivals)
    ours = make_index({**kept, "coin": make_asset(pack_store, "coin")}, run="ours")
    published = bring_out(raced, ours, base=base, now=LATER, patience=patience([]))
    assert published.changed
    assert whole_latest(pack_store) == published.index
    assert published.index.assets == {**kept, "coin": ours.assets["coin"], "gem": last_gem}
    runs = [json.loads(pack_store.get(key))["run_id"] for key in history_of(pack_store)]
    assert sorted(runs) == sorted([*(["run-1"] if had_one else []), "rival-0", "rival-1", "rival-2", "ours"])


def test_endless_rivals_end_in_a_conflict_that_breaks_nothing(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    rivals = [make_index({"gem": make_asset(pack_store, f"gem {n}")}, run=f"rival-{n}") for n in range(50)]
    raced = RacedStore(pack_store.root, rivals)
    waited: list[float] = []
    ours = make_index({"coin": make_asset(pack_store, "coin")}, run="ours")
    with pytest.raises(StorageError, match="changed 8 times") as caught:
        bring_out(raced, ours, now=LATER, patience=patience(waited, 8))
    assert caught.value.code == "conflict"
    assert whole_latest(pack_store).run_id == "rival-7"
    assert len(waited) == 7
    assert all(0 <= seconds <= Patience().longest_s for seconds in waited)
    assert len(set(waited)) == 7


def test_runs_that_publish_at_the_same_time_all_arrive(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    start = threading.Barrier(4)

    def run(number: int) -> None:
        store = FileStore(pack_store.root)
        index = make_index({f"asset-{number}": make_asset(store, f"{number}")}, run=f"run-{number}")
        start.wait()
        assert bring_out(store, index, now=NOON + timedelta(seconds=number)).changed

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert set(whole_latest(pack_store).assets) == {"asset-0", "asset-1", "asset-2", "asset-3"}
    assert len(history_of(pack_store)) == 4


class UnansweredStore(FileStore):
    """Says that an exchange was lost although it went through, as a retried request to S3 may."""

    def swap(self, key: str, data: bytes, *, etag: str | None, **headers: Any) -> str:
        FileStore.swap(self, key, data, etag=etag, **headers)
        return FileStore.swap(self, key, data, etag=etag, **headers)


def test_an_exchange_that_went_through_unanswered_is_our_own(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    index = make_index({"coin": make_asset(pack_store, "coin")})
    published = bring_out(UnansweredStore(pack_store.root), index)
    assert published.changed
    assert history_of(pack_store) == [published.history_key]
    assert whole_latest(pack_store) == index


@pytest.mark.parametrize(
    "damage",
    (
        b"",
        b"not json",
        b"[]",
        b'{"version": 2}',
        b'{"version":1,"game":"g","pack":"p","run_id":"r","index":"../index.x.json","published_at":"2026-11-21T12:00Z"}',
        b'{"version":1,"game":"g","pack":"p","run_id":"r","index":"../../../../etc/x","published_at":"2026-11-21T12:00Z"}',
    ),
    ids=("empty", "no json", "no object", "newer", "names nothing", "leaves the store"),
)
def test_a_damaged_pointer_is_reported_and_left_alone(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex, damage: bytes
) -> None:
    pack_store.put(LATEST, damage, content_type="application/json")
    with pytest.raises(StorageError) as caught:
        bring_out(pack_store, make_index({"coin": make_asset(pack_store, "coin")}))
    assert caught.value.hint
    assert pack_store.get(LATEST) == damage


def test_a_damaged_index_is_reported(pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex) -> None:
    index = make_index({"coin": make_asset(pack_store, "coin")})
    bring_out(pack_store, index)
    pack_store.put(index.key, index.encoded().replace(b"entity", b"entitx"), content_type="application/json")
    with pytest.raises(StorageError, match="is damaged"):
        load_latest(pack_store, GAME, CHANNEL)


class BusyStore(FileStore):
    """Takes no more writes to `latest.json` a number of times, as R2 does within a second of the last one."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.times = times

    def swap(self, key: str, data: bytes, *, etag: str | None, **headers: Any) -> str:
        self.times -= 1
        if self.times >= 0:
            raise StoreBusy("too many requests")
        return FileStore.swap(self, key, data, etag=etag, **headers)


def test_a_busy_store_is_asked_again_and_leaves_no_trace_in_the_history(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    index = make_index({"coin": make_asset(pack_store, "coin")})
    published = bring_out(BusyStore(pack_store.root, 3), index, patience=patience([]))
    assert whole_latest(pack_store) == index
    assert history_of(pack_store) == [published.history_key]
    changed = make_index({"coin": make_asset(pack_store, "new coin")}, run="run-2")
    with pytest.raises(StoreBusy):
        bring_out(BusyStore(pack_store.root, 99), changed, base=index, now=LATER, patience=patience([], 4))
    assert whole_latest(pack_store) == index
    assert history_of(pack_store) == [published.history_key]


def test_a_store_that_stays_busy_is_not_besieged(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    """Its client has waited for half a minute before each refusal."""
    store, waited = BusyStore(pack_store.root, 99), list[float]()
    with pytest.raises(StoreBusy):
        bring_out(store, make_index({"coin": make_asset(pack_store, "coin")}), patience=patience(waited))
    assert len(waited) == 3
    assert history_of(pack_store) == []


class BusyAfterAllStore(FileStore):
    """Carries an exchange out, loses the answer, and is too busy for the second sending; and then for a while."""

    def __init__(self, root: Path, *, then: int = 0) -> None:
        super().__init__(root)
        self.then = then
        self.left = 0

    def get(self, key: str) -> bytes:
        if key == LATEST and self.left:
            self.left -= 1
            raise StoreBusy("too many requests")
        return super().get(key)

    def swap(self, key: str, data: bytes, *, etag: str | None, **headers: Any) -> str:
        FileStore.swap(self, key, data, etag=etag, **headers)
        self.left = self.then
        raise StoreBusy("too many requests")


@pytest.mark.parametrize("then", (0, 1))
def test_a_publish_that_went_through_keeps_its_record_however_busy_the_store_was(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex, then: int
) -> None:
    index = make_index({"coin": make_asset(pack_store, "coin")})
    published = bring_out(BusyAfterAllStore(pack_store.root, then=then), index, patience=patience([]))
    assert whole_latest(pack_store) == published.index == index
    assert history_of(pack_store) == [history_key(GAME, CHANNEL, NOON, index.sha256)]
    assert published.changed == (then == 0)  # the second look finds its own work


def test_waits_grow_and_have_an_end() -> None:
    class Most(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return max(a, b)

    waited: list[float] = []
    patient = Patience(shortest_s=0.1, longest_s=1.0, sleep=waited.append, random=Most())
    for lost in (0, 1, 2, 3, 4, 5, 1000):
        patient.wait(lost)
    assert waited == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


def many(store: FileStore, make_index: MakeIndex, count: int, changed: int = 0, *, run: str = "run-1") -> PackIndex:
    """A pack of so many assets, the first ones different, and its files."""
    assets = {}
    for n in range(count):
        sha256 = f"{n + (count if n < changed else 0):064x}"[::-1]
        path = store.root / blob_key(sha256, "png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        assets[f"asset-{n}"] = PackAsset(
            type="entity", file=blob_key(sha256, "png"), width=8, height=8, bytes=1, sha256=sha256, draft=False,
            made_in_run=run,
        )  # fmt: skip
    return make_index(assets, run=run)


def listing(index: PackIndex) -> Mapping[str, bytes]:
    return {"names": " ".join(sorted(index.assets)).encode(), "count": b"%d" % len(index.assets)}


@pytest.mark.parametrize("changed", (0, 1), ids=("unchanged", "one picture changed"))
def test_the_number_of_requests_does_not_grow_with_the_pack(
    tmp_path: Path, make_index: MakeIndex, counting: Callable[[FileStore], tuple[FileStore, Counter[str]]], changed: int
) -> None:
    seen = []
    for count in (40, 400):
        plain = FileStore(tmp_path / str(count))
        first = bring_out(plain, many(plain, make_index, count), pack_files=listing).index
        again = many(plain, make_index, count, changed, run="run-2")
        store, calls = counting(plain)
        done = bring_out(store, again, base=first, now=LATER, pack_files=listing)
        assert done.changed == bool(changed)
        seen.append(dict(calls))
    assert seen[0] == seen[1]
    if changed:
        assert seen[0] == {"read": 1, "get": 1, "list": 16, "create": 4, "head": 2, "swap": 1}
    else:
        assert seen[0] == {"read": 1, "get": 1}


def test_files_of_the_whole_pack_are_made_from_what_is_published_and_are_there_before_it(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    base = bring_out(pack_store, make_index({"coin": make_asset(pack_store, "coin")}), pack_files=listing).index
    theirs = make_index({**base.assets, "gem": make_asset(pack_store, "gem")}, run="theirs")
    bring_out(pack_store, theirs, base=base, pack_files=listing)
    ours = make_index({**base.assets, "bat": make_asset(pack_store, "bat")}, run="ours")
    bring_out(pack_store, ours, base=base, now=LATER, pack_files=listing)
    index = whole_latest(pack_store)
    assert sorted(index.files) == ["count", "names"]
    assert pack_store.get(index.files["names"]) == b"bat coin gem"
    assert pack_store.get(index.files["count"]) == b"3"


def test_a_change_of_a_file_of_the_whole_pack_alone_is_published(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    index = make_index({"coin": make_asset(pack_store, "coin")})
    first = bring_out(pack_store, index, pack_files=listing)
    assert not bring_out(pack_store, index, base=first.index, now=LATER, pack_files=listing).changed
    other = bring_out(pack_store, index, base=first.index, now=LATER, pack_files=lambda _: {"count": b"one"})
    assert other.changed
    assert whole_latest(pack_store).files == {"count": other.index.files["count"]}


def test_the_loser_of_two_runs_that_made_the_same_asset_still_says_so(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    base = bring_out(pack_store, make_index({"coin": make_asset(pack_store, "old")})).index
    late = make_index({"coin": make_asset(pack_store, "late", run="late", made_at=LATER)}, run="late")
    early = make_index({"coin": make_asset(pack_store, "early", run="early", made_at=NOON)}, run="early")
    bring_out(pack_store, late, base=base, now=LATER)
    assert bring_out(pack_store, early, base=base, now=LATER).changed
    stands = whole_latest(pack_store).assets["coin"]
    assert stands.made_in_run == "late"
    assert stands.over is not None
    assert (stands.over.run, stands.over.file) == ("early", early.assets["coin"].file)
    assert not bring_out(pack_store, early, base=base, now=LATER).changed


def test_the_history_is_in_the_order_in_which_packs_became_current_whatever_the_clocks_say(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    base = None
    for n, moment in enumerate((NOON, NOON, NOON - timedelta(hours=3), NOON, LATER)):
        index = make_index({"coin": make_asset(pack_store, f"coin {n}")}, run=f"run-{n}")
        base = bring_out(pack_store, index, base=base, now=moment).index
    runs = [json.loads(pack_store.get(key))["run_id"] for key in history_of(pack_store)]
    assert runs == ["run-0", "run-1", "run-2", "run-3", "run-4"]
    assert f"{LATER:%Y%m%dT%H%M%S}" in history_of(pack_store)[-1]


def test_twenty_runs_that_publish_at_once_all_arrive(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    start = threading.Barrier(20)

    def run(number: int) -> None:
        store = FileStore(pack_store.root)
        index = make_index({f"asset-{number}": make_asset(store, f"{number}")}, run=f"run-{number}")
        start.wait()
        assert bring_out(store, index, pack_files=listing, patience=patience([])).changed

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(run, range(20)))
    index = whole_latest(pack_store)
    assert set(index.assets) == {f"asset-{n}" for n in range(20)}
    assert pack_store.get(index.files["count"]) == b"20"
    assert len(history_of(pack_store)) == 20


ROUNDS = 20


def race(open_one: Callable[[], Store], make_asset: MakeAsset, make_index: MakeIndex) -> None:
    """Two runs of a game publish at once, again and again: each makes an asset of its own, and both make one."""
    stores = (open_one(), open_one())
    current: PackIndex | None = None

    def run(number: int, turn: int, base: PackIndex | None, start: threading.Barrier) -> PackIndex:
        store, name = stores[number], f"turn-{turn}-run-{number}"
        at = NOON + timedelta(minutes=turn, seconds=number if turn % 2 else -number)
        fresh = {
            name: make_asset(store, name, run=name, made_at=at),
            "both": make_asset(store, f"both {name}", run=name, made_at=at),
        }
        index = make_index({**(base.assets if base else {}), **fresh}, run=name)
        start.wait()
        now = NOON + timedelta(minutes=turn)
        return bring_out(store, index, base=base, now=now, pack_files=listing, patience=patience([])).index

    with ThreadPoolExecutor(2) as pool:
        for turn in range(ROUNDS):
            start = threading.Barrier(2)
            both = [pool.submit(run, number, turn, current, start) for number in (0, 1)]
            for future in both:
                future.result()
            current = whole_latest(stores[0])
            later = 1 if turn % 2 else 0
            assert current.assets["both"].made_in_run == f"turn-{turn}-run-{later}"
            assert current.assets["both"].over is not None
            assert current.assets["both"].over.run == f"turn-{turn}-run-{1 - later}"
    assert set(whole_latest(stores[1]).assets) == {
        "both", *(f"turn-{turn}-run-{number}" for turn in range(ROUNDS) for number in (0, 1))
    }  # fmt: skip
    assert len(history_of(stores[0])) == 2 * ROUNDS


def test_no_asset_is_lost_when_two_runs_publish_at_once_into_a_folder(
    tmp_path: Path, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    race(lambda: FileStore(tmp_path / "store"), make_asset, make_index)


def test_no_asset_is_lost_when_two_runs_publish_at_once_into_a_bucket(
    seaweedfs: Any, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    access = S3Access(seaweedfs.endpoint_url, seaweedfs.key, seaweedfs.secret)
    race(lambda: open_store(f"s3://{seaweedfs.bucket}/race", access), make_asset, make_index)
