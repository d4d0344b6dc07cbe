"""One submission, one flow run: its plan, the word of a person where it costs more than goes without, its batch.

A flow run may begin at any time and more than once: when somebody has answered, when its turn has come, in place of one
that has died. So it never remembers anything itself: it reads the record and goes on from where that stands. Every rule
stands in assetmill.submissions, and each step of a record is taken by exactly one of several that try.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State as RunState
from prefect.flow_runs import asuspend_flow_run
from prefect.runtime import flow_run as current
from prefect.states import Cancelled, Completed, Failed

from assetmill.batch.report import BatchReport
from assetmill.clock import Clock
from assetmill.errors import AssetmillError, LedgerError, Stopped, StorageError, UsageError
from assetmill.settings import Settings, load_settings
from assetmill.submissions.desk import Desk, open_desk
from assetmill.submissions.office import LEASE_S
from assetmill.submissions.records import FlowRun, Record, State
from assetmill.submissions.running import left_of_budget
from flows.approval import ask, deployed, form_for
from flows.generate_batch import generate_batch
from flows.showing import Log
from flows.showing_submissions import name_flow_run, question, show_places, show_plan_of

LOOK_EVERY_S = 5.0
RENEWALS = 3  # in the time that a claim counts: two may fail
NAMELESS = "somebody in the Prefect UI"


@dataclass(frozen=True, slots=True)
class Case:
    """What the steps of one flow run work with.

    Args:
        desk: where submissions are worked on.
        settings: limits, and how plans are made.
        clock: the time.
        run: this flow run.
        log: of this flow run.
    """

    desk: Desk
    settings: Settings
    clock: Clock
    run: FlowRun
    log: Log


@flow(
    name="submission",
    description="One manifest that an artist has handed in: plan, approval if it costs more than goes without, batch.",
    persist_result=False,
    validate_parameters=True,
)
async def submission(submission: str, instead_of: str | None = None) -> RunState[str]:
    """Look after one submission to its end. The ingest starts this; nobody has to.

    Args:
        submission: Id of the submission, as `assetmill submissions` lists it.
        instead_of: Id of the flow run that this one replaces because it is gone. Empty: none.

    Returns:
        Completed or CompletedWithFailures as its batch, Failed, or Cancelled with the name of what became of it; the
        data is the submission's id.
    """
    settings, clock, log = load_settings(), Clock(), get_run_logger()
    run = FlowRun(id=str(current.id), url=current.ui_url)
    try:
        desk = await asyncio.to_thread(open_desk, settings, clock, owner=run.id)
        case = Case(desk, settings, clock, run, log)
        record = await asyncio.to_thread(desk.attach, submission, run, instead_of=instead_of)
        if record is None:
            return _of_another(await asyncio.to_thread(desk.get, submission), run)
        await name_flow_run(record)
        record = await _run(case, await _decided(case, record, instead_of))
    except AssetmillError as error:
        words = error.message + (f" ({error.hint})" if error.hint else "")
        log.error(words)  # noqa: TRY400  the words say it all; a trace of the program would hide them
        return Failed(message=words)
    log.info("%s: %s", record.state, record.words)
    return final_state(record)


def _of_another(record: Record, run: FlowRun) -> RunState[str]:
    """The state of a flow run that is not the one."""
    if record.state.final:
        return final_state(record)
    other = record.flow_run.id if record.flow_run else "another one"
    return Cancelled(name="Superfluous", message=f"flow run {other} looks after it, not {run.id}")


async def _decided(case: Case, record: Record, instead_of: str | None) -> Record:
    """The record as soon as it does not wait for a person any more."""
    if record.state is State.RECEIVED:
        raise UsageError(f"{record.id} was not examined yet", hint="the flow ingest-submissions does, or `assetmill`")
    if record.state not in (State.PLANNED, State.AWAITING_APPROVAL):
        return record
    table = await show_plan_of(case.settings, case.clock, record)
    if record.state is State.PLANNED or record.plan is None or record.approve_by is None:
        return record
    form = form_for(record.plan.estimate_usd, question(record, table))
    answer = await ask(form, record.approve_by - case.clock.now(), instead_of=instead_of)
    desk, by = case.desk, (answer.by if answer else "") or NAMELESS
    try:
        if answer is None:
            await asyncio.to_thread(desk.expire, record.id)
        elif answer.approved:
            await asyncio.to_thread(desk.approve, record.id, by=by, amount_usd=answer.amount_usd, note=answer.note)
        else:
            await asyncio.to_thread(desk.reject, record.id, by=by, reason=answer.reason)
    except UsageError:
        decided = await asyncio.to_thread(desk.get, record.id)
        if decided.state is State.AWAITING_APPROVAL:
            raise
        return decided  # elsewhere, before this answer
    return await asyncio.to_thread(desk.get, record.id)


async def _run(case: Case, record: Record) -> Record:
    """The record at its end."""
    record = await _begun(case, record)
    if record.state.final:
        return record
    case.log.info("begins, for the %s. time", record.beginnings)
    left_usd = await asyncio.to_thread(left_of_budget, case.settings, record)
    async with _alive(case, record):
        state: RunState[Any] = await generate_batch(
            record.manifest,
            provider=record.provider,
            budget_usd=None if left_usd is None else float(left_usd),
            source=record.name,
            run_id=record.run_ids[-1],
            return_state=True,
        )
        record = await _ended(case, record, state)
    await show_places(case.settings, record)
    return record


async def _begun(case: Case, record: Record) -> Record:
    """The record when it runs, or is final: a version waits until older ones of its name have run."""
    desk = case.desk
    for turn in count(1):
        if record.state.final:
            return record
        begun = await asyncio.to_thread(desk.begin, record.id, case.run)
        if begun is not None:
            return begun
        record = await asyncio.to_thread(desk.get, record.id)
        if record.flow_run is None or record.flow_run.id != case.run.id:
            raise UsageError(f"another flow run looks after {record.id}", hint="nothing to do")
        if not record.state.final:
            await _wait_for_turn(case.log, turn)
    raise AssertionError  # count() has no end


async def _wait_for_turn(log: Log, turn: int) -> None:
    """Give the worker free until the ingest sees that the turn has come; each waiting has a key of its own."""
    log.info("waits: an older version of the file runs, or a run that has died holds its claim for a while yet")
    if deployed():
        await asuspend_flow_run(timeout=None, key=f"turn-{turn}")
    else:
        await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def _alive(case: Case, record: Record) -> AsyncIterator[None]:
    """Say that the run is alive, until the end of the block."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_S / RENEWALS)
            try:
                if not await asyncio.to_thread(case.desk.renew, record.id, case.run.id):
                    case.log.warning(
                        "somebody else runs %s by now: what this run still does counts for nothing", record.id
                    )
                    return
            except AssetmillError as error:
                case.log.warning("could not say that %s is alive: %s", record.id, error.message)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()


