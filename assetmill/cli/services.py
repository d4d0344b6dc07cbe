"""`server`, `worker`: Prefect's own long-lived programs, started with our settings and ended with us.

What they run and how it is stored is Prefect's; here is only which address, which folder and how many. Prefect is not
imported.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from assetmill.cli.outcome import ERR, Interrupted, guarded, many

if TYPE_CHECKING:
    from collections.abc import Sequence

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

POOL = "assetmill"
LOOK_EVERY_S = 0.5
STOP_S = 30.0

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the API and the pages.")]
Count = Annotated[int, typer.Option("--count", min=1, max=64, metavar="N", help="So many workers side by side.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Flow runs that each has at once; no limit if not given."),
]
Pool = Annotated[str, typer.Option("--pool", metavar="NAME", help="Work pool.")]


@guarded
def server(*, port: Port = 4200) -> int:
    """Run a Prefect server with its UI on this machine, until Ctrl-C."""
    from assetmill.cli.prefect_server import serve
    from assetmill.settings import load_settings

    try:
        return serve(load_settings().home, port)
    except KeyboardInterrupt:
        raise Interrupted("the server has ended; its data stays for the next time") from None


@guarded
def worker(*, count: Count = 1, limit: Limit = None, pool: Pool = POOL) -> int:
    """Run flow runs as processes in this folder, with this environment, until Ctrl-C. What runs then is ended, too."""
    from assetmill.cli.deploy import configured_api
    from assetmill.cli.prefect_server import prefect_api
    from assetmill.settings import load_settings, reach_this_machine_directly, set_environment

    settings = load_settings()
    api_url = configured_api(settings)
    reach_this_machine_directly()
    with prefect_api(settings.home, api_url):
        set_environment({"DO_NOT_TRACK": "1", "PREFECT_API_URL": api_url})
    ERR.print(f"{many(count, 'worker')} of pool {escape(pool)}; Ctrl-C ends {'it' if count == 1 else 'them'}")
    try:
        return _run_all([_command(pool, limit)] * count)
    except KeyboardInterrupt:
        raise Interrupted("ended; what its runs had sent is collected by the next settle-open") from None


def _command(pool: str, limit: int | None) -> list[str]:
    command = [sys.executable, "-P", "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
    return command if limit is None else [*command, "--limit", str(limit)]


def _run_all(commands: Sequence[Sequence[str]]) -> int:
    """Run programs side by side until one of them ends, or we are told to; then end them all.

    Each has a session of its own, so that a Ctrl-C reaches it once, through us: a worker takes a second one as kill.

    Returns:
        Exit code of the one that ended by itself.
    """
    with ExitStack() as stack:
        started = (subprocess.Popen(command, start_new_session=True) for command in commands)  # noqa: S603  our own
        running = [stack.enter_context(process) for process in started]
        try:
            while True:
                for process in running:
                    try:
                        return process.wait(LOOK_EVERY_S)
                    except subprocess.TimeoutExpired:
                        continue
        finally:
            _end(running)


def _end(running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Tell all to end, and wait; who takes too long is ended at once."""
    for process in running:
        if process.poll() is None:
            process.terminate()
    for process in running:
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
