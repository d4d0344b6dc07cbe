"""How long and how dear: from the ledger's own history where there is one, else from stated priors.

An estimate says which of the two it is. A price nobody knows makes the cost unknown, never 0.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from assetmill.money import DEAD_TIME_MS, NO_PRICE, USD_STEP, Cost, Price

# Warm executions of flux1-dev-fp8, 28 steps at 1 megapixel, reported for 24 GB cards: about 15 s; the first job of
# a worker about three times that (worker-comfyui issue 90). A second pass adds its own share of steps.
SECONDS_PER_MEGAPIXEL = 15.0
FIXED_S = 2.0
WORKFLOW_WEIGHT: Mapping[str, float] = {"parallax-depth": 1.75, "remove-background": 0.15}
PRIOR_SPREAD = (0.5, 2.0)
DRAFT_S = (0.1, 0.4, 1.5)
DEAD_S = DEAD_TIME_MS / 1000
START_S = (0.0, 45.0, 150.0)  # start and model load of one worker: warm already, usual, slow
IDLE_TAIL_S = (0.0, 5.0, 30.0)
ENOUGH_HISTORY = 3


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds: low, estimate, high."""

    low: float
    estimate: float
    high: float

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.estimate + other.estimate, self.high + other.high)


NO_TIME = Span(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one job would take on a worker, and where the figure comes from: `history` or `prior`."""

    seconds: Span
    source: str


class Estimator:
    """Execution times by workflow and size.

    Args:
        history: measured executions of a workflow: (width, height, execution milliseconds).
        draft: whether the draft worker answers.
    """

    def __init__(self, history: Callable[[str], Sequence[tuple[int, int, int]]], *, draft: bool) -> None:
        self._history = history
        self._draft = draft

    def job(self, workflow: str, size: tuple[int, int], *, guided: bool = False) -> Estimate:
        """One job. `guided`: a negative prompt doubles the sampling."""
        return self._measured(workflow, size) or self._prior(workflow, size, guided=guided)

    def _measured(self, workflow: str, size: tuple[int, int]) -> Estimate | None:
        times = sorted(ms / 1000 for w, h, ms in self._history(workflow) if (w, h) == size)
        if len(times) < ENOUGH_HISTORY:
            return None
        return Estimate(Span(times[0], statistics.median(times), times[-1]), "history")

    def _prior(self, workflow: str, size: tuple[int, int], *, guided: bool) -> Estimate:
        if self._draft:
            return Estimate(Span(*DRAFT_S), "prior")
        megapixels = size[0] * size[1] / 1e6
        sampling = SECONDS_PER_MEGAPIXEL * megapixels * WORKFLOW_WEIGHT.get(workflow, 1.0)
        usual = FIXED_S + sampling * (2 if guided else 1)
        return Estimate(Span(usual * PRIOR_SPREAD[0], usual, usual * PRIOR_SPREAD[1]), "prior")


def cost_of(seconds: Span, usd_per_s: Decimal | None) -> Cost:
    """Price of worker-seconds; all None when the price is unknown."""
    if usd_per_s is None:
        return NO_PRICE
    low, estimate, high = (_money(part, usd_per_s) for part in _parts(seconds))
    return Cost(low, estimate, high, "estimated")


def job_cost(seconds: Span, usd_per_s: Decimal | None) -> Cost:
    """Price of one job: execution alone; with the worker's pause between jobs for estimate and high."""
    return cost_of(seconds + Span(0, DEAD_S, DEAD_S), usd_per_s)


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """Totals of a plan: worker-seconds that are paid, seconds until done, and money."""

    jobs: int
    paid_seconds: Span
    elapsed: Span
    cost: Cost
    other_pools: tuple[tuple[Price, Cost], ...]


def batch_estimate(
    jobs: Sequence[Span], *, workers: int, usd_per_s: Decimal | None, draft: bool, pools: Sequence[Price]
) -> BatchEstimate:
    """Add up a batch: executions, pauses between jobs, one start and one idle tail a worker.

    Other pools are priced for the same seconds; a slower card takes longer.
    """
    count = len(jobs)
    used = min(workers, count)
    execution = sum(jobs, NO_TIME)
    overhead = NO_TIME if draft else Span(0, DEAD_S * count, DEAD_S * count)
    start, tail = (NO_TIME, NO_TIME) if draft else (Span(*START_S), Span(*IDLE_TAIL_S))
    once = Span(*((s + t) * used for s, t in zip(_parts(start), _parts(tail), strict=True)))
    paid = execution + overhead + once
    busy = execution + overhead
    rounds = math.ceil(count / used) / (count / used) if used else 0.0
    elapsed = Span(*(b / used * rounds + s if used else 0.0 for b, s in zip(_parts(busy), _parts(start), strict=True)))
    others = tuple((pool, cost_of(paid, pool.usd_per_s)) for pool in pools) if count and not draft else ()
    return BatchEstimate(count, paid, elapsed, cost_of(paid, usd_per_s), others)


def _parts(span: Span) -> tuple[float, float, float]:
    return span.low, span.estimate, span.high


def _money(seconds: float, usd_per_s: Decimal) -> Decimal:
    return (Decimal(str(seconds)) * usd_per_s).quantize(USD_STEP)
