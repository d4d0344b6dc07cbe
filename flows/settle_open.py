"""The flow that settles what was left open: meant to run every ten minutes, because results live for thirty.

It needs no manifest and sends nothing; the rules stand in assetmill.batch.settling.
"""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.settings import load_settings
from flows.upkeep import upkeep
from tasks.settle_attempts import settle_attempts


@flow(
    name="settle-open",
    description="Collects jobs that were sent and never settled, before their results expire; sends nothing.",
    persist_result=False,
    validate_parameters=True,
)
async def settle_open(game: str | None = None, *, wait: bool = False) -> State[int]:
    """Settle open attempts, wherever they were sent.

    Args:
        game: Id of a game; empty: all.
        wait: Watch jobs that still run to their end; otherwise they are left for the next time.

    Returns:
        Completed; the data is how many attempts were settled.
    """
    settings, clock = load_settings(), Clock()
    log = get_run_logger()
    told: list[str] = []

    async def work() -> int:
        done = await settle_everything(settings, clock, game=game, wait=wait)
        told.append(done.sentence)
        for attempt_id, why in done.open.items():
            log.info("attempt %s stays open: %s", attempt_id, why)
        return done.settled

    try:
        settled = await settle_attempts(work)
    finally:  # also where the books are away: runs that are gone are Prefect's own business
        for words in await upkeep(settings, clock):
            log.warning("%s", words)
    return Completed(message=told[0], data=settled)
