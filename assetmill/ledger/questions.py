"""What the ledger can be asked: each question one short transaction, which sees one moment and changes nothing.

Any number of processes may ask while others write. A question that loses its connection is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assetmill.ledger import reads
from assetmill.ledger.again import repeatable
from assetmill.ledger.engine import Database
from assetmill.ledger.receipts import Row
from assetmill.ledger.records import EVERYTHING, Details, OpenAttempt, Picture, RowFilter
from assetmill.ledger.values import Finish
from assetmill.ledger.writes import require_attempt


class Questions:
    """The ledger, as far as it is only read.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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
    def history(self, workflow: str, *, draft: bool = False) -> list[tuple[int, int, int]]:
        """Read how long jobs of a workflow took: (width, height, execution_ms), the newest 1,000, newest first.

        Only attempts that made a picture count; drafts and real ones are never mixed.
        """
        with self._database.read() as connection:
            return reads.history(connection, workflow, draft=draft)

    @repeatable
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

    @repeatable
    def runs(self, game: str | None = None) -> list[dict[str, Any]]:
        """Read the runs, of one game if given, oldest first: column name -> value."""
        with self._database.read() as connection:
            return reads.all_runs(connection, game)
