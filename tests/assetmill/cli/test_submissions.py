"""`assetmill submit` and `assetmill submissions`: what they print, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from assetmill.cli.app import app

GOOD = "game: {id: t, title: T}\npack: {id: p, name: P}\nassets:\n  - {id: a, type: entity, prompt: a slime}\n"


@pytest.fixture
def assetmill(tmp_path, monkeypatch, capsys) -> Iterator[Any]:
    """Runs commands in this process, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"ASSETMILL_HOME": str(tmp_path / "out"), "LOGNAME": "anna"}.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str, code: int = 0) -> SimpleNamespace:
        ended = app(words, standalone_mode=False)
        said = capsys.readouterr()
        assert ended == code, said.err
        return SimpleNamespace(stdout=said.out, stderr=said.err)

    yield run
    signal.signal(signal.SIGTERM, before)


def test_handing_in_listing_and_showing(assetmill, tmp_path):
    (tmp_path / "mein spiel.yaml").write_text(GOOD)
    first = json.loads(assetmill("submit", "mein spiel.yaml", "--note", "bald?", "--json").stdout)["submissions"]
    assert [(one["name"], one["version"], one["state"], one["fresh"]) for one in first] == [
        ("mein spiel.yaml", 1, "received", True)
    ]
    same = json.loads(assetmill("submit", "mein spiel.yaml", "--json").stdout)["submissions"]
    assert [(one["id"], one["fresh"]) for one in same] == [(first[0]["id"], False)]
    assert (tmp_path / "out/store/submissions/inbox/mein spiel.yaml").read_text() == GOOD
    listed = json.loads(assetmill("submissions", "--json").stdout)
    assert [(one["id"], one["by"], one["note"]) for one in listed["submissions"]] == [(first[0]["id"], "anna", "bald?")]
    assert listed["waiting"] == []
    assert first[0]["id"] in assetmill("submissions").stdout
    assert assetmill("submissions", "--state", "done").stdout == "no submissions\n"
    shown = assetmill("submissions", "show", first[0]["id"]).stdout
    assert "bald?" in shown
    assert json.loads(assetmill("submissions", "show", first[0]["id"], "--json").stdout)["submission"]["by"] == "anna"


def test_a_wrong_file_is_told_at_once_and_handed_in_only_by_force(assetmill, tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "wrong.yaml").write_text(GOOD.replace("entity", "entty"))
    told = assetmill("submit", "good.yaml", "wrong.yaml", code=2)
    assert "wrong.yaml:4:19: assets[0].type: 'entty' is no asset type" in told.stderr
    assert not (tmp_path / "out").exists(), "of several files none is handed in when one is wrong"
    forced = assetmill("submit", "wrong.yaml", "--force", "--json")
    assert json.loads(forced.stdout)["submissions"][0]["state"] == "received"


def test_who_draws_is_said_by_the_name(assetmill, tmp_path):
    (tmp_path / "game.yaml").write_text(GOOD)
    one = json.loads(assetmill("submit", "game.yaml", "--provider", "draft", "--json").stdout)["submissions"][0]
    assert one["name"] == "game.draft.yaml"
    assert one["place"].endswith("submissions/inbox/game.draft.yaml")


def test_what_cannot_be_is_refused_in_words(assetmill, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert "its name has to end in" in assetmill("submit", "notes.txt", code=2).stderr
    assert "cannot read" in assetmill("submit", "nothing.yaml", code=2).stderr
    assert "states are" in assetmill("submissions", "--state", "lost", code=2).stderr
    error = json.loads(assetmill("submissions", "show", "../x", "--json", code=2).stdout)["error"]
    assert error["code"] == "usage"


def test_a_file_that_lies_in_the_inbox_and_was_not_picked_up_is_waiting(assetmill, tmp_path):
    inbox = tmp_path / "out/store/submissions/inbox"
    inbox.mkdir(parents=True)
    (inbox / "game.yaml").write_text(GOOD)
    (inbox / "notes.txt").write_text("x")
    listed = json.loads(assetmill("submissions", "--state", "waiting", "--json").stdout)
    assert [one["name"] for one in listed["waiting"]] == ["game.yaml"]
    assert "waiting" in assetmill("submissions").stdout


def test_the_help_of_the_commands_loads_no_prefect_and_no_database(tmp_path):
    code = (
        "import sys; from assetmill.cli.app import app\n"
        "for words in (['submit', '--help'], ['submissions', '--help']):\n"
        "    app(words, standalone_mode=False)\n"
        "print([m for m in ('prefect', 'pandas', 'sqlalchemy', 's3fs') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--again" in done.stdout
