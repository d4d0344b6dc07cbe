"""The Provider for RunPod endpoints, and for the local endpoint that speaks the same protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import httpx

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ResultExpired
from assetmill.providers.base import (
    Collected,
    EndpointFacts,
    Job,
    JobRequest,
    Observer,
    Provider,
    Sighting,
    WorkerSeen,
)
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.pictures import all_decode
from assetmill.providers.runpod.answers import OutputFile, is_draft, output_files, outputs_missing
from assetmill.providers.runpod.api import JobApi, JobUnknownError
from assetmill.providers.runpod.census import Census
from assetmill.providers.runpod.diagnosis import Doctor
from assetmill.providers.runpod.find import Finder
from assetmill.providers.runpod.listed import endpoint_facts, paid_workers
from assetmill.providers.runpod.watch import Watcher, missing_job

DOWNLOAD_S = 60.0
DOWNLOAD_PAUSES_S = (1.0, 3.0)
SPARE_CONNECTIONS = 8


class RunPodProvider(Provider):
    """One endpoint.

    Args:
        endpoint: where the jobs go.
        clock: time source.
        window: most jobs that will be outstanding; sizes the connection pool.
        stall_s: seconds a job may wait in the queue before it counts as stalled.
        look_for_s: seconds after its sending until which a job of unknown outcome is looked for.
        execution_timeout_s: seconds a job may be on a worker; one that goes on for longer is cancelled.
        notice: told what holds up jobs that wait for more than a minute, once for each change of words.
        secrets: hidden wherever the endpoint repeats one, beside its own key.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        *,
        window: int,
        stall_s: float,
        look_for_s: float = 60.0,
        execution_timeout_s: float = 600.0,
        notice: Callable[[str], None] | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        limits = httpx.Limits(max_connections=window + SPARE_CONNECTIONS)
        self._clock = clock
        self._endpoint = endpoint
        self._client = httpx.AsyncClient(limits=limits, follow_redirects=False)
        key = endpoint.key.get_secret_value() if endpoint.key else None
        self._api = JobApi(self._client, endpoint.url, key, clock, secrets)
        self._census = Census(self._api, clock)
        self._finder = Finder(self._api, self._census, clock, look_for_s)
        doctor = Doctor(self._api, self._client, endpoint, clock)
        self._watcher = Watcher(
            self._api, clock, doctor.diagnose, self.cancel, stall_s, execution_timeout_s, notice=notice
        )

    async def submit(self, request: JobRequest) -> str:
        """POST /run; see `JobApi.run` for what it raises. The first one asks for the endpoint's counts before it."""
        await self._census.before_send()
        with self._census.sending(request.attempt_id):
            job_id = await self._api.run(request)
            self._census.accepted(request.attempt_id, job_id)
        return job_id

    async def look(self, job_id: str, *, age_s: float) -> Job:
        """Ask once for a job's status."""
        try:
            job = await self._api.status(job_id)
        except JobUnknownError:
            if error := missing_job(job_id, age_s):
                self._census.gone(job_id)
                raise error from None
            raise NotDelivered("the job is not visible yet", job_id=job_id, hint="ask again in a minute") from None
        self._census.seen(job)
        return job

    async def wait(self, job_id: str, observe: Observer | None = None, *, age_s: float = 0.0) -> Job:
        """Watch until the job has ended; `observe` sees every answer on the way."""

        def seen(job: Job) -> None:
            self._census.seen(job)
            if observe:
                observe(job)

        try:
            return await self._watcher.watch(job_id, seen, age_s=age_s)
        except ResultExpired:
            self._census.gone(job_id)
            raise

    async def find(self, attempt_id: str, *, age_s: float) -> Sighting:
        """Look for the job of an attempt whose answer was lost, in the list of requests and in the counts."""
        return await self._finder.find(attempt_id, age_s)

    async def collect(self, job: Job, request_outputs: Mapping[str, str]) -> Collected:
        """Images of a completed job by role. All expected ones must be there and decode.

        Raises:
            JobFailed, ResultLost, ResultInvalid; NotDelivered when a download fails (the job is done).
        """
        found = {role: file for file in output_files(job) if (role := _role_of(file, request_outputs)) is not None}
        missing = sorted(set(request_outputs) - set(found))
        if missing:
            raise outputs_missing(job, missing, len(request_outputs))
        images = {
            role: file.data if file.data is not None else await self._download(file, job.id)
            for role, file in found.items()
        }
        blank = await asyncio.to_thread(all_decode, images, job.id)
        return Collected(images, is_draft(job), blank)

    async def cancel(self, job_id: str) -> None:
        """Ask for the job to be dropped; a running one may go on to its end."""
        with self._census.cancelling(job_id):
            await self._api.cancel(job_id)

    async def facts(self) -> EndpointFacts:
        """What the endpoint's settings say about its workers, from the management API."""
        return await endpoint_facts(self._client, self._endpoint)

    async def workers(self) -> tuple[WorkerSeen, ...]:
        """Workers that the management API lists as being paid for."""
        return await paid_workers(self._client, self._endpoint, self._clock)

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _download(self, file: OutputFile, job_id: str) -> bytes:
        """Fetch a presigned address at once, and again if need be; it is never logged and never stored."""
        for pause in DOWNLOAD_PAUSES_S:
            try:
                return await self._fetch(str(file.url))
            except httpx.HTTPError:
                await self._clock.sleep(pause)
        try:
            return await self._fetch(str(file.url))
        except httpx.HTTPError as error:
            raise NotDelivered(f"an image could not be fetched: {type(error).__name__}", job_id=job_id) from None

    async def _fetch(self, url: str) -> bytes:
        response = await self._client.get(url, timeout=DOWNLOAD_S)
        response.raise_for_status()
        return response.content


def _role_of(file: OutputFile, outputs: Mapping[str, str]) -> str | None:
    """Role whose filename prefix the file bears; an old worker names none, and then only one can be meant."""
    borne = [role for role, prefix in outputs.items() if file.filename.startswith(f"{prefix}_")]
    if borne:
        return max(borne, key=lambda role: len(outputs[role]))
    return next(iter(outputs)) if not file.filename and len(outputs) == 1 else None
