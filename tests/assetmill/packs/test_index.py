"""What an index says, what it never says, and how two of them are joined."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import urljoin

import pytest
from pydantic import ValidationError

from assetmill.packs import (
    PackAsset,
    PackIndex,
    PackLayer,
    Placement,
    Rival,
    blob_key,
    carry_over,
    merge,
    put_blob,
)
from assetmill.storage import FileStore

MakeAsset = Callable[..., PackAsset]
MakeIndex = Callable[..., PackIndex]
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_an_index_survives_being_stored(pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex) -> None:
    sheet = put_blob(pack_store, b"{}", ext="json", content_type="application/json")
    sky = make_asset(pack_store, "sky")
    layer = PackLayer(id="far", file=sky.file, width=8, height=8, depth=0.0, scroll_factor=0.1, opaque=True)
    coin = make_asset(pack_store, "coin", tags=("shiny", "münze"), sheet=sheet.key, candidate=2)
    hills = make_asset(pack_store, "hills", type="parallax", layers=(layer,), files={"raw": sky.file}, draft=True)
    index = make_index({"coin": coin, "hills": hills})
    assert PackIndex.model_validate_json(index.encoded()) == index
    assert PackIndex.model_validate_json(index.encoded()).key == index.key
    assert index.blobs() == {coin.file, hills.file, sky.file, sheet.key}


def test_equal_indexes_are_equal_bytes(pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex) -> None:
    one, two = make_asset(pack_store, "one"), make_asset(pack_store, "two")
    assert make_index({"a": one, "b": two}).encoded() == make_index({"b": two, "a": one}).encoded()
    assert make_index({"a": one}).key != make_index({"a": two}).key


def test_a_public_index_holds_exactly_these_fields(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    """Prompts, prices and providers have no place in it; a new field is a decision."""
    document = json.loads(make_index({"a": make_asset(pack_store, "a")}).encoded())
    assert sorted(document) == ["assets", "base", "created_at", "files", "game", "pack", "run_id", "version"]
    assert sorted(document["assets"]["a"]) == [
        "bytes", "candidate", "draft", "exports", "file", "files", "height", "layers", "made_at", "made_in_run",
        "over", "placement", "sha256", "sheet", "smooth", "stand_in", "tags", "type", "width",
    ]  # fmt: skip
    assert sorted(PackLayer.model_fields) == ["depth", "file", "height", "id", "opaque", "scroll_factor", "width"]
    assert sorted(Placement.model_fields) == ["at", "crop", "source"]
    assert sorted(Rival.model_fields) == ["file", "made_at", "run"]


def test_an_index_of_before_there_were_exports_can_still_be_read(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    index = make_index({"a": make_asset(pack_store, "a")})
    document = json.loads(index.encoded())
    del document["files"]
    for name in ("exports", "made_at", "over", "placement", "smooth", "stand_in"):
        del document["assets"]["a"][name]
    assert PackIndex.model_validate_json(json.dumps(document)) == index


@pytest.mark.parametrize("host", ("https://cdn.example/games/", "https://other.example/", "file:///srv/copy/"))
def test_files_are_found_from_wherever_the_index_was_read(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex, host: str
) -> None:
    index = make_index({"a": make_asset(pack_store, "a")})
    found = urljoin(host + index.key, index.base + index.assets["a"].file)
    assert found == host + index.assets["a"].file


def test_times_are_written_in_utc(make_index: MakeIndex) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=9)))
    assert json.loads(make_index({}, at=east).encoded())["created_at"] == "2026-11-21T12:00:00Z"
    with pytest.raises(ValidationError):
        make_index({}, at=NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    "wrong",
    (
        {"prompt": "a coin"},
        {"file": "../secret.png"},
        {"file": "https://elsewhere/x.png"},
        {"file": blob_key("0" * 64, "png")},  # not the hash that the asset names
        {"width": 0},
        {"type": "sprite"},
        {"files": {"raw": "books/receipt.json"}},
    ),
    ids=str,
)
def test_an_asset_that_would_mislead_a_game_cannot_be_made(
    pack_store: FileStore, make_asset: MakeAsset, wrong: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        make_asset(pack_store, "coin", **wrong)


def test_what_failed_keeps_its_published_version(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    old = {name: make_asset(pack_store, f"old {name}") for name in ("made", "failed", "removed")}
    fresh = {"made": make_asset(pack_store, "new made"), "added": make_asset(pack_store, "new added")}
    assets = carry_over(make_index(old), fresh, ["made", "failed", "added", "never made"])
    assert assets == {"made": fresh["made"], "failed": old["failed"], "added": fresh["added"]}
    assert carry_over(None, fresh, {"made", "failed"}) == {"made": fresh["made"]}
    assert carry_over(make_index(old), {}, []) == {}


def test_a_picture_is_the_same_whichever_run_made_it(pack_store: FileStore, make_asset: MakeAsset) -> None:
    first, again = make_asset(pack_store, "coin", run="run-1"), make_asset(pack_store, "coin", run="run-2")
    assert first.same_as(again)
    assert not first.same_as(None)
    assert not first.same_as(make_asset(pack_store, "other"))
    assert not first.same_as(make_asset(pack_store, "coin", tags=("new",)))
    assert not first.same_as(make_asset(pack_store, "coin", draft=True))


def test_merging_keeps_what_either_side_did(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    def some(**words: str) -> dict[str, PackAsset]:
        return {name: make_asset(pack_store, word) for name, word in words.items()}

    base = make_index(some(same="1", mine="1", theirs="1", both="1", i_drop="1", they_drop="1"))
    theirs = make_index(some(same="1", mine="1", theirs="T", both="T", i_drop="1", they_add="T"), run="theirs")
    ours = make_index(some(same="1", mine="O", theirs="1", both="O", they_drop="1", i_add="O"), run="ours")
    merged = merge(base, theirs, ours)
    assert merged.run_id == "ours"
    both = merged.assets["both"]
    assert both.same_as(ours.assets["both"])
    kept = some(same="1", mine="O", theirs="T", they_add="T", i_add="O")
    assert merged.assets == {**kept, "both": both}


def test_what_one_takes_out_and_the_other_makes_anew_stays_whoever_publishes_last(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    base = make_index({"coin": make_asset(pack_store, "old")})
    without, anew = make_index({}, run="without"), make_index({"coin": make_asset(pack_store, "new")}, run="anew")
    assert merge(base, without, anew).assets == merge(base, anew, without).assets == anew.assets
    assert merge(base, base, without).assets == merge(base, without, base).assets == {}


def test_merging_onto_nothing_known_keeps_all_of_theirs(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    one, two, three = (make_asset(pack_store, word) for word in ("one", "two", "three"))
    merged = merge(None, make_index({"a": one, "b": one}), make_index({"b": two, "c": three}))
    assert merged.assets == {"a": one, "b": merged.assets["b"], "c": three}
    assert merged.assets["b"].same_as(two)


def test_merging_equal_pictures_keeps_the_run_that_published_first(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    theirs = make_index({"a": make_asset(pack_store, "coin", run="run-1")})
    ours = make_index({"a": make_asset(pack_store, "coin", run="run-2")}, run="run-2")
    for base in (None, theirs, make_index({"a": make_asset(pack_store, "older", run="run-0")})):
        assert merge(base, theirs, ours).assets["a"].made_in_run == "run-1"


EARLY, LATE = NOON, NOON + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("mine", "other", "stands"),
    (
        (LATE, EARLY, "mine"), (EARLY, LATE, "other"), (EARLY, EARLY, "mine"), (None, EARLY, "other"),
        (LATE, None, "mine"), (None, None, "mine"),
    ),
)  # fmt: skip
def test_of_two_pictures_published_at_once_the_one_ordered_later_stands_and_says_so(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex, mine: datetime | None, other: datetime | None,
    stands: str,
) -> None:  # fmt: skip
    old = make_index({"coin": make_asset(pack_store, "old")})
    made = {
        "mine": make_asset(pack_store, "mine", run="run-mine", made_at=mine),
        "other": make_asset(pack_store, "other", run="run-other", made_at=other),
    }
    for base in (old, None):
        merged = merge(base, make_index({"coin": made["other"]}), make_index({"coin": made["mine"]})).assets["coin"]
        loser = made["other" if stands == "mine" else "mine"]
        assert merged.same_as(made[stands])
        assert (merged.made_in_run, merged.made_at) == (f"run-{stands}", made[stands].made_at)
        assert merged.over == Rival(run=loser.made_in_run, file=loser.file, made_at=loser.made_at)


def test_whoever_publishes_last_the_same_picture_stands(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    """And merging again changes nothing, so that a publish may be repeated."""
    base = make_index({"coin": make_asset(pack_store, "old")})
    one = make_index({"coin": make_asset(pack_store, "one", run="one", made_at=EARLY)})
    two = make_index({"coin": make_asset(pack_store, "two", run="two", made_at=LATE)})
    assert merge(base, one, two).assets == merge(base, two, one).assets
    assert merge(base, merge(base, two, one), one).assets == merge(base, two, one).assets


def test_the_note_of_a_rival_goes_with_the_next_change_and_stays_until_then(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    base = make_index({"coin": make_asset(pack_store, "old")})
    one = make_index({"coin": make_asset(pack_store, "one", made_at=EARLY)})
    two = make_index({"coin": make_asset(pack_store, "two", made_at=LATE)})
    beaten = merge(base, one, two)
    assert beaten.assets["coin"].over is not None
    again = make_index({"coin": make_asset(pack_store, "two", made_at=LATE)})  # as a run makes its entry: without it
    assert merge(beaten, beaten, again).assets == beaten.assets
    retagged = beaten.assets["coin"].model_copy(update={"tags": ("new",)})
    assert merge(beaten, beaten, make_index({"coin": retagged})).assets["coin"].over is None


def test_a_game_sees_no_difference_in_who_made_a_picture_and_over_what(
    pack_store: FileStore, make_asset: MakeAsset, make_index: MakeIndex
) -> None:
    plain = make_asset(pack_store, "coin")
    rival = Rival(run="other", file=make_asset(pack_store, "other").file, made_at=EARLY)
    noted = make_asset(pack_store, "coin", made_at=LATE, over=rival)
    assert plain.same_as(noted)
    assert make_index({"coin": plain}).same_as(make_index({"coin": noted}))
    assert make_index({"coin": noted}).rivals == {"coin": rival}
    assert make_index({"coin": plain}).blobs() == make_index({"coin": noted}).blobs()
