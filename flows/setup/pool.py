"""The work pool that all deployments run in.

Made as a pool of processes if there is none. One that exists is left as it is, whatever its kind: a pool of containers
is made from the templates under deploy/, and takes the same deployments.
"""

from __future__ import annotations

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

POOL = "assetmill"


async def ensure_pool(client: PrefectClient, name: str = POOL) -> list[str]:
    """Make the work pool if there is none.

    Returns:
        What was done, in words; nothing if it was there.
    """
    try:
        await client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        description = "Flow runs of assetmill, as processes on the worker's machine."
        pool = WorkPoolCreate(name=name, type=ProcessWorker.type, description=description, base_job_template=template)
        try:
            await client.create_work_pool(pool)
        except ObjectAlreadyExists:  # somebody else deploys at the same time
            return []
        return [f"work pool {name} created (process)"]
    return []
