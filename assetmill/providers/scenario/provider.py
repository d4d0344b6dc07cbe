"""The Provider for Scenario, and for the local endpoint that speaks the same protocol.

An attempt is a pipeline of calls; the job of its first paid call stands for it. `submit` sends that one, `wait` the
others; where each stands is in the books before it leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import httpx

from assetmill.clock import Clock
from assetmill.errors import AttemptError, NotDelivered, OutcomeUnknown, ResultExpired, WorkflowError
from assetmill.providers.base import (
    Collected,
    EndpointFacts,
    Job,
    JobRequest,
    JobState,
    Observer,
    Provider,
    Sighting,
    Step,
    StepBook,
    StepState,
    WorkerSeen,
)
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.scenario.answers import RemoteJob
from assetmill.providers.scenario.api import UnknownHereError, api_of
from assetmill.providers.scenario.chain import Chain
from assetmill.providers.scenario.endings import standing
from assetmill.providers.scenario.fetch import Fetcher
from assetmill.providers.scenario.gate import Gate
from assetmill.providers.scenario.probe import units_of
from assetmill.providers.scenario.runner import Run, Runner
from assetmill.providers.scenario.seek import Seeker
from assetmill.providers.scenario.sender import Sender
from assetmill.providers.scenario.uploads import Uploader
from assetmill.providers.scenario.watch import YOUNG_S, Watcher
from assetmill.uninterrupted import uninterrupted

SPARE_CONNECTIONS = 8
SURE_PAUSES_S = (1.0, 1.5)  # a 404 that is still there after these is meant


class ScenarioProvider(Provider):
    """One Scenario project.

    Args:
        endpoint: where the calls go.
        clock: time source.
        book: where steps of pipelines are written down.
        window: most attempts that will be outstanding; sizes the connection pool.
        stall_s: seconds a job may wait to be begun before it counts as stalled.
        look_for_s: seconds after its sending until which a call of unknown outcome is looked for.
        execution_timeout_s: seconds a job may run.
        notice: told when Scenario's ceiling of jobs at once is learnt.
        secrets: hidden wherever the endpoint repeats one, beside its own keys.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        book: StepBook,
        *,
        window: int,
        stall_s: float,
        look_for_s: float = 60.0,
        execution_timeout_s: float = 600.0,
        notice: Callable[[str], None] | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        limits = httpx.Limits(max_connections=window + SPARE_CONNECTIONS)
        self._clock = clock
        self._book = book
        self._client = httpx.AsyncClient(limits=limits, follow_redirects=False)
        self._api = api_of(self._client, endpoint, clock, secrets)
        self._gate = Gate(clock, endpoint.max_workers, notice)
        self._uploader = Uploader(self._api, self._client, clock)
        self._fetcher = Fetcher(self._api, self._client, clock)
        self._sender = Sender(self._api, book, self._gate, clock)
        watcher = Watcher(self._api, clock, stall_s, execution_timeout_s)
        seeker = Seeker(self._api, book, clock, look_for_s)
        self._runner = Runner(book, self._sender, watcher, seeker, self._gate, clock)

    async def submit(self, request: JobRequest) -> str:
        """Carry out the free steps, send the first paid one, and return its job's id.

        Raises:
            WorkflowError: the request is no pipeline, or lacks its picture.
            ClaimLost, LedgerError: the books do not allow it.
            NotDelivered, Throttled, RequestRejected, OutcomeUnknown, ProviderRefused.
        """
        chain = Chain(await self._book.steps(request.attempt_id))
        if not chain.rows:
            chain = Chain.planned(request.graph)
            await uninterrupted(self._book.note(request.attempt_id, *chain.rows))
        while (step := chain.next) is not None and not step.paid:
            chain = await self._upload(request, chain, step)
        if step is None or step.job_id is not None:
            return _job_of(chain)
        if step.state is StepState.INTENDED:
            raise OutcomeUnknown(f"{step.call} was sent before, and no answer came", hint="it is looked for")
        return _job_of(await self._sender.send(request.attempt_id, chain, step))

    async def look(self, job_id: str, *, age_s: float) -> Job:
        """Ask once how an attempt stands; nothing is sent, and what has ended is written down."""
        run, chain = await self._carried(job_id)
        step = chain.next
        if step is None or step.state is not StepState.SUBMITTED:
            return chain.ended(job_id) or chain.job(job_id, JobState.RUNNING)
        job = await self._asked(step.job_id or "", age_s)
        if not job.state.terminal:
            return standing(chain, job_id, job)
        outcome = await self._runner.settle(run, chain, step, job)
        if isinstance(outcome, Job):
            return outcome
        return outcome.ended(job_id) or outcome.job(job_id, JobState.RUNNING)

    async def wait(self, job_id: str, observe: Observer | None = None, *, age_s: float = 0.0) -> Job:  # noqa: ARG002  the books know when each step was sent
        """Carry an attempt on to the end of its pipeline; `observe` sees every answer on the way."""
        run, chain = await self._carried(job_id)
        return await self._runner.finish(replace(run, observe=observe), chain)

    async def find(self, attempt_id: str, *, age_s: float) -> Sighting:
        """Look for the job of an attempt's first paid call, whose answer was lost.

        Raises:
            LedgerError: the books are unavailable.
        """
        chain = Chain(await self._book.steps(attempt_id))
        step = chain.first_paid
        if step is None or step.state is StepState.PLANNED:
            return Sighting(absent=True, evidence="the books say that its first paid call never left")
        if step.job_id is not None:
            return Sighting(job_id=step.job_id, evidence=f"the books have it as {step.job_id}")
        sighting = await self._runner.seek(chain, step, age_s)
        if sighting.job_id is not None:
            found = replace(step, state=StepState.SUBMITTED, job_id=sighting.job_id)
            await self._book.note(attempt_id, found)
        elif sighting.absent:
            await self._book.note(attempt_id, replace(step, state=StepState.PLANNED))
        return sighting

    async def collect(self, job: Job, request_outputs: Mapping[str, str]) -> Collected:
        """Pictures of a finished attempt by role; all that were asked for are there, and are whole.

        Raises:
            JobFailed, ResultExpired, ResultInvalid; NotDelivered when a download fails (the job is done).
        """
        return await self._fetcher.collect(job, request_outputs)

    async def cancel(self, job_id: str) -> None:
        """Ask for the job of the step at hand to be cancelled; Scenario refuses that of most kinds.

        Raises:
            NotDelivered: it goes on.
        """
        attempt_id = await self._book.attempt_of(job_id)
        step = Chain(await self._book.steps(attempt_id)).next if attempt_id else None
        if attempt_id is not None and (step is None or step.state is not StepState.SUBMITTED):
            return  # no job of it is out
        at_hand = (step.job_id if step else None) or job_id
        if await self._api.cancel(at_hand) or await self._over(at_hand):
            if attempt_id is not None:
                self._gate.leave(attempt_id)
            return
        raise NotDelivered("Scenario does not cancel this kind of job", job_id=job_id, hint="it goes on to its end")

    async def dry_run_units(self, graph: Mapping[str, Any]) -> float | None:
        """Creative units that a bound pipeline would cost, asked call by call; None where Scenario does not say.

        Args:
            graph: of a `BoundPipeline` or a `JobRequest`.

        Raises:
            WorkflowError: it is no pipeline.
            RequestRejected, NotDelivered, Throttled, ProviderRefused.
        """
        return await units_of(self._api, Chain.planned(graph))

    async def facts(self) -> EndpointFacts:
        """Nothing: Scenario has no workers that anybody pays for."""
        return EndpointFacts()

    async def workers(self) -> tuple[WorkerSeen, ...]:
        """None, as there are none."""
        return ()

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _upload(self, request: JobRequest, chain: Chain, step: Step) -> Chain:
        name = step.body.get("name")
        image = next((one for one in request.images if one.name == name), None)
        if image is None:
            raise WorkflowError(f"the pipeline uploads {name}, and the request does not carry it")
        asset_id = await self._uploader.upload(image)
        now = self._clock.now()
        done = replace(step, state=StepState.DONE, assets=(asset_id,), units=0.0, tries=step.tries + 1, ended_at=now)
        await uninterrupted(self._book.note(request.attempt_id, done))
        return chain.with_rows(done)

    async def _carried(self, job_id: str) -> tuple[Run, Chain]:
        """The attempt that a job belongs to, and its steps.

        Raises:
            NotDelivered: the books have no such job.
            LedgerError.
        """
        attempt_id = await self._book.attempt_of(job_id)
        if attempt_id is None:
            raise NotDelivered(
                "the books hold no step with this job, so nobody knows what it is part of",
                job_id=job_id,
                hint="its pictures, if any, are in Scenario's gallery",
            )
        return Run(attempt_id, job_id), Chain(await self._book.steps(attempt_id))

    async def _asked(self, job_id: str, age_s: float) -> RemoteJob:
        for pause in SURE_PAUSES_S:
            try:
                return await self._api.job(job_id)
            except UnknownHereError:
                await self._clock.sleep(pause)
        try:
            return await self._api.job(job_id)
        except UnknownHereError:
            if age_s <= YOUNG_S:
                raise NotDelivered("the job is not visible yet", job_id=job_id, hint="ask again in a minute") from None
            hint = "it may be charged"
            raise ResultExpired("Scenario does not know the job any more", job_id=job_id, hint=hint) from None

    async def _over(self, job_id: str) -> bool:
        """Whether a job has ended, so that there is nothing to cancel."""
        try:
            return (await self._api.job(job_id)).state.terminal
        except UnknownHereError:
            return True
        except AttemptError:
            return False


def _job_of(chain: Chain) -> str:
    step = chain.first_paid
    if step is None or step.job_id is None:
        raise OutcomeUnknown("the books do not say under which id the first call was accepted")
    return step.job_id
