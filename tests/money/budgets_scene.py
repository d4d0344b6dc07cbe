"""What one trial of the proof of budgets goes through, drawn from one seed: pictures, workers, budgets, who is killed.

Times are those of the endpoint. The same seed draws the same scene for ever; who sends what when is decided by the
moment. Workers that die or do a job twice are left out: such an execution is charged and told to nobody, so no client
can set money aside for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final

from assetmill.batch.budget import Bounds
from assetmill.localpod import Faults, Gpu, Kind, Rule, known_gpus
from assetmill.money import DEAD_TIME_MS
from assetmill.planning.estimate import START

RUNS, FEW = 8, 4
"""Runs of a trial, and of its short form."""

SPEED: Final = 20.0
KEY: Final = "made-up-key"
GAME: Final = "tiny"
LIMIT_S: Final = 30
"""Execution limit of a job: short, so that a budget holds several."""

HEAD: Final = """version: 1
game: {{id: tiny, title: Tiny}}
pack: {{id: part{run}, name: Part {run}, seed: {run}}}
assets:
"""
SKY: Final = "  - {{id: sky{n}, type: background, prompt: sky {run} {n}, width: 128, height: 128}}\n"


@dataclass(frozen=True, slots=True)
class Doomed:
    """A run that is killed.

    Args:
        run: which.
        after_s: seconds of ours after its start.
    """

    run: int
    after_s: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Runs at once.

    Args:
        seed: what it was drawn from.
        manifests: YAML text of each run's own pack, all of one game.
        pictures: how many they are altogether.
        pod: keyword arguments of the endpoint's configuration.
        gpu: what its workers are.
        settings: environment of the runs.
        game_usd: budget of the game.
        month_usd: budget of the month, in some trials.
        job_s: shortest and longest job.
        doomed: who is killed.
    """

    seed: int
    manifests: tuple[str, ...]
    pictures: int
    pod: dict[str, Any]
    gpu: Gpu
    settings: dict[str, str]
    game_usd: Decimal
    month_usd: Decimal | None
    job_s: tuple[float, float]
    doomed: tuple[Doomed, ...]

    @property
    def limit_usd(self) -> Decimal:
        """The most that may ever be committed."""
        return self.game_usd if self.month_usd is None else min(self.game_usd, self.month_usd)

    @property
    def need_usd(self) -> Decimal:
        """What a job has set aside."""
        return need_of(self.gpu, float(self.pod["idle_timeout_s"]))


def need_of(gpu: Gpu, idle_s: float) -> Decimal:
    """What a job of the shortest limit has set aside on a GPU."""
    bounds = Bounds(gpu.usd_per_s, LIMIT_S * 1000, tight=True, idle_ms=round(idle_s * 1000))
    whole_s = LIMIT_S + Decimal(str(START.high)) + Decimal(bounds.idle_ms + DEAD_TIME_MS + 1000) / 1000
    return gpu.usd_per_s * whole_s


def draw(seed: int, *, short: bool = False) -> Trial:
    """The trial of a seed."""
    dice = Random(seed)
    gpu = dice.choice([one for one in known_gpus() if one.usd_per_hour is not None])
    idle_s = round(dice.uniform(1, 8), 1)
    need = need_of(gpu, idle_s)
    game_usd = (need * Decimal(str(round(dice.uniform(1.05, 4), 3)))).quantize(Decimal("0.000001"))
    counts = [dice.randint(1, 2 if short else 5) for _ in range(RUNS)][: FEW if short else RUNS]
    workers = dice.randint(2, 6)
    least = dice.uniform(1, 6)
    killed = dice.sample(range(len(counts)), dice.choice((0, 0, 1, 2)))
    return Trial(
        seed=seed,
        manifests=tuple(
            HEAD.format(run=run) + "".join(SKY.format(run=run, n=n) for n in range(count))
            for run, count in enumerate(counts)
        ),
        pictures=sum(counts),
        pod={
            "workers": workers,
            "gpus": (gpu,),
            "cold_start_s": round(dice.uniform(0, 10), 1),
            "idle_timeout_s": idle_s,
            "gap_seconds": dice.choice((0.0, 0.9)),
            "faults": Faults(_rules(dice)),
        },
        gpu=gpu,
        settings={
            "ASSETMILL_SERVE_KEY": KEY,
            "ASSETMILL_MAX_WORKERS": str(workers),
            "ASSETMILL_QUEUE_AHEAD": str(dice.randint(0, 1)),
            "ASSETMILL_EXECUTION_TIMEOUT_S": str(LIMIT_S),
            "ASSETMILL_WORKER_IDLE_S": "5",
            "ASSETMILL_LOOK_FOR_S": "20",
            "ASSETMILL_LEASE_S": "3600",  # of the endpoint's time; a run that is gone is seen to be
        },
        game_usd=game_usd,
        month_usd=game_usd * Decimal("0.9") if dice.random() < 0.3 and game_usd * Decimal("0.9") > need else None,
        job_s=(least, least + dice.uniform(1, 6)),
        doomed=tuple(Doomed(run, round(dice.uniform(0.2, 3), 2)) for run in sorted(killed)),
    )


def _rules(dice: Random) -> tuple[Rule, ...]:
    """What goes wrong: nothing, or two kinds."""
    if dice.random() < 0.4:
        return ()
    rules = (
        Rule(Kind.SLOW_COLD_START, chance=0.5, seconds=round(dice.uniform(2, 20), 1)),
        Rule(Kind.EXECUTION_ERROR, chance=0.25, times=3, seconds=round(dice.uniform(1, 6), 1)),
        Rule(Kind.BLANK_IMAGE, chance=0.25, times=2),
        Rule(Kind.NO_OUTPUT, chance=0.2, times=1),
        Rule(Kind.EXPIRY, chance=0.2, times=2),
        Rule(Kind.LOST_ANSWER, chance=0.2, times=2),
        Rule(Kind.CANCELLED_ELSEWHERE, chance=0.2, times=1, seconds=round(dice.uniform(1, 8), 1)),
    )
    return tuple(dice.sample(rules, 2))
