"""Only what makes sense is sent again, as often as the table says, and the table is the one in the docs."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path

import pytest

from assetmill import errors
from assetmill.errors import (
    AttemptError,
    BlankImage,
    CancelledElsewhere,
    DraftAnswer,
    ExecutionFailed,
    InvalidImage,
    JobFailed,
    NeverArrived,
    NotDelivered,
    OutcomeUnknown,
    QueueStalled,
    RequestRejected,
    ResultExpired,
    ResultInvalid,
    ResultLost,
    ResultTooLarge,
    StartupFailed,
    Throttled,
    TimedOut,
    ValidationFailed,
    WorkerFault,
    WrongCount,
)
from assetmill.providers.retry import (
    CEILING_S,
    LONGEST_RETRY_AFTER_S,
    MAX_TRIES,
    MOST_PAID,
    RULES,
    Again,
    Charge,
    GiveUp,
    Rule,
    decide,
    new_seed,
    pause_before_resend,
    rule_for,
)

DOC = (Path(__file__).parents[3] / "docs" / "retries.md").read_text(encoding="utf-8")
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AttemptError)]


def times_again(error: AttemptError, **limits: int) -> int:
    """How often a picture that always ends the same way is sent again."""
    earlier: list[str] = []
    while isinstance(decide(error, earlier, most_paid=99, **limits), Again):
        earlier.append(error.code)
    return len(earlier)


@pytest.mark.parametrize(
    ("error", "again", "seed"),
    (
        (NotDelivered("x"), 0, False),
        (NeverArrived("x"), 2, False),
        (Throttled("x"), 0, False),
        (RequestRejected("x"), 0, False),
        (OutcomeUnknown("x"), 1, False),
        (JobFailed("x"), 1, False),
        (WorkerFault("x"), 2, False),
        (StartupFailed("x"), 2, False),
        (ExecutionFailed("x"), 0, False),
        (ValidationFailed("x"), 0, False),
        (TimedOut("x"), 1, False),
        (CancelledElsewhere("x"), 0, False),
        (ResultLost("x"), 0, False),
        (ResultTooLarge("x"), 0, False),
        (ResultExpired("x"), 1, False),
        (ResultInvalid("x"), 0, False),
        (InvalidImage("x"), 1, False),
        (BlankImage("x"), 1, True),
        (WrongCount("x"), 1, False),
        (DraftAnswer("x"), 0, False),
        (QueueStalled("x"), 0, False),
        (AttemptError("x"), 0, False),
    ),
    ids=lambda value: value.code if isinstance(value, AttemptError) else None,
)
def test_every_class_is_sent_again_as_often_as_the_studio_decided(error, again, seed):
    assert times_again(error) == again
    first = decide(error)
    assert isinstance(first, Again) is (again > 0)
    assert getattr(first, "new_seed", False) is seed
    assert first.why


def test_every_class_of_the_error_tree_has_a_line_of_its_own():
    assert set(KINDS) == set(RULES)
    assert len({kind.code for kind in KINDS}) == len(KINDS), "the codes tell the classes apart"


def test_a_class_without_a_line_has_that_of_the_class_above_it():
    class Melted(WorkerFault):
        code = "melted"

    assert rule_for(Melted("x")) is RULES[WorkerFault]
    assert times_again(Melted("x")) == 2


@pytest.mark.parametrize("limit", (0, 1, 3))
def test_an_unknown_outcome_is_sent_again_as_often_as_the_policy_allows(limit):
    assert times_again(OutcomeUnknown("x"), resend_unknown=limit) == limit


def test_the_policy_on_unknown_outcomes_concerns_nothing_else():
    assert times_again(WorkerFault("x"), resend_unknown=0) == 2
    assert times_again(ValidationFailed("x"), resend_unknown=5) == 0


def test_a_job_that_went_out_and_is_out_of_sight_is_not_replaced():
    assert isinstance(decide(NotDelivered("no answer for 600 s", job_id="j1")), GiveUp)
    assert isinstance(decide(NeverArrived("the endpoint has no such job")), Again)


def test_another_failure_in_between_has_its_own_count():
    assert isinstance(decide(TimedOut("x"), ["worker_fault"]), Again)
    assert isinstance(decide(TimedOut("x"), [TimedOut]), GiveUp), "classes may be given as well as codes"
    assert isinstance(decide(TimedOut("x"), ["timed_out"]), GiveUp)


def test_all_classes_together_stay_under_the_cap_of_paid_attempts():
    verdict = decide(BlankImage("x"), ["worker_fault", "timed_out"])
    assert isinstance(verdict, GiveUp)
    assert f"the most is {MOST_PAID}" in verdict.why
    assert isinstance(decide(BlankImage("x"), ["worker_fault", "timed_out"], most_paid=4), Again)


def test_what_never_reached_a_worker_does_not_count_as_paid():
    assert isinstance(decide(WorkerFault("x"), ["never_arrived", "throttled", "worker_fault"]), Again)


@pytest.mark.parametrize("most_paid", (1, 2, 3, 5))
def test_no_order_of_failures_is_ever_paid_more_often_than_the_cap(most_paid):
    chance = random.Random(most_paid)
    for _ in range(300):
        earlier: list[str] = []
        error = chance.choice(KINDS)("x")
        while isinstance(decide(error, earlier, most_paid=most_paid, resend_unknown=9), Again):
            earlier.append(error.code)
            error = chance.choice(KINDS)("x")
        free = {kind.code for kind, rule in RULES.items() if rule.charged is Charge.NO}
        assert sum(code not in free for code in [*earlier, error.code]) <= most_paid


def test_a_new_seed_follows_from_the_first_and_differs_from_all_before():
    for seed in (0, 1, 41, 2**53 - 1):
        seeds = [new_seed(seed, number) for number in range(1, 2000)]
        assert seeds[0] == seed, "the first try keeps its seed"
        assert len(set(seeds)) == len(seeds)
        assert all(0 <= made < 2**53 for made in seeds)
        assert min(abs(a - b) for a, b in pairwise(seeds)) > 1000, (
            "candidates count seeds up by one: keep clear of them"
        )
        assert seeds == [new_seed(seed, number) for number in range(1, 2000)]


# --- before acceptance ---


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not issubclass(kind, NotDelivered | Throttled)])
def test_what_may_have_been_accepted_is_never_resent_as_the_same_attempt(kind):
    assert pause_before_resend(kind("x"), 1, random.Random(1)) is None


@pytest.mark.parametrize(
    "error",
    (
        NotDelivered("x"),
        Throttled("x"),
        Throttled("x", retry_after_s=float("nan")),
        Throttled("x", retry_after_s=float("inf")),
    ),
)
def test_pauses_stay_under_the_ceiling_and_end_after_the_last_try(error):
    chance = random.Random(3)
    pauses = [pause_before_resend(error, tries, chance) for tries in range(1, MAX_TRIES)]
    assert all(pause is not None and 0 <= pause <= CEILING_S for pause in pauses)
    assert pause_before_resend(error, MAX_TRIES, chance) is None


@pytest.mark.parametrize("asked", (0.0, 0.5, 9.0, 60.0, LONGEST_RETRY_AFTER_S))
def test_retry_after_is_honoured_and_those_who_wait_do_not_come_back_together(asked):
    chance = random.Random(1)
    pauses = [pause_before_resend(Throttled("slow down", retry_after_s=asked), 1, chance) for _ in range(50)]
    assert all(pause is not None and asked <= pause <= asked + max(1.0, 0.2 * asked) for pause in pauses)
    assert len(set(pauses)) == 50


def test_an_endpoint_that_asks_for_too_much_patience_is_told_so():
    with pytest.raises(Throttled, match="3600 s") as caught:
        pause_before_resend(Throttled("slow down", retry_after_s=3600.0), 1, random.Random(1))
    assert caught.value.retry_after_s == 3600.0
    assert caught.value.hint


# --- the page ---


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows_of_the_page() -> dict[str, list[str]]:
    lines = [cells(line) for line in DOC.splitlines() if re.match(r"\| `[A-Z]\w+` \|", line)]
    return {line[0].strip("`"): line for line in lines}


def row_of(kind: type[AttemptError], rule: Rule) -> list[str]:
    unknown = kind is OutcomeUnknown
    again = f"{rule.again} (`ASSETMILL_RESEND_UNKNOWN`)" if unknown else str(rule.again)
    change = "prefix and seed" if rule.new_seed else "prefix" if rule.again else "-"
    elsewhere = "yes" if rule.elsewhere else "no"
    return [f"`{kind.__name__}`", f"`{kind.code}`", rule.charged, again, change, rule.blames, elsewhere, rule.why]


def test_the_page_shows_the_table_as_it_is():
    rows = rows_of_the_page()
    expected = {kind.__name__: row_of(kind, rule) for kind, rule in RULES.items() if kind is not AttemptError}
    assert set(rows) == set(expected)
    for name, row in expected.items():
        assert rows[name][:2] + rows[name][3:] == row
        assert len(rows[name][2]) > 10, f"{name}: what it looks like"


def test_the_page_tells_the_limits_as_they_are():
    assert f"most {MOST_PAID} paid attempts" in DOC
    assert f"{MAX_TRIES} times" in DOC
    assert f"{LONGEST_RETRY_AFTER_S:.0f} s" in DOC
