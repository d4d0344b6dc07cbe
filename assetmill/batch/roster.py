"""The workers of one endpoint, as far as they are seen, and what each of its jobs was to its worker.

The endpoint's listing is looked at while jobs are out: every 15 s, and when a job is on a worker that nobody has seen
yet. It tells since when a worker has been up, which GPU it is (so what it costs), and that there are workers without
any job. What it told is written to the ledger's `workers`; what is not told is not known, and no job waits for long or
fails because of it. Drafts cost nothing, and machines that stand there anyhow are paid whether they work or not: nobody
looks at such workers. The rules of money stand in `assetmill.money`; here are only the facts that they ask for.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from assetmill.batch.lives import ALIKE, LOOK_EVERY_S, Life, not_after
from assetmill.clock import Clock
from assetmill.errors import LedgerError
from assetmill.ledger import Ledger, WorkerLife
from assetmill.money import Around, Price, Spell, Turn, turn_of
from assetmill.providers.base import EndpointFacts, Job, Provider, WorkerSeen
from assetmill.providers.endpoint import Endpoint

LAST_LOOK_S = 5.0  # a run that ends does not wait for figures on the side
REMEMBERED = 32  # jobs of each worker; those of long ago are in the books


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
    _lives: dict[str, list[Life]] = field(default_factory=lambda: defaultdict(list))
    _spells: dict[str, dict[str, Spell]] = field(default_factory=lambda: defaultdict(dict))
    _unfinished_at: dict[str, datetime] = field(default_factory=dict)
    _missed: set[str] = field(default_factory=set)
    _ahead: set[str] = field(default_factory=set)
    _out: set[str] = field(default_factory=set)
    _looked_at: float | None = None
    _looking: asyncio.Task[None] | None = None
    _watching: asyncio.Task[None] | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def settings(self) -> EndpointFacts:
        """The endpoint's own settings, read once."""
        async with self._reading:
            if self.facts is None:
                self.facts = await self.provider.facts() if self.endpoint.paid else EndpointFacts()
            return self.facts

    def observed(self, job: Job) -> None:
        """An answer about a job came: note how long it has gone on, and look at the workers if it is time to."""
        if not self._watched:
            return
        if job.state.terminal:
            self._out.discard(job.id)
        else:
            self._out.add(job.id)
            self._unfinished_at[job.id] = self.clock.now()
        if self._due_in_s() <= 0 or (job.worker_id is not None and self._unheard_of(job.worker_id)):
            self._look()
        if self._out and (self._watching is None or self._watching.done()):
            self._watching = asyncio.create_task(self._watch())

    def hidden_ms(self, job: Job, finished_at: datetime) -> int:
        """How much longer a job has gone on than its own times say.

        An endpoint that takes a job back from a worker that went away counts its times anew: then there was another
        execution, which is paid for and told by nobody.
        """
        seen = self._unfinished_at.get(job.id)
        hidden = timedelta(0) if seen is None else seen - finished_at
        return round(hidden.total_seconds() * 1000) if hidden > ALIKE else 0

    def waited_unseen(self, job: Job) -> bool:
        """Whether a job's execution may hold what it waited on its worker for the job before.

        Only a worker that fetches ahead keeps a job waiting, and it is known by the answers in which it tells what its
        handler took. An answer that tells it holds no wait. Of any other worker, jobs that seem to overlap say no more
        than how far our clock and the endpoint's durations are apart.
        """
        if job.worker_id is None:
            return False
        if job.handler_told:
            self._ahead.add(job.worker_id)
        return job.worker_id in self._ahead and not job.handler_told

    def ended(self, worker_id: str, spell: Spell) -> None:
        """A job has ended, and this is when it was on its worker: other jobs that are being settled know of it."""
        spells = self._spells[worker_id]
        spells.setdefault(spell.attempt_id, spell)
        while len(spells) > REMEMBERED:
            del spells[next(iter(spells))]

    async def look(self) -> None:
        """Read the listing, and write down what it tells."""
        if not self._watched:
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

    async def turn(self, worker_id: str, spell: Spell, delay_ms: int | None, *, ask: bool = True) -> Turn:
        """Work out what a job was to its worker.

        Args:
            worker_id: the worker.
            spell: when the job was on it.
            delay_ms: what it waited before.
            ask: ask the endpoint for what the books do not say; a job of long ago is not worth it.

        Raises:
            LedgerError: the books are unavailable.
        """
        if ask:
            await self.settings()
        turn = await self._turn(worker_id, spell, delay_ms)
        first = turn.cold and self._life(worker_id, spell) is None
        if ask and (first or self._unheard_of(worker_id)):
            await asyncio.shield(self._look())  # it is idle now, and gone soon
            turn = await self._turn(worker_id, spell, delay_ms)
        self._spells[worker_id][spell.attempt_id] = replace(spell, opened=turn.idle_ms is not None)
        return turn

    async def _turn(self, worker_id: str, spell: Spell, delay_ms: int | None) -> Turn:
        around = await self._around(worker_id, spell)
        life = self._life(worker_id, spell)
        written = life.written if life else None
        known = self.facts.idle_timeout_s if self.facts else None
        return turn_of(spell, delay_ms, around, written.idle_timeout_s if known is None and written else known)

    def price(self, worker_id: str) -> tuple[str, Price] | None:
        """Which GPU a worker is and what a second of it costs; None where either is not known."""
        lives = self._lives.get(worker_id)
        gpu = lives[-1].seen.gpu if lives else None
        written = lives[-1].written if lives else None
        if gpu is not None and written is not None and written.price_per_s_usd is not None:
            return gpu, Price(None, (), None, written.price_per_s_usd, written.price_source, "")
        price = self.endpoint.prices.models.get(gpu) if gpu else None
        if gpu is None or price is None or price.usd_per_s is None:
            return None
        return gpu, price.times(self.facts.gpu_count if self.facts else 1)

    async def aclose(self) -> None:
        """Look a last time, if jobs were out: workers that got none are still there."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_LOOK_S):
                    await self.look()

    async def _watch(self) -> None:
        """Look on while jobs are out: answers about them may be a minute apart, and a worker's life may be shorter."""
        while self._out:
            wait_s = self._due_in_s()
            if wait_s > 0:
                await self.clock.sleep(wait_s)
            else:
                await asyncio.shield(self._look())

    @property
    def _watched(self) -> bool:
        return self.endpoint.paid and not self.endpoint.standing

    def _due_in_s(self) -> float:
        """How long it is until the workers are to be looked at again."""
        return 0.0 if self._looked_at is None else self._looked_at + LOOK_EVERY_S - self.clock.monotonic()

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
            lives.append(Life(seen, now, now, now if seen.ready else None))

    def _life(self, worker_id: str, spell: Spell) -> Life | None:
        """The life in which a worker had a job: it began before the job, and was seen after the job's start.

        One that was seen starting shortly before the job is that life, too: it had no other job to end with.
        """
        begun = [
            life
            for life in self._lives.get(worker_id, ())
            if life.reaches(spell.started_at) and not_after(life.up_since, spell.started_at)
        ]
        return begun[-1] if begun else None

    async def _around(self, worker_id: str, spell: Spell) -> Around:
        url, at = self.endpoint.url, spell.started_at
        before, after = await asyncio.to_thread(self.ledger.workers.around, url, worker_id, spell.attempt_id, at)
        await self._recall(worker_id, spell)
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

    async def _recall(self, worker_id: str, spell: Spell) -> None:
        """Read a life that another process has seen, unless it is known here."""
        if self._life(worker_id, spell) is not None:
            return
        url, at = self.endpoint.url, spell.started_at
        written = await asyncio.to_thread(self.ledger.workers.life, url, worker_id, at)
        if written is not None:
            seen = WorkerSeen(worker_id, written.gpu, written.up_since, written.up_since)
            life = Life(seen, written.first_seen_at, written.last_seen_at, written.ready_at, written)
            self._lives[worker_id].insert(0, life)

    def _row(self, life: Life, facts: EndpointFacts) -> WorkerLife:
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
