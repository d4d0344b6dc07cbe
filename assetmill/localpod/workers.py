"""The workers of the local endpoint: they come when jobs wait, run one job at a time, and go when idle.

A worker lives as RunPod's do: a cold start, then jobs one after another, then an idle timeout after which it is
gone and the next one is cold again; with FlashBoot it comes back from a snapshot, under its old id. The meter runs
from its start to its end, not while its image is fetched. What it runs is a plain function that is passed in; the
function runs in a thread and cannot be stopped, so a job that is cancelled or timed out keeps its worker busy to the
end and its result is dropped. The pool knows the queue and nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assetmill.clock import Clock
from assetmill.localpod.config import PodConfig
from assetmill.localpod.gpus import Gpu
from assetmill.localpod.limits import fits
from assetmill.localpod.listings import WorkerLine
from assetmill.localpod.meter import Meter
from assetmill.localpod.queue import JobQueue, Lease

Worker = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""A handler: job input in, answer out. It runs in a thread, several at once; it must not change its input.

An answer with `error` makes the job FAILED and its other keys stay as the output; an exception does too.
"""


class WorkerState(StrEnum):
    """What a worker does, in the words of `/health`."""

    INITIALIZING = "initializing"
    IDLE = "idle"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Census:
    """How many workers are in which state."""

    initializing: int = 0
    idle: int = 0
    running: int = 0
    unhealthy: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What a handler's run came to; neither output nor error for a result that could not be handed over."""

    output: Any = None
    error: Any = None


@dataclass(slots=True, eq=False)
class _Slot:
    """A worker that exists; one that is fetching its image has not started."""

    id: str
    gpu: Gpu
    resumed: bool = False
    started_s: float | None = None
    stopped_s: float | None = None
    state: WorkerState = WorkerState.INITIALIZING
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Pool:
    """Up to `config.workers` workers on one queue. `poke()` it whenever a job has been queued.

    Args:
        queue: where jobs come from and results go.
        worker: the handler.
        config: numbers and durations.
        clock: time, sleep, chance and ids.
        meter: counts what the workers cost.
        slowness_s: what a new worker needs beyond `config.cold_start_s`, by its id.
        most: how many workers there may be at this moment, no more than `config.workers`; None for that figure.
    """

    def __init__(
        self,
        queue: JobQueue,
        worker: Worker,
        config: PodConfig,
        clock: Clock,
        meter: Meter,
        slowness_s: Callable[[str], float] = lambda _id: 0.0,
        most: Callable[[], int] | None = None,
    ) -> None:
        self._most = most or (lambda: config.workers)
        self._slowness_s = slowness_s
        self._queue = queue
        self._worker = worker
        self._config = config
        self._clock = clock
        self._meter = meter
        self._snapshots: list[_Slot] = []
        self._slots: dict[_Slot, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="localpod")
        self._closed = False

    def census(self) -> Census:
        """How many workers are in which state now."""
        states = [slot.state for slot in self._slots]
        return Census(**{state.value: states.count(state) for state in WorkerState})

    def listing(self) -> tuple[WorkerLine, ...]:
        """The workers one by one."""
        now = self._clock.monotonic()
        return tuple(
            WorkerLine(slot.id, slot.state.value, 0.0 if slot.started_s is None else now - slot.started_s, slot.gpu.id)
            for slot in self._slots
        )

    def poke(self) -> None:
        """Wake idle workers, and start as many as the queue asks for and the endpoint may have."""
        if self._closed:
            return
        for slot in self._slots:
            slot.wake.set()
        free = sum(slot.state is not WorkerState.RUNNING for slot in self._slots)
        room = self._most() - len(self._slots)
        for _ in range(min(room, self._queue.demand - free)):
            slot = self._new_slot()
            self._slots[slot] = asyncio.create_task(self._live(slot), name=slot.id)

    async def aclose(self) -> None:
        """Send every worker away; a handler that is running ends by itself and nobody hears of it."""
        self._closed = True
        tasks = list(self._slots.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _new_slot(self) -> _Slot:
        """A worker that nobody has seen yet, or one that comes back."""
        if self._snapshots:
            gone = self._snapshots.pop(0)
            return _Slot(gone.id, gone.gpu, resumed=True)
        gpus = self._config.gpus
        gpu = gpus[0] if len(gpus) == 1 else self._clock.random.choice(gpus)
        return _Slot(f"lp-{self._clock.new_id()[:14]}", gpu)

    async def _live(self, slot: _Slot) -> None:
        try:
            await self._start(slot)
            while (lease := await self._next(slot)) is not None:
                await self._serve(slot, lease)
                if lease.script is not None and lease.script.answer is None:
                    break  # it went with the job
            else:
                if self._config.flashboot:
                    self._snapshots.append(slot)
        finally:
            self._meter.stopped(slot.id, slot.stopped_s)
            del self._slots[slot]
            self.poke()  # a job may have come while this worker was going

    async def _start(self, slot: _Slot) -> None:
        if self._config.image_pull_s and not slot.resumed:
            await self._clock.sleep(self._config.image_pull_s)
        slot.started_s = self._clock.monotonic()
        self._meter.started(slot.id, slot.gpu)
        usual_s = self._config.resume_s if slot.resumed else self._config.cold_start_s
        if start_s := usual_s + self._slowness_s(slot.id):
            await self._clock.sleep(start_s)

    async def _next(self, slot: _Slot) -> Lease | None:
        slot.state = WorkerState.IDLE
        until_s = self._clock.monotonic() + self._config.idle_timeout_s  # looking in vain makes it no later
        while self._too_many() or (lease := self._queue.take(slot.id)) is None:
            if self._too_many():
                slot.stopped_s = self._clock.monotonic()
                return None
            slot.wake.clear()
            left_s = until_s - self._clock.monotonic()
            if left_s <= 0 or not await woken(slot.wake, left_s, self._clock):
                slot.stopped_s = until_s  # to the second, however late a busy machine wakes us
                return None
        slot.state = WorkerState.RUNNING
        self.poke()  # one idle worker fewer
        return lease

    def _too_many(self) -> bool:
        """Whether a worker that has nothing to do has to go: there are more than there may be."""
        return len(self._slots) > self._most()

    async def _serve(self, slot: _Slot, lease: Lease) -> None:
        result = await self._run(lease)
        if result.error is not None:
            self._queue.fail(lease, result.error, result.output)
        else:
            self._queue.complete(lease, result.output)
        if self._config.gap_seconds:
            await self._clock.sleep(self._config.gap_seconds)
        slot.state = WorkerState.IDLE

    async def _run(self, lease: Lease) -> Result:
        if lease.script is not None:
            # no time at all is still a turn for the others: nothing else may stop a worker that fails at once
            await (self._clock.sleep(lease.script.after_s) if lease.script.after_s else asyncio.sleep(0))
            return _judge(lease.script.answer)
        limit = self._config.limits.result_bytes
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, run_handler, self._worker, lease, limit)
        if self._config.exec_seconds:
            await asyncio.gather(running, self._clock.sleep(self._config.exec_seconds))
        return await running


