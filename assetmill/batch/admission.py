"""Who may send the next job: a free slot at the endpoint, and no breaker that stands open.

Pictures wait here in the order in which they came, one line for each workflow; a picture that is tried again goes to
the head of its line. Whether a workflow may send at all is for the breakers to say, how many jobs may be out for the
window. How many more may come in at all can be said from outside, for a run that has a budget. Closing sends everybody
home. Whoever shares the endpoint among runs is told of every change, and asks what this run could use.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from assetmill.batch.window import Window
from assetmill.clock import Clock
from assetmill.errors import AssetmillError, AttemptError
from assetmill.providers.breakers import Breakers, Never, Wait


class Pass:
    """The right to have one job out. Every step may be said twice; `close` says all that was not said."""

    def __init__(self, admission: Admission, workflow: str) -> None:
        self._admission = admission
        self.workflow = workflow
        self._has_slot = True
        self._judged = False
        self._decided = False

    def intended(self) -> None:
        """The books have the job, or have refused it."""
        if not self._decided:
            self._decided = True
            self._admission.decided()

    def job_ended(self) -> None:
        """Give the slot back: fetching and finishing hold nobody up."""
        if self._has_slot:
            self._has_slot = False
            self._admission.slot_back()

    def came_back(self, worker_id: str | None, error: AttemptError | None) -> None:
        """Say what became of the job; None for one that brought its pictures."""
        if not self._judged:
            self._judged = True
            self._admission.judged(self.workflow, worker_id, error)

    def close(self) -> None:
        """It is over: a job of which nothing was said was never sent, or nobody knows."""
        self.intended()
        self.job_ended()
        if not self._judged:
            self._judged = True
            self._admission.unsent(self.workflow)


@dataclass(slots=True)
class _Line:
    """Pictures of one workflow that wait, each with its number."""

    waiting: deque[tuple[int, asyncio.Future[Pass]]] = field(default_factory=deque)

    def head(self) -> int | None:
        while self.waiting and self.waiting[0][1].done():  # cancelled while it waited
            self.waiting.popleft()
        return self.waiting[0][0] if self.waiting else None

    def length(self) -> int:
        return len(self.waiting) if self.head() is not None else 0


class Allowance:
    """How many more may be let in at all, at any endpoint of a run: what is left of its budgets bounds it.

    Attributes:
        left: pictures; None for any number.
        undecided: let in, and neither in the books yet nor refused by them.
    """

    def __init__(self) -> None:
        self.left: int | None = None
        self.undecided = 0
        self._doors: list[Callable[[], None]] = []

    def at(self, door: Callable[[], None]) -> None:
        """Name who is told when more may come in."""
        self._doors.append(door)

    def allow(self, count: int | None) -> None:
        """Let that many more in from now on, as slots are free; None for any number."""
        self.left = count
        for door in self._doors:
            door()

    def take(self) -> None:
        """Somebody has been let in."""
        self.undecided += 1
        if self.left is not None:
            self.left -= 1


class Admission:
    """The way to one endpoint within one run.

    Args:
        window: slots.
        breakers: say whether a workflow may send.
        clock: waits out what the breakers ask for.
        say: told why nothing is sent for a while, once for each reason.
        allowance: how many more may be let in at all; shared by all endpoints of a run.

    Attributes:
        ended: slots that were given back so far.
    """

    def __init__(
        self,
        window: Window,
        breakers: Breakers,
        clock: Clock,
        say: Callable[[str], None] = lambda _words: None,
        allowance: Allowance | None = None,
    ) -> None:
        self.allowance = allowance or Allowance()
        self.allowance.at(self._allowed)
        self._say = say
        self._said = ""
        self._window = window
        self._breakers = breakers
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._number = 0
        self._out = 0
        self._closed: AssetmillError | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._changed: Callable[[], None] = lambda: None
        self._fetching = 0
        self.ended = 0

    @property
    def out(self) -> int:
        """Jobs that are out."""
        return self._out

    @property
    def full(self) -> int:
        """Slots of the endpoint's whole window."""
        return self._window.full

    @property
    def wants(self) -> int:
        """Slots that this run could use now: jobs that are out, and pictures that only a slot is missing for.

        A job whose pictures are being fetched counts as well if others wait: once it is judged, one of them goes.
        """
        if self._closed is not None:
            return self._out
        waiting = {workflow: line.length() for workflow, line in self._lines.items()}
        room = sum(self._breakers.room(workflow, count) for workflow, count in waiting.items())
        useful = min(sum(waiting.values()), max(room, self._fetching))
        left = self.allowance.left
        return self._out + (useful if left is None else min(useful, left))

    def _allowed(self) -> None:
        self._admit()
        self._changed()

    def decided(self) -> None:
        """Somebody who was let in is in the books now, or was refused by them."""
        self.allowance.undecided -= 1

    def reopen(self, breakers: Breakers) -> None:
        """Let jobs in again after it was closed; nothing is known of the endpoint any more."""
        self._closed, self._breakers = None, breakers
        for _ in range(self._out):  # of before: they end, and count for nothing
            breakers.sent_before()
        self._changed()

    def resize(self, slots: int) -> None:
        """Have that many slots from now on. With fewer than jobs are out, these go on, and no other is sent."""
        self._window.resize(slots)
        self._admit()

    def on_change(self, tell: Callable[[], None]) -> None:
        """Name who is told whenever a picture comes to wait, or a job has ended or been judged."""
        self._changed = tell

    async def enter(self, workflow: str, *, again: bool = False) -> Pass:
        """Wait until a job of this workflow may be sent.

        Args:
            workflow: its name.
            again: the picture has been tried in this run; it goes before those that have not.

        Raises:
            AssetmillError: nothing of this workflow, or nothing at all, is sent any more; says why.
        """
        if self._closed is not None:
            raise self._closed
        self._number += 1
        line = self._lines.setdefault(workflow, _Line())
        ticket: asyncio.Future[Pass] = asyncio.get_running_loop().create_future()
        if again:
            line.waiting.appendleft((-self._number, ticket))
        else:
            line.waiting.append((self._number, ticket))
        self._admit()
        self._changed()
        try:
            return await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled() and ticket.exception() is None:
                ticket.result().close()
            raise

    def close(self, error: AssetmillError) -> None:
        """Let nobody in any more; those who wait are told why."""
        if self._closed is None:
            self._closed = error
        for line in self._lines.values():
            _refuse(line, self._closed)
        if self._alarm is not None:
            self._alarm.cancel()
        self._changed()

    def slot_back(self) -> None:
        """A job has ended."""
        self._out -= 1
        self.ended += 1
        self._fetching += 1
        self._window.give_back()
        self._admit()
        self._changed()

    def judged(self, workflow: str, worker_id: str | None, error: AttemptError | None) -> None:
        """A job's outcome is known."""
        self._fetching -= 1
        self._breakers.ended(workflow, worker_id, error)
        self._admit()
        self._changed()

    def unsent(self, workflow: str) -> None:
        """A job was never sent."""
        self._fetching -= 1
        self._breakers.unsent(workflow)
        self._admit()
        self._changed()

    def _admit(self) -> None:
        """Let in whoever may go, earliest first; whoever never may is told, also where no slot is free."""
        for name, line in self._lines.items():
            hopeless = self._breakers.hopeless(name)
            if hopeless is not None:
                _refuse(line, hopeless)
        while self._closed is None and self._window.free and self.allowance.left != 0:
            workflow = self._next()
            if workflow is None:
                return
            _, ticket = self._lines[workflow].waiting.popleft()
            self._breakers.sent(workflow)
            self._window.take()
            self._out += 1
            self.allowance.take()
            ticket.set_result(Pass(self, workflow))

    def _next(self) -> str | None:
        """The workflow whose first in line came earliest, among those that may send."""
        best: tuple[int, str] | None = None
        pause: float | None = None
        for workflow, line in self._lines.items():
            number = line.head()
            if number is None:
                continue
            verdict = self._breakers.may_send(workflow, outstanding=self._out)
            if isinstance(verdict, Never):
                _refuse(line, verdict.error)
            elif isinstance(verdict, Wait):
                if verdict.seconds is not None:
                    self._tell(verdict.why)
                    pause = verdict.seconds if pause is None else min(pause, verdict.seconds)
            elif best is None or number < best[0]:
                best = (number, workflow)
        if best is None and pause is not None:
            self._wake_after(pause)
        return best[1] if best else None

    def _tell(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._say(why)

    def _wake_after(self, seconds: float) -> None:
        if self._alarm is None or self._alarm.done():
            self._alarm = asyncio.create_task(self._wake(seconds))

    async def _wake(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._alarm = None
        self._admit()


def _refuse(line: _Line, error: AssetmillError) -> None:
    while line.waiting:
        _, ticket = line.waiting.popleft()
        if not ticket.done():
            ticket.set_exception(error)
