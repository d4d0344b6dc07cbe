"""Seeing to it that every submission which needs one has exactly one flow run, and no flow run waits for nothing.

Prefect and the records are two books that no transaction joins. So each pass compares them and mends what differs:
starts, starts again what has died, wakes what waits for nothing any more, ends what nobody needs, and lets a submission
expire. Any number of passes may go on at once: a start has an idempotency key, and a record is changed by one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun as PrefectRun
from prefect.client.schemas.objects import StateType
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed
from prefect.utilities.urls import url_for

from assetmill.errors import UsageError
from assetmill.submissions.desk import Desk
from assetmill.submissions.records import FlowRun, Record, State
from flows.approval import form_for, mend_question
from flows.showing import Log
from flows.showing_submissions import question, tag_of, title_of

DEPLOYMENT = "submission/submission"
PAGE = 200
MAX_STARTS = 6  # of one submission: a worker on which nothing begins would else be given it for ever
PENDING_FOR = timedelta(minutes=15)
"""A flow run that a worker has taken and that has not begun by then has lost its worker."""
LEAVING_FOR = timedelta(minutes=1)
"""A flow run that is suspended for so long has saved its form or never will, and its process has ended. Woken before,
it would meet itself: a worker with a limit of its own (`--limit`) dies of a flow run that it still holds."""
CANCELLED_BY_HAND = "cancelled by hand in Prefect"
_NO_WORD = {
    "decision": "reject",
    "reason": "decided elsewhere",
}  # only sent when the record is decided: nobody reads it


@dataclass(slots=True)
class Cared:
    """What a pass has done; ids of submissions."""

    started: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether anything was done."""
        return any((self.started, self.again, self.woken, self.expired, self.ended, self.failed))


