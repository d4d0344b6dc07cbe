"""What endpoints were found to be able to do, as they said when they were last asked.

An answer holds for the graph that was asked about: once a workflow is changed, nobody knows any more, and `of` leaves
it out. The newest answer counts, except that one which could not tell never takes the place of one about the same graph
that could. Nothing here asks an endpoint, and no attempt depends on it: whoever plans reads it and says what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, or_, select

from assetmill.ledger.again import repeatable
from assetmill.ledger.codec import read_map, short_text, write_map
from assetmill.ledger.engine import Database
from assetmill.ledger.tables import abilities
from assetmill.ledger.writes import dialect_of, without_secrets
from assetmill.providers.base import Ability


@dataclass(frozen=True, slots=True)
class Learned:
    """One answer, with what it was about.

    Args:
        endpoint_url: the endpoint, as the books name it.
        ability: what it can do.
        workflow_hash: template hash of the graph, or of the pipeline, that it was asked about.
        asked_at: when; aware time.
    """

    endpoint_url: str
    ability: Ability
    workflow_hash: str
    asked_at: datetime


class Abilities:
    """The abilities of a ledger. Every method is one short transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeatable
    def put(self, learned: Iterable[Learned]) -> None:
        """Write answers; none takes the place of a newer one, or of a clearer one about the same graph.

        Raises:
            LedgerError: the books are unavailable.
        """
        with self._database.write() as connection:
            for one in learned:
                row = _row(one)
                insert = dialect_of(connection).insert(abilities).values(row)
                said = insert.excluded
                clearer = or_(
                    said.able.is_not(None),
                    abilities.c.able.is_(None),
                    abilities.c.workflow_hash != said.workflow_hash,
                )
                upsert = insert.on_conflict_do_update(
                    index_elements=["endpoint_url", "workflow"],
                    set_={name: said[name] for name in row},
                    where=and_(abilities.c.asked_at <= said.asked_at, clearer),
                )
                connection.execute(upsert)

    @repeatable
    def read(self, endpoint_url: str | None = None) -> list[Learned]:
        """Read all answers, also those about graphs that were changed since, by endpoint and workflow.

        Args:
            endpoint_url: only those of this endpoint.

        Raises:
            LedgerError: the books are unavailable.
        """
        wanted = select(abilities).order_by(abilities.c.endpoint_url, abilities.c.workflow)
        if endpoint_url is not None:
            wanted = wanted.where(abilities.c.endpoint_url == without_secrets(endpoint_url))
        with self._database.read() as connection:
            return [_learned(row) for row in connection.execute(wanted)]

    def of(self, endpoint_url: str, hashes: Mapping[str, str]) -> Mapping[str, Ability]:
        """What is known of an endpoint today: workflow -> ability; a workflow that nobody asked about is not in it.

        Args:
            endpoint_url: the endpoint, as the books name it.
            hashes: workflow -> template hash of its graph (or pipeline) as it is now.

        Raises:
            LedgerError: the books are unavailable.
        """
        known = {one.ability.workflow: one for one in self.read(endpoint_url)}
        return {name: one.ability for name, one in known.items() if hashes.get(name) == one.workflow_hash}


def _row(learned: Learned) -> dict[str, Any]:
    ability = learned.ability
    return {
        "endpoint_url": without_secrets(learned.endpoint_url),
        "workflow": ability.workflow,
        "workflow_hash": learned.workflow_hash,
        "able": ability.able,
        "why": short_text(ability.why),
        "missing": write_map({"names": list(ability.missing)}),
        "units": ability.units,
        "asked_at": learned.asked_at,
    }


def _learned(row: Row[Any]) -> Learned:
    missing = tuple(read_map(row.missing)["names"])
    ability = Ability(row.workflow, row.able, row.why, missing, row.units)
    return Learned(row.endpoint_url, ability, row.workflow_hash, row.asked_at)
