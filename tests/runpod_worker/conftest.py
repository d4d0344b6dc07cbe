"""A small hub on this machine, and the programs of the build as they run in the image."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

STEPS = Path(__file__).parents[2] / "runpod-worker" / "steps"


@dataclass
class Hub:
    """Files by path, and what was asked; some answers break off, fail, or lead elsewhere.

    Args:
        files: path -> content.
        breaks: path -> bytes after which the connection ends, once each.
        failures: path -> status codes of the next answers.
        moved: path -> address that it leads to.
        asked: (path, headers) of every GET.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    failures: dict[str, list[int]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def model(self, path: str, content: bytes, **fields: Any) -> dict[str, Any]:
        """Serve a file, and its entry in a lock."""
        self.files[path] = content
        return {
            "file": Path(path).name, "folder": "checkpoints", "name": Path(path).name, "set": "core",
            "place": "anywhere", "url": self.url + path, "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(), **fields,
        }  # fmt: skip


class _Answers(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        hub, path = self.hub, self.path
        hub.asked.append((path, {key.lower(): value for key, value in self.headers.items()}))
        if hub.failures.get(path):
            self.send_response(hub.failures[path].pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in hub.moved:
            self.send_response(302)
            self.send_header("Location", hub.moved[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in hub.files:
            self._send(hub.files[path])
        else:
            self.send_error(404)

    def _send(self, content: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        breaks = self.hub.breaks.get(self.path)
        end = start + breaks.pop(0) if breaks else len(content)
        self.wfile.write(content[start:end])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"hub": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def step(capsys):
    """Runs a program of the build, in this process."""

    def run(name: str, *arguments: object) -> Done:
        main = runpy.run_path(str(STEPS / name))["main"]
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def lock_of(tmp_path):
    """Writes a lock of some models and node packs."""

    def write(models=(), nodes=(), comfyui="0.17.2") -> Path:
        lines = ["[base]", f"comfyui = {json.dumps(comfyui)}"]
        for head, tables in (("[[node]]", nodes), ("[[model]]", models)):
            for table in tables:
                lines += [head, *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        path = tmp_path / "models.lock"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write
