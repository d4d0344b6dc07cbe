"""Faults of one run: every kind of the local endpoint gets its turn, and a few more come along by chance.

Each rule strikes a bounded number of times, so that a batch can end. Durations are seconds of the endpoint's own,
hastened clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from assetmill.localpod import Kind

KINDS: Final = tuple(Kind)
CALLS: Final = (None, None, "run", "status-sync", "status", "cancel", "health", "requests")
SENDS: Final = (None, None, None, "status-sync", "cancel", "requests")
TAKES_OPERATION: Final = {
    Kind.THROTTLE: CALLS, Kind.BAD_GATEWAY: CALLS, Kind.KEY_REFUSED: CALLS, Kind.RESET: CALLS,
    Kind.SLOW_TRICKLE: CALLS, Kind.LOST_REQUEST: SENDS, Kind.LOST_ANSWER: SENDS, Kind.GARBLED_ANSWER: SENDS,
}  # fmt: skip
"""The calls that a fault of calls may hit; None is its own choice."""
CENSUSES: Final = ("throttled", "unhealthy", "initializing", "ready", "no_workers", "max_zero")


ONE_OR_ALL: Final[Any] = {"count": (None, 1)}
FIGURES: Final[Mapping[Kind, Mapping[str, tuple[Any, ...]]]] = {
    Kind.THROTTLE: {"seconds": (None, 1, 8), "times": (1, 2, 3, 5, 7)},
    Kind.BAD_GATEWAY: {"status": (500, 502, 504)},
    Kind.KEY_REFUSED: {"times": (1,)},
    Kind.OVERSIZE_BODY: {"times": (1,)},
    Kind.SLOW_TRICKLE: {"size_bytes": (64, 512), "seconds": (0.5,)},
    Kind.NOT_YET: {"seconds": (1, 5, 10)},
    Kind.STUCK_QUEUE: {"seconds": (None, 5, 40), "max_workers": (None, None, 0)},
    Kind.VANISH: {"seconds": (0, 3)},
    Kind.CANCELLED_ELSEWHERE: {"seconds": (0, 1, 5)},
    Kind.PURGE: {"seconds": (0, 1, 5)},
    Kind.SLOW_COLD_START: {"seconds": (10, 60)},
    Kind.STARTUP_FAILURE: {"seconds": (0, 3)},
    Kind.POISONED_WORKER: {"seconds": (None, 5)},
    Kind.EXECUTION_ERROR: {"seconds": (None, 2)},
    Kind.VALIDATION_ERROR: {"seconds": (None, 2)},
    Kind.WORKER_DIES: {"seconds": (None, 2)},
    Kind.DUPLICATE_EXECUTION: {"seconds": (0, 1, 3)},
    Kind.OVERSIZE_RESULT: {"size_bytes": (1, 600)},
    Kind.PARTIAL_OUTPUTS: {"errors": (None, True)},
    Kind.TRUNCATED_IMAGE: ONE_OR_ALL,
    Kind.NOT_AN_IMAGE: ONE_OR_ALL,
    Kind.WRONG_SIZE_IMAGE: ONE_OR_ALL,
    Kind.JPEG_AS_PNG: ONE_OR_ALL,
    Kind.CMYK_JPEG: ONE_OR_ALL,
    Kind.PALETTE_PNG: ONE_OR_ALL,
    Kind.DEEP_PNG: ONE_OR_ALL,
    Kind.APNG: ONE_OR_ALL,
    Kind.EXIF_ROTATED: ONE_OR_ALL,
    Kind.HUGE_HEADER: ONE_OR_ALL,
    Kind.BLANK_IMAGE: {"transparent": (None, True), "count": (None, 1)},
    Kind.EXPIRY: {"seconds": (0, 2, 30)},
    Kind.LATE_PROGRESS: {"seconds": (None, 3, 20)},
}
"""What each kind draws its parameters from; None leaves one out: the endpoint's own figure, or for ever."""
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
    drawn: dict[str, Any] = {name: dice.choice(values) for name, values in FIGURES.get(kind, {}).items()}
    if kind in TAKES_OPERATION:
        drawn["operation"] = dice.choice(TAKES_OPERATION[kind])
    if kind is Kind.STUCK_QUEUE and drawn["max_workers"] is None:
        drawn["census"] = dice.choice((None, *CENSUSES))
    return drawn
