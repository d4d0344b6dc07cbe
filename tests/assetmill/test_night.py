"""A night is judged as a single run is, says all in words, and never spends more than it may."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from assetmill.batch.report import BatchReport, Line
from assetmill.ledger import Intent, Ledger, Run, Settlement, Status
from assetmill.money import Cost
from assetmill.night import NOTHING, Night, Part, most_spent, part_of


def part(name: str, ending: str, spent: str | None = None) -> Part:
    return Part(name, ending, f"how {name} went", None if spent is None else Decimal(spent))


@pytest.mark.parametrize(
    ("endings", "ending"),
    (
        ((), "complete"),
        (("complete", "complete"), "complete"),
        (("complete", "failed"), "with_failures"),
        (("with_failures",), "with_failures"),
        (("failed", "with_failures"), "with_failures"),
        (("failed", "failed"), "failed"),
        (("complete", "cancelled"), "cancelled"),
        (("failed", "cancelled"), "cancelled"),
    ),
)
def test_a_night_ends_as_its_runs_do(endings, ending):
    night = Night(tuple(map(str, range(len(endings)))), parts=[part(str(n), one) for n, one in enumerate(endings)])
    assert night.ending == ending
    assert night.stopped == ("cancelled" in endings)


def test_the_sentence_names_every_manifest_how_it_went_and_what_was_not_begun():
    night = Night(("a", "b", "c", "d"), parts=[part("a", "complete", "0.84"), part("b", "failed")])
    assert night.sentence == "1 of 4 complete; $0.8400 | a: how a went | b: how b went | not begun: c, d"
    assert Night(()).sentence == NOTHING
    assert Night(("a",), parts=[part("a", "failed")]).sentence == "0 of 1 complete | a: how a went"


def test_what_is_left_of_the_budget_shrinks_by_what_every_run_may_have_cost_and_never_below_nothing():
    night = Night(("a", "b", "c"), Decimal(2))
    assert night.left_usd == 2
    night.parts.append(part("a", "complete", "0.75"))
    night.parts.append(part("b", "failed"))
    assert night.left_usd == Decimal("1.25")
    night.parts.append(part("c", "complete", "1.50"))
    assert night.left_usd == 0
    assert Night(("a",), None, [part("a", "complete", "9")]).left_usd is None


def test_what_the_books_say_of_a_run_goes_above_its_report_and_its_silence():
    broke_off = replace(part("a", "failed"), most_usd=Decimal("1.25"))
    left_jobs_open = replace(part("b", "with_failures", "0.10"), most_usd=Decimal("0.50"))
    night = Night(("a", "b", "c"), Decimal(2), [broke_off, left_jobs_open])
    assert night.left_usd == Decimal("0.25")
    assert "$0.1000" in night.sentence, "what was not spent for certain is not told as spent"


def test_the_most_that_a_run_may_have_cost_is_what_was_settled_and_what_was_planned_of_the_rest(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.begin_run(Run("r", "tiny", "p", "tiny.yaml", "runpod", "e", draft=False, started_at=T0))
        assert most_spent(ledger, "r") == most_spent(ledger, "never begun") == 0
        for name in ("settled", "lost", "open"):
            ledger.intend(replace(INTENT, attempt_id=name, fingerprint=name))
        ledger.settle("settled", Settlement(Status.FAILED, T0, Cost(Decimal(0), Decimal("0.01"), Decimal(1), "x")))
        ledger.settle("lost", Settlement(Status.LOST, T0, Cost(Decimal(0), None, Decimal("0.04"), "x")))
        assert most_spent(ledger, "r") == Decimal("0.10")
        ledger.intend(replace(INTENT, attempt_id="x", fingerprint="x", planned_high_usd=None))
        assert most_spent(ledger, "r") is None


T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
INTENT = Intent(
    attempt_id="", run_id="r", game="tiny", pack="p", asset_id="a", asset_type="entity", candidate=0, try_no=1,
    fingerprint="", inputs={}, provider="runpod", endpoint="e", endpoint_url="https://api.example/v2/e", gpu=None,
    seed=1, workflow="w", workflow_hash="h", width=8, height=8, expected_outputs={"image": "p"}, price_per_s_usd=None,
    price_source="", draft=False, intended_at=T0, planned_high_usd=Decimal("0.05"),
)  # fmt: skip
REPORT = BatchReport(
    run_id="r", game="g", pack="p", endpoint="e", draft=False, assets=1, planned={}, generated=1, cached=0,
    refinished=0, failed=0, collected=0, cost_usd=Decimal("0.40"), unpriced=0, elapsed_s=3.0, gallery=None, index=None,
    latest=None, published=True, store="s", failures=(), stopped=None, exit_code=0,
)  # fmt: skip
LINE = Line(asset="a", type="entity", candidate=0, state="failed", error="x", message="broke")


@pytest.mark.parametrize(
    ("changes", "ending", "spent"),
    (
        ({}, "complete", "0.40"),
        ({"exit_code": 1, "failures": (LINE,), "failed": 1}, "with_failures", "0.40"),
        ({"exit_code": 1, "failures": (LINE,), "failed": 1, "generated": 0, "cost_usd": None}, "failed", None),
        ({"exit_code": 4, "stopped": "the endpoint refuses"}, "failed", "0.40"),
        ({"exit_code": 130, "stopped": "somebody asked"}, "cancelled", "0.40"),
        ({"unpriced": 1, "bounded": 1, "unpriced_high_usd": Decimal("0.20")}, "complete", "0.60"),
    ),
)
def test_a_run_counts_with_its_own_ending_and_with_the_most_that_it_may_have_cost(changes, ending, spent):
    made = part_of("a", REPORT.model_copy(update=changes))
    assert made.ending == ending
    assert made.spent_usd == (None if spent is None else Decimal(spent))
    assert made.words