def run_handler(worker: Worker, lease: Lease, most_bytes: int) -> Result:
    """Run one job here and now, and judge the answer the way RunPod's worker SDK does.

    Args:
        worker: the handler.
        lease: the job.
        most_bytes: a larger result is lost: the job completes without any output.
    """
    try:
        answer = worker(lease.input)
        result = _judge(answer)
        return result if fits([result.output, result.error], most_bytes) else Result()
    except Exception as error:  # noqa: BLE001 - whatever a handler raises becomes the job's error
        return Result(error=_described(error, lease.worker_id))


def _judge(answer: Any) -> Result:
    if not isinstance(answer, Mapping):
        return Result(output=answer)
    output = {key: value for key, value in answer.items() if key != "error"}
    return Result(output=output or None, error=answer.get("error") or None)


def _described(error: Exception, worker_id: str) -> str:
    """An exception in the shape that RunPod's worker SDK posts: a JSON object, as a string."""
    return json.dumps(
        {
            "error_type": str(type(error)),
            "error_message": str(error),
            "error_traceback": "".join(traceback.format_exception(error)),
            "hostname": worker_id,
            "worker_id": worker_id,
            "runpod_version": "localpod",
        }
    )


async def woken(event: asyncio.Event, seconds: float, clock: Clock) -> bool:
    """Wait for an event, but no longer than `seconds` of the clock's time; says whether it came."""
    tasks = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(_asleep(seconds, clock))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return event.is_set()


async def _asleep(seconds: float, clock: Clock) -> bool:
    await clock.sleep(seconds)
    return True
