"""The active list keeps what many hands put there at once, and what runs at night is what somebody has added."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from assetmill.active import LIST_KEY, MANIFESTS, Entry, add, checked, keep_manifest, read_active, remove
from assetmill.errors import Conflict, StorageError, StoreBusy, UsageError
from assetmill.manifest import ManifestError, load_pack
from assetmill.storage import FileStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TINY = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
assets:
  - {id: slime, type: entity, prompt: a slime, shape: circle}
"""
WRITERS, EACH = 6, 8


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def entry(name: str, **fields: object) -> Entry:
    return checked({"name": name, "manifest": f"store:{name}.yaml", "added_at": NOON} | fields)


def names(store: FileStore) -> list[str]:
    return [one.name for one in read_active(store).entries]


def test_there_is_an_empty_list_before_anybody_wrote_one(store):
    assert read_active(store).entries == ()
    assert list(store.list()) == []


def test_entries_keep_their_order_and_one_of_the_same_name_takes_the_others_place_at_the_end(store):
    assert add(store, entry("dust"))
    assert add(store, entry("cloud-hop", budget_usd="2.50", only=("slime",), types=("entity",)))
    assert not add(store, entry("dust", priority="urgent"))
    assert names(store) == ["cloud-hop", "dust"]
    assert read_active(store).named("cloud-hop") == entry(
        "cloud-hop", budget_usd=Decimal("2.50"), only=("slime",), types=("entity",)
    )
    assert read_active(store).entries[1].priority == "urgent"


def test_what_is_removed_is_gone_and_a_name_that_is_not_there_names_those_that_are(store):
    add(store, entry("dust"))
    add(store, entry("cloud-hop"))
    assert remove(store, "dust").name == "dust"
    assert names(store) == ["cloud-hop"]
    with pytest.raises(UsageError, match="dust is not on the active list") as told:
        remove(store, "dust")
    assert told.value.hint == "on it: cloud-hop"


def test_no_entry_of_writers_at_the_same_time_is_lost(tmp_path):
    begin = threading.Barrier(WRITERS)

    def write(writer: int) -> None:
        own = FileStore(tmp_path / "store")  # as another machine has one
        begin.wait()
        for number in range(EACH):
            add(own, entry(f"w{writer}-{number}"))
            if number % 2:
                remove(own, f"w{writer}-{number}")

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    kept = {f"w{writer}-{number}" for writer in range(WRITERS) for number in range(0, EACH, 2)}
    assert set(names(FileStore(tmp_path / "store"))) == kept


def test_a_store_whose_list_always_changes_is_given_up_and_left_as_it_is(tmp_path):
    class Restless(FileStore):
        def swap(self, *_: object, **__: object) -> str:
            raise Conflict("somebody else wrote first")

    with pytest.raises(StoreBusy, match="changed by others"):
        add(Restless(tmp_path / "store"), entry("dust"))
    assert names(FileStore(tmp_path / "store")) == []


@pytest.mark.parametrize("damaged", (b"{", b'{"version": 2, "entries": []}', b'{"entries": [{"name": "X y"}]}'))
def test_a_damaged_or_newer_list_is_an_error_and_is_not_written_over(store, damaged):
    store.put(LIST_KEY, damaged, content_type="application/json")
    with pytest.raises(StorageError, match="cannot be read"):
        add(store, entry("dust"))
    assert store.get(LIST_KEY) == damaged


@pytest.mark.parametrize(
    ("field", "value"),
    (
        ("name", "Cloud Hop"),
        ("name", ""),
        ("budget_usd", "-1"),
        ("budget_usd", "Infinity"),
        ("priority", "soon"),
        ("provider", "runpot"),
        ("types", ("entiti",)),
        ("manifest", ""),
    ),
)
def test_an_entry_that_cannot_be_says_which_field(field, value):
    with pytest.raises(UsageError, match=rf"^{field}: ") as told:
        entry("dust", **{field: value}) if field != "name" else entry(value)
    assert told.value.hint


def test_the_copy_of_a_manifest_is_what_was_added_whatever_becomes_of_the_file(store, tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    place, pack = keep_manifest(store, file)
    file.write_text(TINY.replace("a slime", "a dragon"))
    assert pack.game.id == "tiny"
    assert store.get(place.removeprefix("store:")) == TINY.encode()
    other, _ = keep_manifest(store, file)
    assert other != place
    file.write_text(TINY)
    assert keep_manifest(store, file)[0] == place
    assert len(list(store.list(MANIFESTS))) == 2


def test_the_copy_of_a_table_is_about_the_same_game_though_only_its_file_name_says_which(store, tmp_path):
    file = tmp_path / "Dust Bowl.csv"
    file.write_text("id,type,prompt,shape\nslime,entity,a slime,circle\n")
    with pytest.raises(UsageError, match="cannot be a name in the store"):
        keep_manifest(store, file)
    table = file.rename(tmp_path / "Dust-Bowl.csv")
    place, pack = keep_manifest(store, table)
    copy = tmp_path / "elsewhere" / place.rpartition("/")[2]
    copy.parent.mkdir()
    copy.write_bytes(store.get(place.removeprefix("store:")))
    assert load_pack(copy) == load_pack(table) == pack
    assert pack.game.id == "dust-bowl"


def test_a_wrong_manifest_is_told_with_its_places_and_leaves_nothing_in_the_store(store, tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace("shape:", "shap:"))
    with pytest.raises(ManifestError) as told:
        keep_manifest(store, file)
    assert str(told.value.problems[0]).startswith(f"{file}:5:")
    with pytest.raises(ManifestError, match="No such file"):
        keep_manifest(store, tmp_path / "none.yaml")
    assert list(store.list()) == []


def test_a_manifest_that_needs_other_files_is_refused_because_only_one_is_copied(store, tmp_path):
    (tmp_path / "more.csv").write_text("id,type,prompt,shape\ncrate,entity,a crate,box\n")
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY + "include: [more.csv]\n")
    assert len(load_pack(file).assets) == 2
    with pytest.raises(UsageError, match="needs other files"):
        keep_manifest(store, file)
    assert list(store.list()) == []


@pytest.mark.parametrize(
    ("own", "left", "budget"),
    ((None, None, None), ("2", None, 2.0), (None, "3", 3.0), ("2", "3", 2.0), ("2", "0.5", 0.5), ("2", "0", 0.0)),
)
def test_the_smaller_of_the_entrys_budget_and_what_the_night_has_left_holds(own, left, budget):
    wanted = entry("dust", budget_usd=own, provider="runpod", only=("slime",))
    parameters = wanted.parameters(None if left is None else Decimal(left))
    assert parameters["budget_usd"] == budget
    assert (parameters["manifest"], parameters["provider"], parameters["only"], parameters["types"]) == (
        "store:dust.yaml", "runpod", ["slime"], None,
    )  # fmt: skip


def test_some_of_the_list_can_be_chosen_by_name_in_the_lists_order(store):
    for name in ("a", "b", "c"):
        add(store, entry(name))
    active = read_active(store)
    assert [one.name for one in active.chosen(("c", "a"))] == ["a", "c"]
    assert active.chosen(()) == active.entries
    with pytest.raises(UsageError, match="d is not on the active list"):
        active.chosen(("a", "d"))
