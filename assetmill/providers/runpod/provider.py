"""The Provider for RunPod endpoints, and for the local endpoint that speaks the same protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ResultInvalid
from assetmill.images import decode
from assetmill.providers.base import Collected, Job, JobRequest, Observer, Provider
from assetmill.providers.endpoints import Endpoint
from assetmill.providers.runpod.answers import OutputFile, is_draft, output_files, output_notes
from assetmill.providers.runpod.api import JobApi
from assetmill.providers.runpod.watch import Watcher

DOWNLOAD_S = 60.0
SPARE_CONNECTIONS = 8


class RunPodProvider(Provider):
    """One endpoint.

    Args:
        endpoint: where the jobs go.
        clock: time source.
        window: most jobs that will be outstanding; sizes the connection pool.
        stall_s: seconds a job may wait in the queue before it counts as stalled.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock, *, window: int, stall_s: float) -> None:
        limits = httpx.Limits(max_connections=window + SPARE_CONNECTIONS)
        self._client = httpx.AsyncClient(limits=limits, follow_redirects=False)
        key = endpoint.key.get_secret_value() if endpoint.key else None
        self._api = JobApi(self._client, endpoint.url, key, clock)
        self._watcher = Watcher(self._api, clock, stall_s, self._diagnosis)

    async def submit(self, request: JobRequest) -> str:
        """POST /run; see `JobApi.run` for what it raises."""
        return await self._api.run(request)

    async def wait(self, job_id: str, observe: Observer | None = None) -> Job:
        """Watch until the job has ended; `observe` sees every answer on the way."""
        return await self._watcher.watch(job_id, observe)

    async def collect(self, job: Job, request_outputs: Mapping[str, str]) -> Collected:
        """Images of a completed job by role. All expected ones must be there, and decode.

        Raises:
            JobFailed, ResultLost, ResultInvalid; NotDelivered when a download fails (the job is done).
        """
        images: dict[str, bytes] = {}
        for file in output_files(job):
            role = _role_of(file, request_outputs)
            if role is not None:
                images[role] = file.data if file.data is not None else await self._download(file, job.id)
        missing = sorted(set(request_outputs) - set(images))
        if missing:
            notes = "; ".join(output_notes(job))
            raise ResultInvalid(
                f"{len(missing)} of {len(request_outputs)} outputs are missing: {', '.join(missing)}"
                + (f" ({notes})" if notes else ""),
                job_id=job.id,
            )
        await asyncio.to_thread(_all_decode, images, job.id)
        return Collected(images, is_draft(job))

    async def cancel(self, job_id: str) -> None:
        """Ask for the job to be dropped; a running one may go on to its end."""
        await self._api.cancel(job_id)

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _download(self, file: OutputFile, job_id: str) -> bytes:
        """Fetch a presigned address at once; it is never logged and never stored."""
        try:
            response = await self._client.get(str(file.url), timeout=DOWNLOAD_S)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise NotDelivered(f"an image could not be fetched: {type(error).__name__}", job_id=job_id) from None
        return response.content

    async def _diagnosis(self) -> str:
        """Why nothing takes the job, from /health, in words that say what to do."""
        try:
            health = await self._api.health()
        except NotDelivered as error:
            return f"the job waits in the queue and the endpoint's health cannot be read: {error.message}"
        workers = health.get("workers")
        counts = {k: v for k, v in workers.items() if isinstance(v, int)} if isinstance(workers, Mapping) else {}
        return "the job waits in the queue: " + stall_reason(counts)


def stall_reason(workers: Mapping[str, int]) -> str:
    """What a set of worker counts means for a job that nobody takes."""
    if workers.get("unhealthy"):
        return f"{workers['unhealthy']} workers are unhealthy: the container crashes; read its logs"
    if not any(workers.values()):
        return "the endpoint has no workers: no capacity, or max workers is 0 (RunPod sets that after 7 idle days)"
    if workers.get("throttled"):
        return f"{workers['throttled']} workers are throttled: no capacity; widen the GPU pools"
    if workers.get("initializing"):
        return f"{workers['initializing']} workers are starting: a slow cold start"
    return "all workers are busy with other jobs"


def _role_of(file: OutputFile, outputs: Mapping[str, str]) -> str | None:
    """Role whose filename prefix the file bears; an old worker names none, and then only one can be meant."""
    for role, prefix in outputs.items():
        if file.filename.startswith(f"{prefix}_"):
            return role
    return next(iter(outputs)) if not file.filename and len(outputs) == 1 else None


def _all_decode(images: Mapping[str, bytes], job_id: str) -> None:
    for role, data in images.items():
        try:
            decode(data)
        except ResultInvalid as error:
            raise ResultInvalid(f"output {role}: {error.message}", job_id=job_id) from error
        except Exception as error:  # an image library may raise anything, and the job is paid for whatever it was
            raise ResultInvalid(f"output {role} is no image: {type(error).__name__}", job_id=job_id) from error
