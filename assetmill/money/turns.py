"""What a job was to its worker: the start that it caused, the pause before it, the idle tail that will end it all.

A worker is paid from its start to its stop. Its *life* is one such stretch: jobs with pauses no longer than the idle
timeout. Every job of a life carries its own share, so that plain sums over jobs are the paid time of whole lives: the
first one carries start and idle tail, each of the others the pause before it. A share is worked out once, when the job
is settled, and never again. Pure: who came before on the worker is told by whoever keeps the books.

Source: docs.runpod.io, serverless/pricing (billed from start to stop, rounded up to the second) and serverless/workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

DEAD_TIME_MS = 900
"""Idle time of a worker after each job, milliseconds: with one job at a time the official worker SDK
sleeps before it fetches the next (0.87 s measured for 2 s jobs, 0.95 s for 1 s jobs with an 8 MB result).
The worker bills while it sleeps."""

USUAL_IDLE_S = 5.0
"""Idle timeout of an endpoint that does not tell its own: the default of RunPod's console."""

USUAL_START_MS = 30_000
"""A worker's start, where nobody has seen it begin: a prior, and never more than the job waited for it."""

LONGEST_START_S = 420.0
"""RunPod gives a worker seven minutes to start."""

LONGEST_GAP = 3
"""Idle timeouts that a pause lasts at most: one may begin anew with a job that another worker takes. A worker that was
there for longer has served others meanwhile, or is kept by its endpoint whether there are jobs or not."""

SLACK = timedelta(seconds=2)
"""How far our clock and the endpoint's durations may be apart."""

MEASURED = "measured"
NO_WORKER = "estimated: the endpoint did not say which worker"
NO_START = "estimated: nobody saw its worker start"
NO_IDLE_TIMEOUT = "estimated: the endpoint's idle timeout is not known"
SHARED = "estimated: its worker had served others before"


@dataclass(frozen=True, slots=True)
class Spell:
    """A job's time on its worker.

    Args:
        attempt_id: whose job it was.
        started_at: aware time.
        finished_at: aware time.
        opened: it has been given the start and the idle tail of its worker's life already.
    """

    attempt_id: str
    started_at: datetime
    finished_at: datetime
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """A job's share of its worker's paid time beyond its execution; None where there is none, or nobody knows.

    Args:
        cold: whether it was the first job of its worker's life; None where nobody knows.
        start_ms: of such a job: from the worker's start to the job's.
        gap_ms: of another one: from the end of the job before to the start of this one.
        idle_ms: of the first job: the idle tail that will end the life.
        source: how the figures were come by: `measured`, or `estimated: ...`.
        waited_ms: of its time on the worker, what the worker spent on the job before: one that fetches ahead has a job
            before it runs it. It is no part of the job's execution, because the job before has it.
    """

    cold: bool | None
    start_ms: int | None
    gap_ms: int | None
    idle_ms: int | None
    source: str
    waited_ms: int = 0


UNKNOWN_TURN = Turn(None, None, DEAD_TIME_MS, None, NO_WORKER)


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of a worker around one of its jobs.

    Args:
        before: the job before on the same worker, as far back as it may be.
        after: the job after it, if that one is known already: it was settled first.
        up_since: start of the worker's life by the endpoint's own listing.
    """

    before: Spell | None = None
    after: Spell | None = None
    up_since: datetime | None = None


def turn_of(spell: Spell, delay_ms: int | None, around: Around, idle_timeout_s: float | None) -> Turn:
    """Work out a job's share of its worker's life.

    Args:
        spell: the job.
        delay_ms: what it waited before it began; None where nobody says.
        around: its worker.
        idle_timeout_s: after which the endpoint ends a worker without a job; None where nobody says.
    """
    idle = timedelta(seconds=USUAL_IDLE_S if idle_timeout_s is None else idle_timeout_s)
    before = around.before
    if before is not None and _same_life(before, spell, around.up_since, idle):
        gap = min(max(timedelta(0), spell.started_at - before.finished_at), LONGEST_GAP * idle + SLACK)
        waited = min(max(timedelta(0), before.finished_at - spell.started_at), spell.finished_at - spell.started_at)
        return Turn(False, None, _ms(gap), None, MEASURED, _ms(waited))
    after = around.after
    if after is not None and after.opened and _same_life(spell, after, None, idle):
        return Turn(True, None, None, None, NO_START)  # the life has been paid for once
    tail_ms = _ms(idle) + (DEAD_TIME_MS if idle_timeout_s is None else 0)
    if around.up_since is None:
        start_ms = None if delay_ms is None else min(delay_ms, USUAL_START_MS)
        return Turn(True, start_ms, None, tail_ms, NO_START)
    start = max(timedelta(0), spell.started_at - around.up_since)
    if start > timedelta(seconds=LONGEST_START_S) + idle:  # it would have gone idle, had nobody used it
        return Turn(False, None, DEAD_TIME_MS, None, SHARED)
    return Turn(True, _ms(start), None, tail_ms, MEASURED if idle_timeout_s is not None else NO_IDLE_TIMEOUT)


def _same_life(earlier: Spell, later: Spell, up_since: datetime | None, idle: timedelta) -> bool:
    """Whether a worker went on from one job to the next without stopping in between."""
    if up_since is not None and up_since <= later.started_at + SLACK:
        return earlier.finished_at > up_since
    return later.started_at - earlier.finished_at <= idle + SLACK


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
