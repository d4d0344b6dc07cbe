"""A fan-out of task runs against a Prefect server of its own: does the server see every one of them end?

    python bench/fan_out.py [--tasks 3000] [--settings ours|prefect] [--database ADDRESS]

Starts a server with deploy/server.env, or with Prefect's own settings, on SQLite in a temporary folder or on the
database at ADDRESS; runs one flow of that many tasks which do nothing, awaited under gather; then watches the API until
every task run is final, or nothing has changed for 30 s. Prints how many are final, how long that took after the flow,
the CPU time of both sides, and the client's memory. Exit code 1 if our settings lost one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from assetmill.cli.prefect_server import SERVER_SETTINGS, TERMINAL
from assetmill.settings import reach_this_machine_directly

FREE_PORT = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
STANDS_S = 30.0
START_S = 180.0
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
FLOW = """
import asyncio, json, resource, sys, time
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

@task(cache_policy=NO_CACHE, persist_result=False)
async def nothing(number: int) -> None:
    pass

@flow
async def fan_out(tasks: int) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(nothing(number) for number in range(tasks)))
    return time.perf_counter() - began

seconds = asyncio.run(fan_out(int(sys.argv[1])))
own = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"flow_s": seconds, "cpu_s": own.ru_utime + own.ru_stime, "peak_mb": own.ru_maxrss / 1024}))
"""


@dataclass(frozen=True)
class Seen:
    """What the API says of the task runs.

    Args:
        known: there at all.
        final: of these, in a state that is final.
        after_s: seconds after the flow's process ended, of the last change.
    """

    known: int
    final: int
    after_s: float


def main() -> int:
    """Run it once and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=3000)
    parser.add_argument("--settings", choices=("ours", "prefect"), default="ours")
    parser.add_argument("--database", help="postgresql+asyncpg://...; default: SQLite")
    options = parser.parse_args()
    reach_this_machine_directly()
    with tempfile.TemporaryDirectory() as name:
        told = dict(SERVER_SETTINGS if options.settings == "ours" else QUIET)
        if options.database:
            told["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = options.database
        with server(Path(name), told) as url:
            done = fan_out(Path(name), url, options.tasks)
            seen = watch(url, options.tasks)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        server_cpu_s = children.ru_utime + children.ru_stime - done["cpu_s"]
        stored = sum(file.stat().st_size for file in Path(name).glob("prefect.db*"))
    print(
        f"{options.settings}, {'PostgreSQL' if options.database else 'SQLite'}, {options.tasks} task runs: "
        f"{seen.final} final of {seen.known} known, {seen.after_s:.1f} s after the flow; flow {done['flow_s']:.1f} s, "
        f"client {done['cpu_s']:.1f} s CPU, {done['peak_mb']:.0f} MB; server {server_cpu_s:.1f} s CPU"
        + ("" if options.database else f", its SQLite file {stored / 1e6:.1f} MB")
    )
    return int(options.settings == "ours" and seen.final != options.tasks)


@contextmanager
def server(folder: Path, told: dict[str, str]) -> Iterator[str]:
    """A Prefect server with its data in the folder; yields the API's address."""
    port = subprocess.run([sys.executable, "-c", FREE_PORT], capture_output=True, text=True, check=True).stdout.strip()
    url = f"http://127.0.0.1:{port}/api"
    environment = plain_environment() | told | {"PREFECT_HOME": str(folder), "PREFECT_API_URL": url}
    command = [sys.executable, "-P", "-m", "assetmill.cli.prefect_child", port]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        up_by(time.monotonic() + START_S, url)
        yield url
    finally:
        process.terminate()
        process.wait()


def plain_environment() -> dict[str, str]:
    """Ours without anything that would configure Prefect."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def up_by(end: float, url: str) -> None:
    """Return when the API answers."""
    while time.monotonic() < end:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        time.sleep(0.2)
    raise SystemExit("the server did not come up")


def fan_out(folder: Path, url: str, tasks: int) -> dict[str, float]:
    """Run the flow in a process of its own; its seconds, CPU seconds and peak memory."""
    environment = plain_environment() | QUIET | {"PREFECT_HOME": str(folder / "client"), "PREFECT_API_URL": url}
    environment["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    done = subprocess.run(
        [sys.executable, "-c", FLOW, str(tasks)], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def watch(url: str, tasks: int) -> Seen:
    """Count until all are final or the count stands still."""
    began = time.monotonic()
    seen = Seen(0, 0, 0.0)
    while seen.final < tasks and time.monotonic() - began - seen.after_s < STANDS_S:
        with suppress(httpx.HTTPError):
            final, known = count(url, {"task_runs": {"state": {"type": {"any_": TERMINAL}}}}), count(url, {})
            if (known, final) != (seen.known, seen.final):
                seen = Seen(known, final, time.monotonic() - began)
        time.sleep(0.2)
    return seen


def count(url: str, body: Mapping[str, object]) -> int:
    """Task runs that the API has."""
    answer = httpx.post(f"{url}/task_runs/count", json=body, timeout=30)
    return int(answer.raise_for_status().json())


if __name__ == "__main__":
    sys.exit(main())
