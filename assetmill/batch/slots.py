"""Whoever counts the slots of an endpoint for all runs, as a run sees it: look, take, renew, give back.

A Prefect limit stands behind it (flows/sharing). The rules of sharing know no more of Prefect than this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LEASE_S = 60.0  # the least that a Prefect server accepts, so the soonest that a killed run's slots come back


class SlotsAwayError(Exception):
    """Whoever counts the slots gave no usable answer: ask again later. Says why."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it stands: how many slots it has, and how many of them are taken, by whomever."""

    slots: int
    taken: int


class Slots(Protocol):
    """Whoever counts the slots of one endpoint for all runs. A lease is good for `LEASE_S`."""

    async def limit(self) -> Limit:
        """Look at the limit.

        Raises:
            UsageError: there is none.
            SlotsAwayError: no answer.
        """
        ...

    async def take(self) -> str | None:
        """Take one slot and return its lease; None when all are taken.

        Raises:
            UsageError, SlotsAwayError: as `limit`.
        """
        ...

    async def renew(self, lease: str) -> bool:
        """Make a lease good for its whole time again; False if it is gone.

        Raises:
            SlotsAwayError: no answer.
        """
        ...

    async def give_back(self, lease: str) -> None:
        """Give a slot back. One that is gone is given back already.

        Raises:
            SlotsAwayError: no answer.
        """
        ...
