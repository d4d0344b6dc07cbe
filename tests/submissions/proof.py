"""`make submissions`: files dropped at once, two ingesters, a worker; each file ends in exactly one right state.

    python tests/submissions/proof.py --count 40
    python tests/submissions/proof.py --count 40 --store seaweedfs

Valid and invalid manifests, duplicates, newer versions, half-written files and no manifests at all come together; some
are over the amount that goes without a word, and are approved, rejected or left alone through Prefect's API. Exit code
0: all is as it has to be; 1: something is not, and what.
"""

# ruff: noqa: T201  a program: it prints what it found

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from drops import CHEAP, DEAR, Drop, Kind, drops
from judge import judge
from stage import ENDPOINT, KEY, Gpu, Ingester, Stage, environment

from assetmill.batch.prepare import Request, plan_only
from assetmill.cli.prefect_server import prefect_api
from assetmill.localpod import PodConfig, running_pod
from assetmill.settings import reach_this_machine_directly, set_environment
from assetmill.submissions.desk import Desk, open_desk
from assetmill.submissions.records import Record, State

ROOT = Path(__file__).resolve().parents[2]
HOURS, SHORT_HOURS = "1", "0.005"  # for a decision; the second wave has 18 s
PASSES = 200
BUSY = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")


def main(arguments: list[str]) -> int:
    """Play it, and tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2, help="flow runs at once")
    parser.add_argument("--store", choices=("folder", "seaweedfs"), default="folder")
    parser.add_argument("--scratch", type=Path, help="an empty folder for all that is written, which is kept")
    asked = parser.parse_args(arguments)
    reach_this_machine_directly()
    set_environment({"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"})
    with _scratch(asked.scratch) as folder:
        wrong = asyncio.run(play(folder, asked))
    for words in wrong:
        print(f"WRONG: {words}")
    return 1 if wrong else 0


@contextmanager
def _scratch(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="assetmill-submissions-") as name:
        yield Path(name)


async def play(folder: Path, asked: argparse.Namespace) -> list[str]:
    """The whole of it; what is wrong, in words."""
    gpu = Gpu()
    async with running_pod(PodConfig(endpoint_id=ENDPOINT, api_key=KEY, workers=3), gpu) as pod:
        return await asyncio.to_thread(_play, folder, asked, pod.url, gpu)


def _play(folder: Path, asked: argparse.Namespace, pod_url: str, gpu: Gpu) -> list[str]:
    with prefect_api(folder / "server", None) as api, _store(folder, asked.store) as store:
        stage = Stage(folder, api, environment(folder, api, pod_url, **store))
        stage.environment["ASSETMILL_AUTO_APPROVE_USD"] = str(_between(stage))
        stage.environment["ASSETMILL_APPROVAL_HOURS"] = HOURS
        stage.deploy()
        began = time.monotonic()
        play = Play(stage, drops(asked.count))
        with stage.worker(asked.workers):
            play.first_wave()
            play.second_wave()
        wrong = judge(stage, play.drops, gpu.attempts, play.asked, play.refused)
        print(play.summary(gpu, time.monotonic() - began))
        return wrong


@contextmanager
def _store(folder: Path, kind: str) -> Iterator[dict[str, str]]:
    """Variables of the store; files are dropped into a folder of its own beside an S3 store."""
    if kind == "folder":
        yield {}
        return
    spec = importlib.util.spec_from_file_location("servers", ROOT / "tests" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    servers = importlib.util.module_from_spec(spec)
    sys.modules["servers"] = servers
    spec.loader.exec_module(servers)
    place = folder / "seaweedfs"
    place.mkdir()
    with servers.seaweedfs_in(place) as server:
        yield {
            "ASSETMILL_STORE_URL": f"s3://{server.bucket}/submissions-proof",
            "ASSETMILL_STORE_ENDPOINT_URL": server.endpoint_url,
            "R2_ACCESS_KEY_ID": server.key,
            "R2_SECRET_ACCESS_KEY": server.secret,
            "ASSETMILL_SUBMISSIONS_FOLDER": str(folder / "share"),
        }


def _between(stage: Stage) -> Decimal:
    """An amount that a cheap manifest is under and a dear one over."""
    path = stage.folder / "probe.yaml"
    costs = []
    for pictures in (CHEAP, DEAR):
        path.write_bytes(next(one for one in drops(40) if one.pictures == pictures).data)
        estimate = plan_only(stage.settings, Request(path)).total.cost.estimate
        assert estimate, "the endpoint has a price"
        costs.append(estimate)
    path.unlink()
    return (costs[0] + costs[1]) / 2


class Play:
    """The course of it.

    Args:
        stage: where everything is.
        files: what is dropped.
    """

    def __init__(self, stage: Stage, files: list[Drop]) -> None:
        self.drops = files
        self.refused = 0
        self._stage = stage
        self._desk: Desk = open_desk(stage.settings)
        share = stage.settings.submissions_folder
        self._inbox = share or stage.folder / "home" / "store" / "submissions" / "inbox"
        self._answered: set[tuple[str, str]] = set()
        self._passes = 0
        self._started = datetime.now(UTC)

    def first_wave(self) -> None:
        """All at once; half of some. Until every whole file is picked up."""
        self._inbox.mkdir(parents=True, exist_ok=True)
        for drop in self.drops:
            (self._inbox / drop.name).write_bytes(drop.data)
        whole = {drop.name for drop in self.drops if drop.kind not in (Kind.HALF, Kind.EXPIRED, Kind.FOREIGN)}
        with self._growing(), self._stage.ingesters(2) as ingesters:
            while not whole <= {record.name for record in self._desk.records()}:
                self._pass(ingesters)

    def second_wave(self) -> None:
        """The other halves, and newer versions. Until nothing is left to do."""
        for drop in self.drops:
            if drop.later is not None:
                (self._inbox / drop.name).write_bytes(drop.later)
        later = {(drop.name, len(drop.later)) for drop in self.drops if drop.later is not None}
        with self._stage.ingesters(2, ASSETMILL_APPROVAL_HOURS=SHORT_HOURS) as ingesters:
            while not (later <= {(one.name, one.size) for one in self._desk.records()} and self._over()):
                self._answer()
                self._pass(ingesters)

    @contextmanager
    def _growing(self) -> Iterator[None]:
        """Slow copies go on until the end of the block: so long as they do, nobody may pick those files up."""
        slow = [drop for drop in self.drops if drop.kind in (Kind.HALF, Kind.EXPIRED)]
        over = threading.Event()

        def copy() -> None:
            for spaces in itertools.count():
                for drop in slow:
                    (self._inbox / drop.name).write_bytes(drop.data + b" " * (spaces % 7))
                if over.wait(0.3):
                    return

        thread = threading.Thread(target=copy)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _pass(self, ingesters: list[Ingester]) -> None:
        """Both ingesters at once."""
        self._passes += 1
        assert self._passes <= PASSES, f"not over after {PASSES} passes: {self._states()}"
        for ingester in ingesters:
            ingester.tell()
        for words in [ingester.heard() for ingester in ingesters]:
            if not words.startswith("Completed: nothing new"):
                print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)
        threading.Event().wait(1.0)

    def _answer(self) -> None:
        """Say to each question what its kind asks for, after an answer that may not be."""
        kinds = {drop.name: drop.kind for drop in self.drops}
        records = {record.id: record for record in self._desk.open_records()}
        for run in self._stage.flow_runs():
            record = records.get(run["parameters"]["submission"])
            question = (run["id"], run["state"]["state_details"].get("pause_key") or "")
            if record is None or run["state"]["type"] != "PAUSED" or question in self._answered:
                continue
            if kinds[record.name] in (Kind.APPROVED, Kind.REJECTED):
                self._answered.add(question)
                self._decide(run["id"], record, kinds[record.name])

    def _decide(self, flow_run_id: str, record: Record, kind: Kind) -> None:
        assert record.plan is not None
        assert record.plan.estimate_usd is not None
        answer = self._stage.answer
        refused = [
            answer(flow_run_id),
            answer(flow_run_id, decision="reject"),
            answer(flow_run_id, decision="approve", amount_usd=float(record.plan.estimate_usd) / 2),
            answer(flow_run_id, decision="approve", amount_usd=-1.0),
        ]
        self.refused += refused.count("REJECT")
        words: dict[str, Any] = (
            {"decision": "approve", "by": "Eve", "note": "go on"}
            if kind is Kind.APPROVED
            else {"decision": "reject", "by": "Eve", "reason": "not in this release"}
        )
        said = answer(flow_run_id, **words)
        assert said == "ACCEPT", f"{record.name}: {said}"

    def _over(self) -> bool:
        """Whether every record is final, and no flow run is left."""
        settled = all(record.state.final for record in self._desk.records())
        return settled and not any(run["state"]["type"] in BUSY for run in self._stage.flow_runs())

    def _lost(self) -> int:
        return sum(run["state"]["name"] == "Crashed" for run in self._stage.flow_runs())

    def _states(self) -> dict[str, State]:
        return {f"{record.name} v{record.version}": record.state for record in self._desk.open_records()}

    @property
    def asked(self) -> int:
        """Questions that were answered."""
        return len(self._answered)

    def summary(self, gpu: Gpu, seconds: float) -> str:
        """What came of it, in a few lines."""
        states = Counter(str(record.state) for record in self._desk.records())
        counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        return (
            f"{len(self.drops)} files, {sum(states.values())} submissions: {counts}\n"
            f"{len(gpu.attempts)} jobs executed; {len(self._stage.flow_runs())} flow runs, {self._lost()} of them lost "
            f"and replaced; {self.asked} questions answered after {self.refused} answers that were refused\n"
            f"{self._passes} passes of two ingesters; {seconds:.0f} s"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
