"""The ledger itself: one row per attempt, each step committed before the next side effect.

Whoever sends a paid request calls `intend` before it, `submitted` right after the answer, `collected`
when the raw images are stored, and `settle` once. Every method is one short transaction and may be called
from any thread. A settled row never changes again, whoever asks; nothing is ever deleted. The ledger knows
no prices, no provider and no store: it writes down what it is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from sqlalchemy import Connection, Table, and_, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from assetmill.errors import LedgerError
from assetmill.ledger import reads
from assetmill.ledger.codec import short_text, write_map, write_outputs
from assetmill.ledger.engine import Database, is_sqlite, open_engine
from assetmill.ledger.records import EVERYTHING, Details, OpenAttempt, Picture, RowFilter
from assetmill.ledger.schema import upgrade
from assetmill.ledger.tables import attempts, finishes, runs
from assetmill.ledger.values import (
    NO_FACTS,
    OPEN_STATUSES,
    Facts,
    Finish,
    Intent,
    Output,
    Run,
    Settlement,
    Status,
)

MAX_SEED = 2**53 - 1
MAIN_ROLE = "image"
UNFINISHED = "running"


class Ledger:
    """An open ledger. Make one with `Ledger.open`, close it when done; it is also a context manager."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a ledger, creating or upgrading its tables.

        Args:
            url: `sqlite:////path/ledger.db`, or `postgresql+psycopg://...` for several machines.

        Raises:
            LedgerError: it cannot be reached or written, it is no database, or it is newer than this code.
        """
        database = Database(open_engine(url))
        try:
            upgrade(database)
        except BaseException:
            database.engine.dispose()
            raise
        return cls(database)

    def close(self) -> None:
        """Close all connections."""
        self._database.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the ledger is, password hidden."""
        return self._database.engine.url.render_as_string(hide_password=True)

    def begin_run(self, run: Run) -> None:
        """Write down that a run has begun.

        Raises:
            LedgerError: the id is taken, or the ledger is unavailable.
        """
        with self._database.write() as connection:
            _refuse_duplicate(connection, runs, runs.c.run_id == run.run_id, f"run {run.run_id}")
            connection.execute(insert(runs).values(**_plain(run), state=UNFINISHED))

    def end_run(self, run_id: str, *, state: str, ended_at: datetime, kept: int, failed: int, cached: int) -> None:
        """Write down how a run ended; a resumed run may end again.

        Args:
            run_id: the run.
            state: how it ended: `finished`, `stopped`, `interrupted` or `failed`.
            ended_at: aware time.
            kept: assets generated and kept by this run.
            failed: assets that it failed to make.
            cached: assets that needed nothing.

        Raises:
            LedgerError: no such run, or the ledger is unavailable.
        """
        ending = {"state": state, "ended_at": ended_at, "kept": kept, "failed": failed, "cached": cached}
        with self._database.write() as connection:
            if connection.execute(update(runs).where(runs.c.run_id == run_id).values(ending)).rowcount != 1:
                raise LedgerError(f"no run {run_id} in the ledger")

    def intend(self, intent: Intent) -> None:
        """Commit an attempt, status submitting. The paid request may leave only after this returns.

        Raises:
            LedgerError: the id is taken, the run was not begun, the seed is not below 2**53, or the ledger is
                unavailable.
        """
        if not 0 <= intent.seed <= MAX_SEED:
            raise LedgerError(f"seed {intent.seed} is not from 0 to 2**53 - 1", hint="JSON readers would round it")
        row = _plain(intent) | {
            "inputs": write_map(intent.inputs),
            "expected_outputs": write_map(intent.expected_outputs),
            "outputs": "{}",
            "endpoint_url": _without_secrets(intent.endpoint_url),
            "status": Status.SUBMITTING,
        }
        with self._database.write() as connection:
            same = attempts.c.attempt_id == intent.attempt_id
            _refuse_duplicate(connection, attempts, same, f"attempt {intent.attempt_id}")
            _require_run(connection, intent.run_id)
            connection.execute(insert(attempts).values(row))

    def submitted(self, attempt_id: str, *, job_id: str, at: datetime) -> None:
        """Commit the endpoint's job id, right after its answer. Saying the same twice is fine.

        Raises:
            LedgerError: the attempt is further on, has another job, or the job belongs to another attempt.
        """
        fresh = attempts.c.status == Status.SUBMITTING
        again = and_(attempts.c.status == Status.SUBMITTED, attempts.c.job_id == job_id)
        change = {"status": Status.SUBMITTED, "job_id": job_id, "submitted_at": at}
        with self._database.write() as connection:
            _change(connection, attempt_id, or_(fresh, again), change)

    def collected(self, attempt_id: str, *, outputs: tuple[Output, ...], at: datetime, facts: Facts = NO_FACTS) -> None:
        """Commit that the raw images are stored; they cannot be lost any more. May be said again.

        Args:
            attempt_id: the attempt, which must have a job.
            outputs: where the raw images are, one per role.
            at: aware time.
            facts: the job's times and worker, while the endpoint still tells them.

        Raises:
            LedgerError: the attempt has no job, or is settled, or there are no outputs.
        """
        if not outputs:
            raise LedgerError(f"attempt {attempt_id} was collected without any image")
        change = {"status": Status.COLLECTED, "collected_at": at} | _described(outputs) | _known(facts)
        allowed = attempts.c.status.in_([Status.SUBMITTED, Status.COLLECTED])
        with self._database.write() as connection:
            _change(connection, attempt_id, allowed, change)

    def settle(self, attempt_id: str, settlement: Settlement) -> None:
        """Commit the final row. Of two processes that try, one succeeds.

        Kept and rejected attempts must have been collected: a picture that is not stored can be neither.

        Raises:
            LedgerError: the attempt is settled already, is unknown, or was not collected first.
        """
        status = settlement.status
        if not status.settled:
            raise LedgerError(f"{status} is not the end of an attempt")
        pictured = status in (Status.KEPT, Status.REJECTED)
        allowed = attempts.c.status.in_([Status.COLLECTED] if pictured else OPEN_STATUSES)
        with self._database.write() as connection:
            _change(connection, attempt_id, allowed, _final(settlement))

    def record_finish(self, finish: Finish) -> None:
        """Commit the finished files of an attempt; the same finish fingerprint replaces what stood there.

        Raises:
            LedgerError: no such attempt or run, or the ledger is unavailable.
        """
        row = _plain(finish) | {
            "files": write_outputs(finish.files),
            "inputs": write_map(finish.inputs),
            "quality": write_map(finish.quality),
        }
        keys = ["attempt_id", "finish_fingerprint"]
        dialect = sqlite if is_sqlite(self._database.engine) else postgresql
        upsert = dialect.insert(finishes).values(row)
        rest = {name: value for name, value in row.items() if name not in keys}
        with self._database.write() as connection:
            _require_run(connection, finish.run_id)
            _require_attempt(connection, finish.attempt_id)
            connection.execute(upsert.on_conflict_do_update(index_elements=keys, set_=rest))

    def pictures(self, game: str) -> list[Picture]:
        """Read every attempt of a game that has a stored picture, kept or rejected.

        Oldest first, so that the last of a fingerprint is the newest.
        """
        with self._database.read() as connection:
            return reads.pictures(connection, game)

    def details(self, game: str) -> dict[str, Details]:
        """Read what these pictures were made of and where their raw images lie: attempt id -> details."""
        with self._database.read() as connection:
            return reads.details(connection, game)

    def open_attempts(self, *, game: str | None = None) -> list[OpenAttempt]:
        """Read the attempts that have no end yet, oldest first; of one game, if given."""
        with self._database.read() as connection:
            return reads.open_attempts(connection, game=game)

    def finishes(self, game: str) -> dict[tuple[str, str], Finish]:
        """Read the finishes of a game: (attempt id, finish fingerprint) -> finish."""
        with self._database.read() as connection:
            return reads.finishes_of(connection, game)

    def verdicts(self, game: str) -> dict[tuple[str, str], str | None]:
        """Read what the checks said of each finish: (attempt id, finish fingerprint) -> why it was rejected, or None.

        A tenth of the time of `finishes`; all that a plan asks of a picture that is there.
        """
        with self._database.read() as connection:
            return reads.verdicts(connection, game)

    def tries(self, fingerprint: str) -> int:
        """Count the attempts that were made at a generation fingerprint so far, whatever became of them."""
        with self._database.read() as connection:
            return reads.tries(connection, fingerprint)

    def history(self, workflow: str, *, draft: bool = False) -> list[tuple[int, int, int]]:
        """Read how long jobs of a workflow took: (width, height, execution_ms), the newest 1,000, newest first.

        Only attempts that made a picture count; drafts and real ones are never mixed.
        """
        with self._database.read() as connection:
            return reads.history(connection, workflow, draft=draft)

    def rows(self, where: RowFilter = EVERYTHING, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Read attempts for a report, in the order in which they were intended.

        Args:
            where: which attempts.
            columns: names of columns of the attempts table; empty is all of them.

        Returns:
            Column name -> value; times are aware UTC, money Decimal or None, JSON columns text.

        Raises:
            LedgerError: no such column.
        """
        with self._database.read() as connection:
            return reads.rows(connection, where, columns)

    def runs(self, game: str | None = None) -> list[dict[str, Any]]:
        """Read the runs, of one game if given, oldest first: column name -> value."""
        with self._database.read() as connection:
            return reads.all_runs(connection, game)


def _plain(value: Run | Intent | Finish) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _known(facts: Facts) -> dict[str, Any]:
    told = {field.name: getattr(facts, field.name) for field in fields(facts)}
    told |= {"worker_id": short_text(facts.worker_id), "gpu": short_text(facts.gpu)}
    return {name: value for name, value in told.items() if value is not None}


def _described(outputs: tuple[Output, ...]) -> dict[str, Any]:
    if not outputs:
        return {}
    main = next((output for output in outputs if output.role == MAIN_ROLE), outputs[0])
    size = sum(output.bytes for output in outputs)
    return {"outputs": write_outputs(outputs), "bytes": size, "sha256": main.sha256, "key": main.key}


def _final(settlement: Settlement) -> dict[str, Any]:
    cost = settlement.cost
    final = {
        "status": settlement.status,
        "settled_at": settlement.settled_at,
        "cost_low_usd": cost.low,
        "cost_estimate_usd": cost.estimate,
        "cost_high_usd": cost.high,
        "cost_source": cost.source,
        "quality_score": settlement.quality_score,
        "error_class": settlement.error_class,
        "error_text": short_text(settlement.error_text),
    }
    return final | _described(settlement.outputs) | _known(settlement.facts)


def _change(connection: Connection, attempt_id: str, allowed: ColumnElement[bool], change: Mapping[str, Any]) -> None:
    """Update one attempt if its state allows it; the check and the change are one statement."""
    job_id = change.get("job_id")
    if job_id is not None:
        _refuse_foreign_job(connection, attempt_id, job_id)
    statement = update(attempts).where(attempts.c.attempt_id == attempt_id, allowed).values(change)
    if connection.execute(statement).rowcount == 1:
        return
    now = _require_attempt(connection, attempt_id)
    settled = "; it is settled, and a settled row does not change" if now.settled else ""
    raise LedgerError(f"attempt {attempt_id} is {now} and cannot become {change['status']}{settled}")


def _require_attempt(connection: Connection, attempt_id: str) -> Status:
    status = connection.execute(select(attempts.c.status).where(attempts.c.attempt_id == attempt_id)).scalar()
    if status is None:
        raise LedgerError(f"no attempt {attempt_id} in the ledger", hint="intend it first")
    return Status(status)


def _require_run(connection: Connection, run_id: str) -> None:
    if connection.execute(select(runs.c.run_id).where(runs.c.run_id == run_id)).first() is None:
        raise LedgerError(f"no run {run_id} in the ledger", hint="begin the run first")


def _refuse_foreign_job(connection: Connection, attempt_id: str, job_id: str) -> None:
    own = attempts.alias()
    other = connection.execute(
        select(attempts.c.attempt_id)
        .join(own, own.c.endpoint == attempts.c.endpoint)
        .where(own.c.attempt_id == attempt_id, attempts.c.job_id == job_id, attempts.c.attempt_id != attempt_id)
    ).scalar()
    if other is not None:
        raise LedgerError(f"the job of attempt {attempt_id} already belongs to attempt {other}", job_id=job_id)


def _refuse_duplicate(connection: Connection, table: Table, same: ColumnElement[bool], what: str) -> None:
    if connection.execute(select(table.c[0]).where(same)).first() is not None:
        raise LedgerError(f"{what} is in the ledger already", hint="ids are used once")


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
