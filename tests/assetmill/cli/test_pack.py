"""`pack show|history|rollback|gc` from outside, on a store in a folder."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from assetmill.ledger import Intent, Ledger, Output, Run, Settlement, Status
from assetmill.money import no_cost
from assetmill.packs import PackAsset, PackIndex, load_latest, publish, put_blob
from assetmill.settings import Settings
from assetmill.storage import FileStore

GAME = "cloud-hop"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OLD_S = 60 * 24 * 3600


@pytest.fixture
def program(tmp_path, programs):
    names = {str(field.alias) for field in Settings.model_fields.values()}
    base = {key: value for key, value in os.environ.items() if key not in names}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = base | {"ASSETMILL_HOME": str(tmp_path / "out"), "COLUMNS": "120"}
        return programs.run(("pack", *arguments), tmp_path, environment)

    return run


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "out" / "store")


@pytest.fixture
def bring_out(store):
    """Publishes pictures by name, an hour after the last time."""
    done = []

    def publish_them(channel: str = "main", **words: str) -> PackIndex:
        assets = {}
        for name, word in words.items():
            ref = put_blob(store, b"\x89PNG\r\n\x1a\n" + word.encode(), ext="png", content_type="image/png")
            assets[name] = PackAsset(
                type="entity", file=ref.key, width=8, height=4, bytes=ref.bytes, sha256=ref.sha256, draft=False,
                made_in_run="r", exports=("png", "pixi"),
            )  # fmt: skip
        at = NOON + timedelta(hours=len(done))
        run_id = f"run-{len(done)}"
        index = PackIndex(game=GAME, pack="sky", run_id=run_id, created_at=at, assets=assets)
        base = load_latest(store, GAME, channel)
        done.append(publish(store, game=GAME, channel=channel, index=index, base=base, now=at))
        return done[-1].index

    return publish_them


def test_show_says_what_games_load(program, bring_out):
    bring_out(coin="coin")
    index = bring_out(coin="new coin", gem="gem")
    done = program("show", GAME)
    assert done.returncode == 0, done.stderr
    for word in ("coin", "gem", "entity", "8x4", "png pixi", "2 assets, 2 files", "run run-1", "2026-03-01 13:00 UTC"):
        assert word in done.stdout
    told = json.loads(program("show", GAME, "--json").stdout)
    assert (told["game"], told["pack"], told["channel"], told["run_id"]) == (GAME, "sky", "main", "run-1")
    assert told["index"] == index.key
    assert told["bytes"] == sum(asset.bytes for asset in index.assets.values())
    assert told["assets"]["gem"]["files"] == [index.assets["gem"].file]
    assert (told["missing"], told["exit_code"]) == ([], 0)


def test_show_ends_with_1_when_a_file_is_gone(program, bring_out, store):
    index = bring_out(coin="coin", gem="gem")
    store.delete(index.assets["gem"].file)
    done = program("show", GAME)
    assert done.returncode == 1
    assert index.assets["gem"].file in done.stderr
    assert json.loads(program("show", GAME, "--json").stdout)["missing"] == [index.assets["gem"].file]


@pytest.mark.parametrize("command", ("show", "history", "rollback"))
def test_a_channel_where_nothing_is_published_names_those_where_something_is(program, bring_out, command):
    bring_out(channel="draft", coin="coin")
    done = program(command, GAME)
    assert done.returncode == 2, done.stderr
    assert "--channel draft" in done.stderr
    assert "did you mean cloud-hop" in program(command, "cloud-hip").stderr
    assert "Traceback" not in done.stderr


def test_history_says_what_each_publish_changed(program, bring_out):
    bring_out(coin="coin")
    bring_out(coin="coin", gem="gem")
    bring_out(coin="new coin")
    lines = program("history", GAME).stdout.splitlines()
    assert [line.split()[0] == "current" for line in lines] == [True, False, False]
    assert [words in line for words, line in zip(("~coin -gem", "+gem", "+coin"), lines, strict=True)] == [True] * 3
    told = json.loads(program("history", GAME, "--json").stdout)
    assert [(one["added"], one["changed"], one["removed"]) for one in told["publishes"]] == [
        ([], ["coin"], ["gem"]), (["gem"], [], []), (["coin"], [], []),
    ]  # fmt: skip
    assert [one["current"] for one in told["publishes"]] == [True, False, False]
    short = json.loads(program("history", GAME, "--json", "--limit", "1").stdout)
    assert (len(short["publishes"]), short["more"], short["publishes"][0]["removed"]) == (1, True, ["gem"])


def test_rollback_needs_somebody_who_agrees(program, bring_out, store):
    bring_out(coin="coin")
    current = bring_out(coin="new coin")
    done = program("rollback", GAME)
    assert done.returncode == 3, done.stderr
    assert "~coin" in done.stderr
    assert load_latest(store, GAME, "main") == current


def test_rollback_makes_an_older_pack_current_and_is_told_in_the_history(program, bring_out, store):
    packs = [bring_out(coin=f"coin {n}") for n in range(3)]
    done = program("rollback", GAME, "--yes")
    assert done.returncode == 0, done.stderr
    assert load_latest(store, GAME, "main") == packs[1]
    assert "the next run" in done.stderr
    told = json.loads(program("rollback", GAME, "--to", "20260301T1200", "--yes", "--json").stdout)
    assert (told["to"][:13], told["changed"], told["index"]) == ("20260301T1200", True, packs[0].key)
    assert load_latest(store, GAME, "main") == packs[0]
    first, second, *_ = json.loads(program("history", GAME, "--json").stdout)["publishes"]
    assert first["current"]
    assert [first["back_to"][:13], second["back_to"][:13]] == ["20260301T1200", "20260301T1300"]
    again = program("rollback", GAME, "--to", "20260301T1200", "--yes")
    assert "already" in again.stdout
    assert len(json.loads(program("history", GAME, "--json").stdout)["publishes"]) == 5


@pytest.mark.parametrize(
    "arguments", (("--to", "1999"), ("--steps", "7"), ("--to", "2026", "--steps", "1"), ("--steps", "0"))
)
def test_a_rollback_to_nowhere_is_2(program, bring_out, arguments):
    bring_out(coin="coin")
    bring_out(coin="new coin")
    done = program("rollback", GAME, "--yes", *arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_a_rollback_to_a_pack_of_which_a_file_is_gone_is_5_and_names_the_asset(program, bring_out, store):
    first = bring_out(coin="coin", gem="gem")
    bring_out(coin="coin")
    store.delete(first.assets["gem"].file)
    done = program("rollback", GAME, "--yes")
    assert done.returncode == 5
    assert "of gem are gone" in done.stderr


@pytest.fixture
def swept(tmp_path, store):
    """Books that know one run, and a store with a file that nobody needs and one that is young."""
    with Ledger.open(f"sqlite:///{tmp_path / 'out' / 'ledger.db'}") as ledger:
        ledger.begin_run(Run("r", GAME, "sky", "m", "draft", "draft", draft=True, started_at=NOON))
        ledger.end_run("r", state="finished", ended_at=NOON, kept=0, failed=0, cached=0)
    keys = [
        put_blob(store, b"\x89PNG\r\n\x1a\n" + word, ext="png", content_type="image/png").key
        for word in (b"old", b"young")
    ]
    made = (store.root / keys[0]).stat().st_mtime - OLD_S
    os.utime(store.root / keys[0], (made, made))
    return keys


def test_books_without_a_single_picture_are_no_ground_to_delete_on(program, swept, store):
    done = program("gc", "--yes")
    assert done.returncode == 5, done.stderr
    assert "ASSETMILL_LEDGER_URL" in done.stderr
    assert {info.key for info in store.list("blobs/")} == set(swept)


@pytest.fixture
def kept(tmp_path, store, swept):
    """The same and an attempt in the books: what nobody needs, what is young, and what was made."""
    raw = put_blob(store, b"\x89PNG\r\n\x1a\nraw", ext="png", content_type="image/png")
    os.utime(store.root / raw.key, (NOON.timestamp(), NOON.timestamp()))
    with Ledger.open(f"sqlite:///{tmp_path / 'out' / 'ledger.db'}") as ledger:
        ledger.intend(
            Intent(
                "a", "r", GAME, "sky", "coin", "entity", 0, 1, "f", {}, "draft", "draft", "http://127.0.0.1", None, 1,
                "w", "h", 8, 8, {}, Decimal(0), "draft", True, NOON,
            )
        )  # fmt: skip
        ledger.submitted("a", job_id="j", at=NOON)
        ledger.collected("a", outputs=(Output("image", raw.key, raw.sha256, raw.bytes, 8, 8),), at=NOON)
        ledger.settle("a", Settlement(Status.REJECTED, NOON, no_cost("draft")))
    return [*swept, raw.key]


def test_gc_only_says_what_could_go_until_it_is_told_to(program, kept, store):
    old, young, needed = kept
    done = program("gc")
    assert done.returncode == 0, done.stderr
    assert old in done.stdout
    assert "1 file (11 B) could go: --yes deletes" in done.stdout
    assert "too young to go: 1 file" in done.stdout
    assert {info.key for info in store.list("blobs/")} == {old, young, needed}
    told = json.loads(program("gc", "--yes", "--json").stdout)
    assert (list(told["blobs"]), told["deleted"], told["needed"], told["young"]) == ([old], True, 1, 1)
    assert {info.key for info in store.list("blobs/")} == {young, needed}
    assert "nothing to delete" in program("gc", "--yes").stdout


@pytest.mark.parametrize("arguments", (("--grace", "0"), ("--keep", "0"), ("--grace", "soon")))
def test_gc_keeps_at_least_a_day_and_a_publish(program, arguments):
    done = program("gc", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_read_is_5(program, bring_out, store):
    index = bring_out(coin="coin")
    (store.root / index.key).write_bytes(b"{}")
    for command in ("show", "gc"):
        done = program(command, *([GAME] if command == "show" else []))
        assert done.returncode == 5, done.stderr
        assert index.key in done.stderr
        assert "Traceback" not in done.stderr
