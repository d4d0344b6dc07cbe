"""A faster clock: half an hour of the endpoint's life in a second of ours.

Whatever waits in this room waits by the clock that it was given, so one that runs faster makes cold starts, time
limits and expiry come sooner and changes nothing else. A handler's own work takes its real time and looks longer
by the same factor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from assetmill.clock import Clock
from assetmill.errors import UsageError

FASTEST: Final = 1_000_000.0
SHORTEST_S: Final = 0.001  # what a timer of the event loop can tell apart; shorter ones would only spin


def scaled(clock: Clock, speed: float) -> Clock:
    """The same clock, `speed` times as fast: durations divided, monotonic time multiplied.

    Args:
        clock: the one to hasten; its wall-clock time, chance and ids stay as they are.
        speed: above 0; 1 changes nothing, 60 makes a minute of the endpoint a second.

    Raises:
        UsageError: no such speed.
    """
    if not 0 < speed <= FASTEST:
        raise UsageError(f"speed {speed!r} cannot be", hint=f"above 0, up to {FASTEST:g}")
    start = clock.monotonic()

    def monotonic() -> float:
        return start + (clock.monotonic() - start) * speed

    async def sleep(seconds: float) -> None:
        await clock.sleep(max(seconds / speed, SHORTEST_S) if seconds > 0 else 0)

    return clock if speed == 1 else replace(clock, monotonic=monotonic, sleep=sleep)
