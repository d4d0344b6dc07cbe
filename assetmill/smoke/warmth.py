"""Whether a job's worker had to start for it, and how that is known: books, the job before, the endpoint's counts.

No endpoint says it of a job. What is told here names its evidence, and where there is none it says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.ledger import Facts
from assetmill.providers.endpoint import COMFYUI, DRAFT, SCENARIO, Endpoint
from assetmill.providers.runpod.pulse import Pulse

UP = ("idle", "ready", "running", "initializing")
_TELLS_NOTHING = {
    SCENARIO: "Scenario tells nothing of its workers",
    COMFYUI: "the server is up anyhow; whether its models were loaded it does not tell",
}


@dataclass(frozen=True, slots=True)
class Warmth:
    """Whether a worker had to start.

    Args:
        cold: None where nobody can tell.
        why: how it is known, or why not.
    """

    cold: bool | None
    why: str


def warmth_of(endpoint: Endpoint, facts: Facts, pulse: Pulse | None, before: str | None) -> Warmth:
    """Judge one job.

    Args:
        endpoint: where it was.
        facts: what its row says: a paid worker's life is in the books, with the endpoint's own listing.
        pulse: how many workers there were right before it was sent; None where that is not told.
        before: the worker of the smoke job before this one.
    """
    if endpoint.kind in _TELLS_NOTHING:
        return Warmth(None, _TELLS_NOTHING[endpoint.kind])
    if facts.cold is not None:
        return _by_the_books(facts)
    if facts.worker_id is not None and facts.worker_id == before:
        return Warmth(False, f"worker {before} had just done the job before")
    return _by_counts(pulse, draft=endpoint.kind == DRAFT)


def _by_counts(pulse: Pulse | None, *, draft: bool) -> Warmth:
    """By how many workers there were. RunPod counts as idle what is scaled down, so there it proves nothing."""
    if pulse is not None and not any(pulse.workers.get(status) for status in UP):
        return Warmth(True, "no worker was up when it was sent")
    if pulse is not None and draft and pulse.workers.get("idle"):
        return Warmth(False, "a worker stood idle when it was sent")
    return Warmth(None, "nobody tells whether its worker was up before")


def _by_the_books(facts: Facts) -> Warmth:
    if facts.cold:
        start = "" if facts.start_ms is None else f", whose start is put at {facts.start_ms / 1000:.1f} s"
        return Warmth(True, f"it was the first job of worker {facts.worker_id}'s life{start}")
    return Warmth(False, f"worker {facts.worker_id} had been up and had other jobs before")
