"""A Prefect server of our own, for runs where none is configured.

Prefect's ephemeral server ends with the process and loses most task runs: it has not recorded them yet. So a
run starts a real server on a free loopback port with its data in the state folder, waits until that server
has caught up, and ends it by its pid. `assetmill ui` shows the same data later. Prefect itself is not imported.
"""

from __future__ import annotations

import fcntl
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

from assetmill.cli.outcome import ERR
from assetmill.errors import StorageError, UsageError
from assetmill.settings import child_environment

START_S = 120.0
STOP_S = 15.0
REACHED = httpx.Timeout(60.0, connect=10.0)
"""For one that is there and busy: it may take its time to answer, and must not to take the call."""
CATCH_UP_S = 120.0
POLL_S = 0.2
LOG_TAIL = 600
TERMINAL = ["COMPLETED", "FAILED", "CANCELLED", "CRASHED"]

# What every server of ours is told. deploy/server.env says the same to servers that nobody here starts, with the
# reasons, and a test holds the two together. Measured in docs/servers.md.
SERVER_SETTINGS: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # With batches of 1, a fan-out outruns the recorder and task runs stay Running for ever.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    # Slots that are leased come back after a restart of the server, and whoever waits for them asks every second.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    # Runs go after 90 days, events after 7, heartbeats after one.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "7776000",
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": '{"prefect.flow-run.heartbeat":86400}',
}


def prefect_home(home: Path) -> Path:
    """Where our own Prefect keeps its data."""
    return home.resolve() / "prefect"


@contextmanager
def prefect_api(home: Path, configured: str | None) -> Iterator[str]:
    """Address of a Prefect API for the length of the block: the configured one, or a server of our own."""
    if configured:
        _reach(configured)
        yield configured
        return
    port = _free_port()
    with _server(home, port, ui=False):
        yield f"http://127.0.0.1:{port}/api"


def wait_until_recorded(api_url: str, flow_run_id: str) -> bool:
    """Wait until the flow run and all of its task runs are final in the API.

    Never raises: the run itself is over and paid for. False if it takes too long, or if the API cannot be read, as
    that of somebody else which wants a login.
    """
    final = {"type": {"any_": TERMINAL}}
    mine = {"id": {"any_": [flow_run_id]}}

    def caught_up(client: httpx.Client) -> bool:
        try:
            ended = _count(client, "flow_runs", {"flow_runs": {**mine, "state": final}})
            every = _count(client, "task_runs", {"flow_runs": mine})
            done = _count(client, "task_runs", {"flow_runs": mine, "task_runs": {"state": final}})
        except httpx.TransportError:  # busy: ask again
            return False
        return bool(ended) and every == done

    with httpx.Client(base_url=api_url, timeout=10.0) as client, suppress(httpx.HTTPError, ValueError):
        return _until(lambda: caught_up(client), CATCH_UP_S)
    return False


def serve_ui(home: Path, port: int) -> int:
    """Show the runs that there are, until Ctrl-C."""
    if not prefect_home(home).is_dir():
        raise UsageError(f"there is no run under {home} yet", hint="`make run`, or `assetmill run MANIFEST`, makes one")
    return serve(home, port)


def serve(home: Path, port: int) -> int:
    """Run the server with its pages until Ctrl-C; its data is where runs without a configured server keep theirs."""
    with _server(home, port, ui=True) as process:
        ERR.print(f"Prefect UI at http://127.0.0.1:{port}/runs; Ctrl-C ends it")
        process.wait()
    return 0


@contextmanager
def _server(home: Path, port: int, *, ui: bool) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is up, until the end of the block."""
    folder = prefect_home(home)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log = (folder / "server.log").open("ab")
    except OSError as error:
        raise StorageError(
            f"cannot write in {folder}: {error.strerror}", hint="set ASSETMILL_HOME to a folder that can be written"
        ) from error
    url = f"http://127.0.0.1:{port}/api"
    environment = child_environment(
        {
            **SERVER_SETTINGS,
            "PREFECT_HOME": str(folder),
            "PREFECT_API_URL": url,
            "PREFECT_SERVER_UI_API_URL": url,
            "PREFECT_SERVER_UI_ENABLED": "true" if ui else "false",
            "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        }
    )
    command = [sys.executable, "-P", "-m", "assetmill.cli.prefect_child", str(port)]
    with ExitStack() as stack:
        with log, _starting_alone(folder):
            process = subprocess.Popen(  # noqa: S603  our own interpreter and fixed arguments
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            stack.callback(_stop, process)
            _wait_until_up(url, process, folder / "server.log")
        yield process


@contextmanager
def _starting_alone(folder: Path) -> Iterator[None]:
    """Let one server start at a time over the same data: two that make or upgrade its tables at once spoil each other.

    Whoever holds the lock and dies has given it up.
    """
    with (folder / "starting.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def up() -> bool:
        if process.poll() is not None:
            tail = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
            raise UsageError(f"the Prefect server ended at once: {tail}", hint=f"see {log}")
        with suppress(httpx.HTTPError):
            return httpx.get(f"{url}/health", timeout=2.0).status_code == httpx.codes.OK
        return False

    if not _until(up, START_S):
        raise UsageError(f"the Prefect server did not answer within {START_S:.0f} s", hint=f"see {log}")


def _reach(url: str) -> None:
    """Any answer is enough: what a hosted API says to a stranger is no business of ours.

    Raises:
        UsageError: nobody answers.
    """
    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=REACHED)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UsageError(
            f"no Prefect API answers at PREFECT_API_URL={url.rpartition('@')[2]}",  # before it, a password may stand
            hint="start that server, or unset PREFECT_API_URL: a run then starts one of its own",
        ) from error


def _until(done: Callable[[], bool], limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def _count(client: httpx.Client, what: str, body: Mapping[str, object]) -> int:
    response = client.post(f"/{what}/count", json=body)
    response.raise_for_status()
    return int(response.json())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
