"""Votes in the ledger: one of a person and pair, the newest, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assetmill.ledger import Ledger, Vote

EVERY_DATABASE = True
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
VOTE = Vote("0123456789abcdef", "slime", 0, "ada", "runpod", "sharper", NOON)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as ledger:
        yield ledger


def test_votes_of_a_comparison_come_back_as_they_were_cast(ledger: Ledger) -> None:
    others = [replace(VOTE, candidate=1), replace(VOTE, asset_id="crate", choice="equal"), replace(VOTE, voter="bob")]
    ledger.votes.cast([VOTE, *others, replace(VOTE, comparison="f" * 16)])
    assert ledger.votes.of(VOTE.comparison) == [others[1], VOTE, others[2], others[0]]
    assert ledger.votes.of("0" * 16) == []


def test_the_newest_vote_of_a_person_counts_whichever_comes_first(ledger: Ledger) -> None:
    newer = replace(VOTE, choice="neither", note="", voted_at=NOON + timedelta(seconds=1))
    ledger.votes.cast([newer])
    ledger.votes.cast([VOTE])
    assert ledger.votes.of(VOTE.comparison) == [newer]
    again = replace(newer, choice="scenario")
    ledger.votes.cast([again])  # at the very same moment: the one that comes later
    assert ledger.votes.of(VOTE.comparison) == [again]


def test_a_note_that_no_column_could_hold_is_cut_and_cleaned(ledger: Ledger) -> None:
    ledger.votes.cast([replace(VOTE, note="a\x00b" + "x" * 5000)])
    (vote,) = ledger.votes.of(VOTE.comparison)
    assert vote.note.startswith("a\ufffdb")
    assert len(vote.note) == 2000
