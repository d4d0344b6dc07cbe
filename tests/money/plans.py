"""`make plans`: what a plan says that a batch will cost and take, against what it then does.

    python tests/money/plans.py --runs 10
    python tests/money/plans.py --runs 1 --seed 7 --speed 8

For each seed there is an endpoint with prices, and two batches: one that is planned from stated priors, and one of more
such pictures that is planned from what the books say of the first. Exit code 0: what the endpoint charged for a batch,
by its own meter, lies between the plan's low and high, and the estimates from history are within 10 % of it in the
median; 1: not so, and which seeds show it. How long a batch took is told beside; at this speed it holds our own time
several times over.
"""

# ruff: noqa: T201  a program: it prints what it found

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from painter import Painter

from assetmill.batch.prepare import Request, plan_only
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.localpod import NO_FAULTS, Pod, PodConfig, known_gpus, running_pod, scaled
from assetmill.planning.plan import ALL, Plan
from assetmill.settings import Settings, reach_this_machine_directly

NEAR: Final = 0.10
MOST_SEEDS: Final = 1_000_000
SPEED: Final = 8.0
LIMIT_S: Final = 150.0
HEAD: Final = "version: 1\ngame: {id: tiny, title: Tiny}\npack: {id: default, name: Default, seed: 1}\nassets:\n"
FOE: Final = "  - {{id: foe{n}, type: entity, prompt: foe {n}, shape: circle, silhouette: {{canvas: 64x64}}}}\n"


@dataclass(frozen=True, slots=True)
class Told:
    """A plan, and what came of it.

    Args:
        plan: made before.
        charged: by the endpoint's own meter, US dollars.
        elapsed_s: from the run's begin to its end, by the endpoint's time.
    """

    plan: Plan
    charged: Decimal
    elapsed_s: float

    @property
    def off(self) -> float:
        """How far the estimate is from what was charged, as a share of that."""
        estimate = self.plan.total.cost.estimate
        return float(estimate / self.charged) - 1 if estimate is not None and self.charged else float("inf")

    @property
    def within(self) -> bool:
        """Whether the charge lies between low and high."""
        cost = self.plan.total.cost
        return cost.low is not None and cost.high is not None and cost.low <= self.charged <= cost.high

    @property
    def words(self) -> str:
        """Both in one line."""
        total, cost = self.plan.total, self.plan.total.cost
        source = next(choice.times_from for choice in total.choices if choice.planned)
        money = f"${cost.low} to ${cost.high}, estimate ${cost.estimate}, charged ${self.charged} ({self.off:+.1%})"
        return f"{total.jobs} jobs from {source}: {money}; {total.elapsed.estimate:.0f} s, took {self.elapsed_s:.0f} s"


async def play(seed: int, pictures: tuple[int, int], speed: float, folder: Path) -> list[Told]:
    """Play both batches of a seed; `pictures` are how many each of them makes."""
    dice = Random(seed)
    clock = scaled(Clock(random=dice), speed, wall=True)
    workers, pool = dice.randint(1, 3), dice.choice(("AMPERE_24", "ADA_24", "ADA_48_PRO"))
    least = dice.uniform(5, 10)
    config = PodConfig(
        endpoint_id="gpu", api_key="made-up-key", workers=workers, catalog=known_gpus(), faults=NO_FAULTS,
        gpus=tuple(gpu for gpu in known_gpus() if gpu.pool == pool), cold_start_s=dice.uniform(5, 40),
        idle_timeout_s=dice.uniform(10, 30), gap_seconds=dice.choice((0.0, 0.9)),
    )  # fmt: skip
    environment = {
        "ASSETMILL_HOME": str(folder), "ASSETMILL_SERVE_KEY": "made-up-key", "ASSETMILL_MAX_WORKERS": str(workers),
        "ASSETMILL_GPU_POOL": pool, "ASSETMILL_LEASE_S": "3600",
    }  # fmt: skip
    settings = Settings(_env_file=None, **environment)  # type: ignore[arg-type]  # aliases
    painter = Painter(Random(seed), least / speed, (least + dice.uniform(0, 6)) / speed)
    async with asyncio.timeout(LIMIT_S), running_pod(config, painter, clock) as pod:
        counts = (pictures[0], sum(pictures))
        return [await _batch(pod, settings, clock, folder, count) for count in counts]


async def _batch(pod: Pod, settings: Settings, clock: Clock, folder: Path, count: int) -> Told:
    """Plan and run a manifest of so many pictures, and wait until its last worker has stopped."""
    manifest = folder / "tiny.yaml"
    manifest.write_text(HEAD + "".join(FOE.format(n=number) for number in range(count)))
    request = Request(manifest, pod.url)
    plan, before, began = plan_only(settings, request), _charged(pod), clock.monotonic()
    async with open_batch(settings, request, clock, clock.new_id()) as batch:
        await run_batch(batch, ALL, "main", Steps())
    elapsed_s = clock.monotonic() - began
    while any(charge.running for charge in pod.charges()):
        await clock.sleep(1)
    return Told(plan, _charged(pod) - before, elapsed_s)


def _charged(pod: Pod) -> Decimal:
    return sum((charge.usd for charge in pod.charges()), Decimal(0))


def main(arguments: Sequence[str]) -> int:
    """Play the seeds, and tell what came of them."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None, help="of the first run; random when left out")
    parser.add_argument("--speed", type=float, default=SPEED, help="seconds of the endpoint in one of ours")
    parser.add_argument("--pictures", type=int, nargs=2, default=(12, 24), help="of the first batch and of the second")
    parser.add_argument("--near", type=float, default=NEAR, help="how far off estimates from history may be")
    asked = parser.parse_args(arguments)
    first = secrets.randbelow(MOST_SEEDS) if asked.seed is None else asked.seed
    reach_this_machine_directly()
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    told = {seed: _one(seed, tuple(asked.pictures), asked.speed) for seed in range(first, first + asked.runs)}
    return _verdict(told, asked.near)


def _one(seed: int, pictures: tuple[int, int], speed: float) -> list[Told]:
    with tempfile.TemporaryDirectory(prefix="assetmill-plans-") as name:
        told = asyncio.run(play(seed, pictures, speed, Path(name)))
    for one in told:
        print(f"seed {seed}: {'' if one.within else 'WRONG: '}{one.words}", flush=True)
    return told


def _verdict(told: dict[int, list[Told]], near: float) -> int:
    wrong = [seed for seed, both in told.items() if not all(one.within for one in both)]
    median = statistics.median(abs(second.off) for _, second in told.values())
    slow = statistics.median(second.elapsed_s / second.plan.total.elapsed.estimate for _, second in told.values())
    print(f"between bounds    {len(told) - len(wrong)} of {len(told)}{f', not seeds {wrong}' if wrong else ''}")
    print(f"from history      {median:.2%} off in the median; took {slow:.2f} times as long as planned")
    print(f"from priors       {statistics.median(abs(one.off) for one, _ in told.values()):.2%} off in the median")
    return 1 if wrong or median > near else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
