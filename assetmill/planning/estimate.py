"""How long a job takes and what a worker's life adds to it: from the ledger's own history, else from stated priors.

Every figure says which of the two it is. The model is that of the rows (docs/costs.md): a worker is paid for from its
start to its stop. So a batch costs its executions; a start, a model load and an idle tail for each worker; and a gap
before every job that is not a worker's first. A price nobody knows makes the cost unknown, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from assetmill.money import NO_PRICE, USD_STEP, Cost
from assetmill.money.costs import ROUNDING_MS
from assetmill.money.turns import DEAD_TIME_MS, USUAL_IDLE_S, USUAL_START_MS
from assetmill.planning.cards import Pools
from assetmill.planning.spans import NO_TIME, SAME, Span
from assetmill.planning.timings import Kind, Measured

if TYPE_CHECKING:  # a first plan should not wait for a database library
    from assetmill.ledger import Timing

HISTORY = "history"
SCALED = "scaled"
PRIOR = "prior"

# Warm executions of flux1-dev-fp8, 28 steps at 1 megapixel, reported for 24 GB cards: about 15 s; the first job of
# a worker about three times that (worker-comfyui issue 90). A second pass adds its own share of steps.
SECONDS_PER_MEGAPIXEL = 15.0
FIXED_S = 2.0
WORKFLOW_WEIGHT: Mapping[str, float] = MappingProxyType({"parallax-depth": 1.75, "remove-background": 0.15})
CUT_OUT_WEIGHT = 0.15  # of a layer that is drawn by itself: its background removal
# Qwen-Image-Layered: 20 steps of two model calls each, over the whole picture twice and every layer once, at 0.4
# megapixels with about twice the weights of Flux: by that about one picture of Flux for each of them.
TAKEN_APART_EXTRA = 2
PRIOR_SPREAD = Span(0.5, 1, 2)
DRAFT_S = Span(0.1, 0.4, 1.5)
DEAD_S = DEAD_TIME_MS / 1000
START = Span(0, USUAL_START_MS / 1000, 90)  # container and program: kept ready, usual, slow
LOAD = Span(0, 30, 90)  # weights into the GPU, within the first job
GAP = Span(0, DEAD_S, USUAL_IDLE_S)
TAIL = Span(0, USUAL_IDLE_S + DEAD_S, 30)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job takes on a warm worker, and where that is from.

    Args:
        seconds: execution.
        source: `history` of the same on this GPU, `scaled`: history of another GPU by the stated speeds of both, or
            `prior`.
    """

    seconds: Span
    source: str


@dataclass(frozen=True, slots=True)
class Life:
    """What a worker is paid for beyond the executions of its warm jobs, seconds.

    Of start, gap and tail the low is 0: as in the rows, the lower bound counts executions alone. A load is part of one.

    Args:
        start: before its first job; the high is all of that job's delay.
        load: by how much the first job is longer than others.
        gap: before each further job.
        tail: after the last one.
        dead: what the upper bound allows for after each job: the pause of the worker's program, and rounding.
        sources: `history` or `prior` of each of them.
    """

    start: Span
    load: Span
    gap: Span
    tail: Span
    dead: float
    sources: Mapping[str, str]

    @property
    def once(self) -> Span:
        """Start, load and tail together."""
        return self.start + self.load + self.tail


FREE_LIFE = Life(NO_TIME, NO_TIME, NO_TIME, NO_TIME, 0.0, MappingProxyType({}))


