"""Weeks and months are whole days in UTC, found from when a report was due; paid and drafts never mix."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from assetmill.ledger import Intent, Ledger, Output, Run, Settlement, Status
from assetmill.money import UNKNOWN_COST, Cost
from assetmill.reports.periods import last_whole, report_on

SINCE, UNTIL = datetime(2026, 2, 9, tzinfo=UTC), datetime(2026, 2, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "at", "name", "since", "until"),
    (
        ("week", datetime(2026, 2, 16, 7, tzinfo=UTC), "2026-W07", SINCE, UNTIL),
        ("week", datetime(2026, 2, 22, 23, 59, tzinfo=UTC), "2026-W07", SINCE, UNTIL),
        ("week", datetime(2026, 2, 15, 23, 59, tzinfo=UTC), "2026-W06", SINCE - timedelta(days=7), SINCE),
        ("week", datetime(2026, 2, 16, 1, tzinfo=timezone(timedelta(hours=2))), "2026-W06", None, SINCE),
        ("week", datetime(2027, 1, 4, tzinfo=UTC), "2026-W53", datetime(2026, 12, 28, tzinfo=UTC), None),
        ("month", datetime(2026, 3, 1, tzinfo=UTC), "2026-02", datetime(2026, 2, 1, tzinfo=UTC), None),
        ("month", datetime(2026, 1, 31, tzinfo=UTC), "2025-12", datetime(2025, 12, 1, tzinfo=UTC), None),
        ("month", datetime(2024, 3, 31, tzinfo=UTC), "2024-02", None, datetime(2024, 3, 1, tzinfo=UTC)),
    ),
)
def test_the_last_whole_period_is_the_one_that_was_over(length, at, name, since, until):
    period = last_whole(length, at)
    assert period.name == name
    assert since is None or period.since == since
    assert until is None or period.until == until
    assert period.until <= at
    assert period.key == f"private/reports/cost-{name}.csv"


def attempt(ledger: Ledger, intent: Intent, *, cost: str | None) -> None:
    name, at = intent.attempt_id, intent.intended_at
    ledger.intend(intent)
    ledger.submitted(name, job_id=name, at=at)
    ledger.collected(name, outputs=(Output("image", "k", "s", 1, 8, 8),), at=at)
    amount = Decimal(cost or 0)
    known = Cost(amount, amount, amount, "test") if cost else UNKNOWN_COST
    ledger.settle(name, Settlement(Status.KEPT, at, known))


def test_a_report_is_about_its_days_alone_and_says_what_its_sum_leaves_out(tmp_path, new_intent):
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.begin_run(Run("r", "tiny", "p", "m.yaml", "runpod", "e", draft=False, started_at=SINCE))
        attempt(ledger, new_intent("before", SINCE - timedelta(milliseconds=1)), cost="5")
        attempt(ledger, new_intent("first", SINCE), cost="0.25")
        attempt(ledger, new_intent("last", UNTIL - timedelta(milliseconds=1)), cost="0.50")
        attempt(ledger, new_intent("unknown", SINCE), cost=None)
        attempt(ledger, new_intent("sketch", SINCE, provider="draft", draft=True), cost="0")
        attempt(ledger, new_intent("after", UNTIL), cost="7")
        report = report_on(ledger, last_whole("week", UNTIL), made_at=UNTIL)
    assert report.sentence == (
        "2026-W07: $0.7500 for 3 paid attempts (3 kept, 0 rejected, 0 failed, 0 open); "
        "1 of unknown cost, not in the sum; 1 draft"
    )
    assert [(row["draft"], row["attempts"]) for row in report.rows] == [(True, 1), (False, 3)]
    assert report.csv.count("\n") == 3
    assert "tiny" in report.table
    assert "<title>Costs of 2026-W07" in report.page
    assert report.period.page_key == "private/reports/cost-2026-W07.html"


def test_a_period_without_attempts_is_a_report_of_nothing_and_not_of_an_unknown_sum(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        report = report_on(ledger, last_whole("month", UNTIL), made_at=UNTIL)
    assert report.sentence == "2026-01: $0.00 for 0 paid attempts (0 kept, 0 rejected, 0 failed, 0 open)"
    assert report.rows == ()
