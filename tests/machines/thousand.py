"""`make thousand`: one flow run of a thousand assets on PostgreSQL, and what it costs the process that runs it.

    python tests/machines/thousand.py --assets 1000 --workers 20

The pictures are small and drawn at once in another process than the flow's, so what is measured is the work per asset
of the flow run itself: planning, sending, collecting, checking, storing, the books and Prefect. It must end with every
task run final in the API and below 300 MB. Exit code 0: it did; 1: it did not, and says what is wrong.
"""

# ruff: noqa: T201  a program: it prints what it found

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console import BATCH, Console, not_final
from games import FIGURES, manifest
from judge import evidence_of, violations
from machine import cpu_s, descendants, peak_mb
from servers import Servers, all_servers, set_up

from assetmill.settings import reach_this_machine_directly

MOST_MB = 300.0
CAUGHT_UP_S = 180.0
LIMIT_S = 3600.0
ENGINE = "prefect.engine"


@dataclass
class Measured:
    """What the flow's process took.

    Args:
        elapsed_s: from its start to its final state.
        peak_mb: the most memory it had.
        cpu_s: processor time, with its start.
        start_cpu_s: processor time until it had planned: interpreter, Prefect, our own modules.
        late_s: how long the API was behind when the run was over.
    """

    elapsed_s: float = 0.0
    peak_mb: float = 0.0
    cpu_s: float = 0.0
    start_cpu_s: float = 0.0
    late_s: float = 0.0


class Watch:
    """The process of a flow run, found among the children of a worker, and its figures while it is there."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self.peak_mb = 0.0
        self.cpu_s = 0.0

    def look(self) -> None:
        """Note the figures as they stand."""
        for pid in descendants(self._worker):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if ENGINE in command:
                self.peak_mb = max(self.peak_mb, peak_mb(pid))
                self.cpu_s = max(self.cpu_s, cpu_s(pid))


def main(arguments: list[str]) -> int:
    """Measure, and tell."""
    asked = _parser().parse_args(arguments)
    reach_this_machine_directly()
    with tempfile.TemporaryDirectory(prefix="assetmill-thousand-", ignore_cleanup_errors=True) as scratch:
        folder = Path(asked.scratch or scratch)
        with all_servers(folder, workers=asked.workers) as servers:
            wrong = _measured(servers, asked)
    for words in wrong:
        print(f"  {words}")
    return 1 if wrong else 0


def _measured(servers: Servers, asked: argparse.Namespace) -> list[str]:
    set_up(servers)
    game, text = manifest(1, asked.assets, kinds=FIGURES)
    servers.store.put(f"manifests/{game}.yaml", text.encode(), content_type="application/yaml")
    console = Console(servers.api)
    with ExitStack() as stack:
        worker = stack.enter_context(_worker(servers))
        measured, run, states = _run(console, servers, game, worker.pid)
        worker.terminate()
    _tell(measured, asked, states)
    found = [] if run.type == "COMPLETED" else [f"the run ended as {run.state}: {run.words}"]
    if measured.peak_mb > MOST_MB:
        found.append(f"{measured.peak_mb:.0f} MB, and {MOST_MB:.0f} at most")
    if states.total() < asked.assets or not_final(states):
        found.append(f"task runs in the API: {dict(states)}")
    evidence = evidence_of(servers.folder, servers.ledger_url, servers.store, servers.endpoint.truth())
    return found + violations(evidence, {game: asked.assets})


def _worker(servers: Servers) -> subprocess.Popen[bytes]:
    home = servers.folder / "worker"
    home.mkdir()
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "assetmill", "--type", "process"]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=home, env=servers.environment(home), stdout=log, stderr=subprocess.STDOUT)


def _run(console: Console, servers: Servers, game: str, worker: int) -> tuple[Measured, Any, Any]:
    measured, watch = Measured(), Watch(worker)
    one = console.start(BATCH, {"manifest": f"store:manifests/{game}.yaml", "endpoint": servers.endpoint.pod.url})

    def running() -> bool:
        watch.look()
        return bool(servers.endpoint.pod.executions())

    console.until("the first job", running, LIMIT_S)
    measured.start_cpu_s, began_s = watch.cpu_s, time.monotonic()

    def over() -> bool:
        watch.look()
        return console.runs([one])[0].final

    console.until("the run is over", over, LIMIT_S)
    measured.elapsed_s = time.monotonic() - began_s
    ended_s = time.monotonic()
    console.until("every task run is final", lambda: not not_final(console.task_runs([one])), CAUGHT_UP_S)
    measured.late_s = time.monotonic() - ended_s
    measured.peak_mb, measured.cpu_s = watch.peak_mb, watch.cpu_s
    return measured, console.runs([one])[0], console.task_runs([one])


def _tell(measured: Measured, asked: argparse.Namespace, states: Any) -> None:
    each_ms = (measured.cpu_s - measured.start_cpu_s) / asked.assets * 1000
    lines = {
        "assets": f"{asked.assets}, {asked.workers} workers",
        "elapsed": f"{measured.elapsed_s:.1f} s from the first job",
        "peak memory": f"{measured.peak_mb:.0f} MB",
        "processor": f"{measured.cpu_s:.1f} s, {measured.start_cpu_s:.1f} of them until the first job",
        "per asset": f"{each_ms:.1f} ms of processor time",
        "task runs": f"{dict(states)}, final in the API {measured.late_s:.1f} s after the run",
    }
    for name, words in lines.items():
        print(f"{name:14} {words}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=1000, help="assets of the one run")
    parser.add_argument("--workers", type=int, default=20, help="workers of the endpoint")
    parser.add_argument("--scratch", help="an empty folder for all files, which stays")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