async def _ended(case: Case, record: Record, state: RunState[Any]) -> Record:
    """Write down what came of the batch.

    Raises:
        StorageError, LedgerError, UsageError, and whatever else nobody foresaw: the record stays as it is, and the
            ingest has it begun again, a few times at most.
    """
    value = getattr(state.data, "result", state.data)
    if isinstance(value, BatchReport):
        ended = await asyncio.to_thread(case.desk.finish, record.id, value, case.run.id)
    elif isinstance(value, AssetmillError) and not isinstance(value, StorageError | LedgerError):
        ended = await asyncio.to_thread(case.desk.fail, record.id, value.message, flow_run_id=case.run.id)
    elif isinstance(value, BaseException):
        raise value
    else:
        raise UsageError(f"the batch has no report: {state.name}", hint="the ingest begins it again")
    return ended if ended is not None else await asyncio.to_thread(case.desk.get, record.id)


def final_state(record: Record) -> RunState[str]:
    """Prefect's state of a flow run, by what became of its submission."""
    words, name = record.words, record.state.replace("_", " ").capitalize()
    if record.state is State.DONE:
        return Completed(message=words, data=record.id)
    if record.state is State.DONE_WITH_FAILURES:
        return Completed(name="CompletedWithFailures", message=words, data=record.id)
    if record.outcome is not None and record.outcome.exit_code == Stopped.exit_code:
        return Cancelled(message=words, data=record.id)
    if record.state is State.FAILED:
        return Failed(message=words, data=record.id)
    if record.state is State.DUPLICATE or not record.state.final:
        return Completed(name=name, message=words, data=record.id)
    return Cancelled(name=name, message=words, data=record.id)
