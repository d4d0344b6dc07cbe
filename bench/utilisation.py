"""Keeping three workers busy: 120 assets, 2 s jobs, through the flow, Prefect included.

    python bench/utilisation.py [--assets 120] [--seconds 2] [--workers 3]

Prints utilisation = sum of execution / (workers x makespan) from the results table (makespan: first submission to
last end on a worker), and the client's CPU time an asset (this machine's run process, its Prefect client included;
neither the Prefect server nor the endpoint). Exit code 1 if utilisation is below 0.95.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

LEAST = 0.95
ROOT = Path(__file__).resolve().parent.parent
RUN = """
import json, os, resource, sys
from assetmill.cli.app import app
try:
    app(["run", sys.argv[1], "--endpoint", "draft", "--json"], standalone_mode=True)
finally:
    own = resource.getrusage(resource.RUSAGE_SELF)
    sys.stderr.write("\\nCPU " + json.dumps({"s": own.ru_utime + own.ru_stime, "mb": own.ru_maxrss / 1024}) + "\\n")
"""


def main() -> int:
    """Run the batch and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=int, default=120)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = folder / "bench.yaml"
        manifest.write_text(
            "version: 1\ngame: {id: bench, title: Bench}\npack: {id: default, name: Default}\nassets:\n"
            "  - id: gem_{n}\n    type: entity\n    prompt: a gem, number {n}\n    shape: circle\n"
            f"    matrix: {{axes: {{n: {[f'{i:03d}' for i in range(options.assets)]}}}}}\n"
        )
        environment = os.environ | {
            "ASSETMILL_HOME": str(folder / "out"),
            "ASSETMILL_DRAFT_SECONDS": str(options.seconds),
            "ASSETMILL_MAX_WORKERS": str(options.workers),
        }
        began = time.perf_counter()
        command = [sys.executable, "-c", RUN, str(manifest)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - began
        if done.returncode:
            sys.stderr.write(done.stderr)
            return 1
        usage = json.loads(done.stderr.rsplit("CPU ", 1)[1])
        rows = read(folder / "out" / "ledger.db")
    return verdict(rows, options, usage, wall)


def read(database: Path) -> list[tuple[str, str, int]]:
    """(submitted, finished, execution ms) of every attempt."""
    with sqlite3.connect(database) as connection:
        return connection.execute(
            "select submitted_at, finished_at, execution_ms from attempts where status = 'kept'"
        ).fetchall()


def verdict(rows: list[tuple[str, str, int]], options: argparse.Namespace, usage: dict[str, float], wall: float) -> int:
    """Print the figures and hold them against the limit."""
    first = min(datetime.fromisoformat(row[0]) for row in rows)
    last = max(datetime.fromisoformat(row[1]) for row in rows)
    makespan = (last - first).total_seconds()
    execution = sum(row[2] for row in rows) / 1000
    utilisation = execution / (options.workers * makespan)
    print(f"{len(rows)} of {options.assets} assets; {execution:.1f} s on {options.workers} workers in {makespan:.1f} s")
    print(f"utilisation {utilisation:.3f} (at least {LEAST}); whole run {wall:.1f} s")
    print(f"client CPU {1000 * usage['s'] / len(rows):.0f} ms an asset, {usage['mb']:.0f} MB at most")
    return 0 if utilisation >= LEAST and len(rows) == options.assets else 1


if __name__ == "__main__":
    sys.exit(main())
