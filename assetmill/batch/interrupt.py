"""Ending a run by hand: the first request lets it send nothing more, the second takes back what is queued.

After the first, everything that is out is collected, published and accounted. After the second, jobs that no worker
has begun are cancelled and settled; the rest keeps its rows, for the next run or `assetmill settle`.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from assetmill.batch.context import Batch
from assetmill.batch.sent import Sent, sent_before
from assetmill.batch.withdraw import withdraw_all
from assetmill.errors import Stopped
from assetmill.providers.base import JobState

SIGNALS = (signal.SIGINT, signal.SIGTERM)
WITHDRAW_S = 20.0  # Prefect's runner kills a process 30 s after it has asked it to end


class Interruption:
    """Counts requests to end a run.

    Args:
        batch: the run.
        cancel: ends it at once.
    """

    def __init__(self, batch: Batch, cancel: Callable[[], Any]) -> None:
        self._batch = batch
        self._cancel = cancel
        self._asked = 0

    def ask(self) -> None:
        """Ask the run to end; for the second time: at once."""
        self._asked += 1
        if self._asked == 1:
            out = len(self._batch.progress.jobs)
            self._batch.end(Stopped("interrupted", hint="run again to go on"))
            jobs, them = ("1 job is", "it") if out == 1 else (f"{out} jobs are", "them")
            rest = f"{jobs} being collected. Once more to cancel {them}" if out else "no job is out"
            self._batch.progress.say(f"nothing more is sent; {rest}")
        else:
            self._batch.progress.say("cancelling what is queued")
            self._cancel()


@contextmanager
def interruptible(batch: Batch) -> Iterator[Interruption]:
    """Take Ctrl-C and SIGTERM as requests to end the run, for as long as the block lasts.

    Outside the main thread no signal arrives; the interruption can still be asked for.
    """
    task = asyncio.current_task()
    interruption = Interruption(batch, task.cancel if task is not None else lambda: None)
    with on_signals(interruption.ask):
        yield interruption


@contextmanager
def on_signals(ask: Callable[[], None]) -> Iterator[None]:
    """Call `ask` for every Ctrl-C and SIGTERM, for as long as the block lasts; outside the main thread none arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def withdraw_queued(batch: Batch) -> int:
    """Cancel this run's jobs that wait in a queue, settle those that never ran, and return how many these were."""
    return sum(await asyncio.gather(*(_withdraw_at(lane) for lane in batch.lanes.values())))


async def _withdraw_at(batch: Batch) -> int:
    """The same at one endpoint."""
    queued = {job_id for job_id, state in batch.progress.jobs.items() if state is JobState.QUEUED}

    def sent() -> list[Sent]:
        mine = [one for one in batch.ledger.open_attempts() if one.owner == batch.owner.id]
        here = [one for one in mine if one.endpoint_url == batch.endpoint.url]
        return [sent_before(one, one.job_id) for one in here if one.job_id in queued and one.job_id is not None]

    jobs = await asyncio.to_thread(sent)
    try:
        async with asyncio.timeout(WITHDRAW_S):
            return await withdraw_all(batch, jobs, Stopped("interrupted"))
    except TimeoutError:
        return 0
