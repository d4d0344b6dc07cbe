"""One ingest from end to end: mend, pick up, examine. Flows and tests call it; it may be ended anywhere and run again.

What goes wrong with one file is told and holds up no other. Which runs are then to be started stands in `Desk.due`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from assetmill.errors import AssetmillError
from assetmill.submissions.desk import Desk
from assetmill.submissions.inbox import Arrival
from assetmill.submissions.names import readable
from assetmill.submissions.records import Record, State


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did.

    Args:
        taken: submissions that it picked up.
        examined: submissions that it validated and planned, or could not (`trouble` says why).
        waiting: files that may still be on their way: (name, why).
        trouble: what went wrong, in words; it is tried again next time.
    """

    taken: tuple[Record, ...] = ()
    examined: tuple[Record, ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    trouble: tuple[str, ...] = ()


def ingest(desk: Desk) -> Ingested:
    """Take everything that has arrived one step further.

    Raises:
        StorageError: the store or an inbox cannot be listed.
    """
    mended = desk.mend()
    done = Ingested(mended.made, trouble=mended.trouble)
    for arrival in desk.arrivals():
        done = _taken(desk, arrival, done)
    for record in desk.open_records():
        if record.state is State.RECEIVED:
            done = _examined(desk, record, done)
    return done


def _taken(desk: Desk, arrival: Arrival, done: Ingested) -> Ingested:
    if arrival.waiting:
        return replace(done, waiting=(*done.waiting, (readable(arrival.name), arrival.waiting)))
    try:
        record = desk.take(arrival)
    except AssetmillError as error:
        return replace(done, trouble=(*done.trouble, f"{readable(arrival.name)}: {error.message}"))
    return replace(done, taken=(*done.taken, record)) if record else done


def _examined(desk: Desk, record: Record, done: Ingested) -> Ingested:
    try:
        after = desk.examine(record)
    except AssetmillError as error:
        return replace(done, trouble=(*done.trouble, f"{record.id}: {error.message}"))
    return replace(done, examined=(*done.examined, after)) if after else done
