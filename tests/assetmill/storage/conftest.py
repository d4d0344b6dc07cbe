"""Stores under test: a further kind of store is one more name in STORE_KINDS and one more server.

Beside the real ones stands a server that fails as it is told, over real HTTP, or over TLS with a certificate of its own
authority; it keeps every request as it came.
"""

import hashlib
import itertools
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assetmill.storage import FileStore, S3Access, Store, open_store

STORE_KINDS = ("file", "seaweedfs", "moto_s3")


@dataclass(frozen=True)
class Effort:
    """How much of everything a kind of store is put to: servers take milliseconds for what a folder does in none.

    Args:
        keys: objects in the long listing; more than one page of a thousand.
        races: rounds of many creators.
        counts: increments of each of eight counters.
        reads: looks at an object that is being overwritten.
    """

    keys: int
    races: int
    counts: int
    reads: int


EFFORTS = {
    "file": Effort(keys=2000, races=4, counts=10, reads=150),
    "seaweedfs": Effort(keys=2000, races=1, counts=4, reads=25),
    "moto_s3": Effort(keys=1100, races=2, counts=4, reads=25),
}


@pytest.fixture(scope="session")
def prefixes() -> Iterator[str]:
    """A place of its own in the bucket for each test."""
    return (f"t{number}" for number in itertools.count())


@pytest.fixture(params=STORE_KINDS)
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def effort(store_kind: str) -> Effort:
    return EFFORTS[store_kind]


@pytest.fixture
def server(store_kind: str, request: pytest.FixtureRequest) -> Any:
    """The S3 server of a store kind, None for a folder."""
    return None if store_kind == "file" else request.getfixturevalue(store_kind)


@pytest.fixture
def access(server: Any) -> S3Access | None:
    return server and S3Access(server.endpoint_url, server.key, server.secret)


@pytest.fixture
def store_url(server: Any, prefixes: Iterator[str], tmp_path: Path) -> str:
    """URL of an empty store of each kind."""
    return f"s3://{server.bucket}/{next(prefixes)}" if server else (tmp_path / "store").as_uri()


@pytest.fixture
def reopen(store_url: str, access: S3Access | None) -> Callable[[], Store]:
    """Opens the same place again, as another program would."""
    return lambda: open_store(store_url, access)


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    return reopen()


@pytest.fixture
def folder_store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "folder store")


@dataclass(frozen=True)
class Trouble:
    """One failure of the scripted server.

    Args:
        status: answered at once, whatever was asked.
        code: error code in the answer's XML; empty for a page of HTML, as a proxy sends.
        lost: the request is carried out, and the connection cut instead of an answer.
        cut: so many bytes of the right answer's body are left out, and the connection is cut.
        hold: the answer comes only when the test is over.
        page: this, with status 200 and no header of S3, is answered instead; nothing is carried out.
        to: an address that the answer, of this status, sends the client to.
    """

    status: int = 0
    code: str = ""
    lost: bool = False
    cut: int = 0
    hold: bool = False
    page: bytes | None = None
    to: str = ""


