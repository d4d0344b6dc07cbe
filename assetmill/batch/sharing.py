"""How runs share an endpoint: the name of its limit, and the rule by which each run has its share of the window.

The rule is pure and the same for all: runs that see the same seats come to the same shares, and these add up to no
more than the window. Urgent goes before normal, normal before backfill, and within a priority all have the same
(max-min fair); nobody who wants a slot waits for another run to end, as long as there are as many slots as runs. No
rule here takes a job back: a run above its share sends nothing more until enough of its own have ended. See ADR 0013.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from assetmill.batch.slots import Limit
from assetmill.ledger import Seat
from assetmill.providers.endpoint import COMFYUI, LOOPBACK, Endpoint

URGENT, NORMAL, BACKFILL = "urgent", "normal", "backfill"


@dataclass(frozen=True, slots=True)
class Use:
    """What a run has at its endpoint at this moment.

    Args:
        slots: that it holds.
        out: its jobs; more than slots where it has lost some.
    """

    slots: int
    out: int


def limit_name(endpoint: Endpoint) -> str:
    """Name of the Prefect concurrency limit of an endpoint: `endpoint-<RunPod id>`, or with the address of a local one.

    Raises:
        ValueError: the endpoint has no address: it is started by a run and shared with nobody.
    """
    parts = urlsplit(endpoint.url)
    if not parts.hostname:
        raise ValueError(f"endpoint {endpoint.name} has no address, and no limit")
    by_address = parts.hostname in LOOPBACK or endpoint.kind == COMFYUI
    return f"endpoint-{endpoint.id}" + (f"@{parts.netloc}" if by_address else "")


def entitlement(me: Seat, others: Iterable[Seat], window: int, orphans: int) -> int:
    """Slots that a run may hold.

    Args:
        me: the run.
        others: the other runs at this endpoint.
        window: slots that there are for all.
        orphans: jobs at the endpoint that no run holds a slot for; as many slots stay empty.
    """
    return shares([me, *others], window - orphans)[me.run_id]


def takeable(mine: Use, others: Iterable[Seat], limit: Limit, orphans: int) -> int:
    """Slots that a run may take now, whatever its share is: those that the limit has, as far as they are free in truth.

    There may be a job at the endpoint for a slot that the limit calls free: that of a killed run, whose slots come back
    before its jobs have ended, or of a run that has lost its lease while nobody counted. For each such job that books
    and seats know of, one slot is left. A run may always take a slot for a job of its own that is out already.

    Args:
        mine: what the run has.
        others: the other runs at this endpoint.
        limit: as it stands.
        orphans: jobs at the endpoint that no run holds a slot for.
    """
    without_slot = orphans + sum(max(0, seat.held - len(seat.leases)) for seat in others)
    free = limit.slots - limit.taken
    return max(0, free - without_slot, min(free, mine.out - mine.slots))


def shares(seats: Collection[Seat], slots: int) -> dict[str, int]:
    """Share out slots among runs, by run id; what nobody wants is nobody's.

    First a slot for each run that wants one, urgent before normal, then the rest in rounds: urgent, normal, backfill.
    Where there are more runs than slots, those go first whose last job ended the longest ago: they take turns.
    """
    ranks = [_of(seats, URGENT), _of(seats, NORMAL), _of(seats, BACKFILL)]
    given = dict.fromkeys((seat.run_id for seat in seats), 0)
    left = max(0, slots)
    for rank in ranks[:2]:
        left = _one_each(rank, given, left)
    for rank in ranks:
        left = _in_rounds(rank, given, left)
    return given


def _of(seats: Iterable[Seat], priority: str) -> list[Seat]:
    """Runs of a priority that want something, the longest there first. A priority that nobody knows is a normal one."""
    known = (URGENT, BACKFILL)
    mine = (seat for seat in seats if (seat.priority if seat.priority in known else NORMAL) == priority)
    return sorted((seat for seat in mine if seat.wants > 0), key=lambda seat: (seat.began_at, seat.run_id))


def _one_each(rank: Sequence[Seat], given: dict[str, int], left: int) -> int:
    waited_longest_first = sorted(rank, key=lambda seat: (seat.served_at, seat.began_at, seat.run_id))
    for seat in waited_longest_first[:left]:
        given[seat.run_id] = 1
    return left - min(left, len(rank))


def _in_rounds(rank: Sequence[Seat], given: dict[str, int], left: int) -> int:
    """A slot at a time to those that want more, those with the fewest first."""
    while left > 0:
        hungry = [seat for seat in rank if given[seat.run_id] < seat.wants]
        if not hungry:
            return left
        fewest = min(given[seat.run_id] for seat in hungry)
        for seat in [seat for seat in hungry if given[seat.run_id] == fewest][:left]:
            given[seat.run_id] += 1
            left -= 1
    return 0
