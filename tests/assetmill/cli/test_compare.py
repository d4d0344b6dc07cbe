"""`compare list|votes|summary|page` from outside, on a comparison in a folder; making one is tested with the flows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.compare.values import document_key
from assetmill.ledger import Ledger, Vote
from assetmill.settings import Settings
from assetmill.storage import FileStore


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The program in this process: what it prints, and how it ends."""
    monkeypatch.chdir(tmp_path)
    for one in Settings.model_fields.values():
        monkeypatch.delenv(str(one.alias), raising=False)
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "out"))

    def run(*words: str) -> tuple[int, Any]:
        done = CliRunner().invoke(app, ["compare", *words])
        return done.exit_code, json.loads(done.stdout) if "--json" in words else done.output

    return run


@pytest.fixture
def comparison(tmp_path, make_comparison):
    store = FileStore(tmp_path / "out" / "store")
    made = make_comparison(store, entity=6, sheet=1)
    store.put(document_key("tiny", made.id), made.model_dump_json().encode(), content_type="application/json")
    return made


def test_comparisons_are_listed_and_their_votes_make_a_routing_block(program, comparison, tmp_path):
    code, told = program("list", "tiny", "--json")
    assert (code, [one["id"] for one in told["comparisons"]]) == (0, [comparison.id])
    with Ledger.open(f"sqlite:///{tmp_path / 'out' / 'ledger.db'}") as ledger:
        at = comparison.made_at
        votes = [Vote(comparison.id, f"entity-{n}", 0, "ada", "scenario", "", at) for n in range(6)]
        ledger.votes.cast(votes)
    code, told = program("summary", "tiny", "--fallback", "--json")
    assert (code, told["routing"]) == (0, {"entity": ["scenario", "runpod"]})
    entity, sheet = told["types"]
    assert (entity["winner"], entity["basis"], sheet["winner"]) == ("scenario", "votes", None)
    assert Decimal(entity["sides"][0]["spent_usd"]) == Decimal("0.06")
    assert "ASSETMILL_ROUTES=entity=scenario" in program("summary", "tiny")[1]
    assert "entity-5  scenario  (ada," in program("votes", "tiny")[1]


def test_a_page_with_all_pictures_in_it_is_written_where_it_is_asked_for(program, comparison, tmp_path):
    code, said = program("page", "tiny", comparison.id, "--out", "to/page.html")
    assert code == 0, said
    page = (tmp_path / "to" / "page.html").read_text()
    assert "blobs/" not in page
    assert page.count("data:image/png;base64,") == 14


@pytest.mark.parametrize(
    ("words", "part"),
    (
        (("summary", "tiny", "../../private"), "no id"),
        (("summary", "tiny", "0" * 16), "there is no comparison"),
        (("summary", "nobody"), "nobody has no comparison"),
        (("nothing.yaml", "--providers", "draft,comfyui+http://127.0.0.1:9/draft"), "nothing.yaml"),
        (("--providers", "draft", "nothing.yaml"), "two providers are compared"),
    ),
)
def test_what_is_not_there_is_said_and_ends_with_2(program, comparison, words, part):  # noqa: ARG001  one is there
    code, said = program(*words)
    assert code == 2, said
    assert part in " ".join(said.split())
