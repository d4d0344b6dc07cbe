"""What the books already hold for one game, read once, so that planning itself is pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a first plan has no books to read and should not wait for a database library
    from assetmill.ledger import Details, Finish, Learned, Ledger, OpenAttempt, Outage, Picture, Timing


def _unmeasured(_: str) -> Sequence[Timing]:
    return ()


def _unmeasured_units(_: str) -> Sequence[float]:
    return ()


@dataclass(frozen=True)
class History:
    """Pictures that are paid for.

    Args:
        by_fingerprint: newest stored picture of each generation fingerprint.
        latest: newest picture of each (asset id, candidate), whatever its fingerprint.
        open: attempts that were sent and not settled, by fingerprint.
        unknowns: attempts whose outcome nobody knows, counted by fingerprint.
        verdicts: why a finished picture was rejected, or None, by (attempt id, finish fingerprint).
        timings: reads how long jobs of a workflow took, of any game; asked only where something is to be paid.
        starts: reads the jobs that were the first of their workers, of any game and workflow; likewise.
        units: reads what jobs of a workflow cost in their provider's own currency, newest first; likewise.
        abilities: what endpoints were found to be able to do, by their address and the workflow.
        outages: endpoints that are left alone now, by their address.
        load_details: reads what the pictures were made of and where they lie; an unchanged plan needs none.
        load_finishes: reads the finishes themselves; likewise.
    """

    by_fingerprint: Mapping[str, Picture] = field(default_factory=dict)
    latest: Mapping[tuple[str, int], Picture] = field(default_factory=dict)
    open: Mapping[str, OpenAttempt] = field(default_factory=dict)
    unknowns: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    timings: Callable[[str], Sequence[Timing]] = _unmeasured
    starts: Callable[[], Sequence[Timing]] = tuple
    units: Callable[[str], Sequence[float]] = _unmeasured_units
    abilities: Mapping[str, Mapping[str, Learned]] = field(default_factory=dict)
    outages: Mapping[str, Outage] = field(default_factory=dict)
    load_details: Callable[[], Mapping[str, Details]] = dict
    load_finishes: Callable[[], Mapping[tuple[str, str], Finish]] = dict

    @cached_property
    def details(self) -> Mapping[str, Details]:
        """Inputs and raw images of every stored picture, by its attempt."""
        return self.load_details()

    @cached_property
    def finishes(self) -> Mapping[tuple[str, str], Finish]:
        """Finished files by (attempt id, finish fingerprint)."""
        return self.load_finishes()

    @cached_property
    def last_finish(self) -> Mapping[str, Finish]:
        """Newest finish of each attempt."""
        return {attempt_id: finish for (attempt_id, _), finish in self.finishes.items()}


NOTHING = History()


def read_history(ledger: Ledger, game: str, *, draft: bool, at: datetime | None = None) -> History:
    """Read the books of one game. They have to stay open while the history is in use.

    Args:
        ledger: the books.
        game: game id.
        draft: whether placeholders are asked for; a draft never stands in for a real picture, nor the reverse.
        at: now, aware; without it outages do not count.
    """
    learned: dict[str, dict[str, Learned]] = defaultdict(dict)
    for one in ledger.abilities.read():
        learned[one.endpoint_url][one.ability.workflow] = one
    pictures = [row for row in ledger.pictures(game) if row.draft == draft]
    return History(
        by_fingerprint={row.fingerprint: row for row in pictures},
        latest={(row.asset_id, row.candidate): row for row in pictures},
        open={row.fingerprint: row for row in ledger.open_attempts(game=game)},
        unknowns=ledger.unknowns(game),
        verdicts=ledger.verdicts(game),
        timings=lambda workflow: ledger.history(workflow, draft=draft),
        starts=lambda: ledger.starts(draft=draft),
        units=lambda workflow: ledger.units(workflow, draft=draft),
        abilities=learned,
        outages=ledger.outages.at(at) if at is not None else {},
        load_details=lambda: ledger.details(game),
        load_finishes=lambda: ledger.finishes(game),
    )
