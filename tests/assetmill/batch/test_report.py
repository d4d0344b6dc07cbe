"""What a run says of itself in one line, and how it is said to have ended."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assetmill.batch.report import BatchReport, Line, duration_words, planned_words


def line(state: str, asset: str = "slime") -> Line:
    return Line(asset=asset, type="entity", candidate=0, state=state, error=state, message=state)


def report(*states: str, **values: object) -> BatchReport:
    fields = {
        "run_id": "r", "game": "tiny", "pack": "art", "endpoint": "gpu", "draft": False, "assets": 6, "planned": {},
        "generated": 0, "cached": 0, "refinished": 0, "failed": len(states), "collected": 0, "cost_usd": Decimal(0),
        "unpriced": 0, "elapsed_s": 1, "gallery": None, "index": None, "latest": None, "published": False,
        "store": "file:///store", "failures": tuple(map(line, states)), "stopped": None, "exit_code": bool(states),
    }  # fmt: skip
    return BatchReport.model_validate(fields | values)


def test_the_sentence_counts_what_is_there_and_what_is_not():
    made = report(
        "failed", "lost", "open", "rejected", "unsent", "unsent", "blocked",
        generated=57, cached=4, shared=1, refinished=2, retried=3, cost_usd=Decimal("1.84"), elapsed_s=720,
    )  # fmt: skip
    assert made.sentence == (
        "57 kept, 4 cached, 1 made by another run, 2 finished again, 3 tried again, 2 failed, 1 rejected, 1 open, "
        "2 not sent, 1 blocked; $1.84; 12 min"
    )


def test_nothing_is_said_of_what_did_not_happen():
    assert report(cached=39, elapsed_s=3.2).sentence == "39 cached; $0.00; 3 s"
    assert report("failed").sentence == "0 kept, 1 failed; $0.00; 1 s"


def test_a_dry_run_says_what_a_run_would_do():
    dry = report(dry_run=True, planned={"new": 30, "changed": 5, "cached": 4}, estimate_usd=Decimal("1.84"))
    assert dry.sentence == "dry run: 35 to make, 4 cached; $1.84 estimated"
    assert report(dry_run=True, planned={"new": 1}).sentence == "dry run: 1 to make; cost unknown"
    assert planned_words({"open": 2, "blocked": 1}) == "0 to make, 2 open, 1 blocked"


@pytest.mark.parametrize(
    ("seconds", "words"),
    ((0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (720, "12 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min")),
)
def test_durations_are_told_as_people_do(seconds, words):
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("made", "ending"),
    (
        (report(generated=3), "complete"),
        (report(cached=3), "complete"),
        (report("rejected", generated=2, exit_code=0), "complete"),  # another candidate of that asset is there
        (report("failed", generated=2), "with_failures"),
        (report("failed", cached=2), "with_failures"),
        (report("open", shared=1), "with_failures"),
        (report("failed", "blocked"), "failed"),
        (report("unsent", generated=2, stopped="the key was refused", exit_code=4), "failed"),
        (report("unsent", generated=2, stopped="interrupted", exit_code=130), "cancelled"),
    ),
)
def test_how_a_run_ended_follows_the_rule(made, ending):
    assert made.ending == ending
