"""Listening: the endpoint of `endpoint` behind a socket of this machine, in a block or until told to end.

It must never hold up its own shutdown (long polls are answered at once when the endpoint goes), never take the
process's signal handlers away from whoever runs the loop, and never listen twice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn

from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.localpod.config import PodConfig
from assetmill.localpod.endpoint import TICK_S, Pod
from assetmill.localpod.workers import Worker

GRACE_S: Final = 3


@asynccontextmanager
async def running_pod(
    config: PodConfig, worker: Worker | None = None, clock: Clock | None = None
) -> AsyncIterator[Pod]:
    """Run an endpoint in this process for as long as the block lasts.

    Args:
        config: how it behaves; port 0 takes a free one.
        worker: the handler that carries jobs out, in threads; none for `config.remote_workers`.
        clock: time, sleep and ids; the real ones when left out.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    with _listening(config) as listener:
        pod = Pod(config, worker, clock or Clock(), listener.getsockname()[1])
        server = _Server(
            uvicorn.Config(
                pod.app(),
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        pod.listen(lambda: server.server_state.connections)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        timekeeper = asyncio.create_task(pod.keep_time())
        try:
            await server.ready(serving)
            yield pod
        finally:
            timekeeper.cancel()
            await pod.aclose()
            server.should_exit = True
            await asyncio.gather(serving, timekeeper, return_exceptions=True)


async def serve(
    config: PodConfig,
    worker: Worker | None,
    *,
    ready: Callable[[str], None],
    clock: Clock | None = None,
    follow_parent: bool = False,
) -> None:
    """Run an endpoint until this task is cancelled or the process gets SIGTERM.

    Args:
        config: how it behaves.
        worker: the handler that carries jobs out; None for `config.remote_workers`.
        ready: told the endpoint's address once it listens.
        clock: time, sleep and ids; the real ones when left out.
        follow_parent: also end when the process that started this one is gone; for servers that belong to a run.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    parent = os.getppid()  # before anybody hears of us: from then on it may go at any moment
    clock = clock or Clock()
    ended = asyncio.Event()
    with _on_sigterm(ended.set):
        async with running_pod(config, worker, clock) as pod:
            ready(pod.url)
            waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(ended.wait())}
            if follow_parent:
                waits.add(asyncio.ensure_future(_orphaned(parent, clock)))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()


class _Server(uvicorn.Server):
    """Leaves the process's signals alone: they belong to whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def ready(self, serving: asyncio.Task[None]) -> None:
        """Return once connections are accepted; raises what `serving` raised."""
        while not self.started:
            if serving.done():
                serving.result()
                raise UsageError("the local endpoint ended before it listened")
            await asyncio.sleep(0)


@contextmanager
def _listening(config: PodConfig) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # asyncio sends small answers at once only on sockets that say they are TCP; without, each waits 40 ms for an ACK
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.host, config.port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on {config.host}:{config.port}: {error.strerror}", hint="port 0 takes a free one"
            ) from None
        yield listener


@contextmanager
def _on_sigterm(end: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGTERM, end)
    except (NotImplementedError, RuntimeError, ValueError):  # no main thread, or a system without it
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def _orphaned(parent: int, clock: Clock) -> None:
    while os.getppid() == parent:
        await clock.sleep(TICK_S)
