"""Workers that got no job: which of them a run has paid for, and between which bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from assetmill.errors import UsageError
from assetmill.ledger import Facts, Intent, Ledger, Run, Settlement, Status, WorkerLife
from assetmill.money import Turn, attempt_cost
from assetmill.reports.run_costs import jobless_cost, run_costs

URL = "https://api.example/v2/ep"
T0 = datetime(2026, 8, 5, 10, tzinfo=UTC)
S = timedelta(seconds=1)
PRICE = Decimal("0.001")
LIFE = WorkerLife(
    URL, "bored", T0 + 10 * S, T0 + 40 * S, up_since=T0, price_per_s_usd=PRICE, price_source="list", idle_timeout_s=20
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One run of a minute, with one failed job that was cold after 50 s."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.begin_run(Run("run", "hop", "art", "hop.yaml", "runpod", "ep", draft=False, started_at=T0))
        ledger.intend(
            Intent(
                attempt_id="a", run_id="run", game="hop", pack="art", asset_id="a", asset_type="entity",
                candidate=0, try_no=1, fingerprint="a", inputs={}, provider="runpod", endpoint="ep",
                endpoint_url=URL, gpu=None, seed=1, workflow="w", workflow_hash="h", width=1, height=1,
                expected_outputs={"image": "a"}, price_per_s_usd=PRICE, price_source="list", draft=False,
                intended_at=T0,
            )
        )  # fmt: skip
        ledger.submitted("a", job_id="job", at=T0)
        began = T0 + 50 * S
        facts = Facts(
            "busy", None, began, began + 8 * S, queue_ms=50_000, execution_ms=8_000, cold=True, start_ms=50_000,
            idle_ms=20_000,
        )  # fmt: skip
        cost = attempt_cost(PRICE, 8_000, 50_000, Turn(True, 50_000, None, 20_000, "measured"))
        ledger.settle("a", Settlement(Status.FAILED, T0 + 59 * S, cost, facts, error_class="x", error_text="y"))
        ledger.end_run("run", state="finished", ended_at=T0 + 60 * S, kept=0, failed=1, cached=0)
        yield ledger


def test_a_worker_without_a_job_is_told_apart_from_the_jobs(ledger: Ledger) -> None:
    alone = run_costs(ledger, "run")
    assert (alone.estimate, alone.workers_without_job) == (Decimal("0.078"), 0)
    ledger.workers.seen([LIFE, replace(LIFE, worker_id="busy")])
    costs = run_costs(ledger, "run")
    assert costs.jobs == alone.jobs
    assert costs.workers_without_job == 1
    assert costs.jobless.estimate == Decimal("0.070"), "as long a start as that which was seen, and the idle timeout"
    assert costs.estimate == Decimal("0.148")
    assert (costs.low, costs.high) == (alone.low, (alone.high or 0) + (costs.jobless.high or 0))


def test_a_worker_that_only_the_last_look_saw_is_paid_by_the_run_that_it_began_in(ledger: Ledger) -> None:
    late = replace(LIFE, first_seen_at=T0 + 61 * S, last_seen_at=T0 + 61 * S, up_since=T0 + 55 * S)
    ledger.workers.seen([late, replace(late, worker_id="after", up_since=T0 + 65 * S, first_seen_at=T0 + 66 * S)])
    assert run_costs(ledger, "run").workers_without_job == 1


def test_a_worker_that_was_seen_ready_goes_after_the_idle_timeout() -> None:
    cost = jobless_cost(replace(LIFE, ready_at=T0 + 36 * S), 33_000)
    assert cost.estimate == PRICE * (33 + 20)
    assert cost.high == PRICE * (36 + 20 + 2 + 1), "two seconds of clocks, and one of rounding"
    later = jobless_cost(replace(LIFE, ready_at=T0 + 36 * S), 5_000)
    assert later.estimate == PRICE * (21 + 20), "it was not ready at the look before"


def test_a_worker_that_nobody_saw_ready_may_have_been_starting_for_as_long_as_any_may() -> None:
    cost = jobless_cost(LIFE, 33_000)
    assert cost.estimate == PRICE * (33 + 20)
    assert cost.high == PRICE * (420 + 20 + 2 + 1)


def test_a_worker_that_others_kept_busy_has_lived_for_as_long_as_it_was_seen() -> None:
    cost = jobless_cost(replace(LIFE, ready_at=T0 + 36 * S, last_seen_at=T0 + 500 * S), 33_000)
    assert cost.estimate == PRICE * 500
    assert cost.high == PRICE * (500 + 20 + 2 + 1)


def test_a_price_that_nobody_knows_makes_all_of_it_unknown(ledger: Ledger) -> None:
    ledger.workers.seen([replace(LIFE, price_per_s_usd=None)])
    costs = run_costs(ledger, "run")
    assert (costs.estimate, costs.high) == (None, None)


def test_a_run_that_there_is_not_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="no run nobody"):
        run_costs(ledger, "nobody")
