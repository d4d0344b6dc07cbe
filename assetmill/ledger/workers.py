"""Lives of paid workers as an endpoint's listing told them, and which job came before another on the same worker.

A life is one row however many runs saw it: who sees a worker again whose listing speaks of the same start carries its
row on. It is written beside the attempts and says nothing of jobs; a worker that never got one is here and in no
attempt. The ledger knows no rule of money: what a life costs is worked out elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, and_, func, insert, or_, select, text, update

from assetmill.ledger.again import repeatable
from assetmill.ledger.engine import Database, is_sqlite
from assetmill.ledger.tables import attempts, workers
from assetmill.ledger.writes import without_secrets
from assetmill.money import Spell

SAME_START = timedelta(seconds=3)
"""Two listings of one life may tell starts so far apart: uptimes are whole seconds, and answers take time."""

UNHEARD = timedelta(minutes=5)
"""A worker whose start nobody tells, and that is seen again after this, is taken to have been away."""


@dataclass(frozen=True, slots=True)
class WorkerLife:
    """A worker from one start to its stop, as far as it has been seen.

    Args:
        endpoint_url: where it serves.
        worker_id: its id; one that is resumed keeps it.
        first_seen_at: aware time, as all.
        last_seen_at: when a listing had it last.
        up_since: its start, by the listing's uptime; None where that told none.
        ready_at: when a listing first had it as ready for jobs; None where none did.
        gpu: id of its GPU type.
        price_per_s_usd: price of a second of it; None when nobody knows.
        price_source: where the price comes from.
        idle_timeout_s: after which its endpoint ends it.
    """

    endpoint_url: str
    worker_id: str
    first_seen_at: datetime
    last_seen_at: datetime
    up_since: datetime | None = None
    ready_at: datetime | None = None
    gpu: str | None = None
    price_per_s_usd: Decimal | None = None
    price_source: str = ""
    idle_timeout_s: float | None = None

    def same_as(self, other: WorkerLife) -> bool:
        """Whether two sightings of a worker are of one life."""
        if self.up_since is not None and other.up_since is not None:
            return abs(self.up_since - other.up_since) <= SAME_START
        first, second = sorted((self, other), key=lambda life: life.first_seen_at)
        return second.first_seen_at - first.last_seen_at <= UNHEARD

    def and_also(self, other: WorkerLife) -> WorkerLife:
        """One life made of two sightings of it; the newer one's word counts, where it says anything."""
        older, newer = sorted((self, other), key=lambda life: life.last_seen_at)
        return replace(
            newer,
            first_seen_at=min(older.first_seen_at, newer.first_seen_at),
            up_since=newer.up_since or older.up_since,
            ready_at=older.ready_at or newer.ready_at,
            gpu=newer.gpu or older.gpu,
            price_per_s_usd=older.price_per_s_usd if newer.price_per_s_usd is None else newer.price_per_s_usd,
            price_source=newer.price_source or older.price_source,
            idle_timeout_s=older.idle_timeout_s if newer.idle_timeout_s is None else newer.idle_timeout_s,
        )


