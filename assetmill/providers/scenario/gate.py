"""How many jobs may be out at Scenario at once, learnt from its refusals and held by everybody here.

A job takes its place before its call leaves and gives it back when its end is seen. Whoever waits is let in by the
time of coming, also after being sent away in between. Other users of the same key are not seen: their jobs show as a
refusal, after which everybody waits a moment.
"""

from __future__ import annotations

from collections.abc import Callable

from assetmill.clock import Clock
from assetmill.errors import Throttled

LOOK_S = 0.25
CEILING_PAUSE_S = 3.0  # somebody else's jobs are out: the next call is not made before


class Gate:
    """Places for jobs of one endpoint.

    Args:
        clock: time.
        most: places as long as Scenario has said nothing of them.
        notice: told when a ceiling is learnt.
    """

    def __init__(self, clock: Clock, most: int, notice: Callable[[str], None] | None = None) -> None:
        self._clock = clock
        self._most = max(1, most)
        self._notice = notice
        self._limit = self._most
        self._inside: set[str] = set()
        self._came: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._closed_until = clock.monotonic()

    @property
    def limit(self) -> int:
        """Jobs that may be out at once, as far as is known."""
        return self._limit

    async def enter(self, attempt_id: str, until: float) -> None:
        """Take a place for an attempt's job.

        Args:
            attempt_id: whose job; an attempt has one job out at a time.
            until: monotonic time until which it waits.

        Raises:
            Throttled: none was free in time.
        """
        if attempt_id in self._inside:
            return
        self._came.setdefault(attempt_id, self._clock.monotonic())
        self._waiting.add(attempt_id)
        try:
            while not self._may(attempt_id):
                now = self._clock.monotonic()
                if now >= until:
                    raise Throttled(self._why(now), retry_after_s=max(0.0, self._closed_until - now))
                await self._clock.sleep(min(LOOK_S, until - now))
        finally:
            self._waiting.discard(attempt_id)
        self.occupy(attempt_id)

    def occupy(self, attempt_id: str) -> None:
        """Count a job that is out already."""
        self._came.pop(attempt_id, None)
        self._inside.add(attempt_id)

    def leave(self, attempt_id: str) -> None:
        """Give a place back; nothing happens where there is none."""
        self._inside.discard(attempt_id)

    def learn(self, limit: int | None) -> None:
        """Scenario has refused a job because so many are out; call it after `leave`."""
        learnt = self._most if limit is None else min(limit, self._most)
        if learnt != self._limit and self._notice:
            self._notice(f"Scenario runs {learnt} jobs of this key at once")
        self._limit = learnt
        if len(self._inside) < self._limit:  # not by our own jobs
            self.rest(CEILING_PAUSE_S)

    def rest(self, seconds: float) -> None:
        """Let nobody in for a while."""
        self._closed_until = max(self._closed_until, self._clock.monotonic() + seconds)

    def _may(self, attempt_id: str) -> bool:
        if len(self._inside) >= self._limit or self._clock.monotonic() < self._closed_until:
            return False
        return attempt_id == min(self._waiting, key=lambda one: self._came[one])

    def _why(self, now: float) -> str:
        if now < self._closed_until:
            return "Scenario wants a pause"
        return f"all {self._limit} places for jobs at Scenario are taken"
