"""Keeping a run's slots at an endpoint that it shares: as many as it can use, no more than its share.

The slots belong to somebody who counts them for all runs (`Slots`; a Prefect limit, in flows/sharing). Each is taken
by a lease and kept for as long as the run can use one, never for a single picture: handing them out for each picture
left workers idle 15-60 % of the time. Whatever goes wrong on the way to the counter or to the seats, no run ends by
it: a slot whose lease could not be renewed is lost when its time is up, no new job goes out on it, and it is taken
anew when there is an answer again. See ADR 0013.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from assetmill.batch.context import Batch
from assetmill.batch.settling import settle_strays
from assetmill.batch.sharing import Use, entitlement, takeable
from assetmill.batch.slots import LEASE_S, Limit, Slots, SlotsAwayError
from assetmill.errors import LedgerError, StorageError, UsageError
from assetmill.ledger import Seat, is_gone

RENEW_EVERY_S = 20.0  # two renewals may fail or come late
SEAT_S = 15.0  # how long a seat is good unless it is written again
SPARE_S = 2.0  # a slot that is idle for longer, and that nobody waits for, goes back
BOOKS_S = 10.0  # books that take longer are away; the turn goes on, so that leases are renewed whatever they do
LEAVE_S = 10.0  # giving back at the end; Prefect's runner kills a process 30 s after it has asked it to end
STRAYS_EVERY_S = 20.0
IDLE_TOLD_S = 10.0

T = TypeVar("T")


@dataclass
class Keeper:
    """The slots of one run.

    Args:
        batch: the run; its admission is told how many slots there are.
        slots: who counts them.
        name: the limit's name.
        thread: for the books: seats must not wait behind pictures that are finished.
    """

    batch: Batch
    slots: Slots
    name: str
    thread: ThreadPoolExecutor
    leases: dict[str, float] = field(default_factory=dict)
    """Lease -> until when it is good for certain, in seconds of the event loop."""
    share: int = 0
    _began_at: datetime | None = None
    _served: tuple[int, datetime | None] = (0, None)
    _spare_since: float | None = None
    _idle_since: float | None = None
    _told: str = ""
    _collecting: asyncio.Task[None] | None = None
    _collected_at: float = -STRAYS_EVERY_S
    _at_books: asyncio.Future[Any] | None = None

    @property
    def wanted(self) -> int:
        """Slots that the run could use, at most the whole window."""
        return min(self.batch.admission.wants, self.batch.admission.full)

    @property
    def due(self) -> bool:
        """Whether something can be done about what the run holds."""
        idle = len(self.leases) - self.batch.admission.out
        short = len(self.leases) < min(self.wanted, self.batch.admission.full)
        return short or (idle > 0 and len(self.leases) > min(self.share, self.wanted))

    async def turn(self) -> None:
        """Compare once what the run holds with what it could use and may have, and bring them together.

        Raises:
            UsageError: there is no such limit; every slot is given up.
        """
        self._drop_lost()
        try:
            await self._renew()
            limit = await self.slots.limit()
            others, orphans = await self._seated()
            self.share = self._share(others, limit, orphans)
            self._resize()
            await self._give_back()
            await self._take(takeable(self._use, others, limit, orphans))
            self._say_why_idle(limit)
        except SlotsAwayError as error:
            self.tell(f"slots of {self.name} cannot be counted: {error}")
            await self._stay()
        except LedgerError as error:
            self.tell(f"how {self.name} is shared cannot be read: {error.message}")
        except UsageError:
            self.leases.clear()
            raise
        finally:
            self._resize()

    async def leave(self) -> None:
        """Give everything back; what cannot be comes back by itself when its lease ends.

        The seat goes first: a job that still runs is counted as nobody's from then on, before its slot is free.
        """
        self.batch.admission.resize(0)
        if self._collecting is not None:
            self._collecting.cancel()
            await asyncio.gather(self._collecting, return_exceptions=True)
        with suppress(LedgerError):  # it is void in a few seconds
            await self._in_thread(lambda: self.batch.ledger.seats.leave(self.batch.seat))
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                while self.leases:
                    with suppress(SlotsAwayError):
                        await self.slots.give_back(self.leases.popitem()[0])

    def _drop_lost(self) -> None:
        """Forget leases that may have gone to others by now."""
        now = loop_time()
        lost = [lease for lease, good_until in self.leases.items() if good_until <= now]
        for lease in lost:
            del self.leases[lease]
        if lost:
            self.tell(f"{len(lost)} slots of {self.name} are lost: their lease could not be renewed in time")
            self._resize()

    async def _renew(self) -> None:
        for lease, good_until in list(self.leases.items()):
            now = loop_time()
            if good_until - now > LEASE_S - RENEW_EVERY_S:
                continue
            if await self.slots.renew(lease):
                self.leases[lease] = now + LEASE_S
            else:
                del self.leases[lease]
                self.tell(f"a slot of {self.name} is lost: its lease is gone")

    @property
    def _use(self) -> Use:
        return Use(len(self.leases), self.batch.admission.out)

    async def _stay(self) -> None:
        """Keep the seat while nobody counts slots: without it, others would take this run's jobs for nobody's."""
        with suppress(LedgerError):
            now = self.batch.clock.now()
            seat = self._seat(now)
            await self._in_thread(lambda: self.batch.ledger.seats.take(seat, now))

    async def _seated(self) -> tuple[list[Seat], int]:
        """Write the seat, and return those of the others, and how many jobs nobody holds a slot for."""
        now = self.batch.clock.now()
        seat = self._seat(now)
        everybody = await self._in_thread(lambda: self.batch.ledger.seats.take(seat, now))
        gone = [one for one in everybody if is_gone(one.place)]
        present = [one for one in everybody if one.until > now and one not in gone]
        strays = await self._in_thread(lambda: self._strays(present, now))
        for one in gone:
            await self._give_back_for(one)
        if strays:
            self._collect()
        return [other for other in present if other.run_id != seat.run_id], strays

    def _share(self, others: list[Seat], limit: Limit, orphans: int) -> int:
        me = self._seat(self.batch.clock.now())
        return min(self.batch.admission.full, entitlement(me, others, limit.slots, orphans))

    def _strays(self, present: list[Seat], now: datetime) -> int:
        """How many jobs at the endpoint nobody holds a slot for."""
        since = now - timedelta(seconds=_longest_job_s(self.batch))
        return len(self.batch.ledger.seats.strays(self.batch.endpoint.url, present, since=since))

    async def _give_back_for(self, gone: Seat) -> None:
        """Give the slots of a killed run back for it, if nobody else does: on its own machine, that is seen at once.

        Its seat goes first, so that its jobs are counted as nobody's before their slots are free.
        """
        if await self._in_thread(lambda: self.batch.ledger.seats.leave(gone.run_id)):
            for lease in gone.leases:
                await self.slots.give_back(lease)

    def _seat(self, now: datetime) -> Seat:
        began = self._began_at = self._began_at or now
        ended = self.batch.admission.ended
        if ended != self._served[0]:
            self._served = ended, now
        return Seat(
            run_id=self.batch.seat,
            limit_name=self.name,
            priority=self.batch.priority,
            wants=self.wanted,
            held=max(len(self.leases), self.batch.admission.out),
            place=self.batch.owner.place,
            leases=tuple(self.leases),
            began_at=began,
            served_at=self._served[1] or began,
            until=now + timedelta(seconds=SEAT_S),
        )

    def _collect(self) -> None:
        """Have jobs collected that nobody looks after: that frees their slots, and keeps what is paid for."""
        idle = self._collecting is None or self._collecting.done()
        if idle and loop_time() - self._collected_at >= STRAYS_EVERY_S:
            self._collected_at = loop_time()
            self._collecting = asyncio.create_task(self._collect_strays())

    async def _collect_strays(self) -> None:
        try:
            settled = await settle_strays(self.batch)
        except (LedgerError, StorageError) as error:  # the run itself meets them, and decides
            self.tell(f"jobs that nobody looked after could not be collected: {error.message}")
        else:
            if settled:
                self.tell(f"jobs of this endpoint that nobody looked after: {settled} settled")

    def _resize(self) -> None:
        self.batch.admission.resize(min(len(self.leases), self.share))

    async def _give_back(self) -> None:
        """Give back what is above the share as soon as it is idle, and what the run cannot use after a moment."""
        out = self.batch.admission.out
        await self._shrink(max(out, self.share))
        if len(self.leases) <= max(out, self.wanted):
            self._spare_since = None
        elif self._spare_since is None:
            self._spare_since = loop_time()
        elif loop_time() - self._spare_since >= SPARE_S:
            await self._shrink(max(out, self.wanted))

    async def _shrink(self, size: int) -> None:
        """Give slots back, down to that many. A lease that is given up is never used again, whatever the answer is."""
        while len(self.leases) > max(size, self.batch.admission.out):
            lease, _ = self.leases.popitem()
            self._resize()
            await self.slots.give_back(lease)

    async def _take(self, free: int) -> None:
        while free > 0 and len(self.leases) < min(self.share, self.wanted):
            asked_at = loop_time()
            lease = await self.slots.take()
            if lease is None:
                return
            self.leases[lease] = asked_at + LEASE_S
            self._resize()
            free -= 1

    def _say_why_idle(self, limit: Limit) -> None:
        """Say that nothing is sent, and why, once it has lasted for longer than slots take to change hands."""
        if self.leases or not self.wanted:
            self._idle_since = None
            return
        self._idle_since = self._idle_since or loop_time()
        if loop_time() - self._idle_since >= IDLE_TOLD_S:
            why = f"{limit.taken} of {limit.slots} are taken" if self.share else "other runs, or jobs of such, have all"
            self.tell(f"waiting for a slot of {self.name}: {why}")

    def tell(self, words: str) -> None:
        """Say something, once as long as nothing else is said."""
        if words != self._told:
            self._told = words
            self.batch.progress.say(words)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Work at the books.

        Raises:
            LedgerError: they cannot be used, or do not answer in time; what was asked of them may still be done.
        """
        if self._at_books is not None:
            await self._answered(self._at_books)
        working = asyncio.get_running_loop().run_in_executor(self.thread, work)
        self._at_books = working
        await self._answered(working)
        return await working

    async def _answered(self, working: asyncio.Future[Any]) -> None:
        """Wait until the thread has done something, well or badly, but no longer than `BOOKS_S`."""
        await asyncio.wait({working}, timeout=BOOKS_S)
        if not working.done():
            working.add_done_callback(lambda late: late.exception())  # nobody else may ask for it any more
            raise LedgerError(f"the books have not answered for {BOOKS_S:g} s")


def loop_time() -> float:
    """Real time, whatever clock a test has set: others judge a lease by theirs."""
    return asyncio.get_running_loop().time()


def _longest_job_s(batch: Batch) -> float:
    """The longest that a job waits and runs before its watcher gives it up; an older attempt holds up nobody."""
    return float(batch.settings.queue_stall_s + batch.settings.execution_timeout_s)
