"""`make budgets`: eight runs at once under one budget never overspend it, whoever is killed and whatever fails.

    python tests/money/budgets.py --trials 100
    python tests/money/budgets.py --trials 1 --seed 7 --keep
    python tests/money/budgets.py --trials 20 --database postgresql

Seeded trials against the local endpoint with prices. Exit code 0: at no moment was more committed than the budget, nor
did workers do more; 1: not so, and which seeds show it.
"""

# ruff: noqa: T201  a program: it prints what it found

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from budgets_play import Played, play
from budgets_scene import draw

from assetmill.settings import reach_this_machine_directly

MOST_SEEDS: Final = 1_000_000
TESTS: Final = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str]) -> int:
    """Play the trials, and tell what came of them."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="of the first trial; random when left out")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--ledger", default=None, help="address of an empty database, for one trial")
    parser.add_argument("--short", action="store_true", help="fewer pictures")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all trials, and say where")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no run is left behind
    first = secrets.randbelow(MOST_SEEDS) if asked.seed is None else asked.seed
    reach_this_machine_directly()
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # it would tell of every run that is killed
    began = time.monotonic()
    with _scratch(keep=asked.keep) as folder, _databases(asked.database) as new_url:
        played = [
            _one(seed, folder, asked.ledger or new_url(), short=asked.short)
            for seed in range(first, first + asked.trials)
        ]
    return verdict(played, first, time.monotonic() - began)


@contextmanager
def _scratch(*, keep: bool) -> Iterator[Path]:
    if keep:
        folder = Path(tempfile.mkdtemp(prefix="assetmill-budgets-"))
        print(f"folders in {folder}")
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="assetmill-budgets-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def _databases(kind: str) -> Iterator[Callable[[], str | None]]:
    """A way to a fresh database for each trial."""
    if kind == "sqlite":
        yield lambda: None
        return
    sys.path.append(str(TESTS))
    from conftest import postgres_server  # type: ignore[import-not-found]  # noqa: PLC0415  the server of the tests

    with postgres_server() as server:
        yield lambda: server.schema_url("budgets")


def _one(seed: int, scratch: Path, ledger_url: str | None, *, short: bool) -> Played:
    folder = scratch / f"seed-{seed}"
    folder.mkdir()
    played = asyncio.run(play(draw(seed, short=short), folder, ledger_url))
    trial = played.trial
    shares = ", ".join(
        f"{name} {amount / trial.limit_usd:.0%}"
        for name, amount in (
            ("committed", played.most_usd), ("spent", played.spent_usd), ("executed", played.executed_usd),
        )
    )  # fmt: skip
    print(
        f"seed {seed}: budget {trial.limit_usd:.6f}: {shares}; {played.kept} of {trial.pictures} pictures in "
        f"{played.rows} attempts; {played.killed} killed, {played.reached} at the limit; ended {dict(played.codes)}",
        flush=True,
    )
    for words in played.wrong:
        print(f"WRONG: seed {seed}: {words}", flush=True)
    return played


def _bound(one: Played) -> bool:
    return bool(one.reached)


def verdict(played: Sequence[Played], first: int, elapsed_s: float) -> int:
    """The figures of all trials, and whether they are what they must be."""
    wrong = sum(bool(one.wrong) for one in played)
    shares = {
        "committed": max(one.most_usd / one.trial.limit_usd for one in played),
        "spent": max(one.spent_usd / one.trial.limit_usd for one in played),
        "executed": max(one.executed_usd / one.trial.limit_usd for one in played),
        "charged": max(one.charged_usd / one.trial.limit_usd for one in played),
    }
    codes = sum((one.codes for one in played), Counter[int]())
    lines = {
        "trials": f"{len(played)} from seed {first}, {sum(len(one.trial.manifests) for one in played)} runs",
        "within budget": f"{len(played) - wrong} of {len(played)}",
        "moments": f"{sum(one.moments for one in played)} changes of the books, each with its sum",
        "most": ", ".join(f"{name} {share:.1%}" for name, share in shares.items()) + " of the budget",
        "pictures": f"{sum(one.kept for one in played)} of {sum(one.trial.pictures for one in played)}",
        "attempts": f"{sum(one.rows for one in played)}",
        "killed": f"{sum(one.killed for one in played)} runs, in {sum(bool(one.killed) for one in played)} trials",
        "at the limit": f"{sum(one.reached for one in played)} runs, in {sum(map(_bound, played))} trials",
        "exit codes": ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())),
        "took": f"{elapsed_s:.0f} s",
    }
    for name, words in lines.items():
        print(f"{name:14} {words}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
