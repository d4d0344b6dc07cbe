"""A picture that somebody else is paying for: wait for it, and use it.

Two runs of one game, or two assets that ask for the very same picture, meet here. Nothing is sent from here.
"""

from __future__ import annotations

import asyncio
from typing import Any

from assetmill.batch.context import Batch, Outcome
from assetmill.batch.finish import finish_again
from assetmill.batch.settle import carry_on, claim_of
from assetmill.errors import AttemptError, NotDelivered, OutOfSight
from assetmill.ledger import OPEN_STATUSES, Status, is_gone
from assetmill.ledger.codec import read_outputs
from assetmill.planning.plan import PlanItem

LOOK_EVERY_S = 1.0
SILENT = "its endpoint does not tell what became of it"


async def follow(batch: Batch, item: PlanItem, attempt_id: str) -> Outcome | None:
    """Wait until an attempt is settled, settling it here when whoever was at it is gone.

    Returns:
        The outcome for this picture; None when the attempt brought none, so that another may be made.

    Raises:
        LedgerError, StorageError, ProviderRefused: the whole batch has to stop.
    """
    while True:
        row = await asyncio.to_thread(batch.ledger.attempt, attempt_id)
        if row["status"] not in OPEN_STATUSES:
            return await _use(batch, item, row)
        if attempt_id in batch.in_hand:  # another picture of this run has it: it ends, also when nothing more is sent
            await batch.clock.sleep(LOOK_EVERY_S)
            continue
        batch.in_hand.add(attempt_id)
        try:
            why = await _look_after(batch, row)
        finally:
            batch.in_hand.discard(attempt_id)
        if why:
            return _still_open(item, row, why)


async def _look_after(batch: Batch, row: dict[str, Any]) -> str:
    """Settle an attempt that is nobody's, or wait a moment; why it stays open for good, or nothing."""
    elsewhere = row["endpoint_url"] != batch.endpoint.url
    if elsewhere and (row["owner"] is None or is_gone(row["owner_place"])):
        return f"it was sent to {row['endpoint']}"  # not claimed: whoever can reach that endpoint may settle it
    claimed = None if elsewhere else await claim_of(batch.ledger, batch.owner, batch.clock, row["attempt_id"])
    if claimed is None:
        return "another run is at it" if await batch.stopped_within(LOOK_EVERY_S) else ""
    return "" if await carry_on(batch, claimed, wait=True) else SILENT


def _still_open(item: PlanItem, row: dict[str, Any], why: str) -> Outcome:
    kind = OutOfSight if why == SILENT else NotDelivered
    error = kind(f"job {row['job_id'] or 'unknown'} is still open: {why}", hint="assetmill settle collects it")
    return Outcome(item, "open", row["attempt_id"], error=error, job_id=row["job_id"])


async def _use(batch: Batch, item: PlanItem, row: dict[str, Any]) -> Outcome | None:
    """A settled attempt's picture, finished as this item asks for."""
    if row["status"] not in (Status.KEPT, Status.REJECTED):
        return None
    raws = read_outputs(row["outputs"])
    batch.raws.offer(item.key, raws, row["fingerprint"])
    try:
        done = await finish_again(batch, item, row["attempt_id"], raws, draft=row["draft"])
    except AttemptError as error:
        return Outcome(item, "rejected", row["attempt_id"], error=error, followed=True)
    status = "kept" if done.rejected is None else "rejected"
    return Outcome(item, status, row["attempt_id"], done, followed=True)