class Workers:
    """The workers of a ledger. Every method is one short transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeatable
    def seen(self, lives: Iterable[WorkerLife]) -> None:
        """Write down what a listing has told.

        Raises:
            LedgerError: the books are unavailable.
        """
        told = [replace(life, endpoint_url=without_secrets(life.endpoint_url)) for life in lives]
        with self._database.write() as connection:
            for url in sorted({life.endpoint_url for life in told}):
                _one_at_a_time(connection, url, lock=not is_sqlite(self._database.engine))
            for life in told:
                _write(connection, life)

    @repeatable
    def lives(
        self, *, endpoint_url: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> list[WorkerLife]:
        """Read lives, the first that was seen first.

        Args:
            endpoint_url: only those of this endpoint.
            since: only those that were seen at or after this time.
            until: only those that were first seen before this time.

        Raises:
            LedgerError: the books are unavailable.
        """
        conditions = [
            None if endpoint_url is None else workers.c.endpoint_url == without_secrets(endpoint_url),
            None if since is None else workers.c.last_seen_at >= since,
            None if until is None else workers.c.first_seen_at < until,
        ]
        wanted = select(*_COLUMNS).where(*(one for one in conditions if one is not None))
        ordered = wanted.order_by(workers.c.first_seen_at, workers.c.worker_id)
        with self._database.read() as connection:
            return [WorkerLife(*row) for row in connection.execute(ordered)]

    @repeatable
    def life(self, endpoint_url: str, worker_id: str, at: datetime) -> WorkerLife | None:
        """Read the life that a worker was in at a moment: it had begun, and was seen then or later.

        Raises:
            LedgerError: the books are unavailable.
        """
        began = func.coalesce(workers.c.up_since, workers.c.first_seen_at)
        same_worker = and_(workers.c.endpoint_url == without_secrets(endpoint_url), workers.c.worker_id == worker_id)
        wanted = select(*_COLUMNS).where(same_worker, began <= at + SAME_START, workers.c.last_seen_at >= at)
        with self._database.read() as connection:
            row = connection.execute(wanted.order_by(workers.c.first_seen_at.desc()).limit(1)).first()
        return None if row is None else WorkerLife(*row)

    @repeatable
    def spells(self, endpoint_url: str, worker_id: str, *, since: datetime, until: datetime) -> list[Spell]:
        """Read the jobs of a worker that were on it at some time from `since` to `until`, in the order of their starts.

        Raises:
            LedgerError: the books are unavailable.
        """
        with self._database.read() as connection:
            return _spells(connection, without_secrets(endpoint_url), worker_id, since, until)

    @repeatable
    def around(self, endpoint_url: str, worker_id: str, attempt_id: str, at: datetime) -> tuple[Spell | None, ...]:
        """Read the neighbours of a job on its worker: the one that began before it, and the one that began after it.

        Args:
            endpoint_url: where.
            worker_id: the worker.
            attempt_id: the job's own attempt, which is no neighbour.
            at: when it began.

        Raises:
            LedgerError: the books are unavailable.
        """
        url = without_secrets(endpoint_url)
        with self._database.read() as connection:
            return (
                _neighbour(connection, url, worker_id, attempt_id, at, later=False),
                _neighbour(connection, url, worker_id, attempt_id, at, later=True),
            )


_COLUMNS = [workers.c[field.name] for field in fields(WorkerLife)]
_SPELL = (attempts.c.attempt_id, attempts.c.started_at, attempts.c.finished_at, attempts.c.idle_ms)


def _one_at_a_time(connection: Connection, endpoint_url: str, *, lock: bool) -> None:
    """Let nobody else write lives of this endpoint until the transaction ends; a writer of SQLite is alone as it is."""
    if lock:
        name = hashlib.sha256(f"workers\0{endpoint_url}".encode()).digest()
        key = int.from_bytes(name[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _write(connection: Connection, life: WorkerLife) -> None:
    """Carry on the row of a life that is known, or begin one."""
    same_worker = and_(workers.c.endpoint_url == life.endpoint_url, workers.c.worker_id == life.worker_id)
    newest = select(*_COLUMNS).where(same_worker).order_by(workers.c.first_seen_at.desc()).limit(1)
    row = connection.execute(newest).first()
    known = None if row is None else WorkerLife(*row)
    if known is None or not known.same_as(life):
        connection.execute(insert(workers).values(_row(life)))
        return
    merged = known.and_also(life)
    values = {name: value for name, value in _row(merged).items() if name not in workers.primary_key.columns}
    this_life = and_(same_worker, workers.c.first_seen_at == known.first_seen_at)
    connection.execute(update(workers).where(this_life).values(values))


def _row(life: WorkerLife) -> dict[str, object]:
    return {field.name: getattr(life, field.name) for field in fields(WorkerLife)}


def _neighbour(
    connection: Connection, endpoint_url: str, worker_id: str, attempt_id: str, at: datetime, *, later: bool
) -> Spell | None:
    began, own = attempts.c.started_at, attempts.c.attempt_id
    same_moment = and_(began == at, own > attempt_id if later else own < attempt_id)
    beyond = or_(began > at if later else began < at, same_moment)
    same_worker = and_(attempts.c.endpoint_url == endpoint_url, attempts.c.worker_id == worker_id)
    order = (began, own) if later else (began.desc(), own.desc())
    wanted = select(*_SPELL).where(same_worker, attempts.c.finished_at.is_not(None), beyond, own != attempt_id)
    row = connection.execute(wanted.order_by(*order).limit(1)).first()
    return None if row is None else Spell(row[0], row[1], row[2], row[3] is not None)


def _spells(connection: Connection, endpoint_url: str, worker_id: str, since: datetime, until: datetime) -> list[Spell]:
    same_worker = and_(attempts.c.endpoint_url == endpoint_url, attempts.c.worker_id == worker_id)
    wanted = select(*_SPELL).where(same_worker, attempts.c.finished_at >= since, attempts.c.started_at <= until)
    found = connection.execute(wanted.order_by(attempts.c.started_at, attempts.c.attempt_id))
    return [Spell(row[0], row[1], row[2], row[3] is not None) for row in found]
