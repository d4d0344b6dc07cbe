"""Looking for the graph of a request whose answer was lost: was it taken?

It travels under an id that is made from its attempt, so finding it is simple: in the queue, in the history, or in the
output folder. Absence is the hard part. A server has no list but its memory, and one that was started again since
then knows nothing of a graph that it had taken and even run. So "absent" is said only of a server that is known to
have been up all the time: either it still remembers something older than the request, or it was watched from the
sending on and never failed to answer (ComfyUI needs seconds to start). A request may still be on its way, so absence
is judged only at the end of the search.
"""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ProviderRefused, Throttled
from assetmill.providers.base import Sighting
from assetmill.providers.comfyui.answers import attempts_in, began_s, prompt_id_of
from assetmill.providers.comfyui.api import ComfyApi
from assetmill.providers.comfyui.jobs import Jobs

PAUSE_S = 1.0
WATCHED_S = 3.0  # a search that begins so soon, with no look further apart, has missed no restart
OLDER_S = 5.0  # clocks are told to the second
MOST_LISTED = 64


@dataclass
class _Search:
    """One search, as far as it is: `watched` while the server cannot have been started again unseen."""

    sent_at: float
    last_answer: float
    watched: bool
    trouble: str = ""

    def answered(self, now: float) -> None:
        self.watched = self.watched and now - self.last_answer <= WATCHED_S
        self.last_answer, self.trouble = now, ""

    def failed(self, why: str) -> None:
        self.watched, self.trouble = False, why


class Finder:
    """Searches of one server.

    Args:
        api: its verbs.
        jobs: where its jobs are.
        clock: time source.
        look_for_s: how long after its sending a graph is looked for.
    """

    def __init__(self, api: ComfyApi, jobs: Jobs, clock: Clock, look_for_s: float) -> None:
        self._api = api
        self._jobs = jobs
        self._clock = clock
        self._look_for_s = look_for_s

    async def find(self, attempt_id: str, age_s: float) -> Sighting:
        """Look until it is found, or until it would have shown; see `Provider.find`."""
        now = self._clock.monotonic()
        search = _Search(now - age_s, now - age_s, watched=True)
        while True:
            left = search.sent_at + self._look_for_s - self._clock.monotonic()
            try:
                if (found := await self._look(attempt_id, last=left <= 0)) is not None:
                    return found
                search.answered(self._clock.monotonic())
            except (NotDelivered, Throttled, ProviderRefused) as error:
                search.failed(error.message)
            if left <= 0:
                return await self._judge(search)
            await self._clock.sleep(min(PAUSE_S, left))

    async def _look(self, attempt_id: str, *, last: bool) -> Sighting | None:
        """Queue before history: a job goes from one into the other in one step. Files and lists only at the end."""
        job_id = prompt_id_of(attempt_id)
        queue = await self._api.queue()
        if (named := queue.attempts.get(attempt_id)) or queue.job(job_id):
            return Sighting(named or job_id, evidence="it is in ComfyUI's queue")
        if await self._api.history(job_id) is not None:
            return Sighting(job_id, evidence="it is in ComfyUI's history")
        if not last:
            return None
        if named := attempts_in(await self._api.newest(MOST_LISTED)).get(attempt_id):
            return Sighting(named, evidence="it is in ComfyUI's history, under an id of the server's own")
        if await self._jobs.written(job_id):
            return Sighting(job_id, evidence="ComfyUI has forgotten it, and its picture lies in the output folder")
        return None

    async def _judge(self, search: _Search) -> Sighting:
        """The verdict on a graph that was not found."""
        if search.trouble:
            return Sighting(evidence=f"nobody can tell: {search.trouble}", unanswered=True)
        nowhere = "it is neither in ComfyUI's queue nor in its history"
        if search.watched:
            return Sighting(absent=True, evidence=f"{nowhere}, and the server has answered all the time since")
        try:
            began = began_s(await self._api.oldest())
        except (NotDelivered, Throttled, ProviderRefused) as error:
            return Sighting(evidence=f"nobody can tell: {error.message}", unanswered=True)
        sent_at = self._clock.now().timestamp() + self._api.skew_s - (self._clock.monotonic() - search.sent_at)
        if began is not None and began < sent_at - OLDER_S:
            return Sighting(absent=True, evidence=f"{nowhere}, which reaches back further")
        return Sighting(evidence=f"nobody can tell: {nowhere}, but the server may have been started again since")
