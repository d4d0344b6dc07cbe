"""Faults of one run: every kind of the local endpoint gets its turn, and a few more come along by chance.

Each rule strikes a bounded number of times, so that a batch can end. Durations are seconds of the endpoint's own,
hastened clock.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from assetmill.localpod import Kind

KINDS: Final = tuple(Kind)
CALLS: Final = (None, None, "run", "status-sync", "status", "cancel", "health", "requests")
CENSUSES: Final = ("throttled", "unhealthy", "initializing", "ready", "no_workers", "max_zero")


UNCERTAIN: Final = (
    Kind.LOST_ANSWER, Kind.GARBLED_ANSWER, Kind.LOST_REQUEST, Kind.BAD_GATEWAY, Kind.RESET, Kind.NOT_YET, Kind.THROTTLE,
)  # fmt: skip
"""Those that make it hard to know what was accepted: they come along more often than the others."""


def drawn_rules(dice: Random, seed: int) -> list[dict[str, Any]]:
    """Rules as a faults file has them. The first is the kind whose turn it is, and strikes for certain."""
    first = _rule(dice, KINDS[seed % len(KINDS)]) | {"after": dice.choice((0, 0, 1, 2))}
    kinds = [dice.choice(KINDS + UNCERTAIN * 4) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
    others = [_rule(dice, kind) for kind in kinds]
    return [first, *(rule | {"chance": dice.choice((0.2, 0.5, 1.0))} for rule in others)]


def _rule(dice: Random, kind: Kind) -> dict[str, Any]:
    rule = {"kind": kind.value, "times": dice.choice((1, 1, 2, 3)), **_figures(dice, kind)}
    return {name: value for name, value in rule.items() if value is not None}


def _figures(dice: Random, kind: Kind) -> dict[str, Any]:
    """Parameters of its own; None for one that is left out."""
    match kind:
        case Kind.THROTTLE:
            return {"operation": dice.choice(CALLS), "seconds": dice.choice((None, 1, 8)), "times": dice.randint(1, 7)}
        case Kind.BAD_GATEWAY:
            return {"operation": dice.choice(CALLS), "status": dice.choice((500, 502, 504))}
        case Kind.KEY_REFUSED:
            return {"operation": dice.choice(CALLS), "times": 1}
        case Kind.LOST_REQUEST | Kind.LOST_ANSWER | Kind.GARBLED_ANSWER:
            return {"operation": dice.choice((None, None, None, "status-sync", "cancel", "requests"))}
        case Kind.RESET:
            return {"operation": dice.choice(CALLS)}
        case Kind.OVERSIZE_BODY:
            return {"times": 1}
        case Kind.SLOW_TRICKLE:
            return {"operation": dice.choice(CALLS), "size_bytes": dice.choice((64, 512)), "seconds": 0.5}
        case Kind.OVERSIZE_RESULT:
            return {"size_bytes": dice.choice((1, 600))}
        case Kind.PARTIAL_OUTPUTS:
            return {"errors": dice.choice((None, True))}
        case Kind.BLANK_IMAGE:
            return {"transparent": dice.choice((None, True)), "count": dice.choice((None, 1))}
        case Kind.TRUNCATED_IMAGE | Kind.NOT_AN_IMAGE | Kind.WRONG_SIZE_IMAGE | Kind.JPEG_AS_PNG:
            return {"count": dice.choice((None, 1))}
        case _:
            return {"seconds": _seconds(dice, kind)} | (_stuck(dice) if kind is Kind.STUCK_QUEUE else {})


def _seconds(dice: Random, kind: Kind) -> float | None:
    """How long it lasts; None is the endpoint's own figure, or for ever."""
    lasts: dict[Kind, tuple[float | None, ...]] = {
        Kind.NOT_YET: (1, 5, 10),
        Kind.STUCK_QUEUE: (None, 5, 40),
        Kind.VANISH: (0, 3),
        Kind.CANCELLED_ELSEWHERE: (0, 1, 5),
        Kind.PURGE: (0, 1, 5),
        Kind.SLOW_COLD_START: (10, 60),
        Kind.STARTUP_FAILURE: (0, 3),
        Kind.POISONED_WORKER: (None, 5),
        Kind.EXECUTION_ERROR: (None, 2),
        Kind.VALIDATION_ERROR: (None, 2),
        Kind.WORKER_DIES: (None, 2),
        Kind.DUPLICATE_EXECUTION: (0, 1, 3),
        Kind.EXPIRY: (0, 2, 30),
        Kind.LATE_PROGRESS: (None, 3, 20),
    }
    return dice.choice(lasts.get(kind, (None,)))


def _stuck(dice: Random) -> dict[str, Any]:
    return {"census": dice.choice((None, *CENSUSES)), "max_workers": dice.choice((None, None, 0))}
