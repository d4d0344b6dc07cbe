"""Who may send the next job: in order, never more than the window, never past a breaker, and nobody for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from assetmill.batch.admission import Admission, Pass
from assetmill.batch.window import Window
from assetmill.clock import Clock
from assetmill.errors import (
    AssetmillError,
    InvalidImage,
    ProviderFailing,
    Stopped,
    ValidationFailed,
    WorkerFault,
    WorkflowError,
)
from assetmill.providers.breakers import Breakers

IDLE_S = 10.0


@dataclass
class Hand:
    """Time that passes when a test says so, and wakes whoever has slept long enough."""

    at: float = 0.0
    sleepers: list[tuple[float, asyncio.Future[None]]] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.at + seconds, waking))
        await waking

    async def move(self, seconds: float) -> None:
        self.at += seconds
        for until, waking in self.sleepers:
            if until <= self.at and not waking.done():
                waking.set_result(None)
        await settle()

    @property
    def pending(self) -> int:
        return sum(not waking.done() for _, waking in self.sleepers)


async def settle() -> None:
    """Let everybody who can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


@dataclass
class Gate:
    """An admission, and the names of those that it let in, in that order."""

    admission: Admission
    window: Window
    time: Hand
    said: list[str]
    inside: list[str] = field(default_factory=list)
    refused: dict[str, AssetmillError] = field(default_factory=dict)
    passes: dict[str, Pass] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def come(self, *names: str, again: bool = False) -> None:
        """Let pictures come; the first letters of a name are its workflow."""
        for name in names:
            self.tasks[name] = asyncio.create_task(self._enter(name, again=again))
        await settle()

    async def _enter(self, name: str, *, again: bool) -> None:
        try:
            entry = await self.admission.enter(name.rstrip("0123456789"), again=again)
        except AssetmillError as error:
            self.refused[name] = error
            return
        self.inside.append(name)
        self.passes[name] = entry

    async def end(self, name: str, error: object = None, worker: str = "w") -> None:
        """A job comes back: the slot first, then what became of it."""
        entry = self.passes.pop(name)
        entry.job_ended()
        entry.came_back(worker, error)  # type: ignore[arg-type]  # tests hand over attempt errors only
        entry.close()
        await settle()

    async def prove(self, *workflows: str) -> None:
        """Let a canary of each come back good, and forget about it."""
        for workflow in workflows:
            await self.come(f"{workflow}0")
            await self.end(f"{workflow}0")
        self.inside.clear()


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    made = new_gate(2)
    yield made
    for task in made.tasks.values():
        task.cancel()
    await asyncio.gather(*made.tasks.values(), return_exceptions=True)
    made.admission.close(Stopped("the test is over"))


def new_gate(size: int) -> Gate:
    time, window = Hand(), Window(size, 0)
    clock = Clock(monotonic=lambda: time.at, sleep=time.sleep)
    said: list[str] = []
    return Gate(Admission(window, Breakers(clock.monotonic, IDLE_S), clock, said.append), window, time, said)


async def test_pictures_go_in_the_order_in_which_they_came_whatever_their_workflow(gate):
    await gate.prove("a", "b")
    await gate.come("a1", "b1", "b2", "a2", "b3", "a3")
    assert gate.inside == ["a1", "b1"]
    for name in ("b1", "a1", "b2", "a2"):
        await gate.end(name)
    assert gate.inside == ["a1", "b1", "b2", "a2", "b3", "a3"]


async def test_a_picture_that_is_tried_again_goes_before_all_that_were_not(gate):
    await gate.prove("a", "b")
    await gate.come("a1", "a2", "a3", "b1")
    await gate.come("b9", again=True)
    await gate.end("a1")
    assert gate.inside == ["a1", "a2", "b9"]
    await gate.end("a2")
    assert gate.inside[-1] == "a3"


async def test_a_canary_holds_its_own_workflow_and_no_other(gate):
    await gate.prove("b")
    await gate.come("a1", "a2", "b1")
    assert gate.inside == ["a1", "b1"], "a slot that the canary's workflow may not use goes to another"
    await gate.end("b1")
    assert gate.inside == ["a1", "b1"]
    assert gate.said == [], "that takes no longer than a job"
    await gate.end("a1")
    assert gate.inside == ["a1", "b1", "a2"]


async def test_never_is_more_out_than_the_window_has_slots(gate):
    await gate.prove("a")
    await gate.come(*(f"a{n}" for n in range(1, 40)))
    for _ in range(30):
        assert len(gate.passes) == 2
        assert not gate.window.free
        await gate.end(next(iter(gate.passes)))


