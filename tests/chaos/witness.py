"""The endpoint of one run and what it alone knows: every job that it took in and every time that it ran one.

The truth is written down as plain JSON beside the books, so that the oracle can be asked again later, or be shown
a doctored state.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from artist import answer
from scenario import KEY, Scenario

from assetmill.clock import Clock
from assetmill.localpod import NO_FAULTS, Pod, PodConfig, read_faults, running_pod, scaled

FILE = "truth.json"


@dataclass(frozen=True, slots=True)
class Ran:
    """One execution, as the endpoint counts it; times are seconds of its own clock."""

    job_id: str
    attempt: str | None
    status: str
    started_s: float
    ended_s: float | None

    @property
    def ms(self) -> int | None:
        """How long it took, as a status tells it."""
        return None if self.ended_s is None else round((self.ended_s - self.started_s) * 1000)


@dataclass(slots=True)
class Truth:
    """What the endpoint knows of a run.

    Args:
        ran: executions, oldest first.
        accepted: job id -> key of the attempt that sent it.
        struck: (kind of fault, whom it hit), oldest first.
        complaints: what the driver itself saw go wrong, in words.
    """

    ran: list[Ran] = field(default_factory=list)
    accepted: dict[str, str | None] = field(default_factory=dict)
    struck: list[tuple[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Store it in a folder."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, folder: Path) -> Truth:
        """What `write` stored."""
        stored = json.loads((folder / FILE).read_text())
        return cls(
            [Ran(**one) for one in stored["ran"]],
            stored["accepted"],
            [(kind, whom) for kind, whom in stored["struck"]],
            stored["complaints"],
        )


class Witness:
    """A running endpoint under observation."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.accepted: dict[str, str | None] = {}
        queue: Any = pod._queue
        queue.submit = self._seen(queue.submit)

    def calm(self) -> None:
        """Let no further fault strike; what has befallen jobs stays as it is."""
        injector = self.pod._injector
        injector.faults = NO_FAULTS
        injector._tallies.clear()

    def truth(self) -> Truth:
        """All that is known so far."""
        ran = [
            Ran(one.job_id, one.attempt_key, one.status.value, one.started_s, one.ended_s)
            for one in self.pod.executions()
        ]
        struck = [(one.kind.value, one.subject) for one in self.pod.injections()]
        return Truth(ran, dict(self.accepted), struck)

    def _seen(self, submit: Callable[..., Any]) -> Callable[..., Any]:
        def submitted(job_id: str, job_input: Any, *rest: Any) -> Any:
            self.accepted[job_id] = job_input.get("assetmill_attempt")
            return submit(job_id, job_input, *rest)

        return submitted


@asynccontextmanager
async def endpoint(scenario: Scenario) -> AsyncIterator[Witness]:
    """The endpoint of a scenario, for as long as the block lasts."""
    faults = read_faults(scenario.rules)
    config = PodConfig(endpoint_id="gpu", api_key=KEY, faults=faults, **scenario.pod)
    clock = scaled(Clock(random=Random(scenario.seed)), scenario.speed)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # it would tell of every client that is killed
    async with running_pod(config, answer, clock) as pod:
        yield Witness(pod)
