"""What holds for every test: servers of tests stand on this machine, and no proxy comes between.

Property tests draw the same examples every time, few enough for every run of the suite; with
HYPOTHESIS_PROFILE=fuzz they draw many new ones, make those small that fail, and remember them.

Two real S3 servers are there for whoever asks, started once and ended with the tests: SeaweedFS, which keeps files and
checks signatures, and moto, which does neither.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings

from assetmill.settings import reach_this_machine_directly

reach_this_machine_directly()

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
_QUICK = (Phase.explicit, Phase.generate)  # making a failing example small may take minutes
settings.register_profile("ci", max_examples=40, derandomize=True, database=None, deadline=None, phases=_QUICK)
settings.register_profile("fuzz", max_examples=5_000, deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


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
    folder = tmp_path_factory.mktemp("seaweedfs")
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
def running(command: Sequence[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
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
