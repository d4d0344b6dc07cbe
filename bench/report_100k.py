"""Reporting on 100,000 attempts, from the open ledger to the bytes that are written.

The limit is 2 s; a workbook, which pandas and XlsxWriter write cell by cell, may take 10 s.

    python bench/report_100k.py            prints the figures; exit code 1 if the limit is broken
    python bench/report_100k.py --ledger URL    on a ledger that is there already

The history is drawn from a seed and written by tests/money/history.py: prompts and all, 120 days of several games,
endpoints, prices, failures and bills. Each measurement is a process of its own; the median of five counts. What the
whole command takes, from the interpreter's start to its end, is printed beside it. The machine's own pace is printed
as well, because seconds of different machines do not compare.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 100_000
RUNS = 5
LIMIT_S = 2.0
LIMITS_S = {"xlsx": 10.0}
ROOT = Path(__file__).resolve().parent.parent
FORMATS = ("table", "csv", "json", "parquet", "xlsx", "html")

RENDER = """
import sys, time
from datetime import UTC, datetime
from assetmill.ledger import Ledger
from assetmill.reports.render import rendered
with Ledger.open(sys.argv[1]) as ledger:
    began, cpu = time.perf_counter(), time.process_time()
    data = rendered(ledger, ["day", "game", "type", "provider"], sys.argv[2], made_at=datetime(2026, 11, 1, tzinfo=UTC))
    print(time.perf_counter() - began, time.process_time() - cpu, len(data))
"""


def render_once(url: str, form: str) -> tuple[float, float, float, int]:
    """Seconds of the rendering, its processor time, seconds of the process, and bytes."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", RENDER, url, form], cwd=ROOT, capture_output=True, check=True)
    whole = time.perf_counter() - began
    seconds, cpu, size = done.stdout.split()
    return float(seconds), float(cpu), whole, int(size)


def measure(url: str, form: str) -> bool:
    """Render in processes of their own and hold the median against the limit."""
    runs = [render_once(url, form) for _ in range(RUNS)]
    seconds, cpu, whole = (statistics.median(run[place] for run in runs) for place in range(3))
    each = ", ".join(f"{run[0]:.2f}" for run in runs)
    good = seconds < LIMITS_S.get(form, LIMIT_S)
    print(
        f"{form:8} {seconds:.2f} s ({each}), {cpu:.2f} s of processor, whole process {whole:.2f} s, "
        f"{runs[0][3] / 1e6:.2f} MB  {'ok' if good else 'OVER THE LIMIT'}"
    )
    return good


def pace() -> float:
    """Seconds of ten million additions by this interpreter, at best."""
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        number = 0
        for step in range(10_000_000):
            number += step
        spent.append(time.perf_counter() - began)
    return min(spent)


def main() -> int:
    """Write a history and report on it in every format."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ledger", help="URL of a ledger to report on, instead of a new one")
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    print(f"ten million additions: {pace():.2f} s; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        url = given.ledger or f"sqlite:///{folder}/ledger.db"
        if given.ledger is None:
            history = [sys.executable, "tests/money/history.py", "--rows", str(given.rows), url]
            subprocess.run(history, cwd=ROOT, check=True)
        good = [measure(url, form) for form in FORMATS]
        return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
