"""`make costs`: what the endpoint really charged lies between what runs say they cost at least and at most.

    python tests/money/proof.py --runs 50
    python tests/money/proof.py --runs 1 --seed 7 --keep

Seeded runs against the local endpoint with prices: workers that start slowly or come back, pauses, idle tails, workers
that get no job, jobs that fail, die with their worker or run twice. Exit code 0: every charge lies between low and
high, and the estimate is within 5 % of it in the median; 1: not so, and which seeds show it.
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
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from costs_play import Played, play
from costs_scene import LONG, SHORT, draw

from assetmill.settings import reach_this_machine_directly

NEAR: Final = 0.05
MOST_SEEDS: Final = 1_000_000
CALM: Final = 20.0
"""Speed of short scenes, which are played beside other tests: a delay of this machine is so many times dearer there."""


def main(arguments: Sequence[str]) -> int:
    """Play the runs, and tell what came of them."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="of the first run; random when left out")
    parser.add_argument("--near", type=float, default=NEAR, help="how far off the estimate may be in the median")
    parser.add_argument("--short", action="store_true", help="scenes of a few seconds")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all runs, and say where")
    asked = parser.parse_args(arguments)
    first = secrets.randbelow(MOST_SEEDS) if asked.seed is None else asked.seed
    reach_this_machine_directly()
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # it would tell of every answer that a fault cuts off
    began = time.monotonic()
    with _scratch(keep=asked.keep) as folder:
        played = [_one(seed, folder, short=asked.short) for seed in range(first, first + asked.runs)]
    return verdict(played, first, time.monotonic() - began, near=asked.near)


@contextmanager
def _scratch(*, keep: bool) -> Iterator[Path]:
    if keep:
        folder = Path(tempfile.mkdtemp(prefix="assetmill-costs-"))
        print(f"folders in {folder}")
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="assetmill-costs-") as name:
        yield Path(name)


def _one(seed: int, scratch: Path, *, short: bool) -> Played:
    folder = scratch / f"seed-{seed}"
    folder.mkdir()
    scene = replace(draw(seed, most_pictures=SHORT), speed=CALM) if short else draw(seed, most_pictures=LONG)
    played = asyncio.run(play(scene, folder))
    off = "unknown" if played.off is None else f"{played.off:+.1%}"
    figures = f"low {played.low} estimate {played.estimate} high {played.high} charged {played.charged:.6f}"
    lives = f"{played.lives} lives ({played.resumed} resumed, {played.jobless} without a job), {played.rows} attempts"
    print(f"seed {seed}: {off:>7}  {figures}  {lives}  {dict(played.struck)}", flush=True)
    for words in played.wrong:
        print(f"WRONG: seed {seed}: {words}", flush=True)
    return played


def verdict(played: Sequence[Played], first: int, elapsed_s: float, near: float = NEAR) -> int:
    """Tell what the runs came to; 0 if all is as it has to be."""
    offs = [one.off for one in played if one.off is not None]
    median = statistics.median(abs(off) for off in offs) if offs else float("inf")
    wrong = [one.scene.seed for one in played if one.wrong]
    struck: Counter[str] = sum((one.struck for one in played), Counter())
    endings: Counter[str] = sum((one.endings for one in played), Counter())
    print(f"runs              {len(played)} in {elapsed_s:.0f} s, seeds {first} to {first + len(played) - 1}")
    print(f"between bounds    {len(played) - len(wrong)} of {len(played)}")
    if offs:
        print(f"estimate          {median:.2%} off in the median, from {min(offs):+.1%} to {max(offs):+.1%}")
        print(
            f"                  {sum(off > 0 for off in offs)} above the charge, {sum(off < 0 for off in offs)} below"
        )
    print(f"width             high is {_width(played):.2f} times low in the median")
    print(
        f"lives             {sum(one.lives for one in played)}, {_told(played, 'resumed')}, {_told(played, 'jobless')}"
    )
    print(f"attempts          {sum(one.rows for one in played)}, {_told(played, 'unknown')}")
    print(f"executions        {dict(sorted(endings.items()))}")
    print(f"faults            {dict(sorted(struck.items()))}")
    print(f"violations        {len(wrong)}{': seeds ' + ', '.join(map(str, wrong)) if wrong else ''}")
    return 1 if wrong or median > near else 0


def _width(played: Sequence[Played]) -> float:
    widths = [float(one.high / one.low) for one in played if one.low and one.high]
    return statistics.median(widths) if widths else float("nan")


def _told(played: Sequence[Played], name: str) -> str:
    return f"{sum(getattr(one, name) for one in played)} {name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
