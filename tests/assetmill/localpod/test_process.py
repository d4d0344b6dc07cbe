"""Our endpoint as a child process: it comes up with a key of its own, and it goes with whoever started it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

import assetmill
from assetmill.errors import ProviderRefused
from assetmill.localpod import PodConfig
from assetmill.localpod import process as process_module
from assetmill.localpod.process import SERVE_KEY_VARIABLE, draft_endpoint
from assetmill.localpod.server import _listening

ROOT = Path(assetmill.__file__).resolve().parent.parent
PROGRAM = f"""
import argparse, asyncio, json, os
from assetmill.localpod import PodConfig, serve

parser = argparse.ArgumentParser()
parser.add_argument("--workers", type=int)
parser.add_argument("--port", type=int)
parser.add_argument("--exec-seconds", type=float, default=0.0)
parser.add_argument("--announce", action="store_true")
given = parser.parse_args()
config = PodConfig(api_key=os.environ.get("{SERVE_KEY_VARIABLE}"), workers=given.workers, port=given.port)

def worker(job_input):
    return {{"variables": sorted(os.environ), "workers": given.workers, "exec_seconds": given.exec_seconds}}

def ready(url):
    print(json.dumps({{"url": url, "pid": os.getpid()}}), flush=True)

asyncio.run(serve(config, worker, ready=ready, follow_parent=True))
"""


@pytest.fixture
def server_command(tmp_path: Path) -> tuple[str, str]:
    """A small program that serves an endpoint as `assetmill serve` does."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    return sys.executable, str(program)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def python(code: str) -> tuple[str, str, str]:
    return sys.executable, "-c", code


async def test_the_child_serves_and_ends_with_the_block(tmp_path: Path, server_command: tuple[str, str]) -> None:
    log = tmp_path / "new" / "serve.log"
    async with draft_endpoint(log=log, cwd=tmp_path, workers=2, exec_seconds=0.5, command=server_command) as endpoint:
        headers = {"Authorization": f"Bearer {endpoint.api_key}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            body = (await client.post(f"{endpoint.url}/runsync", json={"input": {"a": 1}})).json()
        assert (body["output"]["workers"], body["output"]["exec_seconds"]) == (2, 0.5)
        assert alive(endpoint.pid)
    assert not alive(endpoint.pid)
    assert log.read_text(encoding="utf-8") == ""


async def test_the_child_asks_for_its_own_key_and_hears_nothing_of_ours(
    tmp_path: Path, server_command: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "a-cloud-key")
    async with (
        draft_endpoint(log=tmp_path / "log", command=server_command, environment={"EXTRA": "1"}) as endpoint,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert (await client.get(f"{endpoint.url}/health")).status_code == 401
        headers = {"Authorization": f"Bearer {endpoint.api_key}"}
        answer = await client.post(f"{endpoint.url}/runsync", json={"input": {"a": 1}}, headers=headers)
        variables = answer.json()["output"]["variables"]
    assert SERVE_KEY_VARIABLE in variables
    assert "EXTRA" in variables
    assert "RUNPOD_API_KEY" not in variables
    assert endpoint.api_key not in repr(endpoint)


async def test_two_children_have_two_keys_and_two_ports(tmp_path: Path, server_command: tuple[str, str]) -> None:
    async with (
        draft_endpoint(log=tmp_path / "log", command=server_command) as one,
        draft_endpoint(log=tmp_path / "log", command=server_command) as two,
    ):
        assert one.api_key != two.api_key
        assert one.url != two.url


async def test_an_error_in_the_block_ends_the_child_too(tmp_path: Path, server_command: tuple[str, str]) -> None:
    child = draft_endpoint(log=tmp_path / "log", command=server_command)
    endpoint = await child.__aenter__()
    assert not await child.__aexit__(KeyError, KeyError("mine"), None), "the error is passed on"
    assert not alive(endpoint.pid)


async def test_a_child_that_is_gone_already_is_no_trouble(tmp_path: Path, server_command: tuple[str, str]) -> None:
    async with draft_endpoint(log=tmp_path / "log", command=server_command) as endpoint:
        os.kill(endpoint.pid, signal.SIGKILL)


async def test_a_child_that_fails_to_start_says_why(tmp_path: Path) -> None:
    failing = python("import sys; sys.exit('no such font')")
    with pytest.raises(ProviderRefused) as caught:
        async with draft_endpoint(log=tmp_path / "log", command=failing):
            pytest.fail("it never listened")
    assert "no such font" in caught.value.hint


async def test_a_child_that_says_something_else_is_refused(tmp_path: Path) -> None:
    chatty = python("print('hello')")
    with pytest.raises(ProviderRefused, match="did not start"):
        async with draft_endpoint(log=tmp_path / "log", command=chatty):
            pytest.fail("it never listened")


async def test_a_silent_child_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "STOP_S", 0.1)
    pid_file = tmp_path / "pid"
    stubborn = python(
        "import os, pathlib, signal, threading;"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()));"
        "threading.Event().wait(60)"
    )
    with pytest.raises(ProviderRefused, match="did not listen within 2 s"):
        async with draft_endpoint(log=tmp_path / "log", command=stubborn, start_timeout_s=2):
            pytest.fail("it never listened")
    assert not alive(int(pid_file.read_text()))


async def test_sigterm_ends_a_server_in_good_order(server_command: tuple[str, str]) -> None:
    child = await asyncio.create_subprocess_exec(
        *server_command, "--workers", "1", "--port", "0", stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None
    assert await child.stdout.readline()
    child.terminate()
    assert await asyncio.wait_for(child.wait(), 60) == 0


async def test_a_server_ends_when_its_parent_is_killed(server_command: tuple[str, str]) -> None:
    parent = await asyncio.create_subprocess_exec(
        *python(
            "import subprocess;"
            f"subprocess.run([{server_command[0]!r}, {server_command[1]!r}, '--workers', '1', '--port', '0'])"
        ),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    announced = json.loads(await parent.stdout.readline())
    assert alive(announced["pid"])
    parent.kill()
    try:
        rest = await asyncio.wait_for(parent.stdout.read(), 60)  # ends when the last holder of the pipe does
        assert rest == b""
    finally:
        if alive(announced["pid"]):
            os.kill(announced["pid"], signal.SIGKILL)
        await parent.wait()


async def test_the_command_line_serves_drafts_as_a_child(tmp_path: Path) -> None:
    async with (
        draft_endpoint(log=tmp_path / "serve.log", cwd=tmp_path, workers=1) as endpoint,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert endpoint.url.endswith("/v2/draft")
        assert (await client.get(f"{endpoint.url}/health")).status_code == 401
        headers = {"Authorization": f"Bearer {endpoint.api_key}"}
        answer = await client.post(f"{endpoint.url}/runsync", json={"input": {"no": "graph"}}, headers=headers)
        assert answer.json()["status"] == "FAILED"
    assert not alive(endpoint.pid)


def test_the_listening_socket_says_that_it_is_tcp() -> None:
    with _listening(PodConfig()) as listener:  # else asyncio leaves Nagle's algorithm on: 40 ms for every answer
        assert listener.proto == socket.IPPROTO_TCP
