"""Where a job of a ComfyUI server is: in the queue, in the history, or nowhere but in its files.

Queue and history are in the server's memory: a restart forgets both, and so does whoever clears them. What the job
had written by then is still in the output folder, under names that only it has. So a job that nobody knows is lost
only if its files are not there either. All who watch share one look at the queue. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Mapping

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ProviderRefused, ResultExpired, Throttled
from assetmill.providers.base import Job, JobState
from assetmill.providers.comfyui.answers import FORGOTTEN, QueueLook, first_file, read_history, usual_files
from assetmill.providers.comfyui.api import ComfyApi
from assetmill.providers.runpod.limits import Shared

QUEUE_KEPT_S = 0.5
NoAnswer = NotDelivered | Throttled | ProviderRefused


class Jobs:
    """The jobs of one server.

    Args:
        api: its verbs.
        clock: time source.
    """

    def __init__(self, api: ComfyApi, clock: Clock) -> None:
        self._api = api
        self._queue = Shared(self._look_at_queue, clock, QUEUE_KEPT_S)
        self._outputs: dict[str, Mapping[str, str]] = {}
        self._withdrawn: set[str] = set()

    def sent(self, job_id: str, outputs: Mapping[str, str]) -> None:
        """Remember what a job writes."""
        self._outputs[job_id] = outputs

    def withdrawn(self, job_id: str) -> None:
        """Remember that we have asked for a job to be dropped: then it is not lost."""
        self._withdrawn.add(job_id)

    async def queue(self) -> QueueLook:
        """The queue as it was within the last half second.

        Raises:
            NotDelivered, Throttled, ProviderRefused.
        """
        looked = await self._queue.get()
        if isinstance(looked, QueueLook):
            return looked
        raise looked

    async def look(self, job_id: str, *, now: bool = False) -> Job | None:
        """The job as it stands; None for one that is neither in the queue nor in the history.

        A job leaves the queue and enters the history in one step, so whoever looks in this order misses none; but
        the shared look may be older than the job.

        Args:
            job_id: the job.
            now: a look of half a second ago will not do.

        Raises:
            NotDelivered, Throttled, ProviderRefused.
        """
        for ask in (self._api.queue,) if now else (self.queue, self._api.queue):
            if (job := (await ask()).job(job_id)) is not None:
                return job
            if (entry := await self._api.history(job_id)) is not None:
                return read_history(entry, job_id)
        return None

    async def forgotten(self, job_id: str) -> Job:
        """What there is of a job that the server does not know.

        Raises:
            ResultExpired: nothing.
            NotDelivered, Throttled, ProviderRefused.
        """
        if job_id in self._withdrawn:
            return Job(job_id, JobState.CANCELLED, raw_status="withdrawn")
        if await self.written(job_id):
            return Job(job_id, JobState.COMPLETED, raw_status=FORGOTTEN)
        raise ResultExpired(
            "ComfyUI does not know the job any more, and has no picture of it",
            job_id=job_id,
            hint="it was restarted, or somebody emptied its queue or its history",
        )

    async def written(self, job_id: str) -> bool:
        """Whether any picture of a job lies in the output folder.

        Raises:
            NotDelivered, Throttled, ProviderRefused.
        """
        prefixes = self._outputs.get(job_id, {}).values()
        for file in tuple(map(first_file, prefixes)) or usual_files(job_id):
            if await self._api.has(file):
                return True
        return False

    async def _look_at_queue(self) -> QueueLook | NoAnswer:
        try:
            return await self._api.queue()
        except (NotDelivered, Throttled, ProviderRefused) as error:
            return error
