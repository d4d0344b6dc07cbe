"""Votes from a file: taken whole or not at all, and never above those that come after."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assetmill.compare.ballots import read_file
from assetmill.errors import UsageError

NOW = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)


@pytest.fixture
def comparison(store, make_comparison):
    gone = {("entity-1", 0): {"state": "missing", "why": "died", "views": ()}}
    return make_comparison(store, entity=3, shots=gone)


@pytest.fixture
def saved(tmp_path, comparison):
    """A file as the page saves it: `saved(vote, vote, comparison=...)`."""

    def save(*votes: Any, **fields: Any) -> Path:
        usual = {"kind": "assetmill-votes", "version": 1, "comparison": comparison.id, "votes": list(votes)}
        path = tmp_path / "votes.json"
        path.write_text(json.dumps(usual | fields))
        return path

    return save


def vote(**fields: Any) -> dict[str, Any]:
    usual = {"asset": "entity-0", "candidate": 0, "voter": "ada", "choice": "scenario", "note": "", "voted_at": NOW}
    return {name: value.isoformat() if name == "voted_at" else value for name, value in (usual | fields).items()}


def test_votes_of_a_file_get_into_the_books_and_the_newest_of_a_person_counts(comparison, saved, ledger):
    early, late = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    first = saved(vote(voted_at=late, note="sharper"), vote(asset="entity-2", choice="equal", voted_at=early))
    ledger.votes.cast(read_file(comparison, first, now=NOW))
    ledger.votes.cast(read_file(comparison, saved(vote(choice="runpod", voted_at=early)), now=NOW))  # an older file
    found = {one.asset_id: (one.choice, one.note) for one in ledger.votes.of(comparison.id)}
    assert found == {"entity-0": ("scenario", "sharper"), "entity-2": ("equal", "")}


def test_a_vote_of_the_future_does_not_stand_above_those_that_come_after(comparison, saved):
    (taken,) = read_file(comparison, saved(vote(voted_at=NOW + timedelta(days=9000))), now=NOW)
    assert taken.voted_at == NOW


@pytest.mark.parametrize(
    ("wrong", "words"),
    (
        ({"choice": "midjourney"}, "no choice"),
        ({"asset": "nobody"}, "no pair"),
        ({"candidate": 4}, "no pair"),
        ({"asset": "entity-1"}, "missing"),
        ({"voter": " "}, "voter"),
        ({"voter": "a\nb"}, "voter"),
        ({"note": "x" * 1001}, "note"),
        ({"voted_at": datetime(2026, 1, 1)}, "voted_at"),  # noqa: DTZ001  a time without a zone is the fault
        ({"extra": 1}, "extra"),
    ),
)
def test_one_vote_that_cannot_be_spoils_the_file_and_is_named(comparison, saved, wrong, words):
    with pytest.raises(UsageError, match=words):
        read_file(comparison, saved(vote(), vote(**wrong)), now=NOW)


def test_a_file_of_another_kind_or_comparison_is_refused(comparison, saved, tmp_path):
    for path in (saved(vote(), comparison="0" * 16), saved(), saved(vote(), kind="votes"), tmp_path / "none.json"):
        with pytest.raises(UsageError):
            read_file(comparison, path, now=NOW)
    (tmp_path / "votes.json").write_bytes(b"\xff{")
    with pytest.raises(UsageError, match="no file of votes"):
        read_file(comparison, tmp_path / "votes.json", now=NOW)
