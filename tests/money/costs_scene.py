"""What one run of the proof of costs goes through, drawn from one seed: pictures, GPUs, workers, what goes wrong.

Times are those of the endpoint; `Scene.speed` says how many of its seconds pass in one of ours. The same seed draws
the same scene for ever; which worker takes which job is decided by the moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from assetmill.localpod import Faults, Gpu, Kind, Rule, known_gpus

SPEED: Final = 60.0
SEEN_S: Final = 18.0
"""A worker is looked for every 15 s; and a busy machine may be late."""

LONG, SHORT = 12, 4
"""Assets of a manifest at most, in the proof and in its short form."""

HEAD: Final = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, seed: 1}
assets:
"""
KINDS: Final = (
    "  - {{id: foe{n}, type: entity, prompt: foe number {n}, shape: circle, silhouette: {{canvas: 64x64}}}}\n",
    "  - {{id: sky{n}, type: background, prompt: sky number {n}, width: 128, height: 128}}\n",
    "  - {{id: crate{n}, type: entity, prompt: crate number {n}, silhouette: {{canvas: 64x64}}, candidates: 2}}\n",
)


@dataclass(frozen=True, slots=True)
class Job:
    """How long a job of some worker takes, seconds.

    Args:
        least: shortest.
        most: longest.
        load: what the very first jobs need beyond, for the model.
    """

    least: float
    most: float
    load: float


@dataclass(frozen=True, slots=True)
class Scene:
    """One run, or two one after the other on the same workers.

    Args:
        seed: what it was drawn from.
        manifests: YAML texts; each has the pictures of the one before, and more.
        pause_s: time between two runs.
        pod: keyword arguments of the endpoint's configuration.
        settings: environment of the runs.
        job: how long jobs take.
        speed: seconds of the endpoint in one of ours.
    """

    seed: int
    manifests: tuple[str, ...]
    pause_s: float
    pod: dict[str, Any]
    settings: dict[str, str]
    job: Job
    speed: float = SPEED


def draw(seed: int, most_pictures: int = LONG) -> Scene:
    """The scene of a seed, of so many kinds of pictures at most."""
    dice = Random(seed)
    workers = dice.randint(1, 4)
    gpus = _gpus(dice)
    least = dice.uniform(4, 12)
    cold_start_s, flashboot = round(dice.uniform(3, 60), 1), dice.random() < 0.4
    resume_s = round(dice.uniform(0.5, 5), 1)
    return Scene(
        seed=seed,
        manifests=_manifests(dice, most_pictures),
        pause_s=dice.choice((0.0, 3.0, 12.0, 60.0)),
        pod={
            "workers": workers,
            "gpus": gpus,
            "catalog": known_gpus(),
            "gpu_count": dice.choice((1, 1, 1, 2)),
            "image_pull_s": dice.choice((0.0, 0.0, 10.0, 25.0)),
            "cold_start_s": cold_start_s,
            "flashboot": flashboot,
            "resume_s": resume_s,
            "idle_timeout_s": _idle_timeout_s(dice, min(cold_start_s, resume_s) if flashboot else cold_start_s),
            "gap_seconds": dice.choice((0.0, 0.0, 0.9)),
            "faults": Faults(_rules(dice)),
        },
        settings=_settings(dice, workers, gpus),
        job=Job(least, least + dice.uniform(1, 14), dice.choice((0.0, 8.0, 20.0))),
    )


def _idle_timeout_s(dice: Random, start_s: float) -> float:
    """At least RunPod's 5 s; and so that no life is too short to be seen: shorter ones no listing need ever show."""
    return round(dice.uniform(max(5.0, SEEN_S - start_s), 30), 1)


def _gpus(dice: Random) -> tuple[Gpu, ...]:
    """The models of one pool, or of two with prices of their own."""
    priced = [gpu for gpu in known_gpus() if gpu.usd_per_hour is not None]
    pools = dice.sample(sorted({str(gpu.pool) for gpu in priced}), dice.choice((1, 1, 2)))
    return tuple(gpu for gpu in priced if gpu.pool in pools)


def _manifests(dice: Random, most: int) -> tuple[str, ...]:
    lines = [dice.choice(KINDS).format(n=number) for number in range(min(most, dice.randint(5, LONG)))]
    if dice.random() < 0.7 or len(lines) < SHORT:
        return (HEAD + "".join(lines),)
    return HEAD + "".join(lines[: len(lines) // 2]), HEAD + "".join(lines)


def _rules(dice: Random) -> tuple[Rule, ...]:
    """What goes wrong: nothing, or two kinds, each at some of its moments."""
    if dice.random() < 0.25:
        return ()
    rules = (
        Rule(Kind.SLOW_COLD_START, chance=0.5, seconds=round(dice.uniform(5, 40), 1)),
        Rule(Kind.EXECUTION_ERROR, chance=0.25, times=3, seconds=round(dice.uniform(1, 8), 1)),
        Rule(Kind.STARTUP_FAILURE, chance=0.4, times=2, seconds=round(dice.uniform(1, 6), 1)),
        Rule(Kind.WORKER_DIES, chance=0.2, times=1, seconds=round(dice.uniform(3, 20), 1)),
        Rule(Kind.DUPLICATE_EXECUTION, chance=0.2, times=1, seconds=round(dice.uniform(2, 10), 1)),
        Rule(Kind.BLANK_IMAGE, chance=0.25, times=2),
        Rule(Kind.NO_OUTPUT, chance=0.2, times=1),
        Rule(Kind.EXPIRY, chance=0.2, times=1),
        Rule(Kind.CANCELLED_ELSEWHERE, chance=0.2, times=1, seconds=round(dice.uniform(1, 12), 1)),
        Rule(Kind.LOST_ANSWER, chance=0.2, times=1),
        Rule(Kind.STUCK_QUEUE, chance=0.3, times=2, seconds=round(dice.uniform(5, 40), 1)),
    )
    return tuple(dice.sample(rules, 2))


def _settings(dice: Random, workers: int, gpus: tuple[Gpu, ...]) -> dict[str, str]:
    values = {
        "ASSETMILL_SERVE_KEY": "made-up-key",
        "ASSETMILL_MAX_WORKERS": str(max(1, workers + dice.choice((-1, 0, 0, 1)))),
        "ASSETMILL_QUEUE_AHEAD": str(dice.randint(0, 2)),
        "ASSETMILL_WORKER_IDLE_S": "5",
        "ASSETMILL_LOOK_FOR_S": "20",
        "ASSETMILL_LEASE_S": "3600",  # of the endpoint's time; nobody else is at these books
    }
    if dice.random() < 0.5:
        values["ASSETMILL_GPU_POOL"] = str(gpus[0].pool)
    return values
