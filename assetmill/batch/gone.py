"""Finished files that the books believe in and the store has not: deleted by hand, by a rule of the bucket, by a race.

A plan publishes a finish of the books unseen, so every run would be refused like the first, for ever. What can be
made again from its raw images is forgotten, and the next run makes it, for free. Where raw images are gone, too, the
store is most likely another than that of the books, and then nothing may be forgotten.
"""

from __future__ import annotations

from contextlib import suppress

from assetmill.batch.context import Batch
from assetmill.errors import FilesGone, LedgerError, StorageError
from assetmill.ledger import Finish
from assetmill.ledger.codec import read_outputs
from assetmill.packs.blobs import missing_blobs

AGAIN = "run again: they are finished again from their raw pictures, for free"


def forget_what_can_be_made_again(batch: Batch, gone: FilesGone) -> str:
    """Forget finishes of this run whose files are gone and whose raw images are not.

    Args:
        batch: the run, with its outcomes.
        gone: why it was not published.

    Returns:
        What to do about it: run again, if that will do.
    """
    finishes = (outcome.finish for outcome in batch.outcomes.values())
    broken = [finish for finish in finishes if finish is not None and not gone.keys.isdisjoint(_files(finish))]
    with suppress(LedgerError, StorageError):  # the refusal itself is what has to be told
        raws = {finish.attempt_id: _raws(batch, finish) for finish in broken}
        lost = set(missing_blobs(batch.store, set().union(*raws.values())))
        files = {key for finish in broken if lost.isdisjoint(raws[finish.attempt_id]) for key in _files(finish)}
        again = gone.keys & files
        if again:
            batch.ledger.forget_finishes(again)
        if again == gone.keys:
            return AGAIN
    return gone.hint


def _files(finish: Finish) -> set[str]:
    """Keys of everything that a finish made."""
    return {output.key for output in finish.files} | ({finish.sheet_key} if finish.sheet_key else set())


def _raws(batch: Batch, finish: Finish) -> set[str]:
    """Keys of what a finish was made from."""
    return {output.key for output in read_outputs(batch.ledger.attempt(finish.attempt_id)["outputs"]).values()}
