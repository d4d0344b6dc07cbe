"""What it takes to carry attempts on at one endpoint: books, store, provider, and a name to claim them in.

A run has a desk with more on it (`Batch`); settling alone needs no manifest and no more than this.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from assetmill.batch.progress import Progress
from assetmill.batch.receipt import settle_with_receipt
from assetmill.batch.roster import Roster
from assetmill.clock import Clock
from assetmill.errors import LedgerError
from assetmill.ledger import Ledger, Owner, Receipt, Settlement
from assetmill.providers.base import Job, Provider
from assetmill.providers.endpoint import Endpoint
from assetmill.storage import Store

RENEWALS = 3  # in the time of one lease: two may fail or come late


@dataclass(kw_only=True)
class Desk:
    """Attempts of one endpoint.

    Args:
        owner: in whose name attempts are claimed.
        endpoint: where jobs are.
        provider: speaks to the endpoint.
        ledger: the books.
        store: where bytes and receipts go.
        clock: time, ids and chance.
        progress: counts, and words for whoever watches.
        roster: workers of the endpoint, and what each job was to its own.
    """

    owner: Owner
    endpoint: Endpoint
    provider: Provider
    ledger: Ledger
    store: Store
    clock: Clock
    progress: Progress
    roster: Roster

    def observed(self, job: Job) -> None:
        """The endpoint said where a job stands."""
        self.progress.observed(job)
        self.roster.observed(job)

    async def settle(self, attempt_id: str, settlement: Settlement) -> Receipt:
        """Store the receipt and write the final row.

        Raises:
            ClaimLost, LedgerError, StorageError.
        """
        by = self.owner.id
        return await asyncio.to_thread(settle_with_receipt, self.ledger, self.store, attempt_id, settlement, by=by)


@asynccontextmanager
async def holding_claims(ledger: Ledger, owner: Owner, clock: Clock, progress: Progress) -> AsyncIterator[None]:
    """Keep an owner's claims good for as long as the block lasts, and give them up at its end."""
    ended = asyncio.Event()
    renewing = asyncio.create_task(_renew(ledger, owner, clock, progress, ended))
    try:
        yield
    finally:
        ended.set()
        await asyncio.gather(renewing, return_exceptions=True)
        try:
            await asyncio.to_thread(ledger.release, owner.id, clock.now())
        except LedgerError as error:  # they run out by themselves
            progress.say(f"claims could not be given up: {error.message}")


async def _renew(ledger: Ledger, owner: Owner, clock: Clock, progress: Progress, ended: asyncio.Event) -> None:
    """Renew in real time, whatever clock a test has set: other processes judge a claim by theirs."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(
        1, thread_name_prefix="claims"
    ) as own:  # it must not wait behind pictures that are finished
        while True:
            waiting = asyncio.ensure_future(ended.wait())
            await asyncio.wait({waiting}, timeout=owner.lease_s / RENEWALS)
            waiting.cancel()
            if ended.is_set():
                return
            try:
                await loop.run_in_executor(own, ledger.renew, owner.claim(clock.now()))
            except LedgerError as error:  # the books may be back before the claims run out
                progress.say(f"claims could not be renewed: {error.message}")
