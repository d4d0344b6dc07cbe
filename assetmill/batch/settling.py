"""Settling many attempts, wherever they were sent: at the start of a run, and alone.

A desk is opened for each endpoint that an attempt names. An endpoint that refuses us keeps its attempts open and is
told; it does not keep the others waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from assetmill.batch.context import Batch
from assetmill.batch.desk import Desk, holding_claims
from assetmill.batch.progress import Progress, new_progress
from assetmill.batch.providers import new_provider
from assetmill.batch.roster import Roster
from assetmill.batch.settle import carry_on, claim_of
from assetmill.batch.still_open import StillOpen, Why, ask_why, in_words, still_open
from assetmill.clock import Clock
from assetmill.errors import LedgerError, ProviderRefused, StorageError, UsageError
from assetmill.ledger import Ledger, OpenAttempt, Owner, is_gone, place_of_this_process
from assetmill.providers.endpoints import endpoint_of
from assetmill.settings import Settings
from assetmill.storage import Store, open_store


@dataclass
class Settled:
    """What became of the open attempts that were looked at.

    Args:
        settled: how many were brought to an end.
        remaining: those that stay open, and why, by attempt id.
        busy: how many somebody else is at.
    """

    settled: int = 0
    remaining: dict[str, StillOpen] = field(default_factory=dict)
    busy: int = 0

    @property
    def open(self) -> dict[str, str]:
        """Those that stay open, and why: attempt id -> words."""
        return {attempt_id: str(one) for attempt_id, one in self.remaining.items()}

    @property
    def refused(self) -> bool:
        """Whether an endpoint refused us: key, permission or address."""
        return any(one.why is Why.REFUSED for one in self.remaining.values())

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return f"{self.settled} settled, {len(self.remaining)} still open, {self.busy} looked after by others"


@dataclass
class Desks:
    """Desks by the address of their endpoint, opened when they are asked for.

    Args:
        settings: keys, and how long to wait for what.
        owner: in whose name.
        ledger: the books.
        store: where bytes go.
        clock: time.
        progress: words for whoever watches.
        stack: closes them.
    """

    settings: Settings
    owner: Owner
    ledger: Ledger
    store: Store
    clock: Clock
    progress: Progress
    stack: AsyncExitStack
    known: dict[str, Desk] = field(default_factory=dict)

    def at(self, url: str) -> Desk:
        """The desk of an endpoint.

        Raises:
            UsageError, ProviderRefused: no key for it, or no such address.
        """
        if url not in self.known:
            endpoint = endpoint_of(self.settings, url)
            provider = new_provider(endpoint, self.settings, self.clock, self.progress, self.ledger, self.owner)
            self.stack.push_async_callback(provider.aclose)
            roster = Roster(endpoint, provider, self.ledger, self.clock)
            self.stack.push_async_callback(roster.aclose)
            self.known[url] = Desk(
                owner=self.owner, endpoint=endpoint, provider=provider, ledger=self.ledger, store=self.store,
                clock=self.clock, progress=self.progress, roster=roster,
            )  # fmt: skip
        return self.known[url]


def new_owner(settings: Settings, name: str) -> Owner:
    """Somebody who claims attempts from this process."""
    return Owner(name, place_of_this_process(), settings.lease_s)


async def settle_attempts(desks: Desks, attempts: Sequence[OpenAttempt], *, wait: bool) -> Settled:
    """Bring attempts to their end, side by side.

    Raises:
        LedgerError, StorageError: once all have been tried.
    """
    result = Settled()
    work = (_one(desks, attempt, result, wait=wait) for attempt in attempts)
    for error in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(error, BaseException):
            raise error
    return result


async def _one(desks: Desks, attempt: OpenAttempt, result: Settled, *, wait: bool) -> None:
    claimed = await claim_of(desks.ledger, desks.owner, desks.clock, attempt.attempt_id)
    if claimed is None:
        result.busy += 1
        return
    try:
        if await carry_on(desks.at(claimed.endpoint_url), claimed, wait=wait):
            result.settled += 1
            return
        left = await asyncio.to_thread(desks.ledger.open_attempt, claimed.attempt_id)
        if left is None or left.owner != desks.owner.id:  # its claim was lost on the way
            result.busy += 1
            return
        claimed = left
        why = await ask_why(desks.at(left.endpoint_url), left)
    except (LedgerError, StorageError):
        raise
    except Exception as error:  # noqa: BLE001  an answer that nobody can make sense of must not hold up the others
        why = _trouble(claimed, desks.clock, error)
    result.remaining[attempt.attempt_id] = why


def _trouble(attempt: OpenAttempt, clock: Clock, error: Exception) -> StillOpen:
    if isinstance(error, ProviderRefused):
        return still_open(attempt, clock.now(), Why.REFUSED, in_words(error))
    if isinstance(error, UsageError):
        return still_open(attempt, clock.now(), Why.UNUSABLE, in_words(error))
    return still_open(attempt, clock.now(), Why.FAULT, f"{type(error).__name__}: {error}")


async def open_for_run(batch: Batch) -> list[OpenAttempt]:
    """Open attempts that a run looks after before it plans: those of its game, and those at its endpoint."""
    attempts = await asyncio.to_thread(batch.ledger.open_attempts)
    game = batch.pack.game.id
    return [attempt for attempt in attempts if attempt.game == game or attempt.endpoint_url in batch.lanes]


async def settle_for_run(batch: Batch) -> int:
    """Settle what was left open of this game, and at this endpoint, and return how many attempts that were.

    Raises:
        LedgerError, StorageError: once all have been tried.
    """
    ours = await open_for_run(batch)
    async with AsyncExitStack() as stack:
        desks = Desks(
            batch.settings, batch.owner, batch.ledger, batch.store, batch.clock, batch.progress, stack,
            dict(batch.lanes),
        )  # fmt: skip
        result = await settle_attempts(desks, ours, wait=True)
    for attempt_id, why in result.open.items():
        batch.progress.say(f"attempt {attempt_id} stays open: {why}")
    await asyncio.to_thread(_let_go, batch, result)
    return result.settled


async def settle_strays(batch: Batch) -> int:
    """Settle, beside a run's own work, what is nobody's at its endpoint: jobs of killed runs, and such left open.

    Their pictures are kept, and their slots become free for those who share the endpoint. What cannot be settled is
    let go again. Returns how many were settled.

    Raises:
        LedgerError, StorageError: once all have been tried.
    """
    attempts = await asyncio.to_thread(batch.ledger.open_attempts)
    strays = {one.attempt_id: one for one in attempts if _stray(batch, one)}
    batch.in_hand.update(strays)
    try:
        async with AsyncExitStack() as stack:
            desks = Desks(
                batch.settings, batch.owner, batch.ledger, batch.store, batch.clock, batch.progress, stack,
                {batch.endpoint.url: batch},
            )  # fmt: skip
            result = await settle_attempts(desks, list(strays.values()), wait=True)
        for attempt_id in result.remaining:
            await asyncio.to_thread(batch.ledger.let_go, attempt_id, batch.owner.id, batch.clock.now())
    finally:
        batch.in_hand.difference_update(strays)
    return result.settled


def _stray(batch: Batch, attempt: OpenAttempt) -> bool:
    """Whether an open attempt at the run's endpoint is not this run's own, and nobody else's either."""
    if attempt.endpoint_url != batch.endpoint.url or attempt.attempt_id in batch.in_hand:
        return False
    void = attempt.claimed_until is None or attempt.claimed_until <= batch.clock.now()
    return attempt.owner != batch.owner.id and (attempt.owner is None or void or is_gone(attempt.owner_place))