class Carer:
    """One pass.

    Args:
        client: of the Prefect server.
        desk: where submissions are worked on.
        now: the time.
        log: of the flow run.
    """

    def __init__(self, client: PrefectClient, desk: Desk, now: datetime, log: Log) -> None:
        self._client = client
        self._desk = desk
        self._now = now
        self._log = log
        self.cared = Cared()

    async def care(self) -> Cared:
        """Start what is due, and mend what differs.

        Raises:
            UsageError: there is no such deployment.
            StorageError: the store failed; a pass may be made again at any time.
        """
        for record in await asyncio.to_thread(self._desk.due):
            if (await asyncio.to_thread(self._desk.get, record.id)).flow_run is None:  # another pass may be quicker
                await self._start(record, None)
                self.cared.started.append(record.id)
        await self._suspended()
        await self._gone()
        return self.cared

    async def _start(self, record: Record, instead_of: str | None) -> None:
        """Give a submission a flow run. However often and by whomever it is asked for, there is one."""
        key = f"submission-{record.id}" + (f"-after-{instead_of}" if instead_of else "")
        try:
            run = await arun_deployment(
                DEPLOYMENT,
                client=self._client,
                parameters={"submission": record.id, "instead_of": instead_of},
                flow_run_name=title_of(record),
                tags=[tag_of(record.id)],
                timeout=0,
                as_subflow=False,
                idempotency_key=key,
            )
        except ObjectNotFound:
            raise UsageError(f"there is no deployment {DEPLOYMENT}", hint="`assetmill deploy` makes it") from None
        url = url_for("flow-run", obj_id=run.id)
        await asyncio.to_thread(self._desk.attach, record.id, FlowRun(id=str(run.id), url=url), instead_of=instead_of)
        self._log.info("%s: flow run %s", title_of(record), run.id)

    # Flow runs that wait

    async def _suspended(self) -> None:
        """Flow runs that are suspended, each beside its record."""
        for run in await self._paused():
            record_id = str(run.parameters.get("submission", ""))
            try:
                record = await asyncio.to_thread(self._desk.get, record_id)
            except UsageError:  # of another store that this server serves, or of a typing error
                continue
            await self._waiting(run, record)

    async def _waiting(self, run: PrefectRun, record: Record) -> None:
        expired = await asyncio.to_thread(self._desk.expire, record.id)
        if expired is not None:
            self.cared.expired.append(record.id)
            record = expired
        if record.state.final:
            await self._end(run, record, record.state.replace("_", " ").capitalize(), record.words)
        elif record.flow_run is not None and record.flow_run.id != str(run.id):
            await self._end(run, record, "Superfluous", f"flow run {record.flow_run.id} looks after it")
        elif run.state is None or run.state.timestamp > self._now - LEAVING_FOR:
            return
        elif record.state is State.AWAITING_APPROVAL:
            await self._mend_question(run, record)
        elif await asyncio.to_thread(self._desk.its_turn, record):
            await self._wake(run, record)

    async def _mend_question(self, run: PrefectRun, record: Record) -> None:
        if record.plan is None:
            return
        form = form_for(record.plan.estimate_usd, question(record, ""))
        if await mend_question(self._client, run, form):
            self._log.info("%s: its question had been lost", title_of(record))

    async def _wake(self, run: PrefectRun, record: Record) -> None:
        """Let a flow run begin again. Only one that is suspended does, so it never begins twice."""
        asked = run.state is not None and run.state.state_details.run_input_keyset is not None
        await self._client.resume_flow_run(run.id, run_input=_NO_WORD if asked else None)
        self.cared.woken.append(record.id)

    async def _end(self, run: PrefectRun, record: Record, name: str, words: str) -> None:
        await self._client.set_flow_run_state(run.id, Cancelled(name=name, message=words))
        self.cared.ended.append(record.id)

    # Flow runs that are gone

    async def _gone(self) -> None:
        """Submissions that are not at their end, whose flow run is."""
        records = [one for one in await asyncio.to_thread(self._desk.open_records) if one.flow_run is not None]
        runs = await self._runs(record.flow_run.id for record in records if record.flow_run)
        stuck = {record.id for record in await asyncio.to_thread(self._desk.stuck)}
        for record in records:
            run = runs.get(record.flow_run.id) if record.flow_run else None
            if run is not None and not (run.state and run.state.is_final()):
                await self._lost_worker(run)
            elif record.id in stuck or record.state is not State.RUNNING or _cancelled(run):
                now = await asyncio.to_thread(self._desk.get, record.id)
                if not now.state.final and now.flow_run == record.flow_run:  # its run's last act may come between
                    await self._replace(now, run)

    async def _lost_worker(self, run: PrefectRun) -> None:
        state = run.state
        if state is not None and state.is_pending() and state.timestamp < self._now - PENDING_FOR:
            await self._client.set_flow_run_state(run.id, Crashed(message="its worker was lost before it began"))

    async def _replace(self, record: Record, run: PrefectRun | None) -> None:
        """Start a submission again, give it up, or let it expire."""
        old = record.flow_run.id if record.flow_run else None
        if await asyncio.to_thread(self._desk.expire, record.id) is not None:
            self.cared.expired.append(record.id)
            return
        words = CANCELLED_BY_HAND if _cancelled(run) else ""
        if not words and await self._starts(record) >= MAX_STARTS:
            words = f"it was started {MAX_STARTS} times, and no flow run came to its end"
        if not words:
            end = f"{run.state.name}: {run.state.message}" if run and run.state else "not to be found"
            self._log.warning("%s: flow run %s is %s; another one is started", title_of(record), old, end)
            await self._start(record, old)
            self.cared.again.append(record.id)
        elif await asyncio.to_thread(self._desk.fail, record.id, words, flow_run_id=old) is not None:
            self.cared.failed.append(record.id)

    async def _starts(self, record: Record) -> int:
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[tag_of(record.id)]))
        return len(await self._client.read_flow_runs(flow_run_filter=tagged, limit=PAGE))

    # What Prefect says

    async def _paused(self) -> list[PrefectRun]:
        """Every suspended flow run of our deployment."""
        try:
            deployment = await self._client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            return []
        paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
        found: list[PrefectRun] = []
        while len(page := await self._page(deployment.id, paused, len(found))):
            found += page
        return found

    async def _page(self, deployment_id: UUID, wanted: FlowRunFilter, offset: int) -> list[PrefectRun]:
        ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
        return await self._client.read_flow_runs(
            flow_run_filter=wanted, deployment_filter=ours, limit=PAGE, offset=offset
        )

    async def _runs(self, ids: Iterable[str]) -> dict[str, PrefectRun]:
        """Flow runs by id; those that the server does not know are not there."""
        wanted = [UUID(one) for one in ids]
        found: dict[str, PrefectRun] = {}
        for start in range(0, len(wanted), PAGE):
            some = FlowRunFilter(id=FlowRunFilterId(any_=wanted[start : start + PAGE]))
            found |= {str(run.id): run for run in await self._client.read_flow_runs(flow_run_filter=some, limit=PAGE)}
        return found


def _cancelled(run: PrefectRun | None) -> bool:
    return run is not None and run.state is not None and run.state.type is StateType.CANCELLED
