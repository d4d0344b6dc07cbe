"""What the books say of times: of each kind of job on each GPU pool, and of what a worker's life adds to its jobs.

Only measurements of the same thing are put together: workflow, size, number of steps, guidance and model. The first job
of a worker carries the model load and stays out of the mean; what it took longer than the others *is* the load. A row
that does not say whether it was a first one, as older ones do not, counts among the others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from assetmill.money.turns import DEAD_TIME_MS, NO_START, USUAL_IDLE_S
from assetmill.planning.cards import Pools
from assetmill.planning.spans import Span

if TYPE_CHECKING:  # a first plan should not wait for a database library
    from assetmill.ledger import Timing

ENOUGH = 3
"""Measurements from which on history counts; fewer say nothing of the spread."""
EDGE = 0.05
"""Share of the measurements on each side that low and high leave out: a single odd job bounds nothing."""
NO_GUIDANCE = 1.0
UNTOLD_TAIL_MS = round(USUAL_IDLE_S * 1000) + DEAD_TIME_MS  # what rows carry where the endpoint does not tell its own


@dataclass(frozen=True, slots=True)
class Kind:
    """Jobs that take equally long on one card.

    Args:
        workflow: its name.
        size: (width, height) asked of the model, pixels.
        steps: sampling steps; None where the workflow has no such parameter.
        guided: true guidance (`cfg` above 1) evaluates the model twice a step.
        layers: layers that are drawn one by one, or taken out of a picture; 0 where there are none of either.
    """

    workflow: str
    size: tuple[int, int]
    steps: int | None = None
    guided: bool = False
    layers: int = 0


def kind_of(workflow: str, size: tuple[int, int], parameters: Mapping[str, Any]) -> Kind:
    """The kind of a job, from the values that are bound to its workflow, or from what the books say that they were."""
    steps, cfg = parameters.get("steps"), parameters.get("cfg")
    guided = isinstance(cfg, int | float) and cfg > NO_GUIDANCE
    return Kind(workflow, size, steps, guided=guided, layers=_layers(parameters))


def _layers(parameters: Mapping[str, Any]) -> int:
    taken_out = parameters.get("layer_count")
    if isinstance(taken_out, int):
        return taken_out
    return sum(name.startswith("layer_") and name.endswith("_seed") for name in parameters)


def spread(values: Iterable[float], prior: Span | None = None) -> Span | None:
    """Low, mean and high of measurements without their outermost 5 %; None if there are too few.

    Args:
        values: the measurements.
        prior: what is believed without any. Given one, a single measurement counts, and its bounds hold until there are
            enough: workers start so seldom that few starts are known, and one of them tells more than none.
    """
    ordered = sorted(values)
    if len(ordered) < (ENOUGH if prior is None else 1):
        return None
    cut = math.floor(len(ordered) * EDGE)
    kept = ordered[cut : len(ordered) - cut]
    mean = sum(kept) / len(kept)
    if len(ordered) < ENOUGH and prior is not None:
        return Span(min(prior.low, kept[0]), mean, max(prior.high, kept[-1]))
    return Span(kept[0], mean, kept[-1])


class Measured:
    """The books' times of one model.

    Args:
        timings: reads the jobs of a workflow.
        starts: reads the first jobs of workers.
        model: model of the endpoint; jobs of another one say nothing.
        pools: which pool a GPU belongs to.
    """

    def __init__(
        self,
        timings: Callable[[str], Sequence[Timing]],
        starts: Callable[[], Sequence[Timing]],
        *,
        model: str,
        pools: Pools,
    ) -> None:
        self._timings = timings
        self._starts = starts
        self._model = model
        self._pools = pools
        self._read: dict[str, dict[Kind, dict[str | None, list[float]]]] = {}
        self._gaps: list[float] = []

    def warm(self, kind: Kind, pool: str | None) -> Span | None:
        """Executions of warm jobs in a pool, seconds; None if too few are known.

        A job of which nobody knows the GPU counts for every pool, and a pool that nobody named takes every job.
        """
        by_pool = self._of(kind.workflow).get(kind, {})
        fitting = (times for name, times in by_pool.items() if pool is None or name is None or name == pool)
        return spread(value for times in fitting for value in times)

    def elsewhere(self, kind: Kind, pool: str | None) -> tuple[str, Span] | None:
        """Executions in the other pool of which most is known: its id, and the seconds."""
        by_pool = self._of(kind.workflow).get(kind, {})
        known = {name: times for name, times in by_pool.items() if name is not None and name != pool}
        if not known:
            return None
        name = max(known, key=lambda one: len(known[one]))
        found = spread(known[name])
        return (name, found) if found is not None else None

    def gap(self) -> Span | None:
        """Idle time of a worker between two jobs of the workflows that were asked about, seconds; no part of a low."""
        found = spread(self._gaps)
        return Span(0, found.estimate, found.high) if found is not None else None

    def start(self, endpoint_url: str, prior: Span) -> tuple[Span, bool] | None:
        """Start of a worker, seconds, and whether a start was seen; None if no first job is known.

        The high is all of the delay of a first job, of which its worker's start is a part.
        """
        here = self._first_jobs(endpoint_url)
        starts = [(one.start_ms / 1000, one.cost_source != NO_START) for one in here if one.start_ms is not None]
        seen = spread((seconds for seconds, was_seen in starts if was_seen), prior)
        usual = seen or spread((seconds for seconds, _ in starts), prior)
        if usual is None:
            return None
        delays = spread((one.queue_ms / 1000 for one in here if one.queue_ms is not None), prior)
        return Span(0, usual.estimate, max(usual.high, delays.high if delays else 0)), seen is not None

    def tail(self, endpoint_url: str) -> tuple[float, bool] | None:
        """Idle tail of the newest worker of an endpoint, seconds, and whether the endpoint told it; None without one.

        It is a setting of the endpoint, which may be changed: only the newest counts.
        """
        here = (one.idle_ms for one in self._cold if one.endpoint_url == endpoint_url and one.idle_ms is not None)
        newest = next(here, None)
        return None if newest is None else (newest / 1000, newest != UNTOLD_TAIL_MS)

    def load(self, prior: Span) -> Span | None:
        """What first jobs took longer than others of their kind on the same card: the model load, seconds."""
        extra = []
        for one in self._cold:
            kind = self._kind(one)
            usual = self.warm(kind, self._pools.pool_of(one.gpu)) if kind is not None else None
            if usual is not None:
                extra.append(max(0.0, one.execution_ms / 1000 - usual.estimate))
        return spread(extra, prior)

    def _first_jobs(self, endpoint_url: str) -> Sequence[Timing]:
        """Those of this endpoint; where it has none, those of every endpoint."""
        here = [one for one in self._cold if one.endpoint_url == endpoint_url]
        return here or self._cold

    @cached_property
    def _cold(self) -> Sequence[Timing]:
        return self._starts()

    def _of(self, workflow: str) -> dict[Kind, dict[str | None, list[float]]]:
        if workflow not in self._read:
            found: dict[Kind, dict[str | None, list[float]]] = defaultdict(lambda: defaultdict(list))
            for one in self._timings(workflow):
                self._sort_in(one, found)
            self._read[workflow] = found
        return self._read[workflow]

    def _sort_in(self, one: Timing, found: dict[Kind, dict[str | None, list[float]]]) -> None:
        if one.gap_ms is not None:
            self._gaps.append(one.gap_ms / 1000)
        kind = self._kind(one) if not one.cold else None
        if kind is not None:
            found[kind][self._pools.pool_of(one.gpu)].append(one.execution_ms / 1000)

    def _kind(self, one: Timing) -> Kind | None:
        """The kind of an earlier job; None if another model made it."""
        inputs = one.inputs
        if inputs.get("model", self._model) != self._model:
            return None
        return kind_of(one.workflow, (one.width, one.height), inputs)
