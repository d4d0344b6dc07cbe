"""A task run is a paid generation: it is named by its picture and says what became of it.

No retries here: a blind retry of a paid POST is a second bill. What may be sent again is decided by the rules.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from assetmill.batch.context import Outcome
from assetmill.money import usd

Work = Callable[[], Awaitable[Outcome]]


@task(
    name="generate asset",
    description="Sends one job, collects, stores and finishes its picture, and settles its attempt.",
    task_run_name="{label}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def generate_asset(label: str, work: Work) -> object:
    """Run one picture's work and turn its outcome into a final state.

    Args:
        label: `<type>/<asset id>`; names the task run.
        work: does it all; what it raises ends the batch.
    """
    outcome = await work()
    spent = f" ({usd(outcome.cost.estimate)})" if outcome.cost else ""
    job = f", job {outcome.job_id}" if outcome.job_id else ""
    if outcome.good:
        return Completed(message=f"{label}: {outcome.status}{job}{spent}")
    return Failed(message=f"{label}: {outcome.status}: {outcome.note}{job}{spent}")
