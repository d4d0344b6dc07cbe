"""The one thing that the ledger forgets: finished files that nobody needs and that are about to be deleted.

A plan believes in a finish that is in the books and publishes its files unseen. So the row goes before its files
do, and the next run that asks for them finishes the picture again, for free, from its raw image. What was paid
for, an attempt and its raw images, is never forgotten.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, bindparam, delete, select

from assetmill.ledger.codec import read_outputs
from assetmill.ledger.tables import finishes


def forget_finishes(connection: Connection, keys: Collection[str]) -> int:
    """Delete the rows of finishes that name any of these keys, and return how many there were."""
    gone = frozenset(keys)
    columns = (finishes.c.attempt_id, finishes.c.finish_fingerprint, finishes.c.files, finishes.c.sheet_key)
    doomed = [
        {"attempt": attempt_id, "shape": shape}
        for attempt_id, shape, files, sheet_key in connection.execute(select(*columns))
        if not gone.isdisjoint(_files(files, sheet_key))
    ]
    if doomed:
        one = and_(finishes.c.attempt_id == bindparam("attempt"), finishes.c.finish_fingerprint == bindparam("shape"))
        connection.execute(delete(finishes).where(one), doomed)
    return len(doomed)


def _files(files: str, sheet_key: str | None) -> set[str]:
    """Keys of everything that a finish made."""
    return {output.key for output in read_outputs(files).values()} | ({sheet_key} if sheet_key else set())
