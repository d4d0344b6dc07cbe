"""`active` from outside: what is added runs at night, what is wrong is told before anything is written."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.settings import Settings, variables_of

TINY = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
assets:
  - {id: slime, type: entity, prompt: a slime, shape: circle}
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """The command in this process, in a folder of its own, without settings of ours."""
    for name in (variable for field in Settings.model_fields for variable in variables_of(field)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    handler = signal.getsignal(signal.SIGTERM)
    yield lambda *arguments: CliRunner().invoke(app, ["active", *arguments])
    signal.signal(signal.SIGTERM, handler)


def listed(program) -> list[dict]:
    return json.loads(program("list", "--json").stdout)["entries"]


def test_a_manifest_is_added_shown_replaced_and_removed(program, tmp_path):
    options = ("--budget", "2.50", "--priority", "backfill", "--provider", "runpod", "--only", "slime")
    assert program("add", "tiny.yaml", *options).exit_code == 0
    (entry,) = listed(program)
    assert {key: entry[key] for key in ("name", "source", "budget_usd", "priority", "provider", "only")} == {
        "name": "tiny", "source": "tiny.yaml", "budget_usd": "2.50", "priority": "backfill", "provider": "runpod",
        "only": ["slime"],
    }  # fmt: skip
    kept = tmp_path / "out" / "store" / entry["manifest"].removeprefix("store:")
    assert kept.read_text() == TINY
    shown = program("list").stdout
    assert all(words in shown for words in ("tiny.yaml", "runpod", "$2.50", "backfill", "slime"))
    replaced = json.loads(program("add", "tiny.yaml", "--json").stdout)
    assert (replaced["replaced"], replaced["added"]["budget_usd"]) == (True, None)
    assert program("remove", "tiny").exit_code == 0
    assert listed(program) == []
    again = program("remove", "tiny", "--json")
    assert (again.exit_code, json.loads(again.stdout)["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize(
    ("arguments", "words"),
    (
        (("none.yaml",), "cannot read none.yaml"),
        (("tiny.yaml", "--only", "ghost"), "no asset ghost"),
        (("tiny.yaml", "--type", "entiti"), "types: "),
        (("tiny.yaml", "--budget", "much"), "--budget 'much' is no amount"),
        (("tiny.yaml", "--budget", "-1"), "budget_usd: "),
        (("tiny.yaml", "--priority", "soon"), "no priority is called 'soon'"),
        (("tiny.yaml", "--name", "A b"), "name: "),
    ),
)
def test_what_cannot_be_is_2_and_leaves_no_trace_in_the_store(program, tmp_path, arguments, words):
    done = program("add", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "store" / "private").exists()


def test_by_path_copies_nothing_and_takes_an_address_or_a_path_of_the_workers(program, tmp_path):
    assert program("add", "https://art.example/games/dust-bowl.yaml?raw=1", "--by-path").exit_code == 0
    (entry,) = listed(program)
    assert entry["name"] == "dust-bowl"
    assert entry["manifest"] == "https://art.example/games/dust-bowl.yaml?raw=1"
    assert entry["source"] is None
    assert not (tmp_path / "out" / "store" / "private" / "active").exists()
