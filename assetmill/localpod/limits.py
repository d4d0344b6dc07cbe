"""What the endpoint refuses before a job exists: too large, too often, too many.

It decides and keeps count; it waits for nothing and knows neither HTTP nor the queue's insides. A refusal is one
of the project's own errors, so that the server only has to give it a status code.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from assetmill.errors import RequestRejected, Throttled
from assetmill.localpod.config import MIB, Limits, Rate


class Operation(StrEnum):
    """Operations that have a rate; `status` stands for `status-sync` as well."""

    RUN = "run"
    RUNSYNC = "runsync"
    STATUS = "status"
    STREAM = "stream"
    CANCEL = "cancel"
    PURGE = "purge"
    REQUESTS = "requests"


class Gate:
    """Counts the calls of each operation in a sliding window, and those that are open now.

    Args:
        limits: the figures.
        now: seconds that never jump.
    """

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._calls: dict[Operation, deque[float]] = {operation: deque() for operation in Operation}
        self._open: dict[Operation, int] = dict.fromkeys(Operation, 0)

    @contextmanager
    def admitted(self, operation: Operation, running_workers: int) -> Iterator[None]:
        """Let one call in for as long as the block lasts.

        Raises:
            Throttled: too many calls in this window, or too many open ones.
        """
        rate: Rate = getattr(self._limits, operation)
        self._check_open(operation, rate)
        self._check_rate(operation, max(rate.calls, running_workers * rate.per_worker))
        self._open[operation] += 1
        try:
            yield
        finally:
            self._open[operation] -= 1

    def _check_open(self, operation: Operation, rate: Rate) -> None:
        if rate.concurrent is not None and self._open[operation] >= rate.concurrent:
            raise Throttled(f"too many concurrent {operation} requests", retry_after_s=1.0)

    def _check_rate(self, operation: Operation, allowed: int) -> None:
        now, calls = self._now(), self._calls[operation]
        while calls and calls[0] <= now - self._limits.window_s:
            calls.popleft()
        if len(calls) >= allowed:
            wait_s = calls[-allowed] + self._limits.window_s - now if allowed else self._limits.window_s
            raise Throttled(f"rate limit of {operation} exceeded", retry_after_s=wait_s)
        calls.append(now)


def check_queue(limits: Limits, waiting: int, workers: int) -> None:
    """Refuse a new job when too many wait.

    Raises:
        Throttled: the queue holds more than both the floor and the share of the endpoint's workers.
    """
    most = max(limits.queue_floor, limits.queue_per_worker * workers)
    if waiting >= most:
        raise Throttled(f"queue is full: {waiting} jobs wait and {most} may", retry_after_s=limits.window_s)


def check_body(size: int, most: int) -> None:
    """Refuse a body that is too large.

    Raises:
        RequestRejected: with RunPod's own words, which clients look for.
    """
    if size > most:
        raise RequestRejected(f"exceeded max body size of {most // MIB}MiB" if most >= MIB else _in_bytes(most))


def fits(output: Any, most: int) -> bool:
    """Whether a worker could hand this result over.

    Raises:
        TypeError, ValueError, RecursionError: the result is no JSON.
    """
    return len(json.dumps(output, allow_nan=False)) <= most  # pure ASCII: characters are bytes


def _in_bytes(most: int) -> str:
    return f"exceeded max body size of {most} bytes"
