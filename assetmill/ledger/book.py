"""The ledger itself: one row per attempt, each step committed before the next side effect.

Whoever sends a paid request calls `intend` before it, `submitted` right after the answer, `collected`
when the raw images are stored, and `settle` once. Every method is one short transaction and may be called
from any thread. A settled row never changes again, whoever asks; no attempt is ever deleted. With `by`, a step
succeeds only while the attempt is that owner's: of two processes that settle it, one does. The ledger knows
no prices, no provider and no store: it writes down what it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import and_, insert, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from assetmill.errors import ClaimLost, LedgerError
from assetmill.ledger import reads
from assetmill.ledger.claims import Claim
from assetmill.ledger.codec import write_map, write_outputs
from assetmill.ledger.engine import Database, is_sqlite, open_engine
from assetmill.ledger.forgetting import forget_finishes
from assetmill.ledger.receipts import LEARNED_LATER, Receipt, Row, attempt_of
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
from assetmill.ledger.writes import (
    WITH_PICTURE,
    change,
    claimed,
    described,
    final,
    known,
    note_late_job,
    plain,
    refuse_duplicate,
    refuse_second_payer,
    refuse_unknown,
    require_attempt,
    require_end,
    require_run,
    restore_row,
    take_over,
    without_secrets,
)

MAX_SEED = 2**53 - 1
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
            refuse_duplicate(connection, runs, runs.c.run_id == run.run_id, f"run {run.run_id}")
            connection.execute(insert(runs).values(**plain(run), state=UNFINISHED))

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

    def intend(self, intent: Intent, claim: Claim | None = None, *, most_unknown: int | None = None) -> None:
        """Commit an attempt, status submitting. The paid request may leave only after this returns.

        Args:
            intent: what is about to be sent.
            claim: who looks after it; None for a process that has the books to itself.
            most_unknown: attempts at this picture whose outcome nobody may know; None is any number.

        Raises:
            AlreadyTaken: another attempt is at the same picture, or has made it.
            UnknownTooOften: more of them are in the books.
            LedgerError: the id is taken, the run was not begun, the seed is not below 2**53, or the ledger is
                unavailable.
        """
        if not 0 <= intent.seed <= MAX_SEED:
            raise LedgerError(f"seed {intent.seed} is not from 0 to 2**53 - 1", hint="JSON readers would round it")
        row = plain(intent) | {
            "inputs": write_map(intent.inputs),
            "expected_outputs": write_map(intent.expected_outputs),
            "outputs": "{}",
            "endpoint_url": without_secrets(intent.endpoint_url),
            "status": Status.SUBMITTING,
        }
        with self._database.write() as connection:
            same = attempts.c.attempt_id == intent.attempt_id
            refuse_duplicate(connection, attempts, same, f"attempt {intent.attempt_id}")
            require_run(connection, intent.run_id)
            refuse_second_payer(connection, intent, lock=not is_sqlite(self._database.engine))
            if most_unknown is not None:
                refuse_unknown(connection, intent, most_unknown)
            connection.execute(insert(attempts).values(row | claimed(claim)))

    def claim(self, attempt_id: str, claim: Claim, *, now: datetime, gone: str | None = None) -> bool:
        """Take an open attempt over from nobody, from an owner whose time is up, or from `gone`.

        Args:
            attempt_id: the attempt.
            claim: the new owner's.
            now: aware time.
            gone: owner that is known to have ended.

        Returns:
            Whether it is the new owner's now; of two that try, one succeeds.
        """
        with self._database.write() as connection:
            return take_over(connection, attempt_id, claim, now, gone)

    def renew(self, claim: Claim) -> int:
        """Make all open attempts of an owner good for longer, and return how many there are."""
        mine = and_(attempts.c.owner == claim.owner, attempts.c.status.in_(OPEN_STATUSES))
        with self._database.write() as connection:
            return connection.execute(update(attempts).where(mine).values(claimed_until=claim.until)).rowcount

    def confirm(self, attempt_id: str, claim: Claim) -> None:
        """Renew the claim of an attempt that is about to be sent, however old it is, unless somebody has taken it.

        Raises:
            ClaimLost: somebody else looks after it, or has settled it: nothing may be sent.
        """
        one = and_(attempts.c.attempt_id == attempt_id, attempts.c.owner == claim.owner)
        with self._database.write() as connection:
            fresh = update(attempts).where(one, attempts.c.status == Status.SUBMITTING)
            if connection.execute(fresh.values(claimed(claim))).rowcount != 1:
                raise ClaimLost(f"attempt {attempt_id} was taken over before it was sent")

    def let_go(self, attempt_id: str, owner: str, at: datetime) -> None:
        """Give up the claim on one open attempt, so that others may settle it."""
        one = and_(attempts.c.attempt_id == attempt_id, attempts.c.owner == owner)
        with self._database.write() as connection:
            mine = update(attempts).where(one, attempts.c.status.in_(OPEN_STATUSES))
            connection.execute(mine.values(owner=None, claimed_until=at))

    def release(self, owner: str, at: datetime) -> None:
        """Give up all claims of an owner, so that others need not wait for their time to be up."""
        mine = and_(attempts.c.owner == owner, attempts.c.status.in_(OPEN_STATUSES))
        with self._database.write() as connection:
            connection.execute(update(attempts).where(mine).values(owner=None, claimed_until=at))

    def submitted(self, attempt_id: str, *, job_id: str, at: datetime, by: str | None = None) -> None:
        """Commit the endpoint's job id, right after its answer. Saying the same twice is fine.

        The id is written down whoever owns the attempt by now: nobody else may know it.

        Raises:
            ClaimLost: it is written, and somebody else looks after the attempt now.
            LedgerError: the attempt is further on, has another job, or the job belongs to another attempt.
        """
        fresh = attempts.c.status == Status.SUBMITTING
        again = and_(attempts.c.status == Status.SUBMITTED, attempts.c.job_id == job_id)
        values = {"status": Status.SUBMITTED, "job_id": job_id, "submitted_at": at}
        with self._database.write() as connection:
            late = by is not None and note_late_job(connection, attempt_id, job_id)
            if not late:
                change(connection, attempt_id, or_(fresh, again), values, None)
            owner = reads.owner(connection, attempt_id)
        if late or (by is not None and owner != by):
            raise ClaimLost(f"attempt {attempt_id} is looked after by {owner} now", job_id=job_id)

    def collected(
        self, attempt_id: str, *, outputs: tuple[Output, ...], at: datetime, facts: Facts = NO_FACTS,
        by: str | None = None,
    ) -> None:  # fmt: skip
        """Commit that the raw images are stored; they cannot be lost any more. May be said again.

        Args:
            attempt_id: the attempt, which must have a job.
            outputs: where the raw images are, one per role.
            at: aware time.
            facts: the job's times and worker, while the endpoint still tells them.
            by: owner; None for a process that has the books to itself.

        Raises:
            ClaimLost: somebody else looks after the attempt now.
            LedgerError: the attempt has no job, or is settled, or there are no outputs.
        """
        if not outputs:
            raise LedgerError(f"attempt {attempt_id} was collected without any image")
        values = {"status": Status.COLLECTED, "collected_at": at} | described(outputs) | known(facts)
        allowed = attempts.c.status.in_([Status.SUBMITTED, Status.COLLECTED])
        with self._database.write() as connection:
            change(connection, attempt_id, allowed, values, by)

    def settle(self, attempt_id: str, settlement: Settlement, *, by: str | None = None) -> None:
        """Commit the final row. Of two processes that try, one succeeds.

        Kept and rejected attempts must have been collected: a picture that is not stored can be neither.

        Raises:
            ClaimLost: somebody else looks after the attempt now.
            LedgerError: the attempt is settled already, is unknown, or was not collected first.
        """
        with self._database.write() as connection:
            change(connection, attempt_id, _from(settlement.status), final(settlement), by)

    def receipt(self, attempt_id: str, settlement: Settlement, *, by: str | None = None) -> Receipt:
        """The receipt of an attempt as it will be once it is settled like this; changes nothing.

        Raises:
            ClaimLost: somebody else looks after the attempt now, so that no receipt may be stored.
            LedgerError: no such attempt, or it cannot come to this end.
        """
        with self._database.read() as connection:
            require_end(connection, attempt_id, _from(settlement.status), settlement.status, by)
            attempt, run, finished = reads.whole(connection, attempt_id)
        return Receipt(attempt_of(attempt | final(settlement)), run, tuple(finished))

    def settle_as(self, receipt: Receipt, *, by: str | None = None) -> None:
        """Commit the final row that a receipt holds, for an attempt whose receipt was stored first.

        What the row knows and the receipt does not, such as a job id that came late, stays.

        Raises:
            ClaimLost: somebody else looks after the attempt now.
            LedgerError: the attempt is settled already, or is unknown.
        """
        with self._database.write() as connection:
            told = {n: v for n, v in receipt.attempt.items() if n not in LEARNED_LATER or v not in (None, "{}")}
            change(connection, receipt.attempt_id, attempts.c.status.in_(OPEN_STATUSES), told, by)

    def restore(self, receipt: Receipt) -> bool:
        """Put back what a receipt holds and the books do not; an open attempt becomes settled by it.

        Returns:
            Whether the attempt was not there, or was open; what is settled never changes.

        Raises:
            LedgerError: the receipt contradicts the books, such as a job of another attempt.
        """
        with self._database.write() as connection:
            restore_row(connection, runs, receipt.run, ("run_id",))
            new = restore_row(connection, attempts, receipt.attempt, ("attempt_id",))
            if not new and not require_attempt(connection, receipt.attempt_id).settled:
                change(connection, receipt.attempt_id, attempts.c.status.in_(OPEN_STATUSES), receipt.attempt, None)
                new = True
            for finish in receipt.finishes:
                restore_row(connection, finishes, finish, ("attempt_id", "finish_fingerprint"))
        return new

    def record_finish(self, finish: Finish) -> None:
        """Commit the finished files of an attempt; the same finish fingerprint replaces what stood there.

        Raises:
            LedgerError: no such attempt or run, or the ledger is unavailable.
        """
        row = plain(finish) | {
            "files": write_outputs(finish.files),
            "inputs": write_map(finish.inputs),
            "quality": write_map(finish.quality),
        }
        keys = ["attempt_id", "finish_fingerprint"]
        dialect = sqlite if is_sqlite(self._database.engine) else postgresql
        upsert = dialect.insert(finishes).values(row)
        rest = {name: value for name, value in row.items() if name not in keys}
        with self._database.write() as connection:
            require_run(connection, finish.run_id)
            require_attempt(connection, finish.attempt_id)
            connection.execute(upsert.on_conflict_do_update(index_elements=keys, set_=rest))

    def forget_finishes(self, keys: Collection[str]) -> int:
        """Forget finishes that name any of these keys, before their files are deleted: they can be made again for free.

        Returns:
            How many were forgotten.
        """
        with self._database.write() as connection:
            return forget_finishes(connection, keys)

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

    def open_attempt(self, attempt_id: str) -> OpenAttempt | None:
        """Read an attempt that has no end yet; None if it has one, or is not there."""
        with self._database.read() as connection:
            return next(iter(reads.open_attempts(connection, attempt_id=attempt_id)), None)

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

    def unknowns(self, game: str) -> dict[str, int]:
        """Count, by generation fingerprint, the attempts of a game whose outcome nobody knows."""
        with self._database.read() as connection:
            return reads.unknowns(connection, game)

    def attempt(self, attempt_id: str) -> dict[str, Any]:
        """Read one row of the results table.

        Raises:
            LedgerError: no such attempt.
        """
        with self._database.read() as connection:
            require_attempt(connection, attempt_id)
            return reads.whole(connection, attempt_id)[0]

    def finish_rows(self) -> list[Row]:
        """Read all finishes as rows, for an audit."""
        with self._database.read() as connection:
            return reads.finish_rows(connection)

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


def _from(status: Status) -> ColumnElement[bool]:
    """From where an attempt may come to this end."""
    if not status.settled:
        raise LedgerError(f"{status} is not the end of an attempt")
    return attempts.c.status.in_([Status.COLLECTED] if status in WITH_PICTURE else OPEN_STATUSES)
