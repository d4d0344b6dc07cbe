"""The ledger itself: one row per attempt, each step committed before the next side effect.

Whoever sends a paid request calls `intend` before it, `submitted` right after the answer, `collected`
when the raw images are stored, and `settle` once. Every method is one short transaction and may be called
from any thread; a database server that restarts meanwhile is waited for. A settled row never changes again,
whoever asks; no attempt is ever deleted. With `by`, a step succeeds only while the attempt is that owner's: of two
processes that settle it, one does. The ledger knows no prices, no provider and no store: it writes down what it is
told. What it can be asked stands in `questions`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import and_, insert, or_, update
from sqlalchemy.sql.elements import ColumnElement

from assetmill.errors import ClaimLost, LedgerError
from assetmill.ledger import reads
from assetmill.ledger.abilities import Abilities
from assetmill.ledger.again import once, repeatable
from assetmill.ledger.bills import Bills
from assetmill.ledger.budgets import refuse_overspending, tell_once
from assetmill.ledger.claims import Claim
from assetmill.ledger.codec import write_map, write_outputs
from assetmill.ledger.engine import Database, is_sqlite, open_engine
from assetmill.ledger.forgetting import forget_finishes
from assetmill.ledger.outages import Outages
from assetmill.ledger.questions import Questions
from assetmill.ledger.receipts import LEARNED_LATER, Receipt, attempt_of
from assetmill.ledger.schema import upgrade
from assetmill.ledger.seats import Seats
from assetmill.ledger.steps import Steps
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
from assetmill.ledger.votes import Votes
from assetmill.ledger.workers import Workers
from assetmill.ledger.writes import (
    WITH_PICTURE,
    change,
    claimed,
    described,
    dialect_of,
    final,
    hold,
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
from assetmill.money.budgets import NO_LIMITS, Budget, Limits

MAX_SEED = 2**53 - 1
UNFINISHED = "running"


class Ledger(Questions):
    """An open ledger. Make one with `Ledger.open`, close it when done; it is also a context manager."""

    @classmethod
    def open(cls, url: str, *, wait: Callable[[float], object] | None = None) -> Self:
        """Open a ledger, creating or upgrading its tables.

        Args:
            url: `sqlite:////path/ledger.db`, or `postgresql+psycopg://...` for several machines.
            wait: lets this many seconds pass in the calling thread, while a server that was there has gone away.

        Raises:
            LedgerError: it cannot be reached or written, it is no database, or it is newer than this code.
        """
        database = Database(open_engine(url), wait)
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

    @property
    def seats(self) -> Seats:
        """Which runs share an endpoint now."""
        return Seats(self._database)

    @property
    def workers(self) -> Workers:
        """Lives of workers, and the order of jobs on each."""
        return Workers(self._database)

    @property
    def abilities(self) -> Abilities:
        """What endpoints were found to be able to do."""
        return Abilities(self._database)

    @property
    def steps(self) -> Steps:
        """Calls of attempts that take several."""
        return Steps(self._database)

    @property
    def outages(self) -> Outages:
        """Endpoints that are left alone for a while."""
        return Outages(self._database)

    @property
    def votes(self) -> Votes:
        """What people said of pictures side by side."""
        return Votes(self._database)

    @property
    def bills(self) -> Bills:
        """What the provider has billed for each hour."""
        return Bills(self._database)

    @once
    def begin_run(self, run: Run) -> None:
        """Write down that a run has begun.

        Raises:
            LedgerError: the id is taken, or the ledger is unavailable.
        """
        with self._database.write() as connection:
            refuse_duplicate(connection, runs, runs.c.run_id == run.run_id, f"run {run.run_id}")
            connection.execute(insert(runs).values(**plain(run), state=UNFINISHED))

    @repeatable
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

    @once
    def intend(
        self, intent: Intent, claim: Claim | None = None, *, most_unknown: int | None = None,
        limits: Limits = NO_LIMITS,
    ) -> None:  # fmt: skip
        """Commit an attempt, status submitting. The paid request may leave only after this returns.

        Args:
            intent: what is about to be sent.
            claim: who looks after it; None for a process that has the books to itself.
            most_unknown: attempts at this picture whose outcome nobody may know; None is any number.
            limits: budgets into which its reservation has to fit.

        Raises:
            AlreadyTaken: another attempt is at the same picture, or has made it.
            UnknownTooOften: more of them are in the books.
            BudgetTaken: it does not fit as long as others are open.
            BudgetExceeded: it does not fit at all, or nobody knows what to set aside for it.
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
            refuse_overspending(connection, self._sums, intent, limits, lock=not is_sqlite(self._database.engine))
            connection.execute(insert(attempts).values(row | claimed(claim)))

    @repeatable
    def warn_once(self, budget: Budget, percent: int, at: datetime) -> bool:
        """Remember that a warning about a budget is told, and say whether it was not told before.

        Args:
            budget: which; one that is raised or lowered is another.
            percent: 50, 80, or 100 for a budget that is reached.
            at: aware time.
        """
        with self._database.write() as connection:
            return tell_once(connection, dialect_of(connection).insert, budget, percent, at)

    @repeatable
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

    @repeatable
    def renew(self, claim: Claim) -> int:
        """Make all open attempts of an owner good for longer, and return how many there are."""
        mine = and_(attempts.c.owner == claim.owner, attempts.c.status.in_(OPEN_STATUSES))
        with self._database.write() as connection:
            return connection.execute(update(attempts).where(mine).values(claimed_until=claim.until)).rowcount

    @repeatable
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

    @repeatable
    def let_go(self, attempt_id: str, owner: str, at: datetime) -> None:
        """Give up the claim on one open attempt, so that others may settle it."""
        one = and_(attempts.c.attempt_id == attempt_id, attempts.c.owner == owner)
        with self._database.write() as connection:
            mine = update(attempts).where(one, attempts.c.status.in_(OPEN_STATUSES))
            connection.execute(mine.values(owner=None, claimed_until=at))

    @repeatable
    def release(self, owner: str, at: datetime) -> None:
        """Give up all claims of an owner, so that others need not wait for their time to be up."""
        mine = and_(attempts.c.owner == owner, attempts.c.status.in_(OPEN_STATUSES))
        with self._database.write() as connection:
            connection.execute(update(attempts).where(mine).values(owner=None, claimed_until=at))

    @repeatable
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
            hold(connection, attempt_id)  # settled by another in between, the job id would be lost
            late = by is not None and note_late_job(connection, attempt_id, job_id)
            if not late:
                change(connection, attempt_id, or_(fresh, again), values, None)
            owner = reads.owner(connection, attempt_id)
        if late or (by is not None and owner != by):
            raise ClaimLost(f"attempt {attempt_id} is looked after by {owner} now", job_id=job_id)

    @repeatable
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

    @once
    def settle(self, attempt_id: str, settlement: Settlement, *, by: str | None = None) -> None:
        """Commit the final row. Of two processes that try, one succeeds.

        Kept and rejected attempts must have been collected: a picture that is not stored can be neither.

        Raises:
            ClaimLost: somebody else looks after the attempt now.
            LedgerError: the attempt is settled already, is unknown, or was not collected first.
        """
        with self._database.write() as connection:
            change(connection, attempt_id, _from(settlement.status), final(settlement), by)

    @repeatable
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

    @once
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

    @once
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
            hold(connection, receipt.attempt_id)
            if not new and not require_attempt(connection, receipt.attempt_id).settled:
                change(connection, receipt.attempt_id, attempts.c.status.in_(OPEN_STATUSES), receipt.attempt, None)
                new = True
            for finish in receipt.finishes:
                restore_row(connection, finishes, finish, ("attempt_id", "finish_fingerprint"))
        return new

    @repeatable
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
        rest = {name: value for name, value in row.items() if name not in keys}
        with self._database.write() as connection:
            require_run(connection, finish.run_id)
            require_attempt(connection, finish.attempt_id)
            upsert = dialect_of(connection).insert(finishes).values(row)
            connection.execute(upsert.on_conflict_do_update(index_elements=keys, set_=rest))

    @repeatable
    def forget_finishes(self, keys: Collection[str]) -> int:
        """Forget finishes that name any of these keys, before their files are deleted: they can be made again for free.

        Returns:
            How many were forgotten.
        """
        with self._database.write() as connection:
            return forget_finishes(connection, keys)


def _from(status: Status) -> ColumnElement[bool]:
    """From where an attempt may come to this end."""
    if not status.settled:
        raise LedgerError(f"{status} is not the end of an attempt")
    return attempts.c.status.in_([Status.COLLECTED] if status in WITH_PICTURE else OPEN_STATUSES)
