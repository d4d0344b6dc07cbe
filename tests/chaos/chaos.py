"""`make chaos`: random faults and kill -9 at random moments, and after each run the proof that the books balance.

    python tests/chaos/chaos.py --runs 200 --seed 1 --jobs 2
    python tests/chaos/chaos.py --replay 17        one run, its folder kept

One run is one seed. It draws a small manifest, an endpoint with faults, settings and kill points; batches are
started and killed, and at last run to their end without faults. The endpoint's own count of executed jobs is the
truth that the books are compared with. Exit code 0: no violation; 1: some, with their seeds.
"""

# ruff: noqa: T201  a program: it prints what it found

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from play import Played, play
from scenario import Scenario, draw

from assetmill.settings import reach_this_machine_directly

HERE = Path(__file__).resolve().parent
MEMORY = Path("/dev/shm")  # noqa: S108  kill -9 takes nothing from a disk that memory would not lose, and is faster


def main(arguments: list[str]) -> int:
    """Play runs and tell what came of them."""
    asked = _parser().parse_args(arguments)
    reach_this_machine_directly()
    scratch = Path(
        asked.scratch or tempfile.mkdtemp(prefix="assetmill-chaos-", dir=MEMORY if MEMORY.is_dir() else None)
    )
    scratch.mkdir(parents=True, exist_ok=True)
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    keep = asked.keep or asked.replay is not None
    if asked.scenario is not None:
        scenarios = [Scenario.of(json.loads(Path(asked.scenario).read_text()))]
    elif asked.replay is not None:
        scenarios = [draw(asked.replay)]
    else:
        scenarios = [draw(seed + number) for number in range(asked.runs)]
        print(f"{asked.runs} runs from seed {seed}, {asked.jobs} at a time; scratch data in {scratch}", flush=True)
    began = time.monotonic()
    played = list(_told(_all(scenarios, scratch, jobs=asked.jobs, keep=keep), verbose=keep))
    print(summary(played, time.monotonic() - began))
    failed = sorted(one.seed for one in played if one.verdict.violations)
    for one in failed:
        print(f"replay: {sys.executable} {Path(__file__)} --replay {one}")
    if not failed and not keep:
        scratch.rmdir()
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="how many runs (200)")
    parser.add_argument("--seed", type=int, help="of the first run; a random one when left out, and always printed")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs at a time (2)")
    parser.add_argument("--replay", type=int, metavar="SEED", help="play this one run again and keep its folder")
    parser.add_argument("--scenario", metavar="FILE", help="play the scenario of a JSON file, as a folder holds it")
    parser.add_argument("--keep", action="store_true", help="keep the folders of runs that went well, too")
    parser.add_argument("--scratch", help="where the runs' folders go; a temporary folder when left out")
    return parser


def _all(scenarios: list[Scenario], scratch: Path, *, jobs: int, keep: bool) -> Iterator[Played]:
    """Runs as they end, each in a process of its own making: its endpoint must not be held up by other runs."""
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(play, one, scratch, keep=keep) for one in scenarios]):
            yield done.result()


def _told(runs: Iterable[Played], *, verbose: bool) -> Iterator[Played]:
    for one in runs:
        for words in one.verdict.violations:
            print(f"seed {one.seed}: {words}", flush=True)
        if one.verdict.violations:
            print(f"seed {one.seed}: its data are in {one.folder}", flush=True)
        elif verbose:
            print(f"seed {one.seed}: {one.seconds:.1f} s, {one.folder}", flush=True)
            for words in one.verdict.named:
                print(f"seed {one.seed}: {words}", flush=True)
        yield one


def summary(played: list[Played], seconds: float) -> str:
    """All runs together, for the reader."""
    kills, struck, counts, codes = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for one in played:
        kills.update(one.kills)
        struck.update(one.struck)
        counts.update(one.verdict.counts)
        codes.update({str(code): count for code, count in one.codes.items()})
    named = [f"seed {one.seed}: {words}" for one in played for words in one.verdict.named]
    each_s = sum(one.seconds for one in played) / len(played)
    told = {
        "runs": f"{len(played)} in {seconds:.0f} s, {each_s:.1f} s each",
        "processes": f"{sum(one.children for one in played)}; {sum(one.signals for one in played)} signals sent",
        "exit codes": _listed(codes),
        "kills -9": f"{kills.total()}: {_listed(kills)}",
        "faults": f"{struck.total()} of {len(struck)} kinds: {_listed(struck)}",
        "executions": str(sum(one.executions for one in played)),
        "rows": f"{_part(counts, 'row ').total()}: {_listed(_part(counts, 'row '))}",
        "ran again after": _listed(_part(counts, "executed again after ")),
        "also counted": _listed(_rest(counts, ("row ", "executed again after ", "executions"))),
        "unknown doubles": f"{len(named)}" + "".join(f"\n    {words}" for words in named),
        "violations": str(sum(len(one.verdict.violations) for one in played)),
    }
    return "\n" + "\n".join(f"{name:16} {words}" for name, words in told.items())


def _part(counts: Counter[str], prefix: str) -> Counter[str]:
    return Counter({name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)})


def _rest(counts: Counter[str], prefixes: tuple[str, ...]) -> Counter[str]:
    return Counter({name: n for name, n in counts.items() if not name.startswith(prefixes)})


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