def _let_go(batch: Batch, result: Settled) -> None:
    """What could not be settled here is for somebody else to try."""
    if result.remaining:
        batch.ledger.release(batch.owner.id, batch.clock.now())


@asynccontextmanager
async def open_desks(settings: Settings, clock: Clock) -> AsyncIterator[Desks]:
    """Everything that settling alone needs, until the end of the block.

    Raises:
        UsageError, LedgerError, StorageError.
    """
    store = open_store(settings.store_url, settings.store_access)
    async with AsyncExitStack() as stack:
        ledger = await asyncio.to_thread(Ledger.open, settings.ledger_url)
        stack.callback(ledger.close)
        owner, progress = new_owner(settings, f"settle-{clock.new_id()[:24]}"), new_progress()
        desks = Desks(settings, owner, ledger, store, clock, progress, stack)
        await stack.enter_async_context(holding_claims(ledger, owner, clock, progress))
        yield desks


async def settle_everything(
    settings: Settings, clock: Clock, *, game: str | None = None, endpoint: str | None = None, wait: bool = False
) -> Settled:
    """Settle all open attempts, of a game or of an endpoint's address if one is given.

    Raises:
        UsageError, LedgerError, StorageError.
    """
    async with open_desks(settings, clock) as desks:
        attempts = await asyncio.to_thread(desks.ledger.open_attempts, game=game)
        chosen = [one for one in attempts if endpoint is None or one.endpoint_url == endpoint]
        return await settle_attempts(desks, chosen, wait=wait)
