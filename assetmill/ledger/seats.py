"""Seats: which runs share an endpoint at this moment, what each could use and what it holds.

A seat is a word among runs, not a record: it is good for a few seconds, its run writes it again and again, and it is
deleted when the run ends. A killed run's seat tells by which leases it held its slots. The rule that makes shares of
seats stands in `assetmill.batch.sharing`. Nothing here keeps anybody from sending: the hard bound is a Prefect limit
(ADR 0013).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, func, not_, select
from sqlalchemy.dialects import postgresql, sqlite

from assetmill.ledger.engine import Database, is_sqlite
from assetmill.ledger.tables import attempts, seats
from assetmill.ledger.values import Status

FORGOTTEN_AFTER = timedelta(hours=1)  # a killed run leaves its seat behind; clocks of machines may differ a little
AT_ENDPOINT = (Status.SUBMITTING, Status.SUBMITTED)


@dataclass(frozen=True, slots=True)
class Seat:
    """One run at one endpoint.

    Args:
        run_id: the run; with `@` and a word after it where it has seats at several endpoints.
        limit_name: name of the endpoint's limit: runs that name the same share it.
        priority: urgent, normal or backfill.
        wants: slots that it could use: jobs that are out, and pictures that could be sent at once.
        held: slots that it has in use: those that it holds, or its jobs that are out, where it has lost some of them.
        place: machine and process, as a claim names them.
        leases: what it holds them by, so that they can be given back for it when it is gone.
        began_at: when it came; aware time, as all.
        served_at: when a job of it has ended last; when it came, as long as none has.
        until: when the seat is void unless it is written again.
    """

    run_id: str
    limit_name: str
    priority: str
    wants: int
    held: int
    place: str
    leases: tuple[str, ...]
    began_at: datetime
    served_at: datetime
    until: datetime

    @property
    def owner(self) -> str:
        """The run itself."""
        return self.run_id.partition("@")[0]


class Seats:
    """The seats of a ledger. Every method is one short transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, seat: Seat, now: datetime) -> list[Seat]:
        """Write a seat, in place of the run's last one, and read all at this limit: its own, and void ones, too.

        Returns:
            The longest there first.

        Raises:
            LedgerError: the books are unavailable.
        """
        row = {field.name: getattr(seat, field.name) for field in fields(Seat)} | {"leases": json.dumps(seat.leases)}
        dialect = sqlite if is_sqlite(self._database.engine) else postgresql
        upsert = dialect.insert(seats).values(row).on_conflict_do_update(index_elements=["run_id"], set_=row)
        with self._database.write() as connection:
            connection.execute(delete(seats).where(seats.c.until < now - FORGOTTEN_AFTER))
            connection.execute(upsert)
            return _at(connection, seat.limit_name)

    def at(self, limit_name: str) -> list[Seat]:
        """Read the seats at a limit, void ones too, the longest there first.

        Raises:
            LedgerError: the books are unavailable.
        """
        with self._database.read() as connection:
            return _at(connection, limit_name)

    def leave(self, run_id: str) -> bool:
        """Delete the seat of a run. Of several that do, one has deleted it, and is told so.

        Raises:
            LedgerError: the books are unavailable.
        """
        with self._database.write() as connection:
            return connection.execute(delete(seats).where(seats.c.run_id == run_id)).rowcount == 1

    def strays(self, endpoint_url: str, present: Collection[Seat], *, since: datetime) -> list[str]:
        """Ids of attempts that may have a job at an endpoint for which no run holds a slot, oldest first.

        Such are the jobs of killed runs, and those that a run had to leave open. A run holds slots for the attempts
        that it has made since it took its seat, and for no others, whoever looks after these now.

        Args:
            endpoint_url: address of the endpoint.
            present: runs that have a seat there.
            since: older attempts do not count: their jobs have ended, however badly.

        Raises:
            LedgerError: the books are unavailable.
        """
        there = and_(
            attempts.c.endpoint_url == endpoint_url,
            attempts.c.status.in_(AT_ENDPOINT),
            attempts.c.intended_at > since,
        )
        wanted = select(attempts.c.attempt_id).where(there, *(not_(_held_by(seat)) for seat in present))
        with self._database.read() as connection:
            return list(connection.execute(wanted.order_by(attempts.c.intended_at)).scalars())


def _at(connection: Connection, limit_name: str) -> list[Seat]:
    columns = [seats.c[field.name] for field in fields(Seat)]
    wanted = select(*columns).where(seats.c.limit_name == limit_name).order_by(seats.c.began_at, seats.c.run_id)
    found = (Seat(*row) for row in connection.execute(wanted))
    return [replace(seat, leases=tuple(json.loads(str(seat.leases)))) for seat in found]


def _held_by(seat: Seat) -> ColumnElement[bool]:
    """Attempts that a run holds slots for; nobody's attempt has no owner, and must not make the answer unknown."""
    own = and_(attempts.c.run_id == seat.owner, attempts.c.intended_at >= seat.began_at)
    return and_(own, func.coalesce(attempts.c.owner, "") == seat.owner)
