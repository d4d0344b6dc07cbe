"""`make chaos-kill`: kill -9 of the program itself, Prefect and all, at random moments of its batch.

    python tests/chaos/kill_runs.py --kills 30 --seed 1

Each kill has a folder, a store, books and an endpoint of its own. After it the same command is run to its end, open
attempts are settled, and the same oracle judges as in the chaos runs: executed jobs on the endpoint are rows, and
none was executed twice beyond the named unknowns. The list says in which phase the books were at each kill.
"""

# ruff: noqa: T201  a program: it prints what it found

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from oracle import Verdict, judge
from play import environment_of
from scenario import ASSETS, HEAD, KEY, POOL, Scenario
from witness import Witness, endpoint

from assetmill.cli.prefect_server import SERVER_SETTINGS, prefect_api
from assetmill.ledger import Ledger, Status
from assetmill.settings import reach_this_machine_directly

PROGRAM: Final = (sys.executable, "-P", "-m", "assetmill.cli")
LIMIT_S: Final = 150.0
LOOK_S: Final = 0.02
ANY_TIME: Final = 0.15  # share of kills that may also hit the start of the program, before it has opened the books
FASTEST_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Killed:
    """One kill.

    Args:
        number: from 0.
        after_s: seconds after the books were opened, or after the start.
        from_start: whether they count from the program's start.
        phase: where the books were.
        executions: of the endpoint, in the end.
        verdict: the oracle's.
        folder: its data.
    """

    number: int
    after_s: float
    from_start: bool
    phase: str
    executions: int
    verdict: Verdict
    folder: Path

    @property
    def line(self) -> str:
        """For the list."""
        since = "the start" if self.from_start else "the books were opened"
        return (
            f"  kill {self.number:2}: {self.after_s:5.2f} s after {since}: {self.phase}; {self.executions} executions"
        )


def scenario_of(seed: int) -> Scenario:
    """A well-behaved endpoint in real time, and one picture or more of every kind."""
    return Scenario(
        seed=seed,
        manifest=HEAD + "".join(ASSETS.values()),
        speed=1.0,
        pod={"workers": 2, "cold_start_s": 0.3, "exec_seconds": 0.25, "lists_requests": True},
        rules=[],
        settings={
            "ASSETMILL_MAX_WORKERS": "2",
            "ASSETMILL_LEASE_S": "2",
            "ASSETMILL_LOOK_FOR_S": "3",
            "ASSETMILL_RESEND_UNKNOWN": "1",
            "ASSETMILL_GPU_POOL": POOL,
            "ASSETMILL_SERVE_KEY": KEY,
        },
    )


