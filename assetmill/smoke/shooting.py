"""One job of a smoke test: booked, sent, watched, fetched, saved, looked at, settled.

It goes by the books like a picture of any game: its row (game `smoke`) is committed before the request, its raw
pictures are stored before anything else may fail, and its cost is worked out by the batch's own rules. A job that has
failed is never sent again: that it failed is what was asked. Only a request that never arrived is. Cut off at any
moment, it leaves a row that `assetmill settle` brings to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from assetmill.batch.budget import Bounds
from assetmill.batch.collect import EXTENSIONS, ending, ms, take
from assetmill.batch.costing import account
from assetmill.batch.desk import Desk
from assetmill.batch.errand import deliver, noted
from assetmill.batch.interrupt import WITHDRAW_S
from assetmill.batch.request import bound_request
from assetmill.batch.sent import Sent, possible_cost
from assetmill.batch.withdraw import withdraw
from assetmill.errors import (
    AssetmillError,
    AttemptError,
    NeverArrived,
    NotDelivered,
    OutcomeUnknown,
    OutOfSight,
    ProviderAway,
    ProviderRefused,
    QueueStalled,
    ResultLost,
    Stopped,
    Throttled,
)
from assetmill.guides import draw
from assetmill.images import sniff
from assetmill.ledger import Facts, Intent, Output, Settlement, Status
from assetmill.money import Cost, no_cost
from assetmill.money.budgets import Limits
from assetmill.planning.fingerprint import digest
from assetmill.planning.plan import PlanItem
from assetmill.providers.base import Collected, Job, JobRequest
from assetmill.providers.endpoint import COMFYUI, SCENARIO
from assetmill.providers.runpod.pulse import Pulse, pulse_of
from assetmill.smoke.kinds import GAME, Subject
from assetmill.smoke.looks import problems_in
from assetmill.smoke.values import File, Shot, State, split_of
from assetmill.smoke.warmth import warmth_of
from assetmill.uninterrupted import uninterrupted
from assetmill.workflows.contract import Contract

NO_WORKERS = "max workers is 0, so nothing would ever run; RunPod sets that after 7 days without a request"

SENDS = 3
"""Most requests for one job, of which all but the last are proven never to have arrived: a broken connection is no
answer of the endpoint's."""


@dataclass(frozen=True, slots=True)
class Order:
    """One job to send.

    Args:
        subject: what.
        item: the same as plans see it, with times and cost.
        turn: `first` or `warm`.
        try_no: which job of its kind this is in this run, from 1.
    """

    subject: Subject
    item: PlanItem
    turn: str
    try_no: int


