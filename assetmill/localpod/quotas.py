"""How often the management API may be called: several windows at once, and what its answers say of them.

Each call counts in every window; when one is used up, calls are refused until it begins anew. Its answers carry
`RateLimit-Policy` (quota `q` in a window of `w` seconds) and `RateLimit` (`r` left, for `t` seconds), as the IETF's
draft of the RateLimit header fields has them. Source: docs.runpod.io, api-reference-v2/rate-limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """One window.

    Args:
        name: what it is called.
        calls: calls in it.
        window_s: how long it is.
    """

    name: str
    calls: int
    window_s: int


class Quotas:
    """Counts calls.

    Args:
        quotas: the windows; without any, no call is counted and no answer says anything.
        now: seconds that never jump.
    """

    def __init__(self, quotas: Sequence[Quota], now: Callable[[], float]) -> None:
        self._quotas = tuple(quotas)
        self._now = now
        self._began = [now()] * len(self._quotas)
        self._used = [0] * len(self._quotas)

    def admit(self) -> float | None:
        """Count a call, or say how many seconds it has to wait; one that is refused does not count."""
        now = self._now()
        for place, quota in enumerate(self._quotas):
            if now - self._began[place] >= quota.window_s:
                self._began[place], self._used[place] = now, 0
        full = [self._left_s(place) for place, quota in enumerate(self._quotas) if self._used[place] >= quota.calls]
        if full:
            return max(full)
        self._used = [used + 1 for used in self._used]
        return None

    def headers(self) -> dict[str, str]:
        """What an answer says of the windows."""
        if not self._quotas:
            return {}
        policy = (f'"{quota.name}";q={quota.calls};w={quota.window_s}' for quota in self._quotas)
        state = (
            f'"{quota.name}";r={max(0, quota.calls - self._used[place])};t={math.ceil(self._left_s(place))}'
            for place, quota in enumerate(self._quotas)
        )
        return {"RateLimit-Policy": ", ".join(policy), "RateLimit": ", ".join(state)}

    def _left_s(self, place: int) -> float:
        return max(0.0, self._began[place] + self._quotas[place].window_s - self._now())
