"""Lives of workers of which it may be that they got no job, found without looking at each of thousands.

A worker that came up too late is paid for all the same, and no attempt knows of it. Which lives these are is asked in
one statement; it may name one whose job began just outside of what the listing saw, so that whoever counts money looks
at each that is named once more.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, not_, select

from assetmill.ledger.tables import attempts, workers
from assetmill.ledger.workers import WorkerLife


def perhaps_jobless(
    connection: Connection, since: datetime | None, until: datetime | None
) -> list[tuple[WorkerLife, bool]]:
    """Lives during which no job of the ledger began on the worker, the first that was seen first.

    Args:
        connection: of a transaction.
        since: only those that were first seen at or after this time.
        until: only those that were first seen before this time.

    Returns:
        Each with whether its worker had a job at any other time; one that never had is jobless for certain.
    """
    same_worker = and_(attempts.c.endpoint_url == workers.c.endpoint_url, attempts.c.worker_id == workers.c.worker_id)
    served = exists().where(
        same_worker,
        attempts.c.started_at >= func.coalesce(workers.c.up_since, workers.c.first_seen_at),
        attempts.c.started_at <= workers.c.last_seen_at,
    )
    conditions = [
        None if since is None else workers.c.first_seen_at >= since,
        None if until is None else workers.c.first_seen_at < until,
    ]
    asked = and_(not_(served), *(one for one in conditions if one is not None))
    columns = [workers.c[field.name] for field in fields(WorkerLife)]
    found = select(*columns, exists().where(same_worker)).where(asked)
    ordered = connection.execute(found.order_by(workers.c.first_seen_at, workers.c.worker_id))
    return [(WorkerLife(*life), bool(ever)) for *life, ever in ordered]
