"""The jobs of the local Scenario: taken or refused, drawn in threads, and paid back when they fail.

A job goes through Scenario's statuses by the clock. It knows nothing of HTTP: whoever asks gets the job itself.
What a job has cost stays with it; what was paid back is written beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from assetmill.clock import Clock
from assetmill.localpod.scenario.config import ScenarioConfig
from assetmill.localpod.scenario.faults import Fault, Kind, Luck, Stage
from assetmill.localpod.scenario.painting import PaintingFailed
from assetmill.localpod.scenario.refusal import ceiling


class Status(StrEnum):
    """Every status that Scenario documents."""

    PENDING = "pending"
    QUEUED = "queued"
    WARMING_UP = "warming-up"
    IN_PROGRESS = "in-progress"
    FINALIZING = "finalizing"
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        """It stays so."""
        return self in (Status.SUCCESS, Status.FAILURE, Status.CANCELED)


@dataclass(slots=True)
class Job:
    """One job.

    Args:
        id: its id.
        type: in Scenario's words.
        call: the call that made it: txt2img, img2img, remove-background, custom or upload.
        action: what its ceiling is named.
        input: the body that asked for it.
        units: creative units that it cost when it was taken.
        prompt: words that it goes back to.
        history: every status that it has had, and since when.
        asset_ids: what it has made.
        error: why it failed.
        refunded: its units were paid back.
        refund: they are, should it fail.
    """

    id: str
    type: str
    call: str
    action: str
    input: Mapping[str, Any]
    units: float
    prompt: str
    history: list[tuple[Status, datetime]]
    asset_ids: list[str] = field(default_factory=list)
    error: str | None = None
    refunded: bool = False
    refund: bool = True

    @property
    def status(self) -> Status:
        """The one that it has now."""
        return self.history[-1][0]

    @property
    def created_at(self) -> datetime:
        """When it was taken."""
        return self.history[0][1]

    @property
    def updated_at(self) -> datetime:
        """When it last changed."""
        return self.history[-1][1]

    @property
    def progress(self) -> float:
        """0 to 1."""
        if self.status.terminal:
            return 1.0
        return {Status.IN_PROGRESS: 0.5, Status.FINALIZING: 0.9}.get(self.status, 0.0)


class Works:
    """All jobs.

    Args:
        config: ceilings and durations.
        clock: time and ids.
        luck: which of them go wrong.
    """

    def __init__(self, config: ScenarioConfig, clock: Clock, luck: Luck) -> None:
        self._config = config
        self._clock = clock
        self._luck = luck
        self._jobs: dict[str, Job] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(config.painters)
        self._threads = ThreadPoolExecutor(config.painters, thread_name_prefix="scenario")
        self._free = asyncio.Event()
        self._free.set()
        self.most_outstanding = 0

    def all(self) -> tuple[Job, ...]:
        """Every job there has been, oldest first."""
        return tuple(self._jobs.values())

    def get(self, job_id: str) -> Job | None:
        """One of them."""
        return self._jobs.get(job_id)

    def hold(self) -> None:
        """Let no job get beyond `in-progress` until `release`."""
        self._free.clear()

    def release(self) -> None:
        """Let them go on."""
        self._free.set()

    def check_room(self, action: str) -> None:
        """Refuse one more job of a kind of which there are as many as may be.

        Raises:
            Refusal: 429.
        """
        if (
            sum(job.action == action and not job.status.terminal for job in self._jobs.values())
            >= self._config.parallel
        ):
            raise ceiling(action, self._config.parallel)

    def take(self, job_type: str, call: str, work: Callable[[Job], list[str]], **fields: Any) -> Job:
        """Begin a job; there is room for it.

        Args:
            job_type: in Scenario's words.
            call: the call that asks for it.
            work: makes what it asks for, in a thread, and gives the ids of the assets.
            fields: further fields of the job.
        """
        now = self._now()
        job = Job(
            f"job_{self._clock.new_id()[:22]}", job_type, call,
            history=[(Status.PENDING, now), (Status.QUEUED, now)], **fields,
        )  # fmt: skip
        self._jobs[job.id] = job
        out = sum(not one.status.terminal for one in self._jobs.values() if one.call != "upload")
        self.most_outstanding = max(self.most_outstanding, out)
        fault = self._luck.draw(Stage.JOB, call, job.prompt)
        self._lives[job.id] = asyncio.create_task(self._live(job, work, fault), name=job.id)
        return job

    def cancel(self, job: Job) -> None:
        """End a job that has not ended, and pay it back."""
        if job.status.terminal:
            return
        self._lives[job.id].cancel()
        self._end(job, Status.CANCELED)

    async def settled(self) -> None:
        """Return when no job is out; jobs that come while it waits are waited for too."""
        while any(not job.status.terminal for job in self._jobs.values()):
            await asyncio.gather(*self._lives.values(), return_exceptions=True)

    async def aclose(self) -> None:
        """End everything; a picture that is being drawn ends by itself and nobody hears of it."""
        tasks = list(self._lives.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _live(self, job: Job, work: Callable[[Job], list[str]], fault: Fault | None) -> None:
        stages = self._config.stages
        await self._wait(stages.queued_s)
        self._step(job, Status.WARMING_UP)
        await self._wait(stages.warming_up_s)
        async with self._room:
            self._step(job, Status.IN_PROGRESS)
            await self._free.wait()
            slow_s = fault.seconds if fault and fault.kind is Kind.SLOW else 0.0
            await self._wait(stages.in_progress_s + slow_s)
            if fault is not None and fault.kind is not Kind.SLOW:
                self._break(job, fault)
                return
            made = await self._made(job, work)
        if made is not None:
            self._step(job, Status.FINALIZING)
            await self._wait(stages.finalizing_s)
            job.asset_ids = made
            self._step(job, Status.SUCCESS)

    async def _made(self, job: Job, work: Callable[[Job], list[str]]) -> list[str] | None:
        """What the work gives; None when it failed, which the job then says."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, job)
        except PaintingFailed as error:
            job.error = str(error)
        except Exception as error:  # noqa: BLE001 - whatever drawing raises becomes the job's error
            job.error = f"{type(error).__name__}: {error}"
        self._end(job, Status.FAILURE)
        return None

    def _break(self, job: Job, fault: Fault) -> None:
        job.refund = fault.refund
        if fault.kind is Kind.CANCELED:
            self._end(job, Status.CANCELED)
        else:
            job.error = fault.error
            self._end(job, Status.FAILURE)

    def _end(self, job: Job, status: Status) -> None:
        job.refunded = job.refund and bool(job.units)
        self._step(job, status)

    def _step(self, job: Job, status: Status) -> None:
        job.history.append((status, self._now()))

    def _now(self) -> datetime:
        """To the millisecond: no finer than a job tells it, so that a listing after that moment leaves the job out."""
        now = self._clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    async def _wait(self, seconds: float) -> None:
        await self._clock.sleep(seconds) if seconds else await asyncio.sleep(0)
