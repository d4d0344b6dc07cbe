"""When to send again, decided without waiting: the caller sleeps.

Only refusals before acceptance are sent again here, because nothing was accepted and nothing can be paid
twice. An unknown outcome, and a job that ran, are never sent again by this module.
"""

from __future__ import annotations

import random

from assetmill.errors import AttemptError, NotDelivered, Throttled

MAX_TRIES = 6
BASE_S = 1.0
CEILING_S = 30.0


def pause_before_resend(error: AttemptError, tries: int, chance: random.Random) -> float | None:
    """Seconds to wait before sending the same request again, or None to give up.

    Args:
        error: what the last try ended with.
        tries: how often it has been sent so far, from 1.
        chance: source of jitter (full jitter: anywhere from 0 to the exponential bound).
    """
    if tries >= MAX_TRIES or not isinstance(error, NotDelivered | Throttled):
        return None
    if isinstance(error, Throttled) and error.retry_after_s is not None:
        return error.retry_after_s + chance.random()
    return chance.random() * min(CEILING_S, BASE_S * float(2**tries))
