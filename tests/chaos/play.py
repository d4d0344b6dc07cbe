"""One run from beginning to end: processes that die at their points, then a calm end, then the verdict.

The endpoint lives in this process, the batches in others, which are killed as hard as the system can. When the
scenario's rounds are over the faults are switched off and the batch is run to its end: from then on nothing may be
missing, open or unpaid-for.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

from child import CRASHED, Order, main
from oracle import Verdict, judge
from scenario import Player, Scenario
from witness import Truth, Witness, endpoint

from assetmill import audit
from assetmill.ledger import Ledger
from assetmill.settings import Settings
from assetmill.storage import open_store

ROUND_S: Final = 6.0  # a process of a round that has not ended by then is killed: a random moment, too
CALM_S: Final = 60.0  # without faults every process ends long before that
CALM_RUNS: Final = 6
CALM: Final = {"ASSETMILL_QUEUE_STALL_S": "900", "ASSETMILL_EXECUTION_TIMEOUT_S": "600", "ASSETMILL_JOB_TTL_S": "86400"}
PRELOADED: Final = ["play", "concurrent.futures.process", "argparse"]
"""What the fork server imports once, so that a process of ours begins in a few hundredths of a second."""
EXPLAINED: Final = frozenset({"blocked", "rejected"})
SOURCE_MISSING: Final = "which this is drawn from, could not be made"
KNOWN_CODES: Final = frozenset({0, 1, 4, 5, 130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT})


@dataclass(slots=True)
class Played:
    """What a run came to; travels between processes."""

    seed: int
    folder: Path
    children: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    signals: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    executions: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0


def play(scenario: Scenario, scratch: Path, *, keep: bool = False) -> Played:
    """Play a run; its folder is removed unless something is wrong with it, or `keep`."""
    began = time.monotonic()
    _help_the_fork_server()
    folder = scratch / f"seed-{scenario.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "processes").mkdir(parents=True)
    played = Played(scenario.seed, folder)
    truth = asyncio.run(_Stage(scenario, played).play())
    truth.write(folder)
    played.struck.update(kind for kind, _ in truth.struck)
    played.executions = len(truth.ran)
    played.verdict = judge(folder)
    played.seconds = time.monotonic() - began
    if not keep and not played.verdict.violations:
        shutil.rmtree(folder)
    return played


def _help_the_fork_server() -> None:
    """It imports what it preloads by name, and only the environment tells it where."""
    here, known = str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")
    if here not in known.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, known)))


def environment_of(scenario: Scenario, folder: Path) -> dict[str, str]:
    """Variables of the processes: ours without any of the settings, and those of the scenario."""
    ours = {str(field.alias) for field in Settings.model_fields.values()}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"ASSETMILL_HOME": str(folder / "out")} | scenario.settings


class _Stage:
    """The processes of one run."""

    def __init__(self, scenario: Scenario, played: Played) -> None:
        self._scenario = scenario
        self._played = played
        self._folder = played.folder
        self._environment = environment_of(scenario, played.folder)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        self._complaints: list[str] = []
        self._url = ""

    async def play(self) -> Truth:
        """All rounds and the calm end."""
        (self._folder / "tiny.yaml").write_text(self._scenario.manifest)
        (self._folder / "scenario.json").write_text(json.dumps(self._scenario.document, indent=1))
        async with endpoint(self._scenario) as witness:
            self._url = witness.pod.url
            for players in self._scenario.rounds:
                ended = await asyncio.gather(*(self._act(player) for player in players))
                self._released({pid for pid, code in ended if code >= 0})
            await self._calm(witness)
            truth = witness.truth()
        truth.complaints = self._complaints
        return truth

    async def _calm(self, witness: Witness) -> None:
        """Without faults and in no hurry: to the end, once more, which must find nothing to pay, and settle."""
        witness.calm()
        self._environment |= CALM
        for _ in range(CALM_RUNS):
            _, code = await self._act(Player("run"), CALM_S)
            if code in (0, 1):
                break
        else:
            self._complaints.append(f"without faults the batch still ended with {code}")
        self._audited()
        await self._act(Player("settle_wait"), CALM_S)
        again, _ = await self._act(Player("run"), CALM_S)
        self._nothing_missing(self._played.children)
        last, _ = await self._act(Player("settle_wait"), CALM_S)
        self._released({again, last})

    def _audited(self) -> None:
        """After a run, and before the next one could mend it, books and packs agree."""
        with Ledger.open(f"sqlite:///{self._folder / 'out' / 'ledger.db'}") as ledger:
            snapshot = audit.read_snapshot(ledger, open_store((self._folder / "out" / "store").as_uri()))
        for one in audit.findings(snapshot, datetime.now(UTC)):
            if one.kind.violation:
                self._complaints.append(f"after a whole run: {one.kind} {one.subject}: {one.message}")

    def _nothing_missing(self, number: int) -> None:
        """In the end only what may not be sent, or did not pass the checks, is not there."""
        for line in self._report(f"{number:02d}-run").get("failures", []):
            if line["state"] not in EXPLAINED and SOURCE_MISSING not in line["message"]:
                self._complaints.append(f"in the end {line['asset']} is {line['state']}: {line['message']}")

    def _report(self, name: str) -> dict[str, Any]:
        """What a process told at its end; nothing if it did not come to it."""
        file = self._folder / "processes" / f"{name}.json"
        told: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return told

    async def _act(self, player: Player, limit_s: float = ROUND_S) -> tuple[int, int]:
        """One process from start to end; its number and exit code."""
        if player.start_s:
            await _elapsed(player.start_s)
        self._played.children += 1
        order = Order(
            player.kind, self._folder, f"{self._played.children:02d}-{player.kind}", self._url, self._scenario.speed,
            self._environment, player.kill,
        )  # fmt: skip
        process = self._context.Process(target=main, args=(order,))
        process.start()
        ended = asyncio.ensure_future(_ended(process))
        await asyncio.gather(self._signal(player, process, ended), self._end(player, process, ended, limit_s))
        code = process.exitcode if process.exitcode is not None else CRASHED
        self._note(player, order, code)
        return process.pid or 0, code

    async def _signal(self, player: Player, process: ForkServerProcess, ended: asyncio.Future[None]) -> None:
        passed_s = 0.0
        for at_s, name in player.signals:
            await asyncio.wait({ended}, timeout=at_s - passed_s)
            passed_s = at_s
            if not ended.done() and process.pid:
                self._played.signals += 1
                os.kill(process.pid, signal.Signals[name])

    async def _end(
        self, player: Player, process: ForkServerProcess, ended: asyncio.Future[None], limit_s: float
    ) -> None:
        """Wait for its end, or for the moment at which it is killed."""
        timed = player.kill is not None and player.kill.after_s is not None
        await asyncio.wait({ended}, timeout=player.kill.after_s if timed and player.kill else limit_s)
        if ended.done():
            return
        if limit_s == CALM_S and process.pid:
            self._complaints.append(f"process {self._played.children} hung: see its log")
            os.kill(process.pid, signal.SIGUSR1)
            await asyncio.wait({ended}, timeout=0.5)
        process.kill()
        self._played.kills["at a random time" if timed else "at the end of a round"] += 1
        await ended

    def _note(self, player: Player, order: Order, code: int) -> None:
        self._played.codes[code] += 1
        if order.file("killed").exists():
            self._played.kills[order.file("killed").read_text()] += 1
        if code not in KNOWN_CODES:
            why = self._report(order.name).get("crash") or order.file("log").read_text()[-2000:]
            self._complaints.append(f"process {order.name} ({player.kind}) ended with {code}: {why}")

    def _released(self, ended: set[int]) -> None:
        """Whoever ended by itself has given its claims up."""
        books = self._folder / "out" / "ledger.db"
        if not books.exists():
            return
        with Ledger.open(f"sqlite:///{books}") as ledger:
            for one in ledger.open_attempts():
                place = (one.owner_place or "").split("/")
                if one.owner is not None and len(place) > 1 and place[-2].isdigit() and int(place[-2]) in ended:
                    self._complaints.append(
                        f"attempt {one.attempt_id} is still claimed by {one.owner}, which has ended"
                    )


async def _ended(process: ForkServerProcess) -> None:
    await asyncio.to_thread(process.join)


async def _elapsed(seconds: float) -> None:
    await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=seconds)
