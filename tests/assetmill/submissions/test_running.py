"""A submission that is begun anew never costs more than was agreed to, as far as its earlier runs' jobs are settled."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from assetmill.ledger import Intent, Ledger, Run, Settlement, Status
from assetmill.money import Cost
from assetmill.submissions import FlowRun, ingest
from assetmill.submissions.running import left_of_budget

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST, SECOND = FlowRun(id="flow-1"), FlowRun(id="flow-2")


def send(ledger: Ledger, intent: Intent, cost_usd: str | None) -> None:
    ledger.intend(
        intent
    )  # fmt: skip
    if cost_usd is not None:
        cost = Decimal(cost_usd)
        ledger.settle(intent.attempt_id, Settlement(Status.FAILED, T0, Cost(cost, cost, cost, "measured")))


@pytest.fixture
def running(studio, priced, text):
    """A submission that runs for the first time, and its agreed amount."""
    studio.more.update(priced)
    studio.drop("a.yaml", text())
    ingest(studio.desk())
    record = studio.only()
    studio.desk().approve(record.id, by="Ben", amount_usd=Decimal(2))
    return studio.desk(lease_s=0.0).begin(record.id, FIRST)


def test_the_first_run_may_spend_what_was_agreed_to(studio, running):
    assert left_of_budget(studio.settings(), running) == 2


def test_a_run_that_takes_over_has_what_the_one_before_has_left(studio, running, new_intent):
    with Ledger.open(studio.settings().ledger_url) as ledger:
        ledger.begin_run(Run(running.id, "tiny", "p", "a.yaml", "runpod", "e", draft=False, started_at=T0))
        send(ledger, new_intent("settled", T0, run_id=running.id), "0.75")
        send(ledger, new_intent("open", T0, run_id=running.id), None)
        studio.ahead_s += 600
        again = studio.desk().begin(running.id, SECOND)
        assert again.beginnings == 2
        assert left_of_budget(studio.settings(), again) == Decimal("1.25")
        ledger.begin_run(Run("another", "tiny", "p", "a.yaml", "runpod", "e", draft=False, started_at=T0))
        send(ledger, new_intent("not of this submission", T0, run_id="another"), "9")
        assert left_of_budget(studio.settings(), again) == Decimal("1.25")
        send(ledger, new_intent("dear", T0, run_id=running.id), "3")
        assert left_of_budget(studio.settings(), again) == 0
