"""Carrying a pipeline on to its end, from wherever the books say that it stands.

It needs nothing but the books and Scenario: a fresh process goes on where a killed one stopped, and no call that was
paid for is made twice. A step whose job fails, which Scenario refunds, is sent once more. What cannot be told leaves
the attempt open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from assetmill.clock import Clock
from assetmill.errors import AttemptError, NotDelivered, OutcomeUnknown, RequestRejected, Throttled
from assetmill.providers.base import Job, Observer, Sighting, Step, StepBook, StepState
from assetmill.providers.retry import pause_before_resend
from assetmill.providers.scenario.answers import RemoteJob
from assetmill.providers.scenario.chain import Chain
from assetmill.providers.scenario.endings import age_s, settled, standing
from assetmill.providers.scenario.gate import Gate
from assetmill.providers.scenario.seek import Seeker
from assetmill.providers.scenario.sender import Sender
from assetmill.providers.scenario.watch import Watcher

MOST_LOST = 3
"""Times that a call is sent whose answer is lost each time."""


@dataclass(frozen=True, slots=True)
class Run:
    """An attempt that is being carried on.

    Args:
        attempt_id: the attempt.
        job_id: the job that stands for it: that of its first paid step.
        observe: told of every look at it.
    """

    attempt_id: str
    job_id: str
    observe: Observer | None = None

    def tell(self, job: Job) -> Job:
        """Tell whoever watches, and hand the job on."""
        if self.observe is not None:
            self.observe(job)
        return job


class Runner:
    """Carries pipelines on.

    Args:
        book: steps of all attempts.
        sender: sends calls.
        watcher: watches jobs.
        seeker: finds lost ones.
        gate: places for jobs.
        clock: time.
    """

    def __init__(
        self, book: StepBook, sender: Sender, watcher: Watcher, seeker: Seeker, gate: Gate, clock: Clock
    ) -> None:
        self._book = book
        self._sender = sender
        self._watcher = watcher
        self._seeker = seeker
        self._gate = gate
        self._clock = clock

    async def finish(self, run: Run, chain: Chain) -> Job:
        """Carry an attempt on until its pipeline has ended.

        Raises:
            ResultExpired, TimedOut, QueueStalled, NotDelivered, ProviderRefused, ClaimLost, LedgerError.
        """
        sent_here = False
        try:
            while (job := chain.ended(run.job_id)) is None and (step := chain.next) is not None:
                if step.state is StepState.PLANNED:
                    outcome, sent_here = await self._send(run, chain, step), True
                elif step.state is StepState.INTENDED:
                    outcome = await self._recover(run, chain, step, age_s=0.0 if sent_here else self._age_s(step))
                else:
                    outcome = await self._see(run, chain, step)
                if isinstance(outcome, Job):
                    return run.tell(outcome)
                chain = outcome
        finally:
            self._gate.leave(run.attempt_id)
        return run.tell(job if job is not None else chain.failed(run.job_id, {}))

    async def seek(self, chain: Chain, step: Step, age_s: float) -> Sighting:
        """Look for the job of a step whose answer was lost.

        Raises:
            LedgerError.
        """
        try:
            body = await self._sender.body(chain, step)
        except AttemptError as error:
            return Sighting(evidence=f"nobody can tell: {error.message}", unanswered=True)
        return await self._seeker.find(body, step.intended_at or self._clock.now(), age_s)

    async def settle(self, run: Run, chain: Chain, step: Step, ended: RemoteJob) -> Chain | Job:
        """Note how a step's job has ended.

        Returns:
            The chain as it stands then; the attempt's job where it ends badly with that.

        Raises:
            ClaimLost, LedgerError.
        """
        ending = settled(step, ended, self._clock.now())
        await self._book.note(run.attempt_id, *ending.rows)
        chain = chain.with_rows(*ending.rows)
        return chain if ending.told is None else chain.failed(run.job_id, ending.told, ending.state)

    async def _see(self, run: Run, chain: Chain, step: Step) -> Chain | Job:
        """Watch a step's job to its end."""
        self._gate.occupy(run.attempt_id)
        ended = await self._watcher.until_ended(
            step.job_id or "", lambda job: self._seen(run, chain, job), self._age_s(step)
        )
        self._gate.leave(run.attempt_id)
        return await self.settle(run, chain, step, ended)

    def _seen(self, run: Run, chain: Chain, job: RemoteJob) -> None:
        run.tell(standing(chain, run.job_id, job))

    async def _send(self, run: Run, chain: Chain, step: Step) -> Chain | Job:
        """Send a later step, patiently.

        Raises:
            NotDelivered: it could not be sent, and the attempt stays open.
            ProviderRefused, ClaimLost, LedgerError.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return await self._sender.send(run.attempt_id, chain, step)
            except OutcomeUnknown:
                return Chain(await self._book.steps(run.attempt_id))
            except RequestRejected as error:
                failed = replace(step, state=StepState.FAILED, units=0.0, ended_at=self._clock.now())
                await self._book.note(run.attempt_id, failed)
                told = {"reason": error.message, "rejected": True}
                return chain.with_rows(failed).failed(run.job_id, told)
            except (NotDelivered, Throttled) as error:
                await self._clock.sleep(self._pause(error, tries, run))

    async def _recover(self, run: Run, chain: Chain, step: Step, *, age_s: float) -> Chain:
        """Find out what became of a call whose answer was lost.

        Raises:
            NotDelivered: nobody can tell; the attempt stays open.
            ClaimLost, LedgerError.
        """
        sighting = await self.seek(chain, step, age_s)
        if sighting.job_id is not None:
            found = replace(step, state=StepState.SUBMITTED, job_id=sighting.job_id)
        elif sighting.absent and step.tries < MOST_LOST:
            found = replace(step, state=StepState.PLANNED)
        else:
            why = "its answers are lost again and again" if sighting.absent else sighting.evidence
            raise NotDelivered(
                f"{step.call} was sent and no answer came: {why}", job_id=run.job_id, hint="run again to look for it"
            )
        await self._book.note(run.attempt_id, found)
        return chain.with_rows(found)

    def _pause(self, error: NotDelivered | Throttled, tries: int, run: Run) -> float:
        """Seconds until a step is sent again.

        Raises:
            NotDelivered: it was sent often enough.
        """
        try:
            pause = pause_before_resend(error, tries, self._clock.random)
        except Throttled:
            pause = None
        if pause is None:
            hint = "run again to go on with it"
            raise NotDelivered(f"a step could not be sent: {error.message}", job_id=run.job_id, hint=hint) from error
        return pause

    def _age_s(self, step: Step) -> float:
        return age_s(step.intended_at, self._clock.now())
