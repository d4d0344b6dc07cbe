"""The workers of one endpoint, as far as they are seen, and what each of its jobs was to its worker.

The endpoint's listing is looked at while jobs are out: every 15 s, and when a job is on a worker that nobody has seen
yet. It tells since when a worker has been up, which GPU it is (so what it costs), and that there are workers without
any job. What it told is written to the ledger's `workers`; what is not told is not known, and no job waits for long or
fails because of it. Drafts cost nothing, and nobody looks at their workers. The rules of money stand in
`assetmill.money`; here are only the facts that they ask for.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from assetmill.clock import Clock
from assetmill.errors import LedgerError
from assetmill.ledger import Ledger, WorkerLife
from assetmill.money import Around, Price, Spell, Turn, turn_of
from assetmill.providers.base import EndpointFacts, Job, Provider, WorkerSeen
from assetmill.providers.endpoints import Endpoint

LOOK_EVERY_S = 15.0
LAST_LOOK_S = 5.0  # a run that ends does not wait for figures on the side
REMEMBERED = 32  # jobs of each worker; those of long ago are in the books
ALIKE = timedelta(seconds=2)
"""Two listings that tell starts so far apart speak of one start: answers take time, and uptimes are whole seconds."""


STARTING = timedelta(seconds=LOOK_EVERY_S)
"""A worker that was starting when it was seen has its first job so soon, or nobody knows in which life it was."""


@dataclass
class _Life:
    """One life of a worker: its start lies between two moments, which every look brings closer together."""

    seen: WorkerSeen
    first_seen_at: datetime
    last_seen_at: datetime
    ready_at: datetime | None = None

    @property
    def up_since(self) -> datetime | None:
        """Its start, in the middle of what is possible."""
        since, until = self.seen.since, self.seen.until
        return None if since is None or until is None else since + (until - since) / 2

    def fits(self, seen: WorkerSeen) -> bool:
        """Whether a sighting is of this very life."""
        if None in (self.seen.since, self.seen.until, seen.since, seen.until):
            return True
        mine, other = self.seen, seen
        return _before(mine.since, other.until) and _before(other.since, mine.until)

    def reaches(self, moment: datetime) -> bool:
        """Whether it went on at a moment, as far as it was seen."""
        return self.last_seen_at + (STARTING if self.ready_at is None else ALIKE) >= moment

    def narrow(self, seen: WorkerSeen, at: datetime) -> None:
        """Take another sighting in."""
        self.last_seen_at = at
        if seen.ready and self.ready_at is None:
            self.ready_at = at
        since = _latest(self.seen.since, seen.since)
        until = _earliest(self.seen.until, seen.until)
        if since is not None and until is not None and since > until:  # within what answers may be out by
            since = until = since + (until - since) / 2
        self.seen = WorkerSeen(seen.id, seen.gpu or self.seen.gpu, since, until)


def _before(one: datetime | None, other: datetime | None) -> bool:
    return one is None or other is None or one <= other + ALIKE


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one is not None and other is not None else one or other


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one is not None and other is not None else one or other


@dataclass
class Roster:
    """Workers and their jobs at one endpoint, for one process.

    Args:
        endpoint: where.
        provider: tells of settings and workers.
        ledger: jobs of other processes, and where lives are written down.
        clock: time.
        facts: the endpoint's settings, once they have been read.
    """

    endpoint: Endpoint
    provider: Provider
    ledger: Ledger
    clock: Clock
    facts: EndpointFacts | None = None
    _lives: dict[str, list[_Life]] = field(default_factory=lambda: defaultdict(list))
    _spells: dict[str, dict[str, Spell]] = field(default_factory=lambda: defaultdict(dict))
    _unfinished_at: dict[str, datetime] = field(default_factory=dict)
    _missed: set[str] = field(default_factory=set)
    _looked_at: float | None = None
    _looking: asyncio.Task[None] | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def settings(self) -> EndpointFacts:
        """The endpoint's own settings, read once."""
        async with self._reading:
            if self.facts is None:
                self.facts = await self.provider.facts() if self.endpoint.paid else EndpointFacts()
            return self.facts

    def observed(self, job: Job) -> None:
        """An answer about a job came: note how long it has gone on, and look at the workers if it is time to."""
        if not self.endpoint.paid:
            return
        if not job.state.terminal:
            self._unfinished_at[job.id] = self.clock.now()
        due = self._looked_at is None or self.clock.monotonic() - self._looked_at >= LOOK_EVERY_S
        if due or (job.worker_id is not None and self._unheard_of(job.worker_id)):
            self._look()

    def hidden_ms(self, job: Job, finished_at: datetime) -> int:
        """How much longer a job has gone on than its own times say.

        An endpoint that takes a job back from a worker that went away counts its times anew: then there was another
        execution, which is paid for and told by nobody.
        """
        seen = self._unfinished_at.get(job.id)
        hidden = timedelta(0) if seen is None else seen - finished_at
        return round(hidden.total_seconds() * 1000) if hidden > ALIKE else 0

    def ended(self, worker_id: str, spell: Spell) -> None:
        """A job has ended, and this is when it was on its worker: other jobs that are being settled know of it."""
        spells = self._spells[worker_id]
        spells.setdefault(spell.attempt_id, spell)
        while len(spells) > REMEMBERED:
            del spells[next(iter(spells))]

    async def look(self) -> None:
        """Read the listing, and write down what it tells."""
        if not self.endpoint.paid:
            return
        self._looked_at = self.clock.monotonic()
        facts = await self.settings()
        workers = await self.provider.workers()
        now = self.clock.now()
        for seen in workers:
            self._see(seen, now)
        told = [self._row(self._lives[seen.id][-1], facts) for seen in workers]
        if told:
            try:
                await asyncio.to_thread(self.ledger.workers.seen, told)
            except LedgerError:  # the books that jobs are written to say it louder
                return

    async def turn(self, worker_id: str, spell: Spell, delay_ms: int | None) -> Turn:
        """Work out what a job was to its worker.

        Raises:
            LedgerError: the books are unavailable.
        """
        facts = await self.settings()
        around = await self._around(worker_id, spell)
        turn = turn_of(spell, delay_ms, around, facts.idle_timeout_s)
        if (turn.cold and around.up_since is None) or self._unheard_of(worker_id):
            await asyncio.shield(self._look())  # it is idle now, and gone soon
            around = await self._around(worker_id, spell)
            turn = turn_of(spell, delay_ms, around, facts.idle_timeout_s)
        self._spells[worker_id][spell.attempt_id] = replace(spell, opened=turn.idle_ms is not None)
        return turn

    def price(self, worker_id: str) -> tuple[str, Price] | None:
        """Which GPU a worker is and what a second of it costs; None where either is not known."""
        lives = self._lives.get(worker_id)
        gpu = lives[-1].seen.gpu if lives else None
        price = self.endpoint.prices.models.get(gpu) if gpu else None
        if gpu is None or price is None or price.usd_per_s is None:
            return None
        return gpu, price.times(self.facts.gpu_count if self.facts else 1)

    async def aclose(self) -> None:
        """Look a last time, if jobs were out: workers that got none are still there."""
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_LOOK_S):
                    await self.look()

    def _look(self) -> asyncio.Task[None]:
        """Look now, together with whoever is at it."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self.look())
        return self._looking

    def _unheard_of(self, worker_id: str) -> bool:
        """Whether nobody has looked for a worker yet that no listing has told; true once for each."""
        if worker_id in self._lives or worker_id in self._missed:
            return False
        self._missed.add(worker_id)
        return True

    def _see(self, seen: WorkerSeen, now: datetime) -> None:
        lives = self._lives[seen.id]
        if lives and lives[-1].fits(seen):
            lives[-1].narrow(seen, now)
        else:
            lives.append(_Life(seen, now, now, now if seen.ready else None))

    def _life(self, worker_id: str, spell: Spell) -> _Life | None:
        """The life in which a worker had a job: it began before the job, and was seen after the job's start.

        One that was seen starting shortly before the job is that life, too: it had no other job to end with.
        """
        begun = [
            life
            for life in self._lives.get(worker_id, ())
            if life.reaches(spell.started_at) and _before(life.up_since, spell.started_at)
        ]
        return begun[-1] if begun else None

    async def _around(self, worker_id: str, spell: Spell) -> Around:
        url, at = self.endpoint.url, spell.started_at
        before, after = await asyncio.to_thread(self.ledger.workers.around, url, worker_id, spell.attempt_id, at)
        life = self._life(worker_id, spell)
        others = [one for one in self._spells[worker_id].values() if one.attempt_id != spell.attempt_id]
        order = (at, spell.attempt_id)
        earlier = [one for one in (*others, before) if one and (one.started_at, one.attempt_id) < order]
        later = [one for one in (*others, after) if one and (one.started_at, one.attempt_id) > order]
        return Around(
            before=max(earlier, key=lambda one: one.started_at, default=None),
            after=min(later, key=lambda one: (one.started_at, not one.opened), default=None),
            up_since=life.up_since if life else None,
        )

    def _row(self, life: _Life, facts: EndpointFacts) -> WorkerLife:
        gpu = life.seen.gpu
        price = self.endpoint.prices.models.get(gpu) if gpu else None
        if price is None or price.usd_per_s is None:
            usd_per_s, source = self.endpoint.usd_per_s, self.endpoint.price_source
        else:
            price = price.times(facts.gpu_count)
            usd_per_s, source = price.usd_per_s, price.cited
        return WorkerLife(
            endpoint_url=self.endpoint.url,
            worker_id=life.seen.id,
            first_seen_at=life.first_seen_at,
            last_seen_at=life.last_seen_at,
            up_since=life.up_since,
            ready_at=life.ready_at,
            gpu=gpu,
            price_per_s_usd=usd_per_s,
            price_source=source,
            idle_timeout_s=facts.idle_timeout_s,
        )
