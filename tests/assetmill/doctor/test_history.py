"""What the books remember of a migration: of each test the newest word, of each picture who made it for a game."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assetmill.doctor.history import SMOKE, Made, made_since, month_of, smoked
from assetmill.ledger import Facts, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.money import attempt_cost

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "https://api.example/v2/ep"
PRICE = Decimal("0.00053")
HASHES = {"entity": "a" * 64}
IMAGE = Output("image", "blobs/ab/ab12.png", "ab12" * 16, 1000, 512, 768)


class Past:
    """Books into which attempts are written as a run would."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.count = 0
        ledger.begin_run(Run("run-1", "g", "p", "m.yaml", "runpod", "ep", draft=False, started_at=NOW))

    def attempt(self, asset_id: str, status: Status | None, **changes: Any) -> None:
        """One attempt; without a status it stays open."""
        self.count += 1
        name = f"{asset_id}-{self.count}"
        at = changes.get("intended_at", NOW)
        intent = Intent(
            attempt_id=name, run_id="run-1", game=SMOKE, pack="p", asset_id=asset_id, asset_type=asset_id, candidate=0,
            try_no=1, fingerprint=hashlib.sha256(name.encode()).hexdigest(), inputs={}, provider="runpod",
            endpoint="ep", endpoint_url=URL, gpu="ADA_24", seed=7, workflow="entity", workflow_hash="a" * 64, width=64,
            height=64, expected_outputs={"image": "x"}, price_per_s_usd=PRICE, price_source="a list", draft=False,
            intended_at=at,
        )  # fmt: skip
        self.ledger.intend(replace(intent, **changes))
        if status is None:
            return
        self.ledger.submitted(name, job_id=f"job-{name}", at=at)
        cost = attempt_cost(PRICE, 10_000, 0)
        error = None if status is Status.KEPT else "validation_failed"
        if status is Status.KEPT:
            self.ledger.collected(name, outputs=(IMAGE,), at=at, facts=Facts())
        self.ledger.settle(name, Settlement(status, at, cost, error_class=error))


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield Past(ledger)


def test_the_newest_settled_test_of_a_kind_counts(past: Past):
    past.attempt("entity", Status.KEPT, intended_at=NOW - timedelta(days=2))
    past.attempt("entity", Status.FAILED, intended_at=NOW - timedelta(days=1))
    past.attempt("entity", None)
    past.attempt("sheet", Status.FAILED, intended_at=NOW - timedelta(days=2))
    past.attempt("sheet", Status.KEPT, intended_at=NOW - timedelta(days=1))
    found = smoked(past.ledger, URL, HASHES)
    assert {kind: (one.passed, one.why) for kind, one in found.items()} == {
        "entity": (False, "validation_failed"),
        "sheet": (True, ""),
    }
    assert found["sheet"].at == NOW - timedelta(days=1)


def test_a_test_at_another_endpoint_or_of_a_game_says_nothing(past: Past):
    past.attempt("entity", Status.KEPT, endpoint_url=f"{URL}-other")
    past.attempt("entity", Status.KEPT, game="cloud-hop")
    assert smoked(past.ledger, URL, HASHES) == {}


def test_a_test_of_a_graph_that_has_been_changed_since_is_stale(past: Past):
    past.attempt("entity", Status.KEPT, workflow_hash="b" * 64)
    past.attempt("sheet", Status.KEPT, workflow="a-pipeline", workflow_hash="b" * 64)
    found = smoked(past.ledger, URL, HASHES)
    assert (found["entity"].stale, found["sheet"].stale) == (True, False)


def test_pictures_are_counted_for_games_by_who_made_them_most_first(past: Past):
    for endpoint, many in (("scenario", 2), ("runpod", 3)):
        for _ in range(many):
            past.attempt("slime", Status.KEPT, game="cloud-hop", endpoint=endpoint)
    past.attempt("slime", Status.KEPT, game="cloud-hop", endpoint="custom", price_per_s_usd=None)
    past.attempt("slime", Status.KEPT, game="cloud-hop", endpoint="draft", draft=True)
    past.attempt("slime", Status.FAILED, game="cloud-hop", endpoint="runpod")
    past.attempt("slime", Status.KEPT, game="cloud-hop", endpoint="runpod", intended_at=NOW - timedelta(days=30))
    past.attempt("entity", Status.KEPT)
    made = made_since(past.ledger, month_of(NOW))
    each = float(attempt_cost(PRICE, 10_000, 0).estimate or 0)
    assert list(made) == ["runpod", "scenario", "custom"]
    assert made["runpod"] == Made(3, pytest.approx(3 * each))


def test_a_month_begins_at_midnight_of_its_first_day_in_utc():
    east = datetime.fromisoformat("2026-12-01T00:30:00+01:00")
    assert month_of(east) == datetime(2026, 11, 1, tzinfo=UTC)
