"""What books would tell of jobs that ran, without books."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from assetmill.ledger import Timing
from assetmill.money.prices import published_prices
from assetmill.planning.cards import Pools
from assetmill.planning.estimate import Estimator
from assetmill.planning.timings import Measured

URL = "https://x.invalid/v2/e"


def timing(seconds: float = 5.0, **changes: object) -> Timing:
    """A warm job of the workflow `entity` on an RTX 4090; `inputs` are those of its fingerprint."""
    inputs = {"steps": 28, "cfg": 1.0, "model": "flux"} | dict(changes.pop("inputs", {}))  # type: ignore[call-overload]
    columns = {
        "workflow": "entity", "width": 512, "height": 512, "gpu": "ADA_24", "endpoint_url": URL,
        "execution_ms": round(seconds * 1000), "queue_ms": 0, "cold": False, "start_ms": None, "gap_ms": None,
        "idle_ms": None, "cost_source": "measured",
    }  # fmt: skip
    return Timing(**columns | changes, inputs_json=json.dumps(inputs))


class Told:
    """Readers over jobs, newest first; they count how often they are asked."""

    def __init__(self, jobs: Sequence[Timing]) -> None:
        self.jobs = jobs
        self.asked = 0

    def timings(self, workflow: str) -> list[Timing]:
        self.asked += 1
        return [job for job in self.jobs if job.workflow == workflow]

    def starts(self) -> list[Timing]:
        self.asked += 1
        return [job for job in self.jobs if job.cold]


@pytest.fixture
def job() -> Callable[..., Timing]:
    return timing


@pytest.fixture
def pools() -> Pools:
    return Pools(published_prices())


@pytest.fixture
def told() -> Callable[[Sequence[Timing]], Told]:
    return Told


@pytest.fixture
def measured(pools: Pools) -> Callable[[Sequence[Timing]], Measured]:
    def make(jobs: Sequence[Timing]) -> Measured:
        books = Told(jobs)
        return Measured(books.timings, books.starts, model="flux", pools=pools)

    return make


@pytest.fixture
def estimator(pools: Pools) -> Callable[..., Estimator]:
    def make(jobs: Sequence[Timing] = (), *, draft: bool = False) -> Estimator:
        books = Told(jobs)
        return Estimator(books.timings, books.starts, model="flux", pools=pools, draft=draft)

    return make
