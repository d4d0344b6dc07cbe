"""What the books already hold for one game, read once, so that planning itself is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a first plan has no books to read and should not wait for a database library
    from assetmill.ledger import Finish, Ledger, OpenAttempt, Picture


@dataclass(frozen=True)
class History:
    """Pictures that are paid for.

    Args:
        by_fingerprint: newest usable picture of each generation fingerprint.
        by_attempt: every usable picture by its attempt.
        latest: newest picture of each (asset id, candidate), whatever its fingerprint.
        open: attempts that were sent and not settled, by fingerprint.
        finishes: finished files by (attempt id, finish fingerprint).
        last_finish: newest finish of each attempt.
        timings: measured executions by workflow: (width, height, milliseconds).
    """

    by_fingerprint: Mapping[str, Picture] = field(default_factory=dict)
    by_attempt: Mapping[str, Picture] = field(default_factory=dict)
    latest: Mapping[tuple[str, int], Picture] = field(default_factory=dict)
    open: Mapping[str, OpenAttempt] = field(default_factory=dict)
    finishes: Mapping[tuple[str, str], Finish] = field(default_factory=dict)
    last_finish: Mapping[str, Finish] = field(default_factory=dict)
    timings: Mapping[str, list[tuple[int, int, int]]] = field(default_factory=dict)


NOTHING = History()


def read_history(ledger: Ledger, game: str, *, draft: bool, workflows: tuple[str, ...]) -> History:
    """Read the books of one game.

    Args:
        ledger: the books.
        game: game id.
        draft: whether placeholders are asked for; a draft never stands in for a real picture, nor the reverse.
        workflows: workflow names whose measured times are wanted.
    """
    kept = [row for row in ledger.pictures(game) if row.draft == draft]
    finishes = ledger.finishes(game)
    return History(
        by_fingerprint={row.fingerprint: row for row in kept},
        by_attempt={row.attempt_id: row for row in kept},
        latest={(row.asset_id, row.candidate): row for row in kept},
        open={row.fingerprint: row for row in ledger.open_attempts(game=game)},
        finishes=finishes,
        last_finish={attempt_id: finish for (attempt_id, _), finish in finishes.items()},
        timings={name: ledger.history(name, draft=draft) for name in workflows},
    )
