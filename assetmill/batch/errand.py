"""One job outside of any batch: a desk is opened for it, its row is written, it is sent, and its id is noted.

The doctor's probes and smoke tests go this way. A batch has more on its mind (slots, breakers, retries, other runs), so
it has a way of its own; what both have in common is their order: the row before the POST, the job id right after it.
Nothing here decides what is sent or what becomes of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from assetmill.batch.collect import ending
from assetmill.batch.counters import running
from assetmill.batch.desk import Desk, holding_claims
from assetmill.batch.pricing import priced
from assetmill.batch.progress import new_progress
from assetmill.batch.providers import new_provider
from assetmill.batch.roster import Roster
from assetmill.batch.sent import Sent
from assetmill.batch.settling import new_owner
from assetmill.clock import Clock
from assetmill.errors import AttemptError, LedgerError, NotDelivered, OutcomeUnknown, ProviderRefused, Throttled
from assetmill.ledger import Intent, Ledger, Status
from assetmill.money import no_cost
from assetmill.money.budgets import NO_LIMITS, Limits
from assetmill.providers.base import JobRequest
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.retry import pause_before_resend
from assetmill.settings import Settings
from assetmill.storage import open_store

FOUND_LATER = "its job may go on, and is in the books: `assetmill settle` finds it"


@asynccontextmanager
async def open_desk(
    settings: Settings, endpoint: Endpoint, clock: Clock, name: str, say: Callable[[str], None] | None = None
) -> AsyncIterator[Desk]:
    """Books, store and provider until the end of the block; the endpoint has its price, and runs if it is ours.

    Args:
        settings: the environment.
        endpoint: where jobs go; a draft endpoint without an address is started for the length of the block.
        clock: time.
        name: in whose name attempts are claimed.
        say: told where prices could not be had; the desk's progress if left out.

    Raises:
        UsageError, LedgerError, StorageError, ProviderRefused.
    """
    store = open_store(settings.store_url, settings.store_access)
    async with AsyncExitStack() as stack:
        ledger = await asyncio.to_thread(Ledger.open, settings.ledger_url)
        stack.callback(ledger.close)
        progress, owner = new_progress(), new_owner(settings, name)
        endpoint = await stack.enter_async_context(running(endpoint, settings))
        provider = new_provider(endpoint, settings, clock, progress, ledger, owner)
        stack.push_async_callback(provider.aclose)
        endpoint, facts = await priced(endpoint, provider, settings, clock, say or progress.say)
        roster = Roster(endpoint, provider, ledger, clock, facts)
        stack.push_async_callback(roster.aclose)
        await stack.enter_async_context(holding_claims(ledger, owner, clock, progress))
        yield Desk(
            owner=owner, endpoint=endpoint, provider=provider, ledger=ledger, store=store, clock=clock,
            progress=progress, roster=roster,
        )  # fmt: skip


async def deliver(desk: Desk, intent: Intent, request: JobRequest, limits: Limits = NO_LIMITS) -> Sent:
    """Commit the row, submit (sending again only what was not accepted), and commit the job id.

    Whoever calls it sees to it that nothing interrupts it (`assetmill.uninterrupted`).

    Args:
        desk: where.
        intent: the row.
        request: the job.
        limits: budgets that it has to fit into.

    Raises:
        BudgetTaken, BudgetExceeded: nothing was written and nothing sent.
        OutcomeUnknown: it left and no answer came; its row is open.
        AttemptError, ProviderRefused: nothing was accepted; the row is settled.
        ClaimLost, LedgerError, StorageError.
    """
    claim = desk.owner.claim(desk.clock.now())
    await asyncio.to_thread(desk.ledger.intend, intent, claim, limits=limits)
    try:
        job_id = await _submit(desk, request)
    except OutcomeUnknown as error:
        error.hint = FOUND_LATER
        raise
    except (AttemptError, ProviderRefused) as error:
        free = no_cost("nothing was accepted")
        await desk.settle(intent.attempt_id, ending(desk.clock.now(), Status.FAILED, free, error))
        raise
    return await noted(desk, intent, job_id)


async def noted(desk: Desk, intent: Intent, job_id: str) -> Sent:
    """Commit the id of a job that the endpoint has.

    Raises:
        ClaimLost, LedgerError: it could not be written; the error names the job.
    """
    at, by = desk.clock.now(), desk.owner.id
    try:
        await asyncio.to_thread(desk.ledger.submitted, intent.attempt_id, job_id=job_id, at=at, by=by)
    except LedgerError as error:
        error.job_id = job_id  # the message is now the only place that names the job
        raise
    desk.progress.submitted(job_id)
    outputs = dict(intent.expected_outputs)
    return Sent(intent.attempt_id, job_id, outputs, at, intent.price_per_s_usd, intent.planned_high_usd)


async def _submit(desk: Desk, request: JobRequest) -> str:
    tries = 0
    while True:
        tries += 1
        try:
            return await desk.provider.submit(request)
        except AttemptError as error:
            pause = None
            if isinstance(error, NotDelivered | Throttled):
                pause = pause_before_resend(error, tries, desk.clock.random)
            if pause is None:
                raise
            await desk.clock.sleep(pause)