async def test_a_slot_is_free_as_soon_as_its_job_has_ended_and_only_once(gate):
    await gate.prove("a")
    await gate.come("a1", "a2", "a3", "a4")
    entry = gate.passes["a1"]
    entry.job_ended()
    await settle()
    assert gate.inside == ["a1", "a2", "a3"], "what is fetched and finished holds nobody up"
    entry.job_ended()
    entry.came_back("w", None)
    entry.close()
    entry.close()
    await settle()
    assert gate.inside == ["a1", "a2", "a3"], "saying it again frees nothing"


async def test_whoever_is_cancelled_while_waiting_takes_no_slot(gate):
    await gate.prove("a")
    await gate.come("a1", "a2", "a3", "a4")
    gate.tasks["a3"].cancel()
    await gate.end("a1")
    assert gate.inside == ["a1", "a2", "a4"]


async def test_whoever_is_cancelled_just_when_it_is_let_in_gives_its_pass_back(gate):
    await gate.prove("a")
    await gate.come("a1", "a2", "a3", "a4")
    entry = gate.passes.pop("a1")
    entry.came_back("w", None)
    entry.close()
    gate.tasks["a3"].cancel()  # its ticket has been written, and it has not seen it yet
    await settle()
    assert gate.inside == ["a1", "a2", "a4"]
    assert gate.tasks["a3"].cancelled()


async def test_a_canary_that_was_never_sent_makes_room_for_the_next(gate):
    await gate.come("a1", "a2")
    gate.passes.pop("a1").close()
    await settle()
    assert gate.inside == ["a1", "a2"]


async def test_closing_sends_everybody_home_and_lets_nobody_in_any_more(gate):
    await gate.prove("a")
    await gate.come("a1", "a2", "a3", "b1")
    first, later = Stopped("somebody asked"), Stopped("again")
    gate.admission.close(first)
    gate.admission.close(later)
    await gate.come("a9", "b9")
    await gate.come("a8", again=True)
    assert gate.refused == dict.fromkeys(("a3", "b1", "a9", "b9", "a8"), first), "the first reason stands"
    await gate.end("a1")
    await gate.end("a2")
    assert gate.inside == ["a1", "a2"]
    assert gate.window.free


async def test_a_dead_workflow_sends_its_own_home_and_the_others_go_on(gate):
    await gate.prove("b")
    await gate.come("a1", "a2", "b1", "b2")
    await gate.end("a1", ValidationFailed("the worker has no such node"))
    await gate.end("b1")
    assert set(gate.refused) == {"a2"}
    assert isinstance(gate.refused["a2"], WorkflowError)
    assert "no such node" in str(gate.refused["a2"])
    assert gate.inside == ["a1", "b1", "b2"]


async def test_an_endpoint_at_which_everything_fails_sends_everybody_home(gate):
    await gate.prove("a", "b")
    names = [f"{workflow}{n}" for n in range(1, 8) for workflow in "ab"]
    await gate.come(*names)
    while gate.passes:
        await gate.end(next(iter(gate.passes)), WorkerFault("CUDA error"), worker=f"w{len(gate.inside)}")
    assert {type(error) for error in gate.refused.values()} == {ProviderFailing}
    assert set(gate.inside) | set(gate.refused) == set(names), "nobody is left waiting"
    assert len(gate.inside) < len(names)


async def broken(gate: Gate) -> None:
    """A worker has broken two jobs in a row, nothing is out, and a5 waits until it has idled away."""
    await gate.prove("a")
    await gate.come("a1", "a2", "a3", "a4", "a5")
    for name in ("a1", "a2"):
        await gate.end(name, WorkerFault("CUDA error"))
    for name in ("a3", "a4"):  # each took the slot of one whose fault was not known yet
        gate.passes.pop(name).close()
    await settle()
    assert gate.inside == ["a1", "a2", "a3", "a4"]
    gate.inside.clear()


async def test_after_a_worker_pause_somebody_is_woken_without_anything_else_happening(gate):
    await broken(gate)
    await gate.come("a6", "a7")
    assert len(gate.said) == 1, "once, however many wait"
    assert "idled away" in gate.said[0]
    assert gate.time.pending == 1, "one alarm, however many wait"
    await gate.time.move(IDLE_S - 0.1)
    assert gate.inside == [], "the worker may still be there"
    await gate.time.move(0.2)
    assert gate.inside == ["a5"], "one probe"
    await gate.end("a5")
    assert gate.inside == ["a5", "a6", "a7"], "a good probe opens the endpoint again"


async def test_a_probe_that_breaks_too_begins_another_pause_that_ends_too(gate):
    await broken(gate)
    await gate.come("a6", "a7")
    await gate.time.move(IDLE_S + 0.1)
    await gate.end("a5", WorkerFault("CUDA error"), worker="another")
    assert gate.inside == ["a5"]
    await gate.time.move(IDLE_S + 0.1)
    assert gate.inside == ["a5", "a6"]


