"""What the endpoint's workers cost: each from its start to its stop, rounded up to the second.

This is the endpoint's own truth about money, as `executions` is about jobs: a client's estimates are compared with it.
It is kept for the endpoint's whole life. A worker that never got a job is billed like any other, and so is one that
was resumed from a snapshot. The fetching of its image is not billed. It knows nothing of jobs and of HTTP.

Source: docs.runpod.io, serverless/pricing (a worker is billed from when it starts until it fully stops, rounded up to
the next second; container disk in blocks of five minutes) and serverless/workers/overview (initializing is free). How
RunPod divides a second between two hours is not published; here the seconds of a life are laid end to end from its
start, and each belongs to the hour that it lies in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from assetmill.clock import Clock
from assetmill.localpod.gpus import Gpu

USD_STEP: Final = Decimal("0.00000001")
DISK_BLOCK_S: Final = 300
DISK_USD_PER_GB_BLOCK: Final = Decimal("0.000011574")


@dataclass(frozen=True, slots=True)
class Charge:
    """What one life of one worker has cost so far.

    Args:
        worker_id: the worker; one that is resumed keeps its id and has a charge for each life.
        gpu: its GPU model.
        gpu_count: how many of them it has.
        disk_gb: its container disk.
        started_at: when it started, aware.
        seconds: billed seconds.
        running: whether it is still there.
    """

    worker_id: str
    gpu: Gpu
    gpu_count: int
    disk_gb: int
    started_at: datetime
    seconds: int
    running: bool

    @property
    def billed_until(self) -> datetime:
        """End of its last billed second."""
        return self.started_at + timedelta(seconds=self.seconds)

    @property
    def gpu_usd(self) -> Decimal:
        """Price of its seconds."""
        return _rounded(self._gpu_usd(Decimal(self.seconds)))

    @property
    def disk_usd(self) -> Decimal:
        """Price of its disk, for blocks of five minutes that have begun."""
        return _rounded(self._disk_usd())

    @property
    def usd(self) -> Decimal:
        """What it costs altogether."""
        return self.gpu_usd + self.disk_usd

    def within(self, since: datetime, until: datetime) -> tuple[Decimal, Decimal]:
        """Its price between two moments, GPU and disk apart; the disk belongs to its moments as the GPU does."""
        begins, ends = max(self.started_at, since), min(self.billed_until, until)
        if ends <= begins:
            return Decimal(0), Decimal(0)
        seconds = Decimal((ends - begins) // timedelta(microseconds=1)) / 1_000_000
        return self._gpu_usd(seconds), self._disk_usd() * seconds / self.seconds

    def _gpu_usd(self, seconds: Decimal) -> Decimal:
        return self.gpu.usd_per_s * self.gpu_count * seconds

    def _disk_usd(self) -> Decimal:
        return DISK_USD_PER_GB_BLOCK * self.disk_gb * math.ceil(self.seconds / DISK_BLOCK_S)


@dataclass(frozen=True, slots=True)
class _Life:
    """A life of a worker, by both of the clock's times."""

    worker_id: str
    gpu: Gpu
    started_at: datetime
    started_s: float
    stopped_s: float | None = None


class Meter:
    """The charges of one endpoint's workers.

    Args:
        clock: wall-clock time for the hours that a bill speaks of, time that never jumps for durations.
        gpu_count: GPUs of each worker.
        disk_gb: container disk of each worker.
    """

    def __init__(self, clock: Clock, gpu_count: int = 1, disk_gb: int = 0) -> None:
        self._clock = clock
        self._gpu_count = gpu_count
        self._disk_gb = disk_gb
        self._over: list[_Life] = []
        self._running: dict[str, _Life] = {}

    def started(self, worker_id: str, gpu: Gpu) -> None:
        """A worker has started; nothing happens for one that is running."""
        if worker_id not in self._running:
            now = self._clock.monotonic()
            self._running[worker_id] = _Life(worker_id, gpu, self._clock.now(), now)

    def stopped(self, worker_id: str, at_s: float | None = None) -> None:
        """A worker has stopped, now or at a moment that has passed; nothing happens for one that is not running."""
        life = self._running.pop(worker_id, None)
        if life is not None:
            at_s = self._clock.monotonic() if at_s is None else at_s
            self._over.append(_Life(life.worker_id, life.gpu, life.started_at, life.started_s, at_s))

    def charges(self) -> tuple[Charge, ...]:
        """Every life so far in the order of their starts, those that go on up to now."""
        now = self._clock.monotonic()
        lives = sorted((*self._over, *self._running.values()), key=lambda life: life.started_s)
        return tuple(self._charge(life, now) for life in lives)

    def _charge(self, life: _Life, now: float) -> Charge:
        lasted_s = (now if life.stopped_s is None else life.stopped_s) - life.started_s
        return Charge(
            worker_id=life.worker_id,
            gpu=life.gpu,
            gpu_count=self._gpu_count,
            disk_gb=self._disk_gb,
            started_at=life.started_at,
            seconds=math.ceil(round(lasted_s, 6)),  # a clock's last binary digits are no second
            running=life.stopped_s is None,
        )


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(USD_STEP, ROUND_HALF_UP)
