"""Time, waiting, chance and ids, as one value that is passed in.

Rules that wait or draw lots take a `Clock`; tests give them one whose time moves when they say so.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _hex_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Clock:
    """The real world by default.

    Args:
        now: wall-clock time, timezone-aware UTC; written to the books.
        monotonic: seconds that never jump; used for durations and limits.
        sleep: waits for a number of seconds.
        random: source of jitter.
        new_id: a fresh id, 32 hex digits.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: random.Random = field(default_factory=random.Random)
    new_id: Callable[[], str] = _hex_id
