"""`make machines`: several machines at one endpoint, one of which dies in the middle.

    python tests/machines/proof.py --games 4 --assets 20 --workers 2 --seconds 12

PostgreSQL, an S3 store, a Prefect server and a paid endpoint with three workers are started; machines share nothing
but their addresses. As many batches as games run at once. When a third of the jobs has run, everything on one machine
is killed. Then what production does: Prefect notices the dead runs, `settle-open` collects their jobs, and they are
run again. At the end the endpoint's own record is compared with books, packs and Prefect. Exit code 0: nothing is
wrong; 1: something is, and is named.
"""

# ruff: noqa: T201  a program: it prints what it found

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from borrowed import Truth
from console import BATCH, SETTLE, Console, FlowRun, not_final
from games import manifest
from judge import Span, costs, evidence_of, utilisation, violations, waiting_spans
from machine import Machine, can_be_apart
from servers import GPU_WORKERS, QUEUE_AHEAD, Servers, all_servers, set_up

from assetmill.ledger import Ledger
from assetmill.settings import reach_this_machine_directly

WINDOW = GPU_WORKERS * (1 + QUEUE_AHEAD)
ENOUGH = 0.95
LIMIT_S = 1800.0
SETTLE_S = 600.0
SLOTS_BACK_S = 75.0  # what a dead machine held of the endpoint: leases of 60 s, and the server's look at them
CAUGHT_UP_S = 120.0


@dataclass
class Result:
    """What a proof came to."""

    runs: list[FlowRun] = field(default_factory=list)
    killed: int = 0
    died_s: float = 0.0
    open_when_killed: int = 0
    crashed: list[FlowRun] = field(default_factory=list)
    crash_seen_s: float = 0.0
    settled_s: float = 0.0
    again: list[FlowRun] = field(default_factory=list)
    task_runs: dict[str, int] = field(default_factory=dict)
    left_running: int = 0
    most_outstanding: int = 0
    truth: Truth = field(default_factory=Truth)
    rows: int = 0
    cost_usd: float = 0.0
    spans: list[Span] = field(default_factory=list)
    utilisation: float = 0.0
    violations: list[str] = field(default_factory=list)


