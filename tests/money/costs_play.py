"""One run of the proof of costs, from the first worker's start to the last one's stop, and what was told of its cost.

The endpoint and the run live in one process and by one clock, whose wall-clock time runs fast as well. What the
endpoint says it charged comes from its own meter, which knows nothing of jobs; what the run says comes from the
ledger alone, by the same function that people's reports use.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from costs_scene import Scene
from painter import Painter

from assetmill.batch.prepare import Request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.errors import AssetmillError
from assetmill.ledger import Ledger
from assetmill.localpod import Charge, Ending, Pod, PodConfig, running_pod, scaled
from assetmill.planning.plan import ALL
from assetmill.reports.reconcile import reconcile
from assetmill.reports.run_costs import RunCosts, run_costs
from assetmill.settings import Settings

LIMIT_S: Final = 120.0
ZERO: Final = Decimal(0)


@dataclass
class Played:
    """What a run came to.

    Args:
        scene: what was played.
        charged: what the endpoint charged, by its own meter.
        low: least that the runs say they can have cost; None where they do not know, as for the others.
        estimate: what they say they cost.
        high: most that they say they can have cost.
        billed: sum of the hours of its bill, as they came into the books.
        lives: workers' lives.
        resumed: of them, those of workers that came back.
        jobless: of them, those during which no worker took a job.
        rows: attempts.
        unknown: of them, those of unknown cost.
        endings: executions by how they ended.
        errors: what ended a run before its time.
    """

    scene: Scene
    charged: Decimal = ZERO
    low: Decimal | None = None
    estimate: Decimal | None = None
    high: Decimal | None = None
    billed: Decimal = ZERO
    lives: int = 0
    resumed: int = 0
    jobless: int = 0
    rows: int = 0
    unknown: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def off(self) -> float | None:
        """How far the estimate is from what was charged, as a share of that."""
        if self.estimate is None or not self.charged:
            return None
        return float(self.estimate / self.charged) - 1

    @property
    def wrong(self) -> list[str]:
        """What must not be; empty when all is well."""
        found = list(self.errors)
        if not self.charged:
            found.append("nothing was charged")
        if self.low is None or self.low > self.charged:
            found.append(f"low {self.low} is above the charge {self.charged}")
        if self.high is None or self.high < self.charged:
            found.append(f"high {self.high} is below the charge {self.charged}")
        if abs(self.billed - self.charged) > Decimal("0.00000001") * (2 + self.lives):
            found.append(f"{self.billed} billed and {self.charged} charged")
        return found


async def play(scene: Scene, folder: Path) -> Played:
    """Play a scene; the books and the store stay in the folder."""
    clock = scaled(Clock(random=Random(scene.seed)), scene.speed, wall=True)
    settings = Settings(_env_file=None, **{"ASSETMILL_HOME": str(folder / "out"), **scene.settings})  # type: ignore[arg-type]  # aliases
    job, played = scene.job, Played(scene)
    painter = Painter(Random(scene.seed), *(s / scene.speed for s in (job.least, job.most, job.load)))
    config = PodConfig(endpoint_id="gpu", api_key=scene.settings["ASSETMILL_SERVE_KEY"], **scene.pod)
    async with asyncio.timeout(LIMIT_S), running_pod(config, painter, clock) as pod:
        costs = []
        for number, manifest in enumerate(scene.manifests):
            if number:
                await clock.sleep(scene.pause_s)
            (folder / "tiny.yaml").write_text(manifest)
            run_id = await _run(settings, Request(folder / "tiny.yaml", pod.url), clock, played)
            with Ledger.open(settings.ledger_url) as ledger:
                costs.append(run_costs(ledger, run_id))
        while any(charge.running for charge in pod.charges()):
            await clock.sleep(1)
        await _note(played, costs, pod, settings, clock)
    return played


async def _run(settings: Settings, request: Request, clock: Clock, played: Played) -> str:
    """One run; an endpoint that fails too often ends it, and what it cost is told all the same."""
    run_id = clock.new_id()
    try:
        async with open_batch(settings, request, clock, run_id) as batch:
            await run_batch(batch, ALL, "main", Steps())
    except AssetmillError as error:
        played.errors.append(f"{type(error).__name__}: {error}")
    return run_id


async def _note(played: Played, costs: list[RunCosts], pod: Pod, settings: Settings, clock: Clock) -> None:
    charges, executions = pod.charges(), pod.executions()
    busy = {(one.worker_id, _life_of(charges, one, clock)) for one in executions}
    played.charged = sum((charge.usd for charge in charges), ZERO)
    played.low = _sum([one.low for one in costs])
    played.estimate = _sum([one.estimate for one in costs])
    played.high = _sum([one.high for one in costs])
    played.lives = len(charges)
    played.resumed = len(charges) - len({charge.worker_id for charge in charges})
    played.jobless = len(charges) - len(busy)
    played.rows = sum(one.attempts for one in costs)
    played.unknown = sum(one.unknown for one in costs)
    played.endings = Counter(one.status.value for one in executions)
    played.struck = Counter(pod.injected())
    assert all(one.status is not Ending.IN_PROGRESS for one in executions)
    done = await reconcile(settings, clock)
    played.billed = sum((hour.billed_usd for hour in done.hours), ZERO)
    played.errors += done.failures.values()


def _life_of(charges: tuple[Charge, ...], execution: Any, clock: Clock) -> int:
    """Which of its worker's lives an execution was in: the last that had begun by then."""
    offset = clock.now().timestamp() - clock.monotonic()
    at = execution.started_s + offset
    begun = [n for n, one in enumerate(charges) if one.worker_id == execution.worker_id]
    return max((n for n in begun if charges[n].started_at.timestamp() <= at + 0.5), default=begun[0])


def _sum(amounts: list[Decimal | None]) -> Decimal | None:
    return None if None in amounts else sum((one for one in amounts if one is not None), ZERO)
