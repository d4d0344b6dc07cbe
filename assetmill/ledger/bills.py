"""What a provider has billed, hour by hour, as it said when it was last asked.

A bill stands beside the attempts and is never added to them: theirs are estimates of ours, this is the provider's own
word. It may still grow after its hour, so it is written again whenever somebody asks; the newest answer counts. An
hour that was asked about and has no record was billed nothing, and is written down as such.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select

from assetmill.ledger.again import repeatable
from assetmill.ledger.engine import Database
from assetmill.ledger.tables import bills
from assetmill.ledger.writes import dialect_of, without_secrets


@dataclass(frozen=True, slots=True)
class Bill:
    """One hour of one endpoint; amounts in US dollars.

    Args:
        endpoint_url: the endpoint, as attempts name it.
        began_at: start of the hour, aware.
        ended_at: its end.
        total_usd: everything.
        gpu_usd: of it, for GPUs; None where the provider did not say, as for the others.
        cpu_usd: of it, for processors.
        disk_usd: of it, for container disks.
        fee_usd: of it, the platform's fee.
        asked_at: when the provider said so.
    """

    endpoint_url: str
    began_at: datetime
    ended_at: datetime
    total_usd: Decimal
    gpu_usd: Decimal | None
    cpu_usd: Decimal | None
    disk_usd: Decimal | None
    fee_usd: Decimal | None
    asked_at: datetime


class Bills:
    """The bills of a ledger. Every method is one short transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeatable
    def put(self, told: Iterable[Bill]) -> None:
        """Write bills; each takes the place of an older answer about its hour, and never that of a newer one.

        Raises:
            LedgerError: the books are unavailable, or an amount cannot be written.
        """
        with self._database.write() as connection:
            for bill in told:
                plain = replace(bill, endpoint_url=without_secrets(bill.endpoint_url))
                row = {field.name: getattr(plain, field.name) for field in fields(Bill)}
                insert = dialect_of(connection).insert(bills).values(row)
                newer = insert.on_conflict_do_update(
                    index_elements=["endpoint_url", "began_at"],
                    set_={name: insert.excluded[name] for name in row},
                    where=bills.c.asked_at <= insert.excluded.asked_at,
                )
                connection.execute(newer)

    @repeatable
    def read(
        self, *, endpoint_url: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> list[Bill]:
        """Read bills, by endpoint and hour.

        Args:
            endpoint_url: only those of this endpoint.
            since: only hours that end after this time.
            until: only hours that begin before this time.

        Raises:
            LedgerError: the books are unavailable.
        """
        conditions = [
            None if endpoint_url is None else bills.c.endpoint_url == without_secrets(endpoint_url),
            None if since is None else bills.c.ended_at > since,
            None if until is None else bills.c.began_at < until,
        ]
        wanted = select(*(bills.c[field.name] for field in fields(Bill)))
        found = wanted.where(*(one for one in conditions if one is not None))
        with self._database.read() as connection:
            return [Bill(*row) for row in connection.execute(found.order_by(bills.c.endpoint_url, bills.c.began_at))]
