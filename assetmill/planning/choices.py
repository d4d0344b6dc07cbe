"""What a batch would cost and how long it would take: as configured, with other numbers of workers, on other GPUs.

More workers are done sooner, and each adds a start, a model load and an idle tail; a dearer card may be the cheaper one
if it is fast enough. A choice says what its times are from. None is ever taken in place of what was asked: nothing here
changes what a run does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from assetmill.money import Cost, Price
from assetmill.planning.cards import memory_needed
from assetmill.planning.estimate import HISTORY, PRIOR, SCALED, Estimate, Estimator, Life, cost_of
from assetmill.planning.spans import NO_TIME, Span
from assetmill.planning.timings import Kind
from assetmill.providers.endpoint import Endpoint

WORTH_SAYING = 0.95
"""More workers are a choice of their own if they take at most this share of the time of fewer."""
SHORTEST_S = 0.001
ROUNDS = 60  # halvings of an interval: below a millisecond from years


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to have a batch made.

    Args:
        workers: workers that take part.
        pool: GPU pool; None where none is configured.
        gpus: cards that the pool may hand out.
        usd_per_s: price of a worker; None when nobody knows it.
        price_source: where the price comes from, with its date.
        paid: worker-seconds that are paid for.
        elapsed: seconds until the last job is done.
        cost: US dollars.
        sources: what executions, starts, loads, gaps and tails are from: `history`, `scaled`, `prior`, or several.
        planned: whether this is what a run would do now.
        above: whether it takes more workers than the settings allow.
    """

    workers: int
    pool: str | None
    gpus: tuple[str, ...]
    usd_per_s: Decimal | None
    price_source: str
    paid: Span
    elapsed: Span
    cost: Cost
    sources: Mapping[str, str]
    planned: bool
    above: bool

    @property
    def times_from(self) -> str:
        """What its times are from, in words."""
        of_jobs = self.sources["execution"]
        executions = AND.join(_WORDS[source] for source in of_jobs.split(AND))
        life = [name for name, source in self.sources.items() if name != "execution" and source == PRIOR]
        if not life or of_jobs == PRIOR:
            return executions
        return f"{executions}; {AND.join(life)} from priors"


AND = " and "
_WORDS = {HISTORY: "history", PRIOR: "priors", SCALED: "history of other GPUs x stated speeds"}


def gpu_words(choice: Choice) -> str:
    """The GPU of a choice: `ADA_24 (RTX 4090)`."""
    if choice.pool is None:
        return "not configured"
    return f"{choice.pool} ({', '.join(choice.gpus)})" if choice.gpus else choice.pool


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """Totals of a plan, and what else could be done.

    Args:
        jobs: number of jobs.
        workers: workers that take part.
        paid_seconds: worker-seconds that are paid for.
        elapsed: seconds until done.
        cost: US dollars.
        choices: the plan itself among other numbers of workers, then other GPU pools; none where nothing is paid for.
    """

    jobs: int
    workers: int
    paid_seconds: Span
    elapsed: Span
    cost: Cost
    choices: tuple[Choice, ...]


