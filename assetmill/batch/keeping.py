"""The turns of a run that shares its endpoint: from the first look at the limit until everything is given back.

Time here is real, whatever clock a test has set: other processes judge leases and seats by theirs. No fault on the
way to the limit or the seats ends the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from assetmill.batch.context import Batch
from assetmill.batch.keeper import Keeper, loop_time
from assetmill.batch.slots import Slots, SlotsAwayError
from assetmill.errors import UsageError

TURN_S = 1.0  # how soon a change that others made is seen
SOON_S = 0.2  # how soon one of our own is: many come at once
ANSWER_WITHIN_S = 60.0  # at the beginning; later, no answer is waited for as long as it takes

OpenSlots = Callable[[], AbstractAsyncContextManager[Slots]]


@asynccontextmanager
async def keeping_slots(batch: Batch, name: str, open_slots: OpenSlots) -> AsyncIterator[None]:
    """Let a run send only on slots of a limit, for the length of the block; they are given back at its end.

    Args:
        batch: the run.
        name: the limit's name.
        open_slots: opens the way to whoever counts the slots; entered and left in a task of its own.

    Raises:
        UsageError: there is no such limit, or nobody tells within a minute; nothing was sent.
    """
    batch.admission.resize(0)
    ended, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    keeping = asyncio.create_task(_keep(batch, name, open_slots, ready, ended))
    try:
        await ready
        yield
    finally:
        ended.set()
        await asyncio.wait({keeping})  # a second cancellation ends the wait, not the giving back
        batch.admission.on_change(lambda: None)


async def _keep(
    batch: Batch,
    name: str,
    open_slots: OpenSlots,
    ready: asyncio.Future[None],
    ended: asyncio.Event,
) -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="seats") as thread:
        try:
            async with open_slots() as slots:
                keeper = Keeper(batch, slots, name, thread)
                await _until_answered(keeper, ended)
                if not ready.done():  # nobody has stopped waiting for it
                    ready.set_result(None)
                    await _turns(keeper, ended)
        except Exception as error:  # whoever waits for the answer gets it
            if ready.done():
                raise
            ready.set_exception(error)


async def _until_answered(keeper: Keeper, ended: asyncio.Event) -> None:
    """Wait for the first look at the limit, or the end.

    Raises:
        UsageError: there is none, or no answer within a minute.
    """
    give_up_at = loop_time() + ANSWER_WITHIN_S
    while not ended.is_set():
        try:
            await keeper.slots.limit()
        except SlotsAwayError as error:
            if loop_time() > give_up_at:
                hint = "look at the Prefect server, then run again"
                raise UsageError(f"nobody tells of limit {keeper.name}: {error}", hint=hint) from error
            await _pause(TURN_S, ended)
        else:
            return


async def _turns(keeper: Keeper, ended: asyncio.Event) -> None:
    """Take turns until the end, soon after each change in the run and otherwise every second."""
    changed = asyncio.Event()
    keeper.batch.admission.on_change(lambda: changed.set() if keeper.due else None)
    try:
        while not ended.is_set():
            changed.clear()
            try:
                await keeper.turn()
            except UsageError as error:
                keeper.tell(f"nothing more is sent: {error}")
            except Exception as error:  # noqa: BLE001  a fault of ours must not leave the run waiting for ever
                keeper.tell(f"slots of {keeper.name}: unexpected {type(error).__name__}: {error}")
            await _pause(SOON_S, ended)
            await _pause(TURN_S - SOON_S, ended, changed)
    finally:
        await keeper.leave()


async def _pause(seconds: float, *events: asyncio.Event) -> None:
    """Wait in real time, or until one of the events."""
    waiting: set[asyncio.Future[Any]] = {asyncio.ensure_future(event.wait()) for event in events}
    waiting = waiting or {asyncio.get_running_loop().create_future()}
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
