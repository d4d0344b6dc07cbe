"""Starts the base image's own handler so that the next job is fetched while one runs: `start_prefetching.py [HANDLER]`.

The RunPod SDK asks for a job, runs it, and looks again after up to a second, so that a worker stands idle, and is
paid, for about 0.9 s after each job. With a concurrency of two it fetches the next job in time; but then it would
run two at once, or, where the handler does not await, keep the first one's result back until the second one has
ended. This file gives the handler a lane of its own instead: a thread through which jobs go one after another, while
the SDK's loop goes on fetching, posting results and hearing of jobs to stop. The handler file is not changed.

- It runs no two jobs at the same time, whatever the handler is; a generator handler is left as it is, unfetched ahead.
- It never asks for two jobs at once: an idle worker leaves the second one to others.
- To an answer that is an object it adds how long the handler itself had the job, in milliseconds, as
  `assetmill_worker.handler_ms`: the platform's executionTime counts from the fetching, so it holds the wait, too.
- `ASSETMILL_PREFETCH=0` switches all of it off; the handler then runs as if it had been started itself.

It runs inside the image, on its Python: the standard library and `runpod` (1.7.12 to 1.12), nothing else.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import runpy
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HANDLER = "/handler.py"
AT_ONCE = 2  # one that runs, and the next one
NOTE = "assetmill_worker"

Job = dict[str, Any]
Start = Callable[[dict[str, Any]], Any]


def one_at_a_time(handler: Callable[[Job], Any]) -> Callable[[Job], Awaitable[Any]]:
    """Give a handler a lane: of all jobs that the SDK starts, one runs and the others wait, in their order.

    A job that is stopped while it waits never runs. One that runs in the thread cannot be stopped: it keeps the
    thread, and so the next job waiting, until it has ended.
    """
    lane = asyncio.Lock()
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="handler")
    awaits = inspect.iscoroutinefunction(handler)

    async def in_turn(job: Job) -> Any:
        async with lane:
            began_s = time.monotonic()
            if awaits:
                answer = await handler(job)
                return noted(answer, began_s)
            began_s, answer = await asyncio.get_running_loop().run_in_executor(
                thread, contextvars.copy_context().run, _timed, handler, job
            )
            if inspect.isawaitable(answer):
                answer = await answer
            return noted(answer, began_s)

    return in_turn


def _timed(handler: Callable[[Job], Any], job: Job) -> tuple[float, Any]:
    """When the handler really began: a job that was stopped may have had the thread until now."""
    return time.monotonic(), handler(job)


def noted(answer: Any, began_s: float) -> Any:
    """The answer with the handler's own time; one that is no object has no place for it."""
    if not isinstance(answer, dict):
        return answer
    return {**answer, NOTE: {"handler_ms": round((time.monotonic() - began_s) * 1000)}}


def prefetching(start: Start) -> Start:
    """The SDK's `start` with a config that fetches ahead, unless the handler has other plans."""

    def begin(config: dict[str, Any]) -> Any:
        handler = config.get("handler")
        streams = inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler)
        if not callable(handler) or streams or config.get("concurrency_modifier"):
            _say("this handler streams or has a concurrency of its own: jobs are not fetched ahead")
            return start(config)
        _say("the next job is fetched while one runs")
        return start({**config, "handler": one_at_a_time(handler), "concurrency_modifier": lambda _: AT_ONCE})

    return begin


def fetch_singly(scaler: Any) -> None:
    """Make the SDK's fetching ask for one job, however many it has room for.

    Args:
        scaler: the SDK's module `rp_scale`, which has offered no setting for it.
    """
    fetch = getattr(scaler, "get_job", None)
    if fetch is None:
        _say("this SDK fetches in a way of its own: an idle worker may take two jobs at once")
        return

    async def fetch_one(session: Any, _room: int = 1) -> Any:
        return await fetch(session, 1)

    scaler.get_job = fetch_one


def run(path: str, arguments: list[str]) -> None:
    """Run a handler file as if it had been started itself, with what it imports beside it."""
    sys.argv = [path, *arguments]
    sys.path[0] = str(Path(path).resolve().parent)
    runpy.run_path(path, run_name="__main__")


def main(arguments: list[str]) -> None:
    """Take the handler's path from the first argument, or from ASSETMILL_HANDLER; the rest is the SDK's."""
    path = os.environ.get("ASSETMILL_HANDLER", HANDLER)
    if arguments and not arguments[0].startswith("-"):
        path, arguments = arguments[0], arguments[1:]
    if os.environ.get("ASSETMILL_PREFETCH", "1").strip() != "0":
        import runpod  # noqa: PLC0415  the handler's own business when nothing is fetched ahead
        from runpod.serverless.modules import rp_scale  # noqa: PLC0415

        fetch_singly(rp_scale)
        runpod.serverless.start = prefetching(runpod.serverless.start)
    run(path, arguments)


def _say(words: str) -> None:
    print(f"start_prefetching: {words}", flush=True)  # noqa: T201  the worker's log is its stdout


if __name__ == "__main__":
    main(sys.argv[1:])
