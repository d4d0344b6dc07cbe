"""A run's slots of its endpoint's Prefect global concurrency limit, visible and editable on the Concurrency page.

Only the way to the limit stands here; what a run may hold, takes and gives back is decided in assetmill.batch. The
API is spoken to directly, because Prefect's own `concurrency` block takes all of its slots at once and gives them back
at once, waits in random back-off of up to minutes after each release, and ends the flow when a lease is lost.
Every slot has a lease of its own, so that slots can be given back one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from assetmill.batch.context import Batch
from assetmill.batch.keeping import keeping_slots
from assetmill.batch.sharing import limit_name
from assetmill.batch.slots import LEASE_S, Limit, SlotsAwayError
from assetmill.errors import UsageError

ANSWER_S = 10.0
BUSY_PAUSES_S = (0.05, 0.1, 0.2, 0.4)  # a SQLite server whose database is locked says 503, and is free in a moment
BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE)
FULL = (httpx.codes.LOCKED, httpx.codes.UNPROCESSABLE_ENTITY)  # all are taken; or the limit is 0
GONE = (httpx.codes.GONE, httpx.codes.NOT_FOUND)

T = TypeVar("T")


@asynccontextmanager
async def shared_slots(batch: Batch) -> AsyncIterator[None]:
    """Let a run send only on slots of its endpoints' limits, until the end of the block.

    An endpoint that the run has started itself is shared with nobody and has no limit.

    Raises:
        UsageError: there is no such limit; nothing was sent.
    """
    async with AsyncExitStack() as stack:
        for lane in batch.lanes.values():
            if lane.shared:
                await stack.enter_async_context(_slots_of(lane))
        yield


@asynccontextmanager
async def _slots_of(batch: Batch) -> AsyncIterator[None]:
    """The same at one endpoint of the run."""
    name = limit_name(batch.endpoint)

    @asynccontextmanager
    async def open_slots() -> AsyncIterator[PrefectSlots]:
        # Prefect's client would wait 2, 4, 8 s and more by itself. Entered in the keeping task, for that task alone.
        with temporary_settings(updates={PREFECT_CLIENT_MAX_RETRIES: 0}):
            async with get_client(httpx_settings={"timeout": ANSWER_S}) as client:
                yield PrefectSlots(client, name, _holder())

    async with keeping_slots(batch, name, open_slots):
        yield


class PrefectSlots:
    """The slots of one global concurrency limit.

    Args:
        client: a client that does not retry by itself.
        name: the limit's name.
        holder: flow run that Prefect notes with each lease.
    """

    def __init__(self, client: PrefectClient, name: str, holder: ConcurrencyLeaseHolder | None = None) -> None:
        self._client = client
        self._name = name
        self._holder = holder

    async def limit(self) -> Limit:
        """Look at the limit.

        Raises:
            UsageError: there is none.
            SlotsAwayError: no usable answer.
        """
        found = await _asked(lambda: self._client.read_global_concurrency_limit_by_name(self._name))
        if found is None:
            raise self._missing()
        return Limit(found.limit, found.active_slots)

    async def take(self) -> str | None:
        """Take one slot; None when all are taken.

        An answer that is lost may leave a lease that nobody knows: it ends by itself.

        Raises:
            UsageError: there is no such limit.
            SlotsAwayError: no usable answer.
        """

        def ask() -> Awaitable[httpx.Response]:
            names, holder = [self._name], self._holder
            return self._client.increment_concurrency_slots_with_lease(names, 1, "concurrency", LEASE_S, holder)

        answer = await _asked(ask, FULL)
        if answer is None:
            return None
        taken = answer.json()
        if not taken["limits"]:  # Prefect hands out slots of limits that do not exist, without end
            raise self._missing()
        return str(taken["lease_id"])

    async def renew(self, lease: str) -> bool:
        """Make a lease good for another minute; False if it is gone.

        Raises:
            SlotsAwayError: no usable answer.
        """
        return await _asked(lambda: self._client.renew_concurrency_lease(UUID(lease), LEASE_S), GONE) is not None

    async def give_back(self, lease: str) -> None:
        """Give a slot back; one whose lease is gone is back already.

        Raises:
            SlotsAwayError: no usable answer; the slot comes back when its lease ends.
        """
        await _asked(lambda: self._client.release_concurrency_slots_with_lease(UUID(lease)), GONE)

    def _missing(self) -> UsageError:
        return UsageError(
            f"the Prefect server has no concurrency limit {self._name}, so nobody counts the jobs at this endpoint",
            hint="assetmill deploy creates it",
        )


async def _asked(call: Callable[[], Awaitable[T]], no: Collection[int] = ()) -> T | None:
    """The answer to a call, or None for an answer that says no; a server that is busy is asked again a few times.

    Args:
        call: sends the request.
        no: statuses that mean no; what Prefect's client calls not found means it anyhow.

    Raises:
        SlotsAwayError: no usable answer.
    """
    pauses = iter(BUSY_PAUSES_S)
    while True:
        try:
            return await call()
        except ObjectNotFound:
            return None
        except httpx.HTTPStatusError as error:
            status, pause_s = error.response.status_code, next(pauses, None)
            if status in no:
                return None
            if status not in BUSY or pause_s is None:
                raise SlotsAwayError(f"HTTP {status}") from error
        except httpx.HTTPError as error:
            raise SlotsAwayError(type(error).__name__) from error
        await asyncio.sleep(pause_s)


def _holder() -> ConcurrencyLeaseHolder | None:
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    return ConcurrencyLeaseHolder(type="flow_run", id=run.id) if run is not None else None
