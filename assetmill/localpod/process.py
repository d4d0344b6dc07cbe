"""Our own endpoint as a process of its own, for a run that asks for drafts.

Drawing takes the processor, and a run must not slow down what it watches; so `run --endpoint draft` starts
`assetmill serve` beside it, talks to it over HTTP like to any endpoint, and ends it. The child gets a key made for
this one process and nothing else of our environment, so that no cloud key reaches it. It ends only the process
that it started.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import assetmill
from assetmill.errors import ProviderRefused

SERVE_KEY_VARIABLE: Final = "ASSETMILL_SERVE_KEY"
"""Environment variable in which the child finds its key; the settings read it."""

SERVE_COMMAND: Final = (sys.executable, "-P", "-m", "assetmill.cli", "serve")
STOP_S: Final = 5.0
LOG_TAIL: Final = 400


@dataclass(frozen=True, slots=True)
class DraftEndpoint:
    """A child that listens.

    Args:
        url: base address, up to the endpoint id.
        api_key: the key it asks for.
        pid: its process id.
    """

    url: str
    api_key: str = field(repr=False)
    pid: int


@asynccontextmanager
async def draft_endpoint(
    *,
    log: Path,
    cwd: Path | None = None,
    workers: int = 3,
    exec_seconds: float = 0.0,
    start_timeout_s: float = 60.0,
    command: Sequence[str] = SERVE_COMMAND,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[DraftEndpoint]:
    """Run the draft endpoint as a child process for as long as the block lasts.

    Args:
        log: file that the child's messages are added to; its folder is made.
        cwd: the child's folder; that of the log when left out, so that it finds no `.env` of ours.
        workers: most workers at once.
        exec_seconds: a job takes at least this long.
        start_timeout_s: how long the child may take until it listens.
        command: the program; it is given `--workers N --port 0 --announce` and prints one JSON line
            `{"url": …}` on standard output once it listens.
        environment: further variables for the child.

    Raises:
        ProviderRefused: the child ended or stayed silent; the hint names its log.
    """
    key = secrets.token_urlsafe(24)
    arguments = ["--workers", str(workers), "--port", "0", "--announce"]
    if exec_seconds:
        arguments += ["--exec-seconds", str(exec_seconds)]
    variables = {"PYTHONPATH": _package_root(), **environment, SERVE_KEY_VARIABLE: key}
    child = _start(
        [*command, *arguments], log, cwd or log.parent, variables
    )  # no await: nobody may cancel half a start
    try:
        url = await _announced(child, start_timeout_s, log)
        yield DraftEndpoint(url, key, child.pid)
    finally:
        await asyncio.to_thread(_stop, child)


def _start(command: Sequence[str], log: Path, cwd: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as messages:
        return subprocess.Popen(  # noqa: S603 - our own interpreter, or the caller's command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            cwd=cwd,
            env=dict(variables),
            start_new_session=True,  # Ctrl-C is for the run, which still has jobs to collect
        )


async def _announced(child: subprocess.Popen[bytes], timeout_s: float, log: Path) -> str:
    reading = asyncio.ensure_future(asyncio.to_thread(_first_line, child))
    done, _ = await asyncio.wait({reading}, timeout=timeout_s)
    if not done:
        await asyncio.to_thread(_stop, child)  # ends the reading too
        await reading
        raise ProviderRefused(f"the draft endpoint did not listen within {timeout_s:g} s", hint=f"see {log}")
    try:
        return str(json.loads(reading.result())["url"])
    except (ValueError, KeyError, TypeError):
        raise ProviderRefused("the draft endpoint did not start", hint=f"see {log}: {_tail(log)}") from None


def _first_line(child: subprocess.Popen[bytes]) -> bytes:
    return child.stdout.readline() if child.stdout else b""


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End this child and no other: kindly first, then for certain."""
    with child:  # closes the pipe and waits
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()


def _package_root() -> str:
    """Folder that holds this very assetmill: the child runs the same code, wherever it is started."""
    return str(Path(assetmill.__file__).resolve().parent.parent)


def _tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    return text[-LOG_TAIL:] or "it wrote nothing"
