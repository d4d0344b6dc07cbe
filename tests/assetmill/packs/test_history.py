"""The history of a channel tells what games saw, and any of it can be made current again."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from assetmill.errors import Conflict, StorageError, UsageError
from assetmill.packs import PackAsset, PackIndex, latest_key, load_latest, publish
from assetmill.packs.history import History, changes, named, older, opened, read_history, roll_back
from assetmill.storage import FileStore

MakeAsset = Callable[..., PackAsset]
MakeIndex = Callable[..., PackIndex]
GAME, CHANNEL = "cloud-hop", "main"
LATEST = latest_key(GAME, CHANNEL)
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


@pytest.fixture
def packs(pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex) -> list[PackIndex]:
    """Three packs, published one after the other, oldest first."""
    coin, gem, new_coin = (make_asset(pack_store, word) for word in ("coin", "gem", "new coin"))
    made = [
        make_index({"coin": coin}, run="run-1"),
        make_index({"coin": coin, "gem": gem}, run="run-2"),
        make_index({"coin": new_coin}, run="run-3"),
    ]
    base = None
    for n, index in enumerate(made):
        at = NOON + timedelta(hours=n)
        base = publish(pack_store, game=GAME, channel=CHANNEL, index=index, base=base, now=at).index
    return made


def read(store: FileStore) -> History:
    return read_history(store, GAME, CHANNEL)


def test_every_publish_is_told_newest_first(pack_store: FileStore, packs: list[PackIndex]) -> None:
    history = read(pack_store)
    assert [publish.stored and publish.stored.index for publish in history.publishes] == packs[::-1]
    assert [publish.current for publish in history.publishes] == [True, False, False]
    assert [publish.name[:13] for publish in history.publishes] == [f"20261121T{hour}00" for hour in (14, 13, 12)]
    assert [len(read_history(pack_store, GAME, CHANNEL, newest=n).publishes) for n in (0, 1, 9)] == [0, 1, 3]


def test_changes_are_what_a_game_would_see(packs: list[PackIndex]) -> None:
    one, two, three = packs
    assert changes(None, two).added == ("coin", "gem")
    assert (changes(one, two).added, changes(one, two).changed, changes(one, two).removed) == (("gem",), (), ())
    assert (changes(two, three).added, changes(two, three).changed, changes(two, three).removed) == (
        (), ("coin",), ("gem",),
    )  # fmt: skip
    assert not changes(one, one.model_copy(update={"run_id": "other"}))
    with_file = one.model_copy(update={"files": {"phaser": one.assets["coin"].file}})
    assert changes(one, with_file).files == ("phaser",)


@pytest.mark.parametrize("steps", (1, 2))
def test_going_back_makes_an_older_pack_current_and_keeps_everything(
    pack_store: FileStore, packs: list[PackIndex], steps: int
) -> None:
    before = {info.key: pack_store.get(info.key) for info in pack_store.list()}
    history = read(pack_store)
    done = roll_back(pack_store, history, older(history, steps), now=LATER)
    assert done.changed
    assert load_latest(pack_store, GAME, CHANNEL) == packs[2 - steps]
    after = {info.key: pack_store.get(info.key) for info in pack_store.list()}
    assert {key for key in after if after[key] != before.get(key)} == {LATEST, done.history_key}
    assert before.keys() <= after.keys()
    again = read(pack_store)
    assert (again.publishes[0].current, len(again.publishes)) == (True, 4)
    assert roll_back(pack_store, again, older(again, 1), now=LATER).changed
    assert load_latest(pack_store, GAME, CHANNEL) == packs[2]  # and back again


def test_a_run_after_going_back_starts_from_there(
    pack_store: FileStore, packs: list[PackIndex], make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    """One that began before it keeps what it made itself, and of the rest what was gone back to."""
    history = read(pack_store)
    roll_back(pack_store, history, older(history, 1), now=LATER)
    bat = make_asset(pack_store, "bat")
    ours = make_index({**packs[2].assets, "bat": bat}, run="run-4")
    done = publish(pack_store, game=GAME, channel=CHANNEL, index=ours, base=packs[2], now=LATER)
    assert done.index.assets == {**packs[1].assets, "bat": bat}


@pytest.mark.usefixtures("packs")
def test_a_record_is_named_by_how_it_starts(pack_store: FileStore) -> None:
    history = read(pack_store)
    assert named(history, "20261121T1300").stored == history.publishes[1].stored
    assert named(history, history.publishes[2].name) == history.publishes[2]
    with pytest.raises(UsageError, match="3 records start with '2026'"):
        named(history, "2026")
    for wrong in ("", "2025", "x" * 99):
        with pytest.raises(UsageError, match="no record"):
            named(history, wrong)


@pytest.mark.usefixtures("packs")
def test_nobody_goes_back_further_than_the_history(pack_store: FileStore) -> None:
    with pytest.raises(UsageError, match="ends 2 before the current pack"):
        older(read(pack_store), 3)


def test_a_pack_of_which_a_file_is_gone_is_not_gone_back_to(pack_store: FileStore, packs: list[PackIndex]) -> None:
    pack_store.delete(packs[1].assets["gem"].file)
    history = read(pack_store)
    before = pack_store.get(LATEST)
    with pytest.raises(StorageError, match="1 files of gem are gone"):
        roll_back(pack_store, history, older(history, 1), now=LATER)
    assert pack_store.get(LATEST) == before
    assert len(read(pack_store).publishes) == 3
    assert roll_back(pack_store, history, older(history, 2), now=LATER).changed


def test_what_was_published_since_somebody_looked_is_not_thrown_over(
    pack_store: FileStore, packs: list[PackIndex], make_index: MakeIndex
) -> None:
    history = read(pack_store)
    newer = make_index({}, run="run-4")
    publish(pack_store, game=GAME, channel=CHANNEL, index=newer, base=packs[2], now=LATER)
    with pytest.raises(Conflict, match="published meanwhile"):
        roll_back(pack_store, history, older(history, 1), now=LATER)
    assert load_latest(pack_store, GAME, CHANNEL) == newer
    assert len(read(pack_store).publishes) == 4


@pytest.mark.usefixtures("packs")
def test_going_back_to_what_is_current_writes_nothing(pack_store: FileStore) -> None:
    history = read(pack_store)
    assert not roll_back(pack_store, history, history.publishes[0], now=LATER).changed
    assert len(read(pack_store).publishes) == 3


@pytest.mark.parametrize("damage", (None, b"not json"), ids=("gone", "damaged"))
def test_a_channel_whose_pointer_is_broken_is_mended_by_going_back(
    pack_store: FileStore, packs: list[PackIndex], damage: bytes | None
) -> None:
    pack_store.delete(LATEST)
    if damage is not None:
        pack_store.put(LATEST, damage, content_type="application/json")
    history = read(pack_store)
    assert history.problem is not None
    assert history.current is None
    with pytest.raises(UsageError, match="no record is what channel main publishes"):
        older(history, 1)
    roll_back(pack_store, history, named(history, "20261121T1400"), now=LATER)
    assert load_latest(pack_store, GAME, CHANNEL) == packs[2]


def test_an_index_that_is_gone_is_told_of_and_hides_no_other(pack_store: FileStore, packs: list[PackIndex]) -> None:
    pack_store.delete(packs[1].key)
    pack_store.put(packs[0].key, b"{}", content_type="application/json")
    history = read(pack_store)
    assert [publish.problem is None for publish in history.publishes] == [True, False, False]
    for publish_ in history.publishes[1:]:
        with pytest.raises(StorageError, match="cannot go back to"):
            roll_back(pack_store, history, publish_, now=LATER)


@pytest.mark.usefixtures("packs")
def test_where_nothing_is_published_the_nearest_thing_is_named(pack_store: FileStore) -> None:
    with pytest.raises(UsageError) as caught:
        read_history(pack_store, GAME, "preview")
    assert "--channel main" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        read_history(pack_store, "cloud-hip", CHANNEL)
    assert "did you mean cloud-hop?" in caught.value.hint


def test_going_back_in_a_long_history_reads_one_index(
    pack_store: FileStore, packs: list[PackIndex], counting: Callable[[FileStore], tuple[FileStore, Counter[str]]]
) -> None:
    store, calls = counting(pack_store)
    history = read_history(store, GAME, CHANNEL, indexes=False)
    assert calls["get"] == len(history.publishes) == len(packs)
    assert {publish.stored for publish in history.publishes} == {None}
    target = opened(store, history, older(history, 1))
    assert target.stored is not None
    assert target.stored.index == packs[-2]
    assert not target.current
    assert calls["get"] == len(packs) + 2
    roll_back(store, history, target, now=NOON)
    assert load_latest(store, GAME, CHANNEL) == packs[-2]
