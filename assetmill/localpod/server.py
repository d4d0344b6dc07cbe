"""Listening: an endpoint behind a socket of this machine, in a block or until told to end.

The endpoint of `endpoint` is one; those of other protocols are run by the same two functions.

It must never hold up its own shutdown (long polls are answered at once when the endpoint goes), never take the
process's signal handlers away from whoever runs the loop, and never listen twice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, Protocol, TypeVar

import uvicorn
from starlette.applications import Starlette

from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.localpod.config import PodConfig
from assetmill.localpod.endpoint import TICK_S, Pod
from assetmill.localpod.workers import Worker

GRACE_S: Final = 3


class Hosted(Protocol):
    """What can be listened for."""

    @property
    def url(self) -> str:
        """Its address, for clients."""

    def app(self) -> Starlette:
        """Its HTTP side."""

    def listen(self, connections: Callable[[], Iterable[Any]]) -> None:
        """Is told where the server's open connections are found."""

    async def keep_time(self) -> None:
        """What it does beside answering, until it is cancelled."""

    async def aclose(self) -> None:
        """Answers whoever still waits, and ends what it has started."""


class Place(Protocol):
    """Where to listen."""

    @property
    def host(self) -> str:
        """Address of this machine."""

    @property
    def port(self) -> int:
        """Port; 0 takes a free one."""


SomeHosted = TypeVar("SomeHosted", bound=Hosted)


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
    time = clock or Clock()
    async with hosting(config, lambda port: Pod(config, worker, time, port)) as pod:
        yield pod


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
    time = clock or Clock()
    await until_told(running_pod(config, worker, time), ready=ready, clock=time, follow_parent=follow_parent)


@asynccontextmanager
async def hosting(place: Place, build: Callable[[int], SomeHosted]) -> AsyncIterator[SomeHosted]:
    """Listen for something for as long as the block lasts.

    Args:
        place: where.
        build: makes it, told the port that it is reached at.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    with _listening(place) as listener:
        hosted = build(listener.getsockname()[1])
        server = _Server(
            uvicorn.Config(
                hosted.app(),
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        hosted.listen(lambda: server.server_state.connections)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        timekeeper = asyncio.create_task(hosted.keep_time())
        try:
            await server.ready(serving)
            yield hosted
        finally:
            timekeeper.cancel()
            await hosted.aclose()
            server.should_exit = True
            await asyncio.gather(serving, timekeeper, return_exceptions=True)


async def until_told(
    running: AbstractAsyncContextManager[Hosted],
    *,
    ready: Callable[[str], None],
    clock: Clock,
    follow_parent: bool = False,
) -> None:
    """Run what `hosting` runs until this task is cancelled or the process gets SIGTERM.

    Args:
        running: the block that runs it.
        ready: told its address once it listens.
        clock: its sleep.
        follow_parent: also end when the process that started this one is gone.
    """
    parent = os.getppid()  # before anybody hears of us: from then on it may go at any moment
    ended = asyncio.Event()
    with _on_sigterm(ended.set):
        async with running as hosted:
            ready(hosted.url)
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
def _listening(place: Place) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    # asyncio sends small answers at once only on sockets that say they are TCP; without, each waits 40 ms for an ACK
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((place.host, place.port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on {place.host}:{place.port}: {error.strerror}", hint="port 0 takes a free one"
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