class Batch:
    """The jobs of a plan, by kind.

    Args:
        kinds: kind -> number of jobs.
        estimator: knows how long they take.
        endpoint: who would do them; it knows what GPUs cost there.
    """

    def __init__(self, kinds: Mapping[Kind, int], estimator: Estimator, endpoint: Endpoint) -> None:
        self._kinds = kinds
        self._estimator = estimator
        self._endpoint = endpoint
        self._prices = endpoint.prices.pools
        self._own = [(estimator.expected(kind, endpoint.gpu), count) for kind, count in kinds.items()]
        self.life = estimator.life(endpoint.url)
        self.jobs = sum(kinds.values())
        self.workers = min(endpoint.max_workers, self.jobs)

    @property
    def share(self) -> float:
        """Workers' lives for each job; one where nothing is sent, for what may yet have to be sent again."""
        return self.workers / self.jobs if self.jobs else 1.0

    def estimate(self) -> BatchEstimate:
        """Totals and choices."""
        planned = self._choice(self.workers, self._own)
        asked = self.jobs and not self._endpoint.draft
        choices = (*self._by_workers(planned), *self._by_pool()) if asked else ()
        return BatchEstimate(self.jobs, self.workers, planned.paid, planned.elapsed, planned.cost, choices)

    def _by_workers(self, planned: Choice) -> list[Choice]:
        """The plan, and those numbers of workers that make a difference, fewest first."""
        most = self._endpoint.max_workers
        counts = {1, math.ceil(most / 2), most, 2 * most}
        kept: list[Choice] = []
        for workers in sorted({min(count, self.jobs) for count in counts}):
            choice = planned if workers == self.workers else self._choice(workers, self._own)
            sooner = not kept or choice.elapsed.estimate <= WORTH_SAYING * kept[-1].elapsed.estimate
            if sooner or choice.planned:
                kept.append(choice)
        return kept

    def _by_pool(self) -> list[Choice]:
        """The same on every other pool whose cards hold the model and whose speed is known or stated."""
        needed = memory_needed(self._endpoint.model)
        fitting = (
            price
            for pool, price in self._prices.items()
            if pool != self._endpoint.gpu and (needed is None or (price.memory_gb or 0) >= needed)
        )
        found = ((price, self._times(price.pool)) for price in fitting)
        return [self._choice(self.workers, times, price) for price, times in found if times]

    def _times(self, pool: str | None) -> list[tuple[Estimate, int]]:
        """What the jobs take in a pool; empty as soon as nothing is known of one."""
        times = []
        for kind, count in self._kinds.items():
            one = self._estimator.job(kind, pool)
            if one is None:
                return []
            times.append((one, count))
        return times

    def _choice(self, workers: int, times: Sequence[tuple[Estimate, int]], price: Price | None = None) -> Choice:
        endpoint, life = self._endpoint, self.life
        executions = sum((one.seconds.times(count) for one, count in times), NO_TIME)
        paid = paid_seconds(executions, self.jobs, workers, life)
        own = self._prices.get(endpoint.gpu or "")
        per_s = price.usd_per_s if price else endpoint.usd_per_s
        return Choice(
            workers=workers,
            pool=price.pool if price else endpoint.gpu,
            gpus=price.gpus if price else (own.gpus if own else ()),
            usd_per_s=per_s,
            price_source=price.cited if price else endpoint.price_source,
            paid=paid,
            elapsed=elapsed_seconds(executions, self.jobs, workers, life, canaries=self._workflows),
            cost=cost_of(paid, per_s),
            sources={"execution": _together(one.source for one, _ in times)} | dict(life.sources),
            planned=price is None and workers == self.workers,
            above=workers > endpoint.max_workers,
        )

    @property
    def _workflows(self) -> int:
        return len({kind.workflow for kind in self._kinds})


def _together(sources: Iterable[str]) -> str:
    return AND.join(sorted(set(sources)))


def paid_seconds(executions: Span, jobs: int, workers: int, life: Life) -> Span:
    """Worker-seconds of a batch: its executions, one life a worker, and a gap before every other job.

    Args:
        executions: of all jobs together, on warm workers.
        jobs: number of jobs.
        workers: workers that take part; each lives once.
        life: what one worker adds.
    """
    lives, gaps = life.once.times(workers), life.gap.times(max(0, jobs - workers))
    return executions + lives + gaps + Span(0, 0, life.dead * jobs)


def elapsed_seconds(executions: Span, jobs: int, workers: int, life: Life, *, canaries: int) -> Span:
    """Seconds until the last job is done.

    The first job of each workflow goes alone, on a worker that has yet to start; the others follow when it is back, and
    with them the other workers start.

    Args:
        executions: of all jobs together, on warm workers.
        jobs: number of jobs.
        workers: workers that take part.
        life: what one worker adds.
        canaries: number of workflows.
    """
    if not jobs or not workers:
        return NO_TIME
    parts = zip(executions.parts, life.start.parts, life.load.parts, life.gap.parts, strict=True)
    return Span(*(_elapsed(e / jobs, start + load, gap, jobs, workers, canaries) for e, start, load, gap in parts))


def _elapsed(each: float, begin: float, gap: float, jobs: int, workers: int, canaries: int) -> float:
    alone = min(canaries, jobs)
    early = min(alone, workers)
    rounds = math.ceil(alone / early)
    first = begin + rounds * each + (rounds - 1) * gap
    return first + _makespan(max(each + gap, SHORTEST_S), jobs - alone, ((early, 0.0), (workers - early, begin)))


def _makespan(each: float, jobs: int, crews: Sequence[tuple[int, float]]) -> float:
    """Time in which crews of (workers, seconds until they can begin) do equal jobs, one after the other each."""
    if not jobs:
        return 0.0

    def done_by(moment: float) -> int:
        return sum(count * math.floor(max(0.0, moment - ready) / each + 1e-9) for count, ready in crews)

    early, late = 0.0, each * jobs + max(ready for _, ready in crews)
    for _ in range(ROUNDS):
        middle = (early + late) / 2
        early, late = (early, middle) if done_by(middle) >= jobs else (middle, late)
    return late
