"""A night is judged as a single run is, says all in words, and never spends more than it may."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assetmill.batch.report import BatchReport, Line
from assetmill.night import NOTHING, Night, Part, part_of


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
