"""An attempt that the endpoint has: everything that it takes to collect and settle it, and what it may have cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from assetmill.ledger import OpenAttempt
from assetmill.money import Cost, no_cost


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt with a job.

    Args:
        attempt_id: the attempt.
        job_id: the endpoint's id.
        outputs: role -> filename prefix of the image that must come back.
        submitted_at: aware time.
        usd_per_s: price of the worker when it was sent.
        high_usd: what the plan said that it costs at most.
    """

    attempt_id: str
    job_id: str
    outputs: Mapping[str, str]
    submitted_at: datetime
    usd_per_s: Decimal | None
    high_usd: Decimal | None


def sent_before(attempt: OpenAttempt, job_id: str) -> Sent:
    """An attempt that was sent earlier, from its row."""
    return Sent(
        attempt_id=attempt.attempt_id,
        job_id=job_id,
        outputs=attempt.expected_outputs,
        submitted_at=attempt.submitted_at or attempt.intended_at,
        usd_per_s=attempt.price_per_s_usd,
        high_usd=attempt.planned_high_usd,
    )


def possible_cost(usd_per_s: Decimal | None, high_usd: Decimal | None) -> Cost:
    """The cost of a job that nobody knows to have run: from nothing to what the plan allowed for."""
    if usd_per_s == 0:
        return no_cost("free of charge")
    return Cost(Decimal(0), None, high_usd, "unknown: it may not have run; at most what the plan said")
