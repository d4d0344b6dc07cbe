"""Probe jobs in the books: a worker that starts for one is paid for like for any other job.

A probe is an attempt of the game `doctor`, written down before it is sent and settled with what it cost. One that is
interrupted stays open and is found by `assetmill settle`, like a picture. It keeps to the month's budget, and to the
smallest of the budgets for one run. It never brings a picture: whatever its job says, its row ends as failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from typing import Any, Final

from assetmill.batch.collect import ending
from assetmill.batch.costing import account
from assetmill.batch.desk import Desk
from assetmill.batch.errand import FOUND_LATER, deliver
from assetmill.batch.sent import Sent
from assetmill.batch.withdraw import withdraw
from assetmill.errors import AttemptError, NotDelivered, ProviderRefused, QueueStalled, ResultLost, WrongCount
from assetmill.ledger import Intent, Status
from assetmill.money import USD_STEP
from assetmill.money.budgets import NO_LIMITS, Limits
from assetmill.planning.estimate import START, TAIL
from assetmill.planning.fingerprint import digest
from assetmill.providers.base import Job, JobRequest
from assetmill.uninterrupted import uninterrupted

GAME: Final = "doctor"
PACK: Final = "probe"
PROBE: Final = "probe"
OUTPUTS: Final[Mapping[str, str]] = {"image": "probe"}
"""What a probe is said to bring, so that one that completes is known to have brought nothing of it."""

LONGEST_S = 300
"""A worker may have to bring ComfyUI up within the job; refusing a graph takes less than a second."""

TTL_S = 3600


@dataclass
class Probes:
    """Probe jobs of one examination.

    Args:
        desk: where they go, with the endpoint's price; in whose name they are written.
        run_id: the run that was begun for them.
        limits: budgets that they have to fit into.
        cost_usd: what they cost so far; None once that of one is not known.
    """

    desk: Desk
    run_id: str
    limits: Limits = NO_LIMITS
    sent: int = 0
    cost_usd: Decimal | None = field(default=Decimal(0))

    async def ask(self, graph: Mapping[str, Any]) -> Job:
        """Send a graph that cannot run, and return its job once it has ended; its row is settled then.

        Raises:
            BudgetTaken, BudgetExceeded: nothing was sent.
            ProviderRefused, AttemptError: there is no answer; a job that may still be there stays open in the books.
            LedgerError, StorageError: the books, or the place of the receipts, are unavailable.
        """
        intent = self._intent(graph)
        limit_ms, ttl_ms = LONGEST_S * 1000, TTL_S * 1000
        request = JobRequest(intent.attempt_id, graph, OUTPUTS, execution_timeout_ms=limit_ms, ttl_ms=ttl_ms)
        sent = await uninterrupted(deliver(self.desk, intent, request, self.limits))
        self.sent += 1
        try:
            job = await self.desk.provider.wait(sent.job_id, self.desk.observed)
        except QueueStalled as error:
            await withdraw(self.desk, sent, error)
            raise
        except (NotDelivered, ProviderRefused) as error:
            error.hint = FOUND_LATER
            raise
        except AttemptError as error:
            await self._settle(sent, None, error)
            raise
        await self._settle(sent, job, await self._told(job))
        return job

    async def _told(self, job: Job) -> AttemptError:
        """How the job ended, as the row says it."""
        try:
            await self.desk.provider.collect(job, OUTPUTS)
        except AttemptError as error:
            return error
        return WrongCount("the probe brought a picture that it never asked for", job_id=job.id)

    async def _settle(self, sent: Sent, job: Job | None, error: AttemptError) -> None:
        told = await account(self.desk, sent, job)
        status = Status.LOST if isinstance(error, ResultLost) else Status.FAILED
        now = self.desk.clock.now()
        await self.desk.settle(sent.attempt_id, ending(now, status, told.cost, error, told.facts))
        known = self.cost_usd is not None and told.cost.estimate is not None
        self.cost_usd = (self.cost_usd or Decimal(0)) + (told.cost.estimate or Decimal(0)) if known else None

    def _intent(self, graph: Mapping[str, Any]) -> Intent:
        desk, endpoint = self.desk, self.desk.endpoint
        attempt_id, graph_hash, high = desk.clock.new_id(), digest(graph), self._most_usd()
        inputs = {"probe": graph_hash, "attempt": attempt_id}
        return Intent(
            attempt_id=attempt_id,
            run_id=self.run_id,
            game=GAME,
            pack=PACK,
            asset_id=PROBE,
            asset_type=PROBE,
            candidate=0,
            try_no=1,
            fingerprint=digest(inputs),
            inputs=inputs,
            provider=endpoint.kind,
            endpoint=endpoint.name,
            endpoint_url=endpoint.url,
            gpu=endpoint.gpu,
            seed=0,
            workflow=PROBE,
            workflow_hash=graph_hash,
            width=0,
            height=0,
            expected_outputs=OUTPUTS,
            price_per_s_usd=endpoint.usd_per_s,
            price_source=endpoint.price_source,
            draft=endpoint.draft,
            intended_at=desk.clock.now(),
            planned_high_usd=high,
            reserved_usd=high,
        )

    def _most_usd(self) -> Decimal | None:
        """What a probe can cost at most: its limit, a worker's start and its idle time."""
        if self.desk.endpoint.usd_per_s is None:
            return None
        whole_s = Decimal(str(LONGEST_S + START.high + TAIL.high))
        return (self.desk.endpoint.usd_per_s * whole_s).quantize(USD_STEP, ROUND_UP)