async def test_closing_during_a_pause_leaves_no_alarm_behind(gate):
    await broken(gate)
    gate.admission.close(Stopped("somebody asked"))
    await settle()
    assert set(gate.refused) == {"a5"}
    assert gate.time.pending == 0


@pytest.mark.parametrize("seed", range(3))
async def test_of_a_thousand_each_has_its_turn_exactly_once_and_none_is_overtaken(seed):
    gate, chance = new_gate(12), random.Random(seed)
    await gate.prove("a", "b", "c")
    names = [f"{chance.choice('abc')}{n}" for n in range(1, 1001)]
    await gate.come(*names)
    cancelled = set(chance.sample(names[20:], 100))
    for name in cancelled:
        gate.tasks[name].cancel()
    while gate.passes:
        assert len(gate.passes) <= 12
        name = chance.choice(list(gate.passes))
        await gate.end(name, InvalidImage("half a file") if chance.random() < 0.1 else None, worker=name)
    assert gate.inside == [name for name in names if name not in cancelled]
    assert gate.window.free
    assert not gate.refused


async def test_wants_are_the_jobs_that_are_out_and_the_pictures_that_only_a_slot_is_missing_for(gate):
    await gate.come("a1", "a2", "a3", "b1")
    assert gate.inside == ["a1", "b1"]
    assert gate.admission.wants == 2, "the others wait for their canary"
    gate.admission.resize(0)
    await gate.end("a1")
    assert gate.admission.wants == 3, "b1 is out, and nothing but a slot is missing for a2 and a3"
    entry = gate.passes["b1"]
    entry.job_ended()
    assert (gate.admission.out, gate.admission.wants, gate.admission.ended) == (0, 2, 2)
    gate.admission.close(Stopped("somebody asked"))
    assert gate.admission.wants == 0


async def test_while_a_canarys_pictures_are_fetched_its_slot_is_still_wanted(gate):
    await gate.come("a1", "a2", "a3")
    entry = gate.passes["a1"]
    entry.job_ended()
    assert gate.admission.wants == 1
    entry.came_back("w", None)
    await settle()
    assert gate.admission.wants == 2
    assert gate.inside == ["a1", "a2", "a3"]


async def test_slots_that_come_let_somebody_in_and_slots_that_go_cancel_nothing(gate):
    await gate.prove("a")
    gate.admission.resize(0)
    told: list[int] = []
    gate.admission.on_change(lambda: told.append(gate.admission.wants))
    await gate.come("a1", "a2", "a3")
    assert (gate.inside, told) == ([], [1, 2, 3])
    gate.admission.resize(1)
    await settle()
    assert gate.inside == ["a1"]
    gate.admission.resize(99)
    await settle()
    assert gate.inside == ["a1", "a2"], "never more than the whole window"
    gate.admission.resize(1)
    await gate.end("a1")
    assert gate.inside == ["a1", "a2"]
    await gate.end("a2")
    assert gate.inside == ["a1", "a2", "a3"]


async def test_what_will_never_be_sent_is_sent_home_also_while_there_is_no_slot(gate):
    """It wants no slot any more, so none will come: nobody else would ever tell it."""
    await gate.come("a1", "a2", "b1")
    entry = gate.passes["a1"]
    entry.job_ended()
    gate.admission.resize(0)
    entry.came_back("w", ValidationFailed("node 3: no such file"))
    await settle()
    assert sorted(gate.refused) == ["a2"]
    await gate.come("a3")
    assert sorted(gate.refused) == ["a2", "a3"]
    assert gate.admission.wants == 1, "b1 is out"


async def test_no_more_come_in_than_are_allowed_however_many_slots_are_free(gate):
    await gate.prove("a")
    gate.admission.allowance.allow(0)
    await gate.come("a1", "a2", "a3")
    assert (gate.inside, gate.admission.wants) == ([], 0), "a slot is of no use to a run that may not spend"
    gate.admission.allowance.allow(1)
    await settle()
    assert gate.inside == ["a1"]
    await gate.end("a1")
    assert gate.inside == ["a1"], "an end alone allows nobody"
    gate.admission.allowance.allow(5)
    await settle()
    assert gate.inside == ["a1", "a2", "a3"], "as far as there are slots"
    gate.admission.allowance.allow(None)
    await gate.come("a4")
    await gate.end("a2")
    assert gate.inside[-1] == "a4"


async def test_it_is_known_how_many_were_let_in_and_are_not_in_the_books_yet(gate):
    await gate.prove("a")
    assert gate.admission.allowance.undecided == 0
    await gate.come("a1", "a2")
    assert gate.admission.allowance.undecided == 2
    gate.passes["a1"].intended()
    gate.passes["a1"].intended()
    assert gate.admission.allowance.undecided == 1
    gate.passes["a2"].close()
    assert gate.admission.allowance.undecided == 0, "one that was refused"
    gate.passes["a1"].close()
    assert gate.admission.allowance.undecided == 0
