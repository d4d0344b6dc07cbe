"""Only what was never accepted is sent again by itself."""

from __future__ import annotations

import random

import pytest

from assetmill.errors import JobFailed, NotDelivered, OutcomeUnknown, RequestRejected, ResultLost, Throttled
from assetmill.providers.retry import CEILING_S, MAX_TRIES, pause_before_resend


@pytest.mark.parametrize(
    "error",
    (
        OutcomeUnknown("?"), RequestRejected("no"), JobFailed("x", final=False), JobFailed("x", final=True),
        ResultLost("gone"),
    ),
)  # fmt: skip
def test_what_may_have_been_accepted_is_never_resent(error):
    assert pause_before_resend(error, 1, random.Random(1)) is None


def test_pauses_stay_under_the_ceiling_and_end_after_the_last_try():
    chance = random.Random(3)
    pauses = [pause_before_resend(NotDelivered("x"), tries, chance) for tries in range(1, MAX_TRIES)]
    assert all(pause is not None and 0 <= pause <= CEILING_S for pause in pauses)
    assert pause_before_resend(NotDelivered("x"), MAX_TRIES, chance) is None


def test_retry_after_is_honoured():
    pause = pause_before_resend(Throttled("slow down", retry_after_s=9.0), 1, random.Random(1))
    assert pause is not None
    assert 9.0 <= pause <= 10.0
