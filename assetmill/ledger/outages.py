"""Endpoints that have failed lately and are left alone for a while, so that not every run finds it out anew.

An outage bars nobody by itself: it is for whoever has somebody else to ask. It ends by its own time, or when a job
comes back good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, select

from assetmill.ledger.again import repeatable
from assetmill.ledger.codec import short_text
from assetmill.ledger.engine import Database
from assetmill.ledger.tables import outages
from assetmill.ledger.writes import dialect_of, without_secrets


@dataclass(frozen=True, slots=True)
class Outage:
    """An endpoint that is left alone.

    Args:
        endpoint_url: the endpoint, as attempts name it.
        since: when it failed; aware time.
        until: when it may be tried again.
        why: what was wrong, in one sentence.
    """

    endpoint_url: str
    since: datetime
    until: datetime
    why: str


class Outages:
    """The outages of a ledger. Every method is one short transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeatable
    def note(self, outage: Outage) -> None:
        """Write an outage down, in place of an earlier one of the same endpoint.

        Raises:
            LedgerError: the books are unavailable.
        """
        row = {field.name: getattr(outage, field.name) for field in fields(Outage)}
        row |= {"endpoint_url": without_secrets(outage.endpoint_url), "why": short_text(outage.why) or ""}
        with self._database.write() as connection:
            connection.execute(delete(outages).where(outages.c.until < outage.since))  # over, and of no use to anybody
            put = dialect_of(connection).insert(outages).values(row)
            connection.execute(put.on_conflict_do_update(index_elements=["endpoint_url"], set_=row))

    @repeatable
    def over(self, endpoint_url: str) -> None:
        """An endpoint works again.

        Raises:
            LedgerError: the books are unavailable.
        """
        with self._database.write() as connection:
            connection.execute(delete(outages).where(outages.c.endpoint_url == without_secrets(endpoint_url)))

    @repeatable
    def at(self, now: datetime) -> Mapping[str, Outage]:
        """Outages that are not over, by the address of the endpoint.

        Raises:
            LedgerError: the books are unavailable.
        """
        with self._database.read() as connection:
            rows = connection.execute(select(outages).where(outages.c.until > now)).mappings()
            return {row["endpoint_url"]: Outage(**row) for row in rows}
