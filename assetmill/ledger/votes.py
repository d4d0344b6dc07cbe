"""What people said of pictures side by side: one vote a person and pair, the newest one counting.

Votes are opinions beside the books: no attempt depends on them, and nothing here knows what a comparison is. A vote
that comes late with an older time, such as one from a file, never takes the place of a newer one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime

from sqlalchemy import select

from assetmill.ledger.again import repeatable
from assetmill.ledger.codec import short_text
from assetmill.ledger.engine import Database
from assetmill.ledger.tables import votes
from assetmill.ledger.writes import dialect_of


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's word about one pair.

    Args:
        comparison: id of the comparison.
        asset_id: the pair's asset.
        candidate: and which of its candidates, from 0.
        voter: whose word it is.
        choice: name of the side that is better, `equal` or `neither`.
        note: why, in the voter's words.
        voted_at: aware time.
    """

    comparison: str
    asset_id: str
    candidate: int
    voter: str
    choice: str
    note: str
    voted_at: datetime


class Votes:
    """The votes of a ledger. Every method is one short transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeatable
    def cast(self, said: Iterable[Vote]) -> None:
        """Write votes; each takes the place of what the same person said of the same pair before, unless that is newer.

        Raises:
            LedgerError: the books are unavailable.
        """
        with self._database.write() as connection:
            for vote in said:
                plain = replace(vote, note=short_text(vote.note) or "")
                row = {field.name: getattr(plain, field.name) for field in fields(Vote)}
                insert = dialect_of(connection).insert(votes).values(row)
                newer = insert.on_conflict_do_update(
                    index_elements=[column.name for column in votes.primary_key],
                    set_={name: insert.excluded[name] for name in row},
                    where=votes.c.voted_at <= insert.excluded.voted_at,
                )
                connection.execute(newer)

    @repeatable
    def of(self, comparison: str) -> list[Vote]:
        """Read the votes of a comparison, by asset, candidate and voter.

        Raises:
            LedgerError: the books are unavailable.
        """
        wanted = select(*(votes.c[field.name] for field in fields(Vote))).where(votes.c.comparison == comparison)
        ordered = wanted.order_by(votes.c.asset_id, votes.c.candidate, votes.c.voter)
        with self._database.read() as connection:
            return [Vote(*row) for row in connection.execute(ordered)]
