"""Looking for the job of a request whose answer was lost: was it accepted, and under which id?

Two witnesses: the endpoint's list of requests (`listing`), which can name the job, and its counts (`census`),
which can only say that there is none. Sending again on a wrong "absent" pays twice; a wrong "nobody can tell"
costs at most what the policy for such attempts allows. So this module says "absent" only where a witness proves
it, never because nothing was found. A fresh job shows late: absence is judged only once the search is over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ProviderRefused, Throttled
from assetmill.providers.base import Sighting
from assetmill.providers.runpod.api import JobApi, JobUnknownError, NoListingError
from assetmill.providers.runpod.census import Census, Look
from assetmill.providers.runpod.limits import Shared
from assetmill.providers.runpod.listing import Entry, Listing, attempt_in, read_entries

LISTING_KEPT_S = 2.0
LOOK_KEPT_S = 1.0
FIRST_PAUSE_S = 1.0
SLOWEST_PAUSE_S = 5.0
GROWTH = 1.5
COUNTING_S = 10.0  # counts are looked at in the last seconds of a search
COUNTING_PAUSE_S = 2.0
APART_S = 5.0  # the two looks that prove absence lie at least so far apart
MOST_ASKED = 20  # jobs of a list whose input is asked for one by one
REMEMBERED_S = 1200.0  # results live 30 minutes; a list may forget jobs that ended with them


@dataclass
class Counting:
    """Looks at the end of one search that prove anything, and the reason of the last one that does not."""

    zeros: list[float] = field(default_factory=list)
    surplus: int = 0
    why: str = "the endpoint's jobs were not counted twice after it was sent"

    def add(self, look: Look) -> None:
        """Take a look into account; one with a surplus ends what zeros have shown before."""
        if look.surplus is None:
            self.why = look.why
        elif look.surplus == 0:
            self.surplus = 0
            self.zeros.append(look.at)
        else:
            self.zeros.clear()
            self.surplus = look.surplus
            jobs = "1 more job" if look.surplus == 1 else f"{look.surplus} more jobs"
            self.why = f"the endpoint counts {jobs} than it has told us of"

    @property
    def absent(self) -> bool:
        """Whether no send of unknown outcome was accepted."""
        return bool(self.zeros) and self.zeros[-1] - self.zeros[0] >= APART_S


class Finder:
    """Searches of one endpoint; they share every call.

    Args:
        api: verbs of the endpoint.
        census: books of the jobs that are known.
        clock: time source.
        look_for_s: how long after its sending a job is looked for.
    """

    def __init__(self, api: JobApi, census: Census, clock: Clock, look_for_s: float) -> None:
        self._api = api
        self._census = census
        self._clock = clock
        self._look_for_s = look_for_s
        self._listings = Shared(self._read_listing, clock, LISTING_KEPT_S)
        self._looks = Shared(census.look, clock, LOOK_KEPT_S)
        self._asked: dict[str, tuple[bool, str | None]] = {}
        self._no_listing = ""  # set for good where the endpoint has none
        self._listing_trouble = ""

    async def find(self, attempt_id: str, age_s: float) -> Sighting:
        """Look until the job is found, or until it would have shown; see `Provider.find`."""
        sent = self._clock.monotonic() - age_s
        ends = sent + self._look_for_s
        counting, pause = Counting(), FIRST_PAUSE_S
        try:
            while True:
                listing = await self._listings.get()
                if jobs := listing.jobs_of(attempt_id) if listing else ():
                    return self._found(attempt_id, jobs)
                left = ends - self._clock.monotonic()
                if left <= COUNTING_S:
                    await self._count(attempt_id, counting)
                if left <= 0:
                    return self._judge(listing, counting, sent)
                await self._clock.sleep(_next_pause(pause, left))
                pause = min(SLOWEST_PAUSE_S, pause * GROWTH)
        finally:
            self._census.verdict(attempt_id)

    def _found(self, attempt_id: str, jobs: tuple[str, ...]) -> Sighting:
        self._census.accepted(attempt_id, jobs[0], shown=True)
        twice = f"; it is there more than once, also as {', '.join(jobs[1:])}" if len(jobs) > 1 else ""
        return Sighting(job_id=jobs[0], evidence=f"the endpoint's list of requests shows it as {jobs[0]}{twice}")

    async def _count(self, attempt_id: str, counting: Counting) -> None:
        why_not = self._census.why_not(attempt_id)
        if not why_not:
            counting.add(await self._looks.get())
            why_not = self._census.why_not(attempt_id)  # the look itself may have unseated the base
        if why_not:
            counting.zeros.clear()
            counting.why = why_not

    def _judge(self, listing: Listing | None, counting: Counting, sent: float) -> Sighting:
        """The verdict on a job that was not found."""
        if counting.absent:
            looks = f"two looks {counting.zeros[-1] - counting.zeros[0]:.0f} s apart"
            return Sighting(absent=True, evidence=f"the endpoint counts no job beyond those it told us of, in {looks}")
        doubt = self._listing_doubt(listing, counting, sent)
        if listing and not doubt:
            evidence = f"it is not among the {len(listing.entries)} requests that the endpoint lists"
            return Sighting(absent=True, evidence=evidence)
        unanswered = listing is None and not self._no_listing
        return Sighting(evidence=f"nobody can tell: {doubt}; {counting.why}", unanswered=unanswered)

    def _listing_doubt(self, listing: Listing | None, counting: Counting, sent: float) -> str:
        if listing is None:
            return self._no_listing or self._listing_trouble
        if listing.at - sent > REMEMBERED_S:
            return "the endpoint may have forgotten it by now"
        if listing.at - sent < self._look_for_s - LISTING_KEPT_S:
            return "the endpoint's list of requests is too early"
        if counting.surplus > len(listing.foreign()):
            return "the endpoint counts jobs that it does not list"
        return listing.doubt(sent)

    async def _read_listing(self) -> Listing | None:
        """The list as it is now, its entries identified as far as possible; None where there is none to be had."""
        if self._no_listing:
            return None
        census, at = self._census, self._clock.monotonic()
        outstanding, finished = frozenset(census.outstanding), dict(census.finished_at)
        try:
            read = read_entries(await self._api.requests())
        except NoListingError as error:
            self._no_listing = f"the endpoint has no list of requests ({error})"
            return None
        except (NotDelivered, Throttled) as error:
            self._listing_trouble = error.message
            return None
        if read is None:
            self._no_listing = "the endpoint has no list of requests (its answer is of an unknown shape)"
            return None
        entries, whole = read
        entries = await self._identified(entries)
        return Listing(at, entries, whole, frozenset(census.known), outstanding, finished)

    async def _identified(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Entries with the input that a status shows, where the list shows none and the job is not in our books."""
        hidden = [entry for entry in entries if not entry.shown and entry.job_id not in self._census.known]
        fresh = [entry.job_id for entry in hidden if entry.job_id not in self._asked]
        await asyncio.gather(*map(self._ask, fresh[:MOST_ASKED]))
        return tuple(self._with_input(entry) for entry in entries)

    def _with_input(self, entry: Entry) -> Entry:
        shown, attempt = self._asked.get(entry.job_id, (entry.shown, entry.attempt))
        return entry if entry.shown else replace(entry, shown=shown, attempt=attempt)

    async def _ask(self, job_id: str) -> None:
        """Ask for one job's input; what cannot be had now is asked for again with the next list."""
        try:
            self._asked[job_id] = attempt_in(await self._api.raw_status(job_id))
        except (JobUnknownError, NotDelivered, Throttled, ProviderRefused):
            return


def _next_pause(pause: float, left: float) -> float:
    """Growing pauses, but looks at the counts close together at the end, and one exactly there."""
    if left <= COUNTING_S:
        return min(COUNTING_PAUSE_S, left)
    return min(pause, left - COUNTING_S)