@dataclass
class Scripted:
    """An S3 server that knows PUT, GET, HEAD and DELETE of objects, lists none, and meets trouble as it is told."""

    endpoint_url: str = ""
    ca_file: Path | None = None
    troubles: deque[Trouble] = field(default_factory=deque)
    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: set[socket.socket] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def says(self, *troubles: Trouble) -> None:
        self.troubles.extend(troubles)

    def store(self, **more: Any) -> Store:
        """A store there; `more` is for its access."""
        access = S3Access(self.endpoint_url, "made-up-key-id", "made-up-secret", ca_file=self.ca_file, **more)
        return open_store("s3://assets/scripted", access)

    def end(self) -> None:
        """Let go of whoever still waits, and cut all connections."""
        self.over.set()
        for connection in list(self.connections):
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)

    def carry_out(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Status, error code and body of the right answer."""
        with self.lock:
            there = self.objects.get(path)
            etag = f'"{hashlib.md5(there[0]).hexdigest()}"' if there else None  # noqa: S324  what S3 does
            if method == "PUT":
                if (headers.get("if-none-match") and there) or headers.get("if-match", etag) != etag:
                    return 412, "PreconditionFailed", b""
                self.objects[path] = (body, headers)
                return 200, "", b""
            if path == "/assets":
                return 200, "", b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
            if there is None:
                return 404, "NoSuchKey", b""
            if method == "DELETE":
                del self.objects[path]
                return 204, "", b""
            return 200, "", there[0]


class Handler(BaseHTTPRequestHandler):
    """Connections stay open between requests, as S3's do."""

    protocol_version = "HTTP/1.1"
    script: Scripted

    def answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.body(headers)
        path = self.path.split("?")[0]
        self.script.requests.append((self.command, path, headers, body))
        self.script.connections.add(self.connection)
        trouble = self.script.troubles.popleft() if self.script.troubles else Trouble()
        if trouble.hold:
            self.script.over.wait()
        if trouble.page is not None or trouble.to:
            self.mislead(trouble)
            return
        if trouble.status:
            self.refuse(trouble.status, trouble.code)
            return
        status, code, data = self.script.carry_out(self.command, path, headers, body)
        if trouble.lost:
            self.close_connection = True
        elif status >= 400:
            self.refuse(status, code)
        else:
            self.send(status, data, trouble.cut)

    do_GET = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815  names that the base class looks for

    def body(self, headers: dict[str, str]) -> bytes:
        """The request's body as it came: chunks stay in their wrapping."""
        if "chunked" not in headers.get("transfer-encoding", ""):
            return self.rfile.read(int(headers.get("content-length", 0)))
        came = b""
        while not came.endswith(b"0\r\n\r\n"):
            came += self.rfile.readline()
        return came

    def refuse(self, status: int, code: str) -> None:
        """An error with all that providers put into theirs: our key id, what was signed, what was asked."""
        page = (
            f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>The words of the provider</Message>"
            f"<AWSAccessKeyId>made-up-key-id</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256</StringToSign></Error>"
            if code
            else "<html><body>Bad Gateway, says the proxy</body></html>"
        ).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    def mislead(self, trouble: Trouble) -> None:
        """The answer of somebody in between, who is no store."""
        page = trouble.page or b""
        self.send_response(trouble.status or 200)
        if trouble.to:
            self.send_header("Location", trouble.to)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    def send(self, status: int, data: bytes, cut: int) -> None:
        kept, sent = self.script.objects.get(self.path.split("?")[0], (b"", {}))
        self.send_response(status)
        self.send_header("ETag", f'"{hashlib.md5(kept).hexdigest()}"')  # noqa: S324  what S3 does
        for name, value in sent.items():
            if name.startswith("x-amz-meta-"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) - cut])
        self.close_connection = bool(cut)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(tls: ssl.SSLContext | None, ca_file: Path | None) -> Iterator[type[Handler]]:
    """The scripted server, until the end of the block; its script is the attribute of what is yielded."""

    class Bound(Handler):
        """One class a server, because the server makes a handler for each connection itself."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Bound) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        Bound.script = Scripted(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", ca_file)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Bound
        finally:
            Bound.script.end()
            server.shutdown()
            thread.join()


def scripts(server: type[Handler]) -> Iterator[Scripted]:
    """A fresh script for one test: clients are dear, so the server is the same one and its address too."""
    server.script = Scripted(server.script.endpoint_url, server.script.ca_file)
    yield server.script
    server.script.end()


@pytest.fixture(scope="session")
def scripted_server() -> Iterator[type[Handler]]:
    with serving(None, None) as server:
        yield server


@pytest.fixture
def scripted(scripted_server: type[Handler]) -> Iterator[Scripted]:
    yield from scripts(scripted_server)


@pytest.fixture(scope="session")
def recorder_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Handler]]:
    """The same over TLS, which is what R2 is spoken to with."""
    pem = tmp_path_factory.mktemp("recorder") / "authority.pem"
    pem.write_bytes(certificate())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    with serving(tls, pem) as server:
        yield server


@pytest.fixture
def recorder(recorder_server: type[Handler]) -> Iterator[Scripted]:
    yield from scripts(recorder_server)


def certificate() -> bytes:
    """PEM of a key and of a certificate for 127.0.0.1 that it has signed for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form) + made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def trouble() -> type[Trouble]:
    return Trouble