class Estimator:
    """Times of jobs and of workers' lives.

    Args:
        timings: reads measured jobs of a workflow.
        starts: reads measured first jobs of workers.
        model: model of the endpoint.
        pools: GPU pools.
        draft: whether the draft worker answers.
        standing: workers are there anyhow, and their starts and idle tails are nobody's.
    """

    def __init__(
        self,
        timings: Callable[[str], Sequence[Timing]],
        starts: Callable[[], Sequence[Timing]] = tuple,
        *,
        model: str,
        pools: Pools,
        draft: bool,
        standing: bool = False,
    ) -> None:
        self._measured = Measured(timings, starts, model=model, pools=pools)
        self._pools = pools
        self._draft = draft
        self._free_life = draft or standing

    def job(self, kind: Kind, pool: str | None) -> Estimate | None:
        """A job on a warm worker of a pool; None where nothing is known of that pool, not even a speed.

        Args:
            kind: what the job is.
            pool: pool of the worker; None if nobody named one.
        """
        measured = self._measured.warm(kind, pool)
        if measured is not None:
            return Estimate(measured, HISTORY)
        if self._draft:
            return Estimate(DRAFT_S, PRIOR)
        return self._scaled(kind, pool) or self._prior(kind, pool)

    def expected(self, kind: Kind, pool: str | None) -> Estimate:
        """The same, and of a pool of which nothing is known as if it were a usual one."""
        return self.job(kind, pool) or Estimate(_by_size(kind, SAME), PRIOR)

    def _scaled(self, kind: Kind, pool: str | None) -> Estimate | None:
        elsewhere = self._measured.elsewhere(kind, pool)
        factor = self._pools.factor(elsewhere[0], pool) if elsewhere else None
        return Estimate(elsewhere[1] * factor, SCALED) if elsewhere and factor else None

    def _prior(self, kind: Kind, pool: str | None) -> Estimate | None:
        factor = self._pools.factor(None, pool)
        return Estimate(_by_size(kind, factor), PRIOR) if factor is not None else None

    def life(self, endpoint_url: str) -> Life:
        """A worker's life at an endpoint; ask for the jobs first, for their gaps count here."""
        if self._free_life:
            return FREE_LIFE
        priors = {"start": (START, PRIOR), "load": (LOAD, PRIOR), "gap": (GAP, PRIOR), "tail": (TAIL, PRIOR)}
        found = priors | dict(self._known(endpoint_url))
        spans = {name: span for name, (span, _) in found.items()}
        sources = {name: source for name, (_, source) in found.items()}
        return Life(**spans, dead=DEAD_S + ROUNDING_MS / 1000, sources=MappingProxyType(sources))

    def _known(self, endpoint_url: str) -> Iterator[tuple[str, tuple[Span, str]]]:
        """Parts of a life that the books know, by name. A part that the rows took from a prior stays one."""
        start, tail = self._measured.start(endpoint_url, START), self._measured.tail(endpoint_url)
        load, gap = self._measured.load(LOAD), self._measured.gap()
        if start is not None:
            yield "start", (start[0], HISTORY if start[1] else PRIOR)
        if load is not None:
            yield "load", (load, HISTORY)
        if gap is not None:
            yield "gap", (gap, HISTORY)
        if tail is not None:
            yield "tail", (Span(0, tail[0], tail[0]), HISTORY if tail[1] else PRIOR)


def _by_size(kind: Kind, factor: Span) -> Span:
    """Prior of a job from what it draws; `factor` is that of the card against the one that the prior is for."""
    megapixels = kind.size[0] * kind.size[1] / 1e6
    sampling = SECONDS_PER_MEGAPIXEL * megapixels * _weight(kind)
    usual = FIXED_S + sampling * (2 if kind.guided else 1)
    return (PRIOR_SPREAD * factor).times(usual)


def _weight(kind: Kind) -> float:
    """What a job samples, in pictures of its size."""
    if kind.workflow == "parallax-layers":
        return kind.layers + CUT_OUT_WEIGHT * max(0, kind.layers - 1)
    if kind.workflow == "parallax-decompose":
        return 1 + TAKEN_APART_EXTRA + kind.layers
    return WORKFLOW_WEIGHT.get(kind.workflow, 1.0)


def cost_of(seconds: Span, usd_per_s: Decimal | None) -> Cost:
    """Price of worker-seconds; all None when the price is unknown."""
    if usd_per_s is None:
        return NO_PRICE
    low, estimate, high = ((Decimal(str(part)) * usd_per_s).quantize(USD_STEP, ROUND_HALF_UP) for part in seconds.parts)
    return Cost(low, estimate, high, "estimated")


def job_seconds(job: Span, life: Life, share: float) -> Span:
    """What a single job is paid for, seconds.

    Args:
        job: its execution on a warm worker.
        life: of its worker.
        share: how many workers' lives there are for each job of the batch; the estimate carries that much of one, so
            that the estimates of all jobs add up to that of the batch. The high is that of a job that starts a worker
            of its own.
    """
    low = job.low + share * life.once.low
    usual = job.estimate + share * life.once.estimate + (1 - share) * life.gap.estimate
    return Span(low, usual, job.high + life.once.high + life.dead)
