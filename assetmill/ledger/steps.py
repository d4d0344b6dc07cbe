"""The calls of attempts that take several jobs at their provider, so that nobody repeats one that was paid for.

A step is written down before its request leaves and again when its job is known, like an attempt itself; what it says
is true at every moment at which a process may be killed. Only whoever holds the attempt's claim may write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from assetmill.errors import ClaimLost
from assetmill.ledger.again import repeatable
from assetmill.ledger.engine import Database
from assetmill.ledger.tables import attempts, steps
from assetmill.ledger.writes import dialect_of, hold, require_attempt
from assetmill.providers.base import Step, StepState


class Steps:
    """The steps of a ledger. Every method is one short transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeatable
    def of(self, attempt_id: str) -> tuple[Step, ...]:
        """The steps of an attempt, in their order; none where it has none.

        Raises:
            LedgerError: the books are unavailable.
        """
        wanted = select(steps).where(steps.c.attempt_id == attempt_id).order_by(steps.c.number)
        with self._database.read() as connection:
            return tuple(_step(dict(row)) for row in connection.execute(wanted).mappings())

    @repeatable
    def attempt_of(self, job_id: str) -> str | None:
        """The attempt that has a step with this job; None if none has.

        Raises:
            LedgerError: the books are unavailable.
        """
        with self._database.read() as connection:
            return connection.execute(select(steps.c.attempt_id).where(steps.c.job_id == job_id)).scalar()

    @repeatable
    def note(self, attempt_id: str, noted: tuple[Step, ...], *, by: str) -> None:
        """Write steps down, new or changed, all or none.

        Args:
            attempt_id: an open attempt.
            noted: its steps.
            by: whose claim the attempt has to be under.

        Raises:
            ClaimLost: somebody else looks after the attempt, or it is settled.
            LedgerError: there is no such attempt, or the books are unavailable.
        """
        with self._database.write() as connection:
            hold(connection, attempt_id)
            _require_owner(connection, attempt_id, by)
            for step in noted:
                row = _row(attempt_id, step)
                put = dialect_of(connection).insert(steps).values(row)
                keys = ["attempt_id", "number"]
                connection.execute(put.on_conflict_do_update(index_elements=keys, set_=row))


def _require_owner(connection: Connection, attempt_id: str, by: str) -> None:
    status = require_attempt(connection, attempt_id)
    owner = connection.execute(select(attempts.c.owner).where(attempts.c.attempt_id == attempt_id)).scalar()
    if status.settled or owner != by:
        raise ClaimLost(f"attempt {attempt_id} is looked after by {owner or 'nobody'} now, and is {status}")


def _row(attempt_id: str, step: Step) -> dict[str, Any]:
    return {
        "attempt_id": attempt_id,
        "number": step.number,
        "call": step.call,
        "body": json.dumps(step.body, sort_keys=True),
        "roles": json.dumps(step.roles),
        "paid": step.paid,
        "state": step.state,
        "job_id": step.job_id,
        "assets": json.dumps(step.assets),
        "units": step.units,
        "tries": step.tries,
        "intended_at": step.intended_at,
        "ended_at": step.ended_at,
        "queue_ms": step.queue_ms,
        "execution_ms": step.execution_ms,
    }


def _step(row: Mapping[str, Any]) -> Step:
    plain = {name: row[name] for name in ("number", "call", "paid", "job_id", "units", "tries")}
    times = {name: row[name] for name in ("intended_at", "ended_at", "queue_ms", "execution_ms")}
    return Step(
        body=json.loads(row["body"]),
        roles=tuple(json.loads(row["roles"])),
        assets=tuple(json.loads(row["assets"])),
        state=StepState(row["state"]),
        **plain,
        **times,
    )
