"""The Provider for a plain ComfyUI server, and for the stand-in that speaks its protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import httpx

from assetmill.clock import Clock
from assetmill.errors import AttemptError, NotDelivered, RequestRejected, ResultExpired, WrongCount
from assetmill.providers.base import (
    Collected,
    EndpointFacts,
    Job,
    JobRequest,
    JobState,
    Observer,
    Provider,
    Sighting,
    WorkerSeen,
)
from assetmill.providers.comfyui.answers import (
    FORGOTTEN,
    Accepted,
    File,
    files_of,
    first_file,
    is_draft,
    prompt_id_of,
    role_of,
)
from assetmill.providers.comfyui.api import ComfyApi
from assetmill.providers.comfyui.find import Finder
from assetmill.providers.comfyui.jobs import Jobs
from assetmill.providers.comfyui.watch import Watcher
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.pictures import all_decode
from assetmill.providers.runpod.failures import failure_of

SPARE_CONNECTIONS = 8
FETCH_PAUSES_S = (1.0, 3.0)
LACKS = "it lacks a node or a model, or refuses a value: assetmill doctor says what it can do"


class ComfyUIProvider(Provider):
    """One server, which runs one graph at a time.

    Args:
        endpoint: where it is.
        clock: time source.
        window: most jobs that will be outstanding; sizes the connection pool.
        stall_s: seconds for which the queue before a job may stand still.
        look_for_s: seconds after its sending until which a graph of unknown outcome is looked for.
        execution_timeout_s: seconds that a graph may run; one that goes on for longer is interrupted.
        notice: told what holds up jobs that wait for more than a minute, once for each change of words.
        secrets: hidden wherever the server repeats one, beside its own key.
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
        self._clock = clock
        limits = httpx.Limits(max_connections=window + SPARE_CONNECTIONS)
        self._client = httpx.AsyncClient(limits=limits, follow_redirects=False)
        key = endpoint.key.get_secret_value() if endpoint.key else None
        self._api = ComfyApi(self._client, endpoint.address, key, clock, secrets)
        self._jobs = Jobs(self._api, clock)
        self._finder = Finder(self._api, self._jobs, clock, look_for_s)
        self._watcher = Watcher(self._jobs, clock, self.cancel, stall_s, execution_timeout_s, notice)
        self._left_out: dict[str, str] = {}

    async def submit(self, request: JobRequest) -> str:
        """Upload the pictures, which costs nothing and may be repeated, then queue the graph.

        A server that would leave outputs out says so at once: then the graph is taken back and refused.

        Raises:
            NotDelivered, Throttled, RequestRejected, OutcomeUnknown, ProviderRefused: as `ComfyApi` says.
        """
        for image in request.images:
            await self._api.upload(image)
        self._jobs.sent(prompt_id_of(request.attempt_id), request.outputs)
        accepted = await self._api.prompt(request)
        self._jobs.sent(accepted.job_id, request.outputs)
        if accepted.left_out:
            await self._take_back(accepted)
        return accepted.job_id

    async def look(self, job_id: str, *, age_s: float) -> Job:
        """Ask once; a job is visible from the moment that it is taken, so its age tells nothing more.

        Raises:
            ResultExpired: the server does not know it, and has no picture of it.
            NotDelivered, Throttled, ProviderRefused.
        """
        del age_s
        return await self._jobs.look(job_id) or await self._jobs.forgotten(job_id)

    async def wait(self, job_id: str, observe: Observer | None = None, *, age_s: float = 0.0) -> Job:
        """Watch until the job has ended; `observe` sees every answer on the way. See `Provider.wait`."""
        del age_s  # the server does not say when a job began until it has ended
        return await self._watcher.watch(job_id, observe)

    async def find(self, attempt_id: str, *, age_s: float) -> Sighting:
        """Look for the graph of an attempt whose answer was lost."""
        return await self._finder.find(attempt_id, age_s)

    async def collect(self, job: Job, request_outputs: Mapping[str, str]) -> Collected:
        """Pictures of a completed job by role. All expected ones must be there and decode.

        Raises:
            JobFailed, ResultLost, ResultInvalid; NotDelivered when a download fails (the job is done).
        """
        if job.state is not JobState.COMPLETED:
            raise failure_of(job)
        if job.raw_status == FORGOTTEN:
            files = {role: first_file(prefix) for role, prefix in request_outputs.items()}
        else:
            files = _by_role(job, request_outputs)
        missing = sorted(set(request_outputs) - set(files))
        if missing:
            raise self._missing(job, missing, len(request_outputs))
        images = {role: await self._fetch(file, role, job.id) for role, file in files.items()}
        draft = any(map(is_draft, images.values()))
        return Collected(images, draft, await asyncio.to_thread(all_decode, images, job.id))

    async def cancel(self, job_id: str) -> None:
        """Drop a job: in one step where the server can, else out of its queue, else by an interrupt.

        The interrupt is sent only while the job is seen to run. A server without the one step and without interrupts
        for one id would hit the next job if ours ended in that very moment.

        Raises:
            NotDelivered, Throttled, ProviderRefused: the server could not be asked.
        """
        self._jobs.withdrawn(job_id)
        if await self._api.drop(job_id):
            return
        await self._api.delete(job_id)
        if job_id in (await self._api.queue()).running:
            await self._api.interrupt(job_id)

    async def facts(self) -> EndpointFacts:
        """A server runs one graph at a time, and has no settings that bear on money."""
        return EndpointFacts(max_workers=1)

    async def workers(self) -> tuple[WorkerSeen, ...]:
        """None: the server is there whether we use it or not."""
        return ()

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _take_back(self, accepted: Accepted) -> None:
        """Withdraw a graph that would bring only some of its outputs; if it has ended by now, `collect` says why.

        Raises:
            RequestRejected: it is withdrawn.
        """
        self._left_out[accepted.job_id] = accepted.left_out
        try:
            await self.cancel(accepted.job_id)
            job = await self._jobs.look(accepted.job_id, now=True)
        except AttemptError:
            return
        if job is None or job.state is JobState.CANCELLED:
            raise RequestRejected(f"ComfyUI would leave outputs out: {accepted.left_out}", hint=LACKS)

    async def _fetch(self, file: File, role: str, job_id: str) -> bytes:
        """A picture, asked for again if need be.

        Raises:
            ResultExpired: it is not there.
            NotDelivered: no answer.
        """
        for pause_s in (*FETCH_PAUSES_S, None):
            try:
                data = await self._api.fetch(file)
            except NotDelivered as error:
                if pause_s is None:
                    raise NotDelivered(error.message, job_id=job_id) from error
                await self._clock.sleep(pause_s)
                continue
            if data is None:
                raise ResultExpired(
                    f"output {role} is not in ComfyUI's output folder",
                    job_id=job_id,
                    hint="somebody took it away, or the server was started again before it was written",
                )
            return data
        raise AssertionError("unreachable: the last try returns or raises")

    def _missing(self, job: Job, missing: list[str], expected: int) -> WrongCount:
        why = self._left_out.get(job.id, "")
        return WrongCount(
            f"{len(missing)} of {expected} outputs are missing: {', '.join(missing)}" + (f" ({why})" if why else ""),
            job_id=job.id,
            hint=LACKS,
        )


def _by_role(job: Job, outputs: Mapping[str, str]) -> dict[str, File]:
    """Files of the outputs that were asked for; of a batch the first."""
    found: dict[str, File] = {}
    for file in files_of(job.output):
        role = role_of(file, outputs)
        if role is not None:
            found.setdefault(role, file)
    return found
