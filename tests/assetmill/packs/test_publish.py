"""Publishing: whole or not at all, whatever breaks and whoever else publishes."""

import itertools
import json
import posixpath
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import StorageError, UsageError
from assetmill.packs import (
    PackAsset,
    PackIndex,
    Published,
    blob_key,
    carry_over,
    history_key,
    latest_key,
    load_latest,
    publish,
)
from assetmill.packs.blobs import missing_blobs
from assetmill.storage import FileStore, Store

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


def bring_out(store: Store, index: PackIndex, *, base: PackIndex | None = None, now: datetime = NOON) -> Published:
    return publish(store, game=GAME, channel=CHANNEL, index=index, base=base, now=now)


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
    published = bring_out(raced, ours, base=base, now=LATER)
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
    with pytest.raises(StorageError, match="changed 8 times") as caught:
        bring_out(raced, make_index({"coin": make_asset(pack_store, "coin")}, run="ours"), now=LATER)
    assert caught.value.code == "conflict"
    assert whole_latest(pack_store).run_id == "rival-7"


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
