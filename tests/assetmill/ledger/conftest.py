"""A ledger in a real file or on a real PostgreSQL, and values to write into it.

Modules that say `EVERY_DATABASE = True` run on both: they hold what two machines at one ledger could break. With
LEDGER_DATABASES=all every test of this room does.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assetmill.ledger import NO_FACTS, Facts, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.money import attempt_cost

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PRICE = Decimal("0.00053")


class Books:
    """A ledger with one run, and short ways to bring an attempt to any state."""

    t0 = T0
    image = Output("image", "blobs/ab/ab12.png", "ab12" * 16, 1000, 512, 768)

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.begin("run-1")

    def begin(self, run_id: str, **changes: Any) -> Run:
        run = Run(run_id, "cloud-hop", "art", "cloud-hop.yaml", "runpod", "ep", draft=False, started_at=T0)
        run = replace(run, **changes)
        self.ledger.begin_run(run)
        return run

    def intent(self, attempt_id: str, **changes: Any) -> Intent:
        intent = Intent(
            attempt_id=attempt_id,
            run_id="run-1",
            game="cloud-hop",
            pack="art",
            asset_id="knight",
            asset_type="entity",
            candidate=0,
            try_no=1,
            fingerprint=hashlib.sha256(attempt_id.encode()).hexdigest(),
            inputs={"prompt": "a knight", "seed": 7},
            provider="runpod",
            endpoint="ep",
            endpoint_url="https://api.example/v2/ep",
            gpu="ADA_48_PRO",
            seed=7,
            workflow="entity",
            workflow_hash="a" * 64,
            width=512,
            height=768,
            expected_outputs={"image": "knight_x1"},
            price_per_s_usd=PRICE,
            price_source="price list, 2026-06-08",
            draft=False,
            intended_at=T0,
        )
        return replace(intent, **changes)

    def intend(self, attempt_id: str, **changes: Any) -> str:
        self.ledger.intend(self.intent(attempt_id, **changes))
        return attempt_id

    def submit(self, attempt_id: str, **changes: Any) -> str:
        self.intend(attempt_id, **changes)
        self.ledger.submitted(attempt_id, job_id=f"job-{attempt_id}", at=T0)
        return attempt_id

    def collect(self, attempt_id: str, *, execution_ms: int = 10_000, **changes: Any) -> str:
        self.submit(attempt_id, **changes)
        facts = Facts(worker_id="w1", queue_ms=4_000, execution_ms=execution_ms, download_ms=30, upload_ms=20)
        self.ledger.collected(attempt_id, outputs=(self.image,), at=T0, facts=facts)
        return attempt_id

    def keep(
        self, attempt_id: str, *, execution_ms: int = 10_000, at: datetime = T0, facts: Facts = NO_FACTS, **changes: Any
    ) -> str:
        self.collect(attempt_id, execution_ms=execution_ms, **changes)
        self.ledger.settle(attempt_id, self.ending(Status.KEPT, at=at, facts=facts))
        return attempt_id

    def ending(self, status: Status, *, at: datetime = T0, **changes: Any) -> Settlement:
        settlement = Settlement(status, at, attempt_cost(PRICE, 10_000, 4_000), quality_score=0.9)
        return replace(settlement, **changes)

    def row(self, attempt_id: str) -> dict[str, Any]:
        return next(row for row in self.ledger.rows() if row["attempt_id"] == attempt_id)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    every = os.environ.get("LEDGER_DATABASES") == "all" or getattr(metafunc.module, "EVERY_DATABASE", False)
    if "ledger_url" in metafunc.fixturenames and every:
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def ledger_url(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if database == "postgresql":
        return str(request.getfixturevalue("postgres").schema_url("ledger"))
    return f"sqlite:///{tmp_path / 'books' / 'ledger.db'}"


@pytest.fixture
def open_books() -> Callable[[Ledger], Books]:
    return Books


@pytest.fixture
def books(ledger_url: str) -> Iterator[Books]:
    with Ledger.open(ledger_url) as ledger:
        yield Books(ledger)
