"""The way to each endpoint of a run: started, where the run starts it itself, and asked for its prices.

Nothing that an endpoint says, or does not say, ends the run here: whether it takes jobs is found out by sending one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from pydantic import SecretStr

from assetmill.batch.pricing import priced
from assetmill.batch.progress import Progress
from assetmill.batch.providers import new_provider
from assetmill.batch.roster import Roster
from assetmill.clock import Clock
from assetmill.ledger import Ledger, Owner
from assetmill.localpod.process import draft_endpoint
from assetmill.providers.base import EndpointFacts, Provider
from assetmill.providers.endpoint import DRAFT, Endpoint
from assetmill.settings import Settings


@dataclass(frozen=True, slots=True)
class Counter:
    """One endpoint, open.

    Args:
        endpoint: with its prices.
        provider: speaks to it.
        roster: its workers.
        facts: what it says of itself.
        shared: other runs may use it too; false where this run has started it.
    """

    endpoint: Endpoint
    provider: Provider
    roster: Roster
    facts: EndpointFacts
    shared: bool


@dataclass(frozen=True, slots=True)
class Hall:
    """What all counters of a run have in common.

    Args:
        settings: the environment.
        clock: time.
        progress: words for whoever watches.
        ledger: the books.
        owner: in whose name.
        stack: closes what is opened here.
    """

    settings: Settings
    clock: Clock
    progress: Progress
    ledger: Ledger
    owner: Owner
    stack: AsyncExitStack

    async def counter(self, endpoint: Endpoint) -> Counter:
        """Open the way to an endpoint.

        Raises:
            UsageError: the kept prices cannot be read or written.
            ProviderRefused: a draft endpoint did not start.
        """
        ours = _started_here(endpoint)
        endpoint = await self.stack.enter_async_context(running(endpoint, self.settings))
        provider = new_provider(endpoint, self.settings, self.clock, self.progress, self.ledger, self.owner)
        self.stack.push_async_callback(provider.aclose)
        endpoint, facts = await priced(endpoint, provider, self.settings, self.clock, self.progress.say)
        roster = Roster(endpoint, provider, self.ledger, self.clock, facts)
        self.stack.push_async_callback(roster.aclose)
        return Counter(endpoint, provider, roster, facts, shared=not ours)


def _started_here(endpoint: Endpoint) -> bool:
    """Whether the run starts the endpoint itself; it is nobody else's then."""
    return endpoint.kind == DRAFT and not endpoint.url


@asynccontextmanager
async def running(endpoint: Endpoint, settings: Settings) -> AsyncIterator[Endpoint]:
    """The endpoint itself; a draft endpoint without an address is started for the length of the block."""
    if not _started_here(endpoint):
        yield endpoint
        return
    log = settings.home / "draft-endpoint.log"
    async with draft_endpoint(log=log, workers=endpoint.max_workers, exec_seconds=settings.draft_seconds) as started:
        yield replace(endpoint, url=started.url, key=SecretStr(started.api_key))
