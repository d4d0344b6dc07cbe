"""A fault is paid for a few times, never for a whole batch, and nobody is left waiting for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.errors import (
    AttemptError,
    BlankImage,
    CancelledElsewhere,
    ExecutionFailed,
    InvalidImage,
    JobFailed,
    OutcomeUnknown,
    ProviderFailing,
    RequestRejected,
    ResultExpired,
    ResultTooLarge,
    StartupFailed,
    TimedOut,
    ValidationFailed,
    WorkerFault,
    WorkflowError,
    WrongCount,
)
from assetmill.providers.breakers import Breakers, Go, Never, Wait
from assetmill.providers.retry import RULES, Blame

IDLE_S = 10.0
GOOD = None
ENTITY = "entity"


@dataclass
class Run:
    """A batch that obeys the breakers, and counts what is out."""

    seconds: float = 1000.0
    out: list[str] = field(default_factory=list)
    breakers: Breakers = field(init=False)

    def __post_init__(self) -> None:
        self.breakers = Breakers(lambda: self.seconds, IDLE_S)

    def ask(self, workflow: str = ENTITY) -> Go | Wait | Never:
        return self.breakers.may_send(workflow, outstanding=len(self.out))

    def send(self, workflow: str = ENTITY) -> None:
        assert self.ask(workflow) == Go()
        self.breakers.sent(workflow)
        self.out.append(workflow)

    def end(self, error: AttemptError | None, worker: str | None = "w1", workflow: str = ENTITY) -> None:
        self.out.remove(workflow)
        self.breakers.ended(workflow, worker, error)

    def unsend(self, workflow: str = ENTITY) -> None:
        self.out.remove(workflow)
        self.breakers.unsent(workflow)

    def job(self, error: AttemptError | None = GOOD, worker: str | None = "w1", workflow: str = ENTITY) -> None:
        self.send(workflow)
        self.end(error, worker, workflow)

    def waits(self, workflow: str = ENTITY) -> float | None:
        verdict = self.ask(workflow)
        assert isinstance(verdict, Wait)
        assert verdict.why
        return verdict.seconds

    def never(self, kind: type[Exception], workflow: str = ENTITY) -> str:
        verdict = self.ask(workflow)
        assert isinstance(verdict, Never)
        assert type(verdict.error) is kind
        assert verdict.error.hint
        return verdict.error.message


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def proven(run) -> Run:
    """The canary of `entity` has come back good."""
    run.job()
    return run


def fault(words: str = "CUDA error") -> WorkerFault:
    return WorkerFault(words, hint="read the worker's log")


# --- canaries ---


def test_nothing_of_a_workflow_is_sent_before_its_first_job_came_back_good(run):
    run.send()
    assert run.waits() is None
    run.end(GOOD)
    run.send()
    run.send()


def test_workflows_have_canaries_of_their_own(run):
    run.send("entity")
    run.send("sheet")
    run.end(GOOD, workflow="sheet")
    run.send("sheet")
    assert run.waits("entity") is None


@pytest.mark.parametrize("kind", (ValidationFailed, ResultTooLarge, RequestRejected))
def test_a_canary_that_every_other_picture_would_follow_ends_its_workflow_alone(run, kind):
    run.job(kind("node BiRefNetRMBG is missing", hint="install it"))
    message = run.never(WorkflowError)
    assert "workflow entity" in message
    assert "node BiRefNetRMBG is missing" in message
    assert kind.code in message
    run.job(workflow="sheet")
    run.send("sheet")


@pytest.mark.parametrize("kind", (BlankImage, InvalidImage, ExecutionFailed, WrongCount, CancelledElsewhere, TimedOut))
def test_after_a_canary_that_failed_by_itself_two_more_may_go(run, kind):
    run.job(kind("x"), worker="w1")
    run.job(kind("x"), worker="w2")
    run.send()
    assert run.waits() is None, "one at a time"
    run.end(kind("the last one", hint="h"), worker="w3")
    assert "first 3 jobs failed, the last as" in run.never(WorkflowError)


def test_a_later_canary_may_prove_the_workflow(run):
    run.job(BlankImage("x"))
    run.job(BlankImage("x"))
    run.job(GOOD)
    run.job(ValidationFailed("this one only"))
    run.send()


def test_a_canary_that_was_never_sent_gives_its_place_back(run):
    for _ in range(10):
        run.send()
        assert run.waits() is None
        run.unsend()
    run.job(GOOD)


def test_a_canary_whose_job_has_ended_and_whose_pictures_are_being_fetched_still_counts(run):
    run.send()
    run.out.clear()
    assert run.waits() is None, "its verdict is not in"
    run.breakers.ended(ENTITY, "w1", GOOD)
    run.send()


# --- workers ---


@pytest.mark.parametrize("kind", (WorkerFault, StartupFailed))
def test_a_worker_that_breaks_twice_in_a_row_is_left_to_idle_away_before_one_probe(proven, kind):
    for _ in range(4):
        proven.send()
    proven.end(kind("x"), "w1")
    proven.end(kind("x"), "w1")
    assert proven.waits() is None, "two jobs are still out"
    proven.seconds += 60
    proven.end(GOOD, "w2")
    assert proven.waits() is None
    proven.end(GOOD, "w1")
    assert proven.waits() == IDLE_S, "from the end of the last job on"
    proven.seconds += IDLE_S - 1
    assert proven.waits() == pytest.approx(1.0)
    proven.seconds += 1
    proven.send()
    assert proven.waits() is None, "one probe, not two"
    proven.end(GOOD, "w3")
    proven.send()
    proven.send()


def test_a_good_job_in_between_keeps_a_worker_trusted(proven):
    for error in (fault(), GOOD, fault(), GOOD, fault()):
        proven.job(error, "w1")
    proven.send()


def test_faults_of_different_workers_are_not_in_a_row(proven):
    for worker in ("w1", "w2", "w3", None, None):
        proven.job(fault(), worker)
    proven.send()


def test_an_assets_own_failure_is_no_fault_of_its_worker(proven):
    for _ in range(5):
        proven.job(ExecutionFailed("x"), "w1")
    proven.send()


def trip(run: Run) -> None:
    run.job(fault(), "w1")
    run.job(fault(), "w1")
    assert run.waits() == IDLE_S


def probe(run: Run, error: AttemptError | None) -> None:
    run.seconds += IDLE_S
    run.job(error, "w9")


def test_a_probe_that_breaks_starts_the_pause_anew_even_on_another_worker(proven):
    trip(proven)
    probe(proven, fault())
    assert proven.waits() == IDLE_S
    probe(proven, GOOD)
    proven.send()


def test_the_third_time_in_a_row_ends_everything(proven):
    trip(proven)
    probe(proven, fault())
    probe(proven, fault("the card is dead"))
    assert "the card is dead" in proven.never(ProviderFailing)
    proven.never(ProviderFailing, "sheet")
    proven.seconds += 1e6
    proven.never(ProviderFailing)


def test_a_good_probe_starts_the_counting_anew(proven):
    trip(proven)
    probe(proven, fault())
    probe(proven, GOOD)
    for _ in range(9):
        proven.job(GOOD, "w5")
    trip(proven)
    probe(proven, fault())
    assert proven.waits() == IDLE_S


@pytest.mark.parametrize("kind", (ExecutionFailed, InvalidImage, CancelledElsewhere))
def test_a_probe_that_fails_by_itself_is_followed_by_another_at_once(proven, kind):
    trip(proven)
    probe(proven, kind("x"))
    proven.send()
    assert proven.waits() is None
    proven.end(GOOD)
    proven.send()
    proven.send()


def test_a_probe_that_was_never_sent_gives_its_place_back(proven):
    trip(proven)
    proven.seconds += IDLE_S
    proven.send()
    proven.unsend()
    proven.send()
    proven.end(GOOD)
    proven.send()


def test_jobs_sent_before_a_trip_neither_close_it_nor_trip_it_again(proven):
    for _ in range(6):
        proven.send()
    for error in (fault(), fault(), fault(), fault()):
        proven.end(error, "w1")
    proven.end(GOOD, "w1")
    assert proven.waits() is None
    proven.unsend()
    assert proven.waits() == IDLE_S
    probe(proven, GOOD)
    proven.send()


def test_the_pause_begins_when_the_last_verdict_is_in(proven):
    for _ in range(3):
        proven.send()
    proven.end(fault(), "w1")
    proven.end(fault(), "w1")
    proven.out.clear()
    proven.seconds += 60
    assert proven.waits() is None, "a job has ended whose pictures are being fetched: nobody knows yet what it says"
    proven.breakers.ended(ENTITY, "w1", GOOD)
    assert proven.waits() == IDLE_S


def test_a_canary_may_be_the_probe(proven):
    trip(proven)
    proven.seconds += IDLE_S
    proven.send("sheet")
    assert proven.waits("entity") is None
    proven.end(GOOD, workflow="sheet")
    proven.send("entity")
    proven.send("sheet")


def test_jobs_of_somebody_else_keep_the_workers_awake(proven):
    trip(proven)
    proven.out.append("from an earlier run")
    proven.seconds += 500
    assert proven.waits() is None
    proven.out.clear()
    assert proven.waits() == IDLE_S


# --- endpoint ---


def test_more_than_half_of_the_last_ten_ends_everything_and_says_what_they_were(proven):
    for number in range(4):
        proven.job(GOOD, f"g{number}")
    for number in range(5):
        proven.job(TimedOut("the job timed out", hint="raise the limit"), f"w{number}")
    proven.send()
    proven.end(WrongCount("2 of 5 outputs are missing", hint="other"))
    message = proven.never(ProviderFailing)
    assert "6 of the last 10 jobs" in message
    assert "5 timed_out, 1 wrong_count" in message
    assert message.endswith("the job timed out")
    proven.never(ProviderFailing, "never heard of")


def test_half_is_not_more_than_half(proven):
    for number in range(40):
        proven.job(TimedOut("x") if number % 2 else GOOD, f"w{number}")
    proven.send()


def test_six_of_the_first_six_need_no_ten(proven):
    for number in range(6):
        assert proven.ask() == Go()
        proven.job(JobFailed("x", hint="h"), f"w{number}")
    proven.never(ProviderFailing)


@pytest.mark.parametrize("kind", [k for k, rule in RULES.items() if rule.blames in (Blame.ASSET, Blame.NOBODY)])
def test_assets_own_failures_and_nobodys_never_count_against_the_endpoint(proven, kind):
    for number in range(30):
        proven.job(kind("x"), f"w{number}")
    proven.send()


@pytest.mark.parametrize("kind", [k for k, rule in RULES.items() if rule.blames in (Blame.WORKER, Blame.ENDPOINT)])
def test_all_others_do(proven, kind):
    for number in range(6):
        proven.job(kind("x", hint="h"), f"w{number}")
    proven.never(ProviderFailing)


def test_once_ended_always_ended_whatever_comes_back_later(proven):
    for _ in range(9):
        proven.send()
    for number in range(6):
        proven.end(OutcomeUnknown("x", hint="h"), f"w{number}")
    first = proven.never(ProviderFailing)
    for number in range(3):
        proven.end(GOOD, f"w{number}")
    proven.seconds += 1e6
    assert proven.never(ProviderFailing) == first


# --- any order at all ---

OUTCOMES = (
    None, None, None, WorkerFault("w", hint="h"), StartupFailed("s", hint="h"), ValidationFailed("v", hint="h"),
    BlankImage("b", hint="h"), TimedOut("t", hint="h"), CancelledElsewhere("c", hint="h"),
    ResultExpired("e", hint="h"), ExecutionFailed("x", hint="h"),
)  # fmt: skip
WORKFLOWS = ("entity", "sheet", "background")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(WORKFLOWS)),
        st.tuples(st.just("end"), st.integers(0, 20), st.sampled_from(OUTCOMES), st.sampled_from(("w1", "w2", None))),
        st.tuples(st.just("unsend"), st.integers(0, 20)),
        st.tuples(st.just("pass"), st.floats(0, 30)),
    ),
    max_size=80,
)


def go_on(run: Run, steps: list[Any], good: set[str]) -> None:
    """Take steps as far as the breakers let them be taken, and check what must hold at every one."""
    ended = False
    for step in steps:
        match step:
            case ("send", workflow):
                if run.ask(workflow) == Go():
                    assert workflow in good or workflow not in run.out, "two canaries at a time"
                    run.send(workflow)
            case ("end", number, error, worker) if run.out:
                workflow = run.out[number % len(run.out)]
                good.update([workflow] if error is None else [])
                run.end(error, worker, workflow)
            case ("unsend", number) if run.out:
                run.unsend(run.out[number % len(run.out)])
            case ("pass", seconds):
                run.seconds += seconds
        verdicts = [run.ask(workflow) for workflow in WORKFLOWS]
        everything = any(isinstance(v, Never) and isinstance(v.error, ProviderFailing) for v in verdicts)
        assert everything or not ended, "what has ended goes on"
        ended = everything
        if not run.out:
            assert all(v.seconds is not None for v in verdicts if isinstance(v, Wait)), (
                "waits for a job, and none is out"
            )


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, tail=st.lists(st.sampled_from(OUTCOMES), max_size=20))
def test_in_whatever_order_things_happen_nobody_waits_for_ever(steps, tail):
    run, good = Run(), set()
    go_on(run, steps, good)
    while run.out:
        run.end(tail.pop() if tail else GOOD, "w1", run.out[0])
    for workflow in WORKFLOWS:
        for _ in range(3):
            verdict = run.ask(workflow)
            if not isinstance(verdict, Wait):
                break
            assert verdict.seconds is not None
            assert 0 < verdict.seconds <= IDLE_S
            run.seconds += verdict.seconds
        assert isinstance(verdict, Go | Never)


@settings(max_examples=200, deadline=None)
@given(outcomes=st.lists(st.sampled_from(OUTCOMES[3:]), min_size=60, max_size=60))
def test_an_endpoint_at_which_nothing_ever_works_is_paid_for_a_few_times_only(outcomes):
    run, sent = Run(), 0
    for error in outcomes:
        workflow = next((w for w in WORKFLOWS if run.ask(w) == Go()), None)
        if workflow is None:
            run.seconds += IDLE_S
            continue
        run.job(error, "w1", workflow)
        sent += 1
    assert sent <= 3 * len(WORKFLOWS)


def test_the_room_of_a_workflow_is_one_until_its_canary_came_back_and_none_while_that_is_out(run):
    room = run.breakers.room
    assert (room(ENTITY, 9), room(ENTITY, 0)) == (1, 0)
    run.send()
    assert room(ENTITY, 9) == 0
    run.end(GOOD)
    assert room(ENTITY, 9) == 9


def test_asking_for_room_changes_nothing_and_whoever_may_send_no_more_has_none(run):
    run.job()
    run.job(ValidationFailed("no such node"), workflow="broken")
    assert run.breakers.room("broken", 9) == 0
    for _ in range(2):
        run.job(WorkerFault("CUDA error"))
    assert run.breakers.room(ENTITY, 9) == 1, "one probe, when its time has come"
    assert run.waits() == IDLE_S
