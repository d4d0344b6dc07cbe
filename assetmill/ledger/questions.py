"""What the ledger can be asked: each question one short transaction, which sees one moment and changes nothing.

Any number of processes may ask while others write. A question that loses its connection is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from assetmill.ledger import reads
from assetmill.ledger.again import repeatable
from assetmill.ledger.budgets import Sums
from assetmill.ledger.engine import Database
from assetmill.ledger.figures import Taken, figures
from assetmill.ledger.jobless import perhaps_jobless
from assetmill.ledger.receipts import Row
from assetmill.ledger.records import EVERYTHING, Details, OpenAttempt, Picture, RowFilter, Timing
from assetmill.ledger.values import Finish
from assetmill.ledger.workers import WorkerLife
from assetmill.ledger.writes import require_attempt
from assetmill.money.budgets import Limits, Standing, budgets_of


class Questions:
    """The ledger, as far as it is only read.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sums = Sums()

    @repeatable
    def pictures(self, game: str) -> list[Picture]:
        """Read every attempt of a game that has a stored picture, kept or rejected.

        Oldest first, so that the last of a fingerprint is the newest.
        """
        with self._database.read() as connection:
            return reads.pictures(connection, game)

    @repeatable
    def details(self, game: str) -> dict[str, Details]:
        """Read what these pictures were made of and where their raw images lie: attempt id -> details."""
        with self._database.read() as connection:
            return reads.details(connection, game)

    @repeatable
    def open_attempts(self, *, game: str | None = None) -> list[OpenAttempt]:
        """Read the attempts that have no end yet, oldest first; of one game, if given."""
        with self._database.read() as connection:
            return reads.open_attempts(connection, game=game)

    @repeatable
    def open_attempt(self, attempt_id: str) -> OpenAttempt | None:
        """Read an attempt that has no end yet; None if it has one, or is not there."""
        with self._database.read() as connection:
            return next(iter(reads.open_attempts(connection, attempt_id=attempt_id)), None)

    @repeatable
    def finishes(self, game: str) -> dict[tuple[str, str], Finish]:
        """Read the finishes of a game: (attempt id, finish fingerprint) -> finish."""
        with self._database.read() as connection:
            return reads.finishes_of(connection, game)

    @repeatable
    def verdicts(self, game: str) -> dict[tuple[str, str], str | None]:
        """Read what the checks said of each finish: (attempt id, finish fingerprint) -> why it was rejected, or None.

        A tenth of the time of `finishes`; all that a plan asks of a picture that is there.
        """
        with self._database.read() as connection:
            return reads.verdicts(connection, game)

    @repeatable
    def tries(self, fingerprint: str) -> int:
        """Count the attempts that were made at a generation fingerprint so far, whatever became of them."""
        with self._database.read() as connection:
            return reads.tries(connection, fingerprint)

    @repeatable
    def unknowns(self, game: str) -> dict[str, int]:
        """Count, by generation fingerprint, the attempts of a game whose outcome nobody knows."""
        with self._database.read() as connection:
            return reads.unknowns(connection, game)

    @repeatable
    def attempt(self, attempt_id: str) -> dict[str, Any]:
        """Read one row of the results table.

        Raises:
            LedgerError: no such attempt.
        """
        with self._database.read() as connection:
            require_attempt(connection, attempt_id)
            return reads.whole(connection, attempt_id)[0]

    @repeatable
    def finish_rows(self) -> list[Row]:
        """Read all finishes as rows, for an audit."""
        with self._database.read() as connection:
            return reads.finish_rows(connection)

    @repeatable
    def history(self, workflow: str, *, draft: bool = False) -> list[Timing]:
        """Read how long jobs of a workflow took, the newest 1,000, newest first.

        Only attempts that made a picture count; drafts and real ones are never mixed.
        """
        with self._database.read() as connection:
            return reads.history(connection, workflow, draft=draft)

    @repeatable
    def starts(self, *, draft: bool = False) -> list[Timing]:
        """Read the newest 1,000 jobs of any workflow that were the first of their workers' lives, newest first."""
        with self._database.read() as connection:
            return reads.starts(connection, draft=draft)

    @repeatable
    def units(self, workflow: str, *, draft: bool = False) -> list[float]:
        """Read what the newest 1,000 jobs of a workflow cost in their provider's own currency, newest first."""
        with self._database.read() as connection:
            return reads.units(connection, workflow, draft=draft)

    @repeatable
    def standings(self, limits: Limits, *, run_id: str, game: str, at: datetime) -> tuple[Standing, ...]:
        """Read what is committed of each budget that an attempt of this run would count against.

        Args:
            limits: how much each may be; what has no limit is left out.
            run_id: the run.
            game: id of its game.
            at: now, aware; it says which month.
        """
        budgets = budgets_of(limits, run_id=run_id, game=game, at=at)
        with self._database.read() as connection:
            return tuple(self._sums.standing(connection, budget, at) for budget in budgets)

    @repeatable
    def rows(
        self, where: RowFilter = EVERYTHING, columns: Sequence[str] = (), *, newest: int | None = None
    ) -> list[dict[str, Any]]:
        """Read attempts for a report, in the order in which they were intended.

        Args:
            where: which attempts.
            columns: names of columns of the attempts table; empty is all of them.
            newest: of these, only so many that were intended last.

        Returns:
            Column name -> value; times are aware UTC, money Decimal or None, JSON columns text.

        Raises:
            LedgerError: no such column.
        """
        with self._database.read() as connection:
            return reads.rows(connection, where, columns, newest)

    @repeatable
    def figures(
        self, where: RowFilter, columns: Sequence[str], take: Callable[[Sequence[Sequence[Any]]], Taken]
    ) -> list[Taken]:
        """Read columns of very many attempts, bare and in no order, some rows at a time; see `ledger.figures`.

        Raises:
            LedgerError: no such column.
        """
        with self._database.read() as connection:
            return figures(connection, reads.conditions(where), columns, take)

    @repeatable
    def perhaps_jobless(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> list[tuple[WorkerLife, bool]]:
        """Read lives of workers during which no job seems to have begun on them; see `ledger.jobless`."""
        with self._database.read() as connection:
            return perhaps_jobless(connection, since, until)

    @repeatable
    def runs(self, game: str | None = None) -> list[dict[str, Any]]:
        """Read the runs, of one game if given, oldest first: column name -> value."""
        with self._database.read() as connection:
            return reads.all_runs(connection, game)
