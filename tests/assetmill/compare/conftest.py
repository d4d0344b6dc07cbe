"""A store, a ledger and votes for comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assetmill.compare.values import Comparison
from assetmill.ledger import Ledger, Vote
from assetmill.storage import FileStore

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


@pytest.fixture
def said() -> Callable[..., list[Vote]]:
    """Votes of one voter on the first pairs of a type: `said(comparison, "entity", "runpod", "runpod", "equal")`."""

    def make(comparison: Comparison, kind: str, *choices: str, voter: str = "ada", **fields: Any) -> list[Vote]:
        pairs = [pair for pair in comparison.pairs if pair.type == kind]
        at = fields.get("at", NOON)
        return [
            Vote(comparison.id, pair.asset, pair.candidate, voter, choice, "", at + timedelta(seconds=number))
            for number, (pair, choice) in enumerate(zip(pairs, choices, strict=False))
        ]

    return make
