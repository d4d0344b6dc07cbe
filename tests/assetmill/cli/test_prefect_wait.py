"""What a run still asks of a Prefect API at its end can no longer spoil the run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from assetmill.cli.prefect_server import wait_until_recorded


class Closed(BaseHTTPRequestHandler):
    """An API that wants a login first: 401, or a page with a form, as the address says."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        page = self.path.startswith("/page")
        self.send_response(200 if page else 401)
        self.end_headers()
        self.wfile.write(b"<html>log in</html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def closed() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ("/api", "/page/api"))
def test_an_api_that_cannot_be_read_is_not_waited_for_and_raises_nothing(closed, path):
    assert wait_until_recorded(closed + path, "flow-run") is False
