"""What artists hand in: picked up once, examined, answered, and given a flow run each.

Meant to run every minute or two, on any number of machines at once. It carries on whatever an earlier one, or a flow
run of a submission, has left half done. Every rule stands in assetmill.submissions.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State as RunState
from prefect.context import FlowRunContext
from prefect.runtime import flow_run as current
from prefect.states import Completed, Failed

from assetmill.clock import Clock
from assetmill.errors import AssetmillError
from assetmill.settings import load_settings
from assetmill.submissions.desk import Desk, open_desk
from assetmill.submissions.inbox import Arrival
from assetmill.submissions.names import readable
from assetmill.submissions.records import Record, State
from flows.caring import Cared, Carer
from flows.setup.variables import auto_approve_usd
from flows.showing import Log
from flows.showing_submissions import show_list, title_of


@dataclass(slots=True)
class Pass:
    """What one pass has come to."""

    taken: list[Record] = field(default_factory=list)
    examined: list[Record] = field(default_factory=list)
    waiting: int = 0
    trouble: list[str] = field(default_factory=list)
    cared: Cared = field(default_factory=Cared)

    @property
    def any(self) -> bool:
        """Whether anything was done."""
        return bool(self.taken or self.examined or self.cared.any)

    @property
    def sentence(self) -> str:
        """The pass in one line: `3 taken, 1 invalid, 2 started, 1 waits`."""
        states = Counter(record.state for record in self.examined)
        cared = self.cared
        parts = [f"{len(self.taken)} taken"] if self.taken else ["nothing new"]
        counts = {
            "duplicate": sum(record.state is State.DUPLICATE for record in self.taken),
            "invalid": states[State.INVALID],
            "awaiting approval": states[State.AWAITING_APPROVAL],
            "started": len(cared.started),
            "started again": len(cared.again),
            "woken": len(cared.woken),
            "expired": len(cared.expired),
            "given up": len(cared.failed),
            "in trouble": len(self.trouble),
        }
        parts += [f"{count} {words}" for words, count in counts.items() if count]
        parts += [f"{self.waiting} {'waits' if self.waiting == 1 else 'wait'}"] if self.waiting else []
        return ", ".join(parts)


@flow(
    name="ingest-submissions",
    description="Picks up what artists hand in, answers it, and starts a flow run for each that is valid.",
    persist_result=False,
    validate_parameters=True,
)
async def ingest_submissions() -> RunState[str]:
    """Look at the inboxes once.

    Returns:
        Completed, or CompletedWithFailures when something could not be done now, or Failed when nothing could; the
        data is the sentence.
    """
    settings, log = load_settings(), get_run_logger()
    done = Pass()
    try:
        limit = await auto_approve_usd(settings)
        desk = await asyncio.to_thread(open_desk, settings, Clock(), owner=str(current.id))
        await _arrivals(desk, limit, done, log)
        async with get_client() as client:
            done.cared = await Carer(client, desk, Clock().now(), log).care()
    except AssetmillError as error:
        words = error.message + (f" ({error.hint})" if error.hint else "")
        return Failed(message=f"{words}; {done.sentence}")
    await _show(desk, done, log)
    name = "CompletedWithFailures" if done.trouble else None
    return Completed(name=name, message=done.sentence, data=done.sentence)


async def _arrivals(desk: Desk, limit: Decimal, done: Pass, log: Log) -> None:
    """Take what has arrived, and examine what was taken, by whomever."""
    mended = await asyncio.to_thread(desk.mend)
    done.taken += mended.made
    done.trouble += mended.trouble
    for arrival in await asyncio.to_thread(desk.arrivals):
        await _take(desk, arrival, done, log)
    for record in await asyncio.to_thread(desk.open_records):
        if record.state is State.RECEIVED:
            await _examine(desk, record, limit, done, log)
    for words in done.trouble:
        log.warning(words)


async def _take(desk: Desk, arrival: Arrival, done: Pass, log: Log) -> None:
    """Pick one file up; one that cannot be read now keeps nobody else waiting."""
    name = readable(arrival.name)
    if arrival.waiting:
        done.waiting += 1
        log.info("%s waits: %s", name, arrival.waiting)
        return
    try:
        record = await asyncio.to_thread(desk.take, arrival)
    except AssetmillError as error:
        done.trouble.append(f"{name}: {error.message}")
        return
    if record is not None:
        done.taken.append(record)
        log.info("%s: %s", title_of(record), record.state)


async def _examine(desk: Desk, record: Record, limit: Decimal, done: Pass, log: Log) -> None:
    """Validate and plan one, unless somebody else is at it."""
    try:
        after = await asyncio.to_thread(desk.examine, record, limit=limit)
    except AssetmillError as error:
        done.trouble.append(f"{title_of(record)}: {error.message}")
        return
    if after is None:
        return
    if after.state is State.RECEIVED:
        done.trouble.append(f"{title_of(after)}: {after.trouble}")
        return
    done.examined.append(after)
    log.info("%s: %s, %s", title_of(after), after.state, after.words)


async def _show(desk: Desk, done: Pass, log: Log) -> None:
    """The sentence as the flow run's name; the list of submissions when it has changed."""
    context = FlowRunContext.get()
    log.info(done.sentence)
    try:
        async with get_client() as client:
            if context is not None and context.flow_run is not None:
                await client.update_flow_run(context.flow_run.id, name=done.sentence)
        if done.any:
            await show_list(await asyncio.to_thread(desk.records))
    except Exception as error:  # noqa: BLE001  what was done is done, shown or not
        log.warning("the list could not be shown: %s", type(error).__name__)
