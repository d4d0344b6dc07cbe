"""A short form of the proof of costs: a few runs of fixed seeds, and proof that it sees what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assetmill.localpod import Faults, Kind, Rule, gpus_named

HERE = Path(__file__).parent
FIRST, RUNS = 103, 2


@pytest.mark.timeout(600)  # it mostly waits
def test_what_the_endpoint_charged_lies_between_what_runs_say_of_themselves() -> None:
    command = [
        sys.executable,
        str(HERE / "proof.py"),
        "--runs",
        str(RUNS),
        "--seed",
        str(FIRST),
        "--short",
        "--near",
        "0.5",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^between bounds +{RUNS} of {RUNS}$", done.stdout, re.MULTILINE), done.stdout
    (lives,) = re.findall(r"^lives +(\d+),", done.stdout, re.MULTILINE)
    assert int(lives) >= RUNS


async def test_a_worker_that_runs_on_after_its_job_was_cancelled_is_within_the_bounds(
    parts: Any, tmp_path: Path
) -> None:
    scene, rule = parts("costs_scene"), Rule(Kind.CANCELLED_ELSEWHERE, times=1, seconds=6)
    pod = {"gpus": gpus_named(["RTX 4090"]), "catalog": gpus_named(["ADA_24"]), "workers": 1, "idle_timeout_s": 2}
    settings = scene.draw(1).settings | {"ASSETMILL_MAX_WORKERS": "1", "ASSETMILL_GPU_POOL": "ADA_24"}
    manifest = scene.HEAD + scene.KINDS[1].format(n=1)
    one = scene.Scene(1, (manifest,), 0, {**pod, "faults": Faults((rule,))}, settings, scene.Job(40, 41, 0))
    played = await parts("costs_play").play(one, tmp_path)
    assert (played.wrong, dict(played.endings)) == ([], {"CANCELLED": 1})
    assert played.charged > played.estimate * Decimal("1.3"), "34 s of the first job are in nobody's times"


@pytest.mark.parametrize(
    ("told", "words"),
    (
        ({"low": Decimal("1.1")}, "low"), ({"low": None}, "low"), ({"high": Decimal("0.9")}, "high"),
        ({"high": None}, "high"), ({"billed": Decimal("1.01")}, "billed"), ({"charged": Decimal(0)}, "nothing"),
        ({"errors": ["it broke"]}, "it broke"),
    ),
    ids=("too high a low", "no low", "too low a high", "no high", "another bill", "no charge", "an error"),
)  # fmt: skip
def test_a_run_whose_figures_do_not_fit_is_told(parts: Any, told: dict[str, Any], words: str) -> None:
    one = Decimal(1)
    good = parts("costs_play").Played(
        parts("costs_scene").draw(1), charged=one, low=one / 2, estimate=one, high=2 * one, billed=one
    )
    assert good.wrong == []
    assert any(words in found for found in replace(good, **told).wrong)
    assert parts("proof").verdict([good], 1, 0.0) == 0
    assert parts("proof").verdict([replace(good, **told)], 1, 0.0) == 1


def test_an_estimate_that_is_far_off_in_the_median_fails_the_proof(parts: Any) -> None:
    one = Decimal(1)
    played = parts("costs_play").Played
    scene = parts("costs_scene").draw(1)

    def runs(*estimates: str) -> list[Any]:
        return [played(scene, one, one / 2, Decimal(estimate), 2 * one, one) for estimate in estimates]

    verdict = parts("proof").verdict
    assert verdict(runs("0.96", "1.04", "1.9"), 1, 0.0) == 0
    assert verdict(runs("0.94", "1.04", "1.9"), 1, 0.0) == 1


def test_the_same_seed_draws_the_same_scene_and_many_seeds_meet_every_kind(parts: Any) -> None:
    draw = parts("costs_scene").draw
    assert draw(17) == draw(17)
    assert draw(17) != draw(18)
    scenes = [draw(seed) for seed in range(200)]
    kinds = {rule.kind for scene in scenes for rule in scene.pod["faults"].rules}
    assert len(kinds) == 11
    assert {len(scene.manifests) for scene in scenes} == {1, 2}
    assert {scene.pod["flashboot"] for scene in scenes} == {True, False}