@dataclass
class Studio:
    """What all jobs of one command share.

    Args:
        desk: the endpoint, with the books and the store.
        run_id: the run that was begun for them.
        limits: budgets that each job has to fit into.
        bounds: how long a job may run, and what is set aside for it.
        contract: what nodes accept.
        folder: where pictures are saved.
        ttl_ms: the endpoint drops a job after this long.
        latest: raw pictures of the newest job of each kind that passed.
        worker: who did the last job.
        stopped: why nothing more should be sent, as a job that was out has shown; None while something may be.
    """

    desk: Desk
    run_id: str
    limits: Limits
    bounds: Bounds
    contract: Contract
    folder: Path
    ttl_ms: int
    latest: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    worker: str | None = None
    stopped: AssetmillError | None = None

    async def shoot(self, order: Order) -> Shot:
        """Send one job and see it through.

        Returns:
            How it ended; a job that went wrong is a result, and no exception. `stopped` is set if it shows that others
            would fare no better.

        Raises:
            BudgetTaken, BudgetExceeded, ProviderRefused, WorkflowError: nothing was sent.
            LedgerError, StorageError: books or store failed; a job that was sent is in the books.
        """
        for _ in range(SENDS - 1):
            shot = await self._once(order)
            if shot.error != NeverArrived.code:
                return shot
            self.desk.progress.say(f"{shot.name}: it never arrived, which is proven; it is sent again")
        return await self._once(order)

    async def _once(self, order: Order) -> Shot:
        shot = _shot_of(order)
        pulse = await self._pulse()
        request = await asyncio.to_thread(self._request, order)
        intent = self._intent(order, request)
        began_s = self.desk.clock.monotonic()
        try:
            sent = await self._sent(intent, request)
        except AttemptError as error:
            self.stopped = _away(error)
            return self._never_sent(replace(shot, attempt_id=intent.attempt_id), intent, error)
        shot = replace(shot, attempt_id=sent.attempt_id, job_id=sent.job_id)
        return await self._see_through(_Work(order, shot, sent, pulse, began_s))

    async def _pulse(self) -> Pulse | None:
        """Workers right before sending; None where the endpoint is not asked, or does not say.

        Raises:
            ProviderRefused: it refuses us, or could never take a job.
        """
        if self.desk.endpoint.kind in (SCENARIO, COMFYUI):
            return None
        async with httpx.AsyncClient(follow_redirects=False) as client:
            try:
                pulse = await pulse_of(client, self.desk.endpoint)
            except NotDelivered:  # sending it says so louder
                return None
        if pulse.max_workers == 0:
            raise ProviderRefused(NO_WORKERS, hint="`assetmill endpoint scale` raises it, or the endpoint's settings")
        return pulse

    def _request(self, order: Order) -> JobRequest:
        subject, made = order.subject, order.subject.made
        picture = subject.picture.data if subject.picture else None
        if picture is None and made.guide is not None:
            picture = draw(made.guide)
        attempt_id = self.desk.clock.new_id()
        request = bound_request(subject.way, made.parameters, attempt_id, picture, self.contract)
        return replace(request, execution_timeout_ms=self.bounds.execution_ms(order.item), ttl_ms=self.ttl_ms)

    def _intent(self, order: Order, request: JobRequest) -> Intent:
        made, endpoint, item = order.subject.made, self.desk.endpoint, order.item
        inputs = {**made.fields, "smoke": request.attempt_id}
        return Intent(
            attempt_id=request.attempt_id,
            run_id=self.run_id,
            game=GAME,
            pack=GAME,
            asset_id=order.subject.kind,
            asset_type=order.subject.kind,
            candidate=0,
            try_no=order.try_no,
            fingerprint=digest(inputs),
            inputs=inputs,
            provider=endpoint.kind,
            endpoint=endpoint.name,
            endpoint_url=endpoint.url,
            gpu=endpoint.gpu,
            seed=made.seed,
            workflow=made.workflow,
            workflow_hash=str(made.origin["workflow_hash"]),
            width=made.size[0],
            height=made.size[1],
            expected_outputs=request.outputs,
            price_per_s_usd=endpoint.usd_per_s,
            price_source=endpoint.price_source,
            draft=endpoint.draft,
            intended_at=self.desk.clock.now(),
            planned_usd=item.cost.estimate,
            planned_high_usd=item.cost.high,
            reserved_usd=self.bounds.reservation(item),
        )

    async def _sent(self, intent: Intent, request: JobRequest) -> Sent:
        """Send it; where the answer is lost, look for the job, which takes up to a minute.

        Raises:
            OutcomeUnknown: nobody can tell whether it was accepted. Its row is settled, or open where the endpoint does
                not answer at all.
            AttemptError, ProviderRefused: nothing was accepted; its row is settled.
        """
        try:
            return await uninterrupted(deliver(self.desk, intent, request, self.limits))
        except OutcomeUnknown as error:
            self.desk.progress.say("its answer was lost: looking for the job")
            sighting = await self.desk.provider.find(request.attempt_id, age_s=0.0)
            if sighting.job_id is not None:
                return await uninterrupted(noted(self.desk, intent, sighting.job_id))
            if sighting.unanswered:
                raise OutOfSight(error.message, hint=error.hint) from error
            told: AttemptError = OutcomeUnknown(f"{error.message}; {sighting.evidence}")
            if sighting.absent:
                told = NeverArrived(f"{error.message}; it never arrived: {sighting.evidence}")
            status, cost = _lost(intent, told)
            await self.desk.settle(intent.attempt_id, ending(self.desk.clock.now(), status, cost, told))
            raise told from error

    def _never_sent(self, shot: Shot, intent: Intent, error: AttemptError) -> Shot:
        if isinstance(error, OutOfSight):
            return _with_error(shot, State.OPEN, error)
        return replace(_with_error(shot, State.FAILED, error), cost=_lost(intent, error)[1])

    async def _see_through(self, work: _Work) -> Shot:
        """Watch the job; what it brings is fetched, saved and settled without a break."""
        sent, shot = work.sent, work.shot
        try:
            job = await self.desk.provider.wait(sent.job_id, self.desk.observed)
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(WITHDRAW_S):
                    await withdraw(self.desk, sent, Stopped("interrupted"))
            raise
        except QueueStalled as error:
            self.stopped = error
            withdrawn = await withdraw(self.desk, sent, error)
            return _with_error(shot, State.FAILED if withdrawn else State.OPEN, error)
        except (NotDelivered, ProviderRefused) as error:
            self.stopped = error if isinstance(error, ProviderRefused) else _away(error)
            words = OutOfSight(f"its job goes on: {error.message}", hint="`assetmill settle --wait` collects it")
            return _with_error(shot, State.OPEN, words)
        except AttemptError as error:
            return await uninterrupted(self._settled_badly(work, None, error))
        return await uninterrupted(self._brought_in(work, job))

    async def _brought_in(self, work: _Work, job: Job) -> Shot:
        desk, sent = self.desk, work.sent
        try:
            collected, outputs, facts = await take(desk, sent, job)
            files = await asyncio.to_thread(self._save, work.order, collected.images, outputs)
        except NotDelivered as error:
            return _with_error(work.shot, State.OPEN, error)
        except AttemptError as error:
            return await self._settled_badly(work, job, error)
        whole_ms = ms(desk.clock.monotonic() - work.began_s)
        problems = await asyncio.to_thread(self._problems, work.order.subject, collected)
        told = await account(desk, sent, job)
        state = State.REJECTED if problems else State.PASSED
        settlement = Settlement(
            Status.REJECTED if problems else Status.KEPT,
            desk.clock.now(),
            told.cost,
            replace(told.facts, download_ms=facts.download_ms, latency_ms=whole_ms),
            error_class="rejected" if problems else None,
            error_text="; ".join(problems) or None,
        )
        await desk.settle(sent.attempt_id, settlement)
        if not problems:
            self.latest[work.order.subject.kind] = collected.images
        shot = replace(work.shot, state=state, files=files, problems=problems)
        return self._told(work, shot, told.facts, told.cost, whole_ms)

    async def _settled_badly(self, work: _Work, job: Job | None, error: AttemptError) -> Shot:
        """A job that brought nothing that can be used: charged all the same."""
        desk = self.desk
        told = await account(desk, work.sent, job)
        whole_ms = ms(desk.clock.monotonic() - work.began_s)
        status = Status.LOST if isinstance(error, ResultLost) else Status.FAILED
        facts = replace(told.facts, latency_ms=whole_ms)
        await desk.settle(work.sent.attempt_id, ending(desk.clock.now(), status, told.cost, error, facts))
        return self._told(work, _with_error(work.shot, State.FAILED, error), told.facts, told.cost, whole_ms)

    def _told(self, work: _Work, shot: Shot, facts: Facts, cost: Cost, whole_ms: int) -> Shot:
        """The shot with what its row says of time, worker and money."""
        warmth = warmth_of(self.desk.endpoint, facts, work.pulse, self.worker)
        self.worker = facts.worker_id
        return replace(
            shot,
            worker_id=facts.worker_id,
            split=split_of(facts.queue_ms, facts.execution_ms, whole_ms),
            cold=warmth.cold,
            cold_why=warmth.why,
            cost=cost,
        )

    def _problems(self, subject: Subject, collected: Collected) -> tuple[str, ...]:
        exact = self.desk.endpoint.kind != SCENARIO  # its models have sizes of their own
        return problems_in(subject, collected.images, exact=exact) or collected.blank

    def _save(self, order: Order, images: Mapping[str, bytes], outputs: tuple[Output, ...]) -> tuple[File, ...]:
        keys = {output.role: output for output in outputs}
        return tuple(_file(self._path(order, role, data), role, data, keys[role]) for role, data in images.items())

    def _path(self, order: Order, role: str, data: bytes) -> Path:
        kind = sniff(data)
        part = "" if role == "image" else f"-{role}"
        return self.folder / f"{order.subject.kind}-{order.turn}{part}.{EXTENSIONS[kind] if kind else 'bin'}"