class _Killing:
    """One program, killed once and then run to its end."""

    def __init__(self, number: int, seed: int, folder: Path, api_url: str) -> None:
        self._number = number
        self._dice = Random(f"{seed}:{number}")
        self._folder = folder
        self._scenario = scenario_of(seed + number)
        self._environment = environment_of(self._scenario, folder) | {"PREFECT_API_URL": api_url, **SERVER_SETTINGS}
        self._complaints: list[str] = []

    async def play(self, batch_s: float) -> Killed:
        """Kill it within its batch, which is expected to last this long, and run it to its end."""
        (self._folder / "tiny.yaml").write_text(self._scenario.manifest)
        (self._folder / "scenario.json").write_text(json.dumps(self._scenario.document, indent=1))
        from_start = self._dice.random() < ANY_TIME
        after_s = self._dice.uniform(0.0, batch_s + (FASTEST_S if from_start else 0.0))
        async with endpoint(self._scenario) as witness:
            await self._killed(witness, after_s, from_start=from_start)
            phase = self.phase()
            await self._to_the_end(witness)
            truth = witness.truth()
        truth.complaints = self._complaints
        truth.write(self._folder)
        verdict = judge(self._folder)
        return Killed(self._number, after_s, from_start, phase, len(truth.ran), verdict, self._folder)

    async def undisturbed_s(self) -> float:
        """How long the batch takes from the opening of the books to the program's end."""
        (self._folder / "tiny.yaml").write_text(self._scenario.manifest)
        async with endpoint(self._scenario) as witness:
            program = await self._start(witness, "run", "tiny.yaml", "--yes", "--json")
            ended = asyncio.ensure_future(program.wait())
            await self._until_books(ended)
            opened = time.monotonic()
            await self._until_run_ended(ended)
            lasted = time.monotonic() - opened
            await ended
        return lasted

    async def _killed(self, witness: Witness, after_s: float, *, from_start: bool) -> None:
        program = await self._start(witness, "run", "tiny.yaml", "--yes", "--json")
        ended = asyncio.ensure_future(program.wait())
        if not from_start:
            await self._until_books(ended)
        await asyncio.wait({ended}, timeout=after_s)
        if not ended.done():
            program.kill()
        await ended

    async def _to_the_end(self, witness: Witness) -> None:
        for arguments, codes in ((("run", "tiny.yaml", "--yes", "--json"), (0,)), (("settle", "--wait"), (0,))):
            program = await self._start(witness, *arguments)
            try:
                code = await asyncio.wait_for(program.wait(), LIMIT_S)
            except TimeoutError:
                program.kill()
                code = await program.wait()
            if code not in codes:
                log = (self._folder / "program.log").read_text()[-1500:]
                self._complaints.append(f"assetmill {' '.join(arguments)} ended with {code}: {log}")

    async def _start(self, witness: Witness, *arguments: str) -> asyncio.subprocess.Process:
        environment = self._environment
        more = ("--endpoint", witness.pod.url) if arguments[0] == "run" else ()
        with (self._folder / "program.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *PROGRAM, *arguments, *more, cwd=self._folder, env=environment, stdin=asyncio.subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip

    async def _until_books(self, ended: asyncio.Future[int]) -> None:
        while not self._runs() and not ended.done():
            await asyncio.wait({ended}, timeout=LOOK_S)

    async def _until_run_ended(self, ended: asyncio.Future[int]) -> None:
        while not any(state != "running" for state in self._runs()) and not ended.done():
            await asyncio.wait({ended}, timeout=LOOK_S)

    def _runs(self) -> list[str]:
        """States of the runs, read without touching the books: whoever opens them may have to make their tables."""
        with suppress(sqlite3.OperationalError):
            books = sqlite3.connect(f"file:{self._folder / 'out' / 'ledger.db'}?mode=ro", uri=True)
            with closing(books):
                return [state for (state,) in books.execute("select state from runs")]
        return []

    def phase(self) -> str:
        """Where the books are, in words."""
        if not (self._folder / "out" / "ledger.db").exists():
            return "before the books were opened"
        with Ledger.open(f"sqlite:///{self._folder / 'out' / 'ledger.db'}") as ledger:
            rows, runs = ledger.rows(), ledger.runs()
        if not runs:
            return "before the run was begun"
        if not rows:
            return "before anything was sent"
        counts = Counter(str(row["status"]) for row in rows)
        told = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
        return f"{told}; run {runs[-1]['state']}"


async def kill_all(kills: int, seed: int, scratch: Path, *, jobs: int, api_url: str) -> list[Killed]:
    """All kills, a few at a time."""
    folder = scratch / "undisturbed"
    folder.mkdir(parents=True)
    batch_s = await _Killing(0, seed, folder, api_url).undisturbed_s()
    print(f"an undisturbed batch takes {batch_s:.1f} s", flush=True)
    gate = asyncio.Semaphore(jobs)

    async def one(number: int) -> Killed:
        async with gate:
            own = scratch / f"kill-{number:02d}"
            own.mkdir()
            killed = await _Killing(number, seed, own, api_url).play(batch_s)
            print(killed.line, flush=True)
            return killed

    return list(await asyncio.gather(*(one(number) for number in range(kills))))


@contextmanager
def _server(scratch: Path) -> Iterator[str]:
    with prefect_api(scratch / "prefect", None) as url:
        yield url


def main(arguments: list[str]) -> int:
    """Kill, judge and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="how many (30)")
    parser.add_argument("--seed", type=int, help="a random one when left out, and always printed")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    asked = parser.parse_args(arguments)
    reach_this_machine_directly()
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    scratch = Path(tempfile.mkdtemp(prefix="assetmill-kills-"))
    print(f"{asked.kills} kills from seed {seed}; scratch data in {scratch}", flush=True)
    with _server(scratch) as api_url:
        killed = asyncio.run(kill_all(asked.kills, seed, scratch, jobs=asked.jobs, api_url=api_url))
    return _tell(killed)


def _tell(killed: list[Killed]) -> int:
    counts = sum((one.verdict.counts for one in killed), Counter[str]())
    rows = sum(count for name, count in counts.items() if name.startswith("row "))
    print(f"kills {len(killed)}; executed jobs {sum(one.executions for one in killed)}; rows {rows}")
    print(f"found: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}")
    for one in killed:
        for words in one.verdict.named:
            print(f"named: kill {one.number}: {words}")
        for words in one.verdict.violations:
            print(f"VIOLATION: kill {one.number}: {words}; its data are in {one.folder}")
    violations = sum(len(one.verdict.violations) for one in killed)
    print(f"violations {violations}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
