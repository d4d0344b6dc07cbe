"""The program from outside: what it prints, and 0, 1 or 5 by whether the books agree."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.settings import Settings

NAMES = {str(field.alias) for field in Settings.model_fields.values()}


@pytest.fixture
def program(full_shop, tmp_path, monkeypatch) -> Iterator[Callable[..., SimpleNamespace]]:
    """The command line in this process, over the shop; a process of its own takes seconds to start."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    own = {"ASSETMILL_LEDGER_URL": full_shop.url, "ASSETMILL_STORE_URL": full_shop.store.url, "COLUMNS": "200"}
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, **variables: str) -> SimpleNamespace:
        done = CliRunner().invoke(app, ["ledger", *arguments], env=own | variables, catch_exceptions=False)
        return SimpleNamespace(returncode=done.exit_code, stdout=done.stdout, stderr=done.stderr)

    yield run
    signal.signal(signal.SIGTERM, before)


def test_the_installed_program_has_the_command(full_shop, tmp_path):
    command = [sys.executable, "-P", "-m", "assetmill.cli", "ledger", "check", "--json"]
    own = {"ASSETMILL_LEDGER_URL": full_shop.url, "ASSETMILL_STORE_URL": full_shop.store.url}
    base = {key: value for key, value in os.environ.items() if key not in NAMES}
    done = subprocess.run(command, cwd=tmp_path, env=base | own, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["agree"] is True


def test_books_that_agree_end_with_0_and_say_what_was_looked_at(program):
    done = program("check", "--deep")
    assert (done.returncode, done.stderr) == (0, "")
    assert "everything agrees: 6 attempts, 6 receipts, 5 finishes" in done.stdout
    assert "every file was read" in done.stdout


def test_findings_end_with_1_and_name_kind_subject_and_hint(full_shop, program):
    full_shop.store.delete(full_shop.receipt_key("bat"))
    done = program("check")
    assert done.returncode == 1
    assert "receipt_missing (1): a settled row has no receipt" in done.stdout
    assert "failed attempt at asset-bat has no receipt" in done.stdout
    assert "hint: assetmill ledger check --mend" in done.stdout
    assert "1 finding:" in done.stdout


def test_information_alone_ends_with_0(full_shop, program):
    full_shop.lose("unknown")
    full_shop.intend("open")
    done = program("check", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["agree"], document["exit_code"]) == (0, True, 0)
    assert document["findings"] == []
    assert [one["kind"] for one in document["information"]] == ["outcome_unknown", "open"]


def test_json_holds_every_finding_and_the_counts(full_shop, program):
    full_shop.store.delete(str(full_shop.ledger.attempt("ghost")["key"]))
    done = program("check", "--json", "--game", "cloud-hop")
    document = json.loads(done.stdout)
    assert (done.returncode, document["agree"], document["exit_code"]) == (1, False, 1)
    [finding] = document["findings"]
    assert finding["kind"] == "raw_missing"
    assert (finding["subject"], finding["game"]) == ("ghost", "cloud-hop")
    assert set(finding) == {"kind", "subject", "game", "message", "hint"}
    assert document["counts"] == {"attempts": 6, "receipts": 6, "finishes": 5, "files": 12, "indexes": 2}


def test_mending_ends_with_0_when_nothing_else_is_wrong(full_shop, program):
    for attempt_id in ("bat", "knight"):
        full_shop.store.delete(full_shop.receipt_key(attempt_id))
    done = program("check", "--mend", "--json")
    assert done.returncode == 0
    assert sorted(json.loads(done.stdout)["mended"]) == ["bat", "knight"]
    assert program("check").returncode == 0


def test_an_unknown_game_is_2_and_books_or_store_out_of_reach_are_5(program, tmp_path):
    assert program("check", "--game", "nobody").returncode == 2
    for variables in (
        {"ASSETMILL_LEDGER_URL": "sqlite:////dev/null/ledger.db"},
        {"ASSETMILL_STORE_URL": (tmp_path / "wrong").as_uri()},
        {"ASSETMILL_STORE_URL": "s4://bucket"},
    ):
        for command in (("check",), ("check", "--json")):
            done = program(*command, **variables)
            assert done.returncode == 5, done.stdout + done.stderr
            assert "Traceback" not in done.stderr


def test_a_lost_ledger_is_found_rebuilt_and_agrees(full_shop, program):
    full_shop.sql("DELETE FROM finishes WHERE finish_fingerprint = 'finish-two'")
    full_shop.publish("knight", "slime", minute=3)
    full_shop.ledger.close()
    for file in full_shop.database.parent.iterdir():
        file.unlink()
    assert program("check").returncode == 1
    done = program("rebuild")
    assert (done.returncode, "6 attempts restored, 0 there already" in done.stdout) == (0, True)
    again = json.loads(program("rebuild", "--json").stdout)
    assert (again["restored"], again["present"], again["exit_code"]) == ([], 6, 0)
    assert program("check").returncode == 0


def test_rebuilding_into_another_ledger_leaves_the_configured_one(full_shop, program, tmp_path):
    rows = full_shop.ledger.rows()
    done = program("rebuild", "--into", f"sqlite:///{tmp_path}/new.db", "--json")
    assert len(json.loads(done.stdout)["restored"]) == 6
    assert (tmp_path / "new.db").is_file()
    assert full_shop.ledger.rows() == rows
    assert program("check", ASSETMILL_LEDGER_URL=f"sqlite:///{tmp_path}/new.db").returncode == 1


def test_a_damaged_receipt_is_named_and_ends_a_rebuild_with_1(full_shop, program, tmp_path):
    key = full_shop.receipt_key("bat")
    (full_shop.folder / key).write_bytes(b"damaged")
    done = program("rebuild", "--into", f"sqlite:///{tmp_path}/new.db")
    assert done.returncode == 1
    assert key in done.stderr
    assert "5 attempts restored" in done.stdout


def test_what_others_wrote_is_never_taken_for_markup(full_shop, program):
    full_shop.sql("UPDATE attempts SET status = '[bold]x[/red]' WHERE attempt_id = 'bat'")
    done = program("check")
    assert done.returncode == 1
    assert "[bold]x[/red]" in done.stdout