@dataclass(frozen=True, slots=True)
class _Work:
    """A job that is out."""

    order: Order
    shot: Shot
    sent: Sent
    pulse: Pulse | None
    began_s: float


def _away(error: AttemptError) -> ProviderAway | None:
    """Why nothing more should be sent to an endpoint that does not answer, or takes nothing; None where it does."""
    if not isinstance(error, NotDelivered | Throttled) or isinstance(error, NeverArrived):
        return None
    return ProviderAway(f"the endpoint takes nothing: {error.message}", hint="check its address and the network")


def _shot_of(order: Order) -> Shot:
    subject = order.subject
    return Shot(subject.kind, order.turn, State.UNSENT, subject.made.workflow, subject.made.seed, subject.drawn_from)


def _with_error(shot: Shot, state: State, error: AttemptError) -> Shot:
    return replace(shot, state=state, problems=(error.message,), hint=error.hint, error=error.code)


def _lost(intent: Intent, error: AttemptError) -> tuple[Status, Cost]:
    """Status and cost of a request without a job: perhaps charged where nobody knows, else for nothing."""
    if isinstance(error, OutcomeUnknown):
        return Status.LOST, possible_cost(intent.price_per_s_usd, intent.planned_high_usd)
    return Status.FAILED, no_cost("nothing was accepted")


def _file(path: Path, role: str, data: bytes, output: Output) -> File:
    """Save a picture, whole or not at all; one that cannot be saved here is in the store."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError:
        return File(role, "", output.key, output.width, output.height, output.bytes)
    return File(role, str(path), output.key, output.width, output.height, output.bytes)
