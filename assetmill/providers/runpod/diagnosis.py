"""Why a queue stands still, and what to do about it.

From /health, and where there is a key from RunPod's management API, which alone knows the maximum of workers
and what each worker is at. A lack of capacity and a crashing container look the same to a waiting job; a fatal
diagnosis means that waiting longer cannot help, and a crash is one only when it lasts. A diagnosis never raises,
and is made at most every 15 s for however many jobs that wait.
Source: docs.runpod.io, serverless/workers/overview.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import httpx

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ProviderRefused
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod.api import JobApi
from assetmill.providers.runpod.limits import Shared
from assetmill.providers.runpod.management import ask, count, most_workers, part

KEPT_S = 15.0
LONGEST_S = 1e9  # JSON numbers may be of any size
STATUSES = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")
CRASHING_S = 30.0  # a worker may be unhealthy for a moment; two diagnoses so far apart are no accident
SEVERAL = 2  # idle workers beside a waiting job that are no accident


class Cause(StrEnum):
    """What keeps a job in the queue."""

    CRASH_LOOP = "crash_loop"
    NO_WORKERS_ALLOWED = "no_workers_allowed"
    NO_WORKERS_YET = "no_workers_yet"
    THROTTLED = "throttled"
    COLD_START = "cold_start"
    ONE_TAKES_ALL = "one_takes_all"
    NOT_TAKEN = "not_taken"
    BUSY = "busy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One cause, in words; `fatal` when waiting longer cannot help."""

    cause: Cause
    message: str
    hint: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers of an endpoint at one moment.

    Args:
        workers: status (`STATUSES`) -> how many.
        in_queue: jobs that wait; None where nobody says.
        in_progress: jobs that workers have taken; None where nobody says.
        max_workers: most that RunPod may run; None where nobody says.
        starting_s: how long the oldest of those that start has been at it, as far as anybody knows.
        gpus: GPU types of the throttled ones.
        crashing_s: how long we have seen the fleet crash.
    """

    workers: Mapping[str, int]
    in_queue: int | None = None
    in_progress: int | None = None
    max_workers: int | None = None
    starting_s: float = 0.0
    gpus: tuple[str, ...] = ()
    crashing_s: float = 0.0

    def count(self, *statuses: str) -> int:
        """Workers with one of these statuses."""
        return sum(self.workers.get(status, 0) for status in statuses)

    @property
    def crashing(self) -> bool:
        """Whether workers are unhealthy and no other can take a job or is about to."""
        return bool(self.count("unhealthy")) and not self.count("ready", "running", "initializing", "throttled")


def explain(fleet: Fleet | None) -> Diagnosis:
    """What a fleet means for a job that nobody takes; None for one that could not be read."""
    if fleet is None:
        return Diagnosis(Cause.UNKNOWN, _waits("the endpoint's health cannot be read"), "look at it in the console")
    if fleet.max_workers == 0:
        return Diagnosis(
            Cause.NO_WORKERS_ALLOWED,
            _waits("the endpoint's max workers is 0; RunPod sets that after 7 days without a request"),
            "raise max workers: `assetmill endpoint scale file`; with ASSETMILL_SCALE=restore each run does it itself",
            fatal=True,
        )
    if fleet.count("ready", "running"):
        return _usable(fleet)
    if fleet.count("unhealthy", "initializing", "throttled"):
        return _unusable(fleet)  # RunPod's "idle" means scaled down: such workers make none of these any better
    return _usable(fleet) if fleet.count("idle") else _empty(fleet)


def _usable(fleet: Fleet) -> Diagnosis:
    """Some worker could work."""
    free, running = fleet.count("idle", "ready"), fleet.count("running")
    if running and fleet.in_progress == 0:
        return Diagnosis(
            Cause.COLD_START,
            _waits(f"{_workers(running)} up without a job: ComfyUI is starting on it{_unwell(fleet)}"),
            "wait; read the worker's log if it goes on",
        )
    if free >= SEVERAL and running <= 1 and fleet.in_queue != 0 and fleet.in_progress:
        return Diagnosis(
            Cause.ONE_TAKES_ALL,
            _waits(f"{_workers(free)} idle and take nothing"),
            "worker SDK 1.7.11 to 1.10.0 started in a network volume lets one worker take every job:"
            " start it elsewhere, or use 1.10.1",
        )
    if running:
        return Diagnosis(
            Cause.BUSY, _waits(f"{_workers(running)} busy with other jobs"), "wait, or raise the endpoint's max workers"
        )
    hint = "read the worker's log; if it goes on, end that worker in the console"
    return Diagnosis(Cause.NOT_TAKEN, _waits(f"{_workers(free)} free and none takes it"), hint)


def _unusable(fleet: Fleet) -> Diagnosis:
    """No worker can take a job now, and some are not well, or on their way."""
    if fleet.crashing:
        return Diagnosis(
            Cause.CRASH_LOOP,
            _waits(f"{_workers(fleet.count('unhealthy'))} unhealthy and none is ready: the container crashes"),
            "read a worker's log in the console, and mend the image or its environment",
            fatal=fleet.crashing_s >= CRASHING_S,
        )
    if starting := fleet.count("initializing"):
        return Diagnosis(
            Cause.COLD_START,
            _waits(f"{_workers(starting)} starting, {_minutes(fleet.starting_s)}: a cold start{_unwell(fleet)}"),
            "it loads the image; RunPod gives it 7 min, and RUNPOD_INIT_TIMEOUT on the endpoint more",
        )
    gpus = f" ({', '.join(fleet.gpus)})" if fleet.gpus else ""
    return Diagnosis(
        Cause.THROTTLED,
        _waits(f"{_workers(fleet.count('throttled'))} throttled: no capacity{gpus}{_unwell(fleet)}"),
        "widen the endpoint's GPU pools and data centres, or wait",
    )


def _empty(fleet: Fleet) -> Diagnosis:
    """There is no worker."""
    if fleet.max_workers is None:
        return Diagnosis(
            Cause.NO_WORKERS_YET,
            _waits("the endpoint has no workers: no capacity, or max workers is 0"),
            "RunPod sets max workers to 0 after 7 days without a request: look at the endpoint's settings",
        )
    return Diagnosis(
        Cause.NO_WORKERS_YET,
        _waits(f"the endpoint has no workers, though it may have {fleet.max_workers}: no capacity"),
        "widen the endpoint's GPU pools and data centres, or wait",
    )


class Doctor:
    """Diagnoses one endpoint.

    Args:
        api: verbs of the endpoint.
        client: shared HTTP client.
        endpoint: its id, management address and key.
        clock: time source.
    """

    def __init__(self, api: JobApi, client: httpx.AsyncClient, endpoint: Endpoint, clock: Clock) -> None:
        self._api = api
        self._client = client
        self._endpoint = endpoint
        self._clock = clock
        self._diagnoses = Shared(self._diagnose, clock, KEPT_S)
        self._starting_since: float | None = None
        self._crashing_since: float | None = None

    async def diagnose(self) -> Diagnosis:
        """What keeps jobs in the queue, as it was at most 15 s ago."""
        return await self._diagnoses.get()

    async def _diagnose(self) -> Diagnosis:
        health = await self._health()
        rows = _rows(await ask(self._client, self._endpoint, "/workers"))
        max_workers = await most_workers(self._client, self._endpoint)
        workers = _by_status(rows) if rows is not None else _counts(health.get("workers"))
        if workers is None and max_workers != 0:
            return explain(None)
        workers = workers or {}
        jobs = part(health, "jobs")
        fleet = Fleet(
            workers,
            in_queue=count(jobs.get("inQueue")),
            in_progress=count(jobs.get("inProgress")),
            max_workers=max_workers,
            starting_s=max(self._starting_s(workers), _oldest_start_s(rows or ())),
            gpus=_gpus(rows or ()),
        )
        return explain(replace(fleet, crashing_s=self._crashing_s(fleet)))

    def _starting_s(self, workers: Mapping[str, int]) -> float:
        """How long we have seen workers start: the management API says it better, where we may ask it."""
        if not workers.get("initializing"):
            self._starting_since = None
            return 0.0
        now = self._clock.monotonic()
        self._starting_since = now if self._starting_since is None else self._starting_since
        return now - self._starting_since

    def _crashing_s(self, fleet: Fleet) -> float:
        """How long every look at the fleet has shown it crashing; 0 at the first."""
        if not fleet.crashing:
            self._crashing_since = None
            return 0.0
        now = self._clock.monotonic()
        self._crashing_since = now if self._crashing_since is None else self._crashing_since
        return now - self._crashing_since

    async def _health(self) -> Mapping[str, Any]:
        try:
            return await self._api.health()
        except (NotDelivered, ProviderRefused):
            return {}


def _waits(why: str) -> str:
    return f"the job waits in the queue: {why}"


def _workers(count: int) -> str:
    return "1 worker is" if count == 1 else f"{count} workers are"


def _unwell(fleet: Fleet) -> str:
    unhealthy = fleet.count("unhealthy")
    return f", and {_workers(unhealthy)} unhealthy" if unhealthy else ""


def _minutes(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"the oldest for {minutes} min" if minutes else "for less than a minute"


def _counts(workers: Any) -> dict[str, int] | None:
    """Worker counts of /health; every field may be missing, and then counts nothing."""
    if not isinstance(workers, Mapping):
        return None
    return {status: count(workers.get(status)) or 0 for status in STATUSES}


def _rows(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...] | None:
    """Workers of the management API's list, without those of a release that is on its way out."""
    rows = body.get("workers")
    if not isinstance(rows, list):
        return None
    return tuple(row for row in rows if isinstance(row, Mapping) and row.get("isStale") is not True)


def _status(row: Mapping[str, Any]) -> str:
    return str(row.get("status", "")).lower()


def _by_status(rows: tuple[Mapping[str, Any], ...]) -> dict[str, int]:
    return dict(Counter(map(_status, rows)))


def _oldest_start_s(rows: tuple[Mapping[str, Any], ...]) -> float:
    ages = [row.get("uptimeSeconds") for row in rows if _status(row) == "initializing"]
    known = [min(age, LONGEST_S) for age in ages if isinstance(age, int | float) and not isinstance(age, bool)]
    return max((float(age) for age in known if math.isfinite(age)), default=0.0)


def _gpus(rows: tuple[Mapping[str, Any], ...]) -> tuple[str, ...]:
    return tuple(
        sorted({str(row["gpuTypeId"]) for row in rows if _status(row) == "throttled" and row.get("gpuTypeId")})
    )