class Proof:
    """One proof, from empty servers to the verdict."""

    def __init__(self, servers: Servers, asked: argparse.Namespace) -> None:
        self._servers = servers
        self._asked = asked
        self._luck = random.Random(asked.seed)
        self._console = Console(servers.api)
        self._result = Result()
        self._began_s: list[float] = []
        self._games = dict(manifest(n, asked.assets) for n in range(asked.games))

    def play(self) -> Result:
        """All of it."""
        set_up(self._servers, zombie_s=self._asked.zombie_s)
        for game, text in self._games.items():
            self._servers.store.put(f"manifests/{game}.yaml", text.encode(), content_type="application/yaml")
        with ExitStack() as stack:
            machines = [self._machine(n) for n in range(1, self._asked.workers + 1)]
            for machine in machines:
                stack.callback(machine.stop)
            self._run_all(machines)
            self._run_again(self._result.crashed)
        self._judge()
        return self._result

    def _machine(self, number: int) -> Machine:
        name = f"machine-{number}"
        folder = self._servers.folder / name / "work"
        runs = -(-self._asked.games // self._asked.workers)
        return Machine(name, folder, self._servers.environment(folder.parent), runs)

    def _start(self, game: str) -> str:
        parameters = {"manifest": f"store:manifests/{game}.yaml", "endpoint": self._servers.endpoint.pod.url}
        return self._console.start(BATCH, parameters)

    def _run_all(self, machines: Sequence[Machine]) -> None:
        """All batches at once; a machine dies in the middle, and the others come to their end."""
        result, total = self._result, self._asked.games * self._asked.assets
        self._began_s.append(time.monotonic())
        ids = [self._start(game) for game in self._games]
        self._say(f"{len(ids)} batches of {self._asked.assets} assets on {len(machines)} machines")

        def under_way() -> bool:
            seen = self._console.runs(ids)
            wrong = [one for one in seen if one.final]
            assert not wrong, f"ended before a machine died: {wrong}"
            started = len(self._servers.endpoint.pod.executions())
            return all(one.type == "RUNNING" for one in seen) and started >= total / 3

        self._console.until("a third of the jobs is under way", under_way, LIMIT_S)
        victim = self._luck.choice(machines)
        result.killed = victim.die()
        result.died_s = time.monotonic()
        result.open_when_killed = self._open()
        self._say(f"{victim.name} is dead ({result.killed} processes); {result.open_when_killed} attempts are open")

        def over() -> bool:
            seen = self._console.runs(ids)
            if not result.crash_seen_s and any(one.type == "CRASHED" for one in seen):
                result.crash_seen_s = time.monotonic() - result.died_s
                self._say(f"Prefect shows the dead runs as crashed after {result.crash_seen_s:.0f} s")
            return all(one.final for one in seen)

        self._console.until("all runs are over", over, LIMIT_S)
        result.runs = self._console.runs(ids)
        result.crashed = [one for one in result.runs if one.type == "CRASHED"]
        result.left_running = not_final(self._console.task_runs(one.id for one in result.crashed))

    def _run_again(self, crashed: Sequence[FlowRun]) -> None:
        """What a dead machine left is settled, and its batches are run again."""
        result, began_s = self._result, time.monotonic()
        self._console.until("settle-open has collected and ended what was left", self._settled, SETTLE_S)
        result.settled_s = time.monotonic() - began_s
        self._say(f"settled, and every task run final, after {result.settled_s:.0f} s")
        self._began_s.append(time.monotonic())
        games = [str(one.parameters["manifest"]).rpartition("/")[2].removesuffix(".yaml") for one in crashed]
        ids = [self._start(game) for game in games]
        self._console.until("run again", lambda: all(one.final for one in self._console.runs(ids)), LIMIT_S)
        result.again = self._console.runs(ids)
        every = [one.id for one in (*result.runs, *result.again)]
        self._console.until(
            "every task run is final", lambda: not not_final(self._console.task_runs(every)), CAUGHT_UP_S
        )
        result.task_runs = dict(self._console.task_runs(every))

    def _settled(self) -> bool:
        """One settle-open run by the deployment, as every ten minutes; whether nothing is left."""
        one = self._console.start(SETTLE, {"wait": True})
        self._console.until("settle-open", lambda: self._console.runs([one])[0].final, LIMIT_S)
        if self._asked.quick:
            asyncio.run(self._end_leftovers())
        return self._open() == 0 and not not_final(self._console.task_runs(run.id for run in self._result.crashed))

    async def _end_leftovers(self) -> None:
        from prefect.client.orchestration import get_client  # noqa: PLC0415  its settings are in place only now

        from flows.leftovers import end_leftovers  # noqa: PLC0415  as above

        async with get_client() as client:
            await end_leftovers(client, datetime.now(UTC), quiet_s=0)

    def _open(self) -> int:
        with Ledger.open(self._servers.ledger_url) as ledger:
            return len(ledger.open_attempts())

    def _judge(self) -> None:
        result, servers = self._result, self._servers
        result.truth = servers.endpoint.truth()
        result.truth.write(servers.folder)
        result.most_outstanding = servers.endpoint.pod.most_outstanding()
        evidence = evidence_of(servers.folder, servers.ledger_url, servers.store, result.truth)
        result.rows, result.cost_usd = len(evidence.rows), costs(evidence.rows)
        result.spans = waiting_spans(result.truth.ran, self._began_s)
        result.utilisation = utilisation(result.truth.ran, result.spans, GPU_WORKERS)
        result.violations = violations(evidence, dict.fromkeys(self._games, self._asked.assets))
        result.violations += self._more_violations()

    def _more_violations(self) -> list[str]:
        result, jobs = self._result, self._asked.games * self._asked.assets
        ended = [*(one for one in result.runs if one.type != "CRASHED"), *result.again]
        found = [f"{one.name} ended as {one.state}: {one.words}" for one in ended if one.type != "COMPLETED"]
        if not result.crashed or not result.open_when_killed:
            found.append("nobody was killed in the middle of anything")
        if result.most_outstanding > WINDOW:
            found.append(f"{result.most_outstanding} jobs were outstanding, the window is {WINDOW}")
        if not len(result.truth.ran) == result.rows == jobs:
            found.append(f"{jobs} assets, {len(result.truth.ran)} jobs executed, {result.rows} rows")
        if result.utilisation < ENOUGH and not self._asked.quick:
            found.append(f"the workers were busy {result.utilisation:.3f} of the time, and not {ENOUGH}")
        return found

    def _say(self, words: str) -> None:
        print(f"{time.monotonic() - self._began_s[0]:6.1f} s  {words}", flush=True)


def main(arguments: list[str]) -> int:
    """Prove, and tell."""
    asked = _parser().parse_args(arguments)
    reach_this_machine_directly()
    with tempfile.TemporaryDirectory(prefix="assetmill-machines-", ignore_cleanup_errors=True) as scratch:
        folder = Path(asked.scratch or scratch)
        with all_servers(folder, seconds=asked.seconds) as servers:
            result = Proof(servers, asked).play()
    _tell(result, asked)
    return 1 if result.violations else 0


def _tell(result: Result, asked: argparse.Namespace) -> None:
    crashed, ran = len(result.crashed), result.truth.ran
    parts = "; ".join(
        f"{utilisation(ran, [span], GPU_WORKERS):.3f} {words}, {span.length_s:.0f} s" for words, span in _parts(result)
    )
    lines = {
        "machines": f"{asked.workers}, {'apart' if can_be_apart() else 'as process trees'}; one died",
        "batches": f"{len(result.runs)}; {crashed} crashed with it and ran again",
        "jobs executed": f"{len(ran)}",
        "rows": f"{result.rows}, {result.open_when_killed} of them open when the machine died",
        "spent": f"${result.cost_usd:.6f}",
        "outstanding": f"at most {result.most_outstanding} of {WINDOW}",
        "utilisation": f"{result.utilisation:.3f} while jobs waited ({parts})",
        "crash seen": f"after {result.crash_seen_s:.0f} s",
        "task runs": f"{result.task_runs}; {result.left_running} were left running by the dead machine",
        "violations": f"{len(result.violations)}",
    }
    for name, words in lines.items():
        print(f"{name:14} {words}")
    for words in result.violations:
        print(f"  {words}")


def _parts(result: Result) -> Iterator[tuple[str, Span]]:
    """The times in which jobs waited, the first of them cut where a machine died and where its slots were back."""
    first, *later = result.spans
    cuts = [first.begins_s, result.died_s, min(result.died_s + SLOTS_BACK_S, first.ends_s), first.ends_s]
    for words, begins_s, ends_s in zip(("before", "while its slots were away", "after"), cuts, cuts[1:], strict=False):
        if begins_s < ends_s:
            yield words, Span(begins_s, ends_s)
    yield from (("run again", span) for span in later)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=4, help="batches at once")
    parser.add_argument("--assets", type=int, default=20, help="assets of each")
    parser.add_argument("--workers", type=int, default=2, help="machines")
    parser.add_argument("--seconds", type=float, default=12.0, help="what a job takes, as a real picture does")
    parser.add_argument("--seed", type=int, default=1, help="which machine dies")
    parser.add_argument("--zombie-s", type=float, help="silence after which a run has crashed; as deployed")
    parser.add_argument("--quick", action="store_true", help="judge no utilisation, and do not wait for what is late")
    parser.add_argument("--scratch", help="an empty folder for all files, which stays")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
