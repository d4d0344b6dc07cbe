"""The ledger as providers with pipelines know it: steps by attempt, written in the name of one owner.

The books are reached from a thread, because a provider lives in the event loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from assetmill.ledger import Ledger, Owner
from assetmill.providers.base import Step


@dataclass(frozen=True, slots=True)
class LedgerSteps:
    """Steps of attempts that one owner looks after.

    Args:
        ledger: the books.
        owner: whose claim an attempt has to be under for its steps to be written.
    """

    ledger: Ledger
    owner: Owner

    async def steps(self, attempt_id: str) -> tuple[Step, ...]:
        """The steps of an attempt, in their order; none as long as nothing was noted.

        Raises:
            LedgerError.
        """
        return await asyncio.to_thread(self.ledger.steps.of, attempt_id)

    async def attempt_of(self, job_id: str) -> str | None:
        """The attempt that a job of any of its steps belongs to.

        Raises:
            LedgerError.
        """
        return await asyncio.to_thread(self.ledger.steps.attempt_of, job_id)

    async def note(self, attempt_id: str, *steps: Step) -> None:
        """Write steps down, new or changed, all or none.

        Raises:
            ClaimLost: somebody else looks after the attempt now.
            LedgerError.
        """
        await asyncio.to_thread(self.ledger.steps.note, attempt_id, steps, by=self.owner.id)
