"""A faster clock: half an hour of the endpoint's life in a second of ours.

Whatever waits in this room waits by the clock that it was given, so one that runs faster makes cold starts, time
limits and expiry come sooner and changes nothing else. A handler's own work takes its real time and looks longer
by the same factor.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from assetmill.clock import Clock
from assetmill.errors import UsageError

FASTEST: Final = 1_000_000.0
SHORTEST_S: Final = 0.001  # what a timer of the event loop can tell apart; shorter ones would only spin


def scaled(clock: Clock, speed: float, *, wall: bool = False) -> Clock:
    """The same clock, `speed` times as fast: durations divided, monotonic time multiplied.

    Args:
        clock: the one to hasten; its chance and ids stay as they are, and so does its wall-clock time unless `wall`.
        speed: above 0; 1 changes nothing, 60 makes a minute of the endpoint a second.
        wall: wall-clock time runs on from now as fast as the rest. Whoever compares moments of both sides, as a bill
            is compared with the books, gives both sides this same clock.

    Raises:
        UsageError: no such speed.
    """
    if not 0 < speed <= FASTEST:
        raise UsageError(f"speed {speed!r} cannot be", hint=f"above 0, up to {FASTEST:g}")
    start, began_at = clock.monotonic(), clock.now()

    def monotonic() -> float:
        return start + (clock.monotonic() - start) * speed

    def now() -> datetime:
        return began_at + timedelta(seconds=monotonic() - start)

    async def sleep(seconds: float) -> None:
        await clock.sleep(max(seconds / speed, SHORTEST_S) if seconds > 0 else 0)

    if speed == 1:
        return clock
    return replace(clock, monotonic=monotonic, sleep=sleep, now=now if wall else clock.now)
