"""What endpoints can do: the newest clear answer about the graph of today, and nothing about another one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from assetmill.ledger import Learned
from assetmill.providers.base import Ability

EVERY_DATABASE = True
URL = "https://api.example/v2/ep"
HOUR = timedelta(hours=1)
HASHES = {"entity": "a" * 64, "background": "b" * 64}
UNABLE = Ability("entity", able=False, why="it has no node X", missing=("X", "y.safetensors"), units=5.0)


@pytest.fixture
def put(books: Any) -> Any:
    def write(ability: Ability, *, hours: int = 0, of: str = "a" * 64, url: str = URL) -> None:
        books.ledger.abilities.put([Learned(url, ability, of, books.t0 + hours * HOUR)])

    return write


def test_an_answer_comes_back_as_it_was_written_without_secrets_in_the_address(books, put):
    put(UNABLE, url="https://me:secret@api.example/v2/ep?key=secret")
    assert books.ledger.abilities.read() == [Learned(URL, UNABLE, "a" * 64, books.t0)]
    assert books.ledger.abilities.of(URL, HASHES) == {"entity": UNABLE}


def test_the_newest_answer_counts_whatever_order_they_are_written_in(books, put):
    put(Ability("entity", able=True), hours=2)
    put(UNABLE, hours=1)
    assert books.ledger.abilities.of(URL, HASHES)["entity"].able is True
    put(UNABLE, hours=3)
    assert books.ledger.abilities.of(URL, HASHES)["entity"] == UNABLE


def test_an_answer_that_could_not_tell_replaces_none_that_could(books, put):
    put(UNABLE)
    put(Ability("entity", able=None, why="no answer"), hours=1)
    assert books.ledger.abilities.of(URL, HASHES) == {"entity": UNABLE}
    put(Ability("entity", able=None, why="no answer"), hours=2, of="c" * 64)
    assert books.ledger.abilities.of(URL, {"entity": "c" * 64})["entity"].able is None, "the graph is another one"


def test_a_workflow_that_was_changed_since_is_unknown(books, put):
    put(UNABLE, of="f" * 64)
    put(Ability("retired", able=True), of="a" * 64)
    assert books.ledger.abilities.of(URL, HASHES) == {}
    assert [one.ability.workflow for one in books.ledger.abilities.read(URL)] == ["entity", "retired"]


def test_endpoints_are_told_apart(books, put):
    put(UNABLE)
    put(Ability("background", able=True), url="comfyui+http://127.0.0.1:8188", of="b" * 64)
    assert set(books.ledger.abilities.of(URL, HASHES)) == {"entity"}
    assert set(books.ledger.abilities.of("comfyui+http://127.0.0.1:8188", HASHES)) == {"background"}
