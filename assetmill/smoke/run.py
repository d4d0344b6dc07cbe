"""The order of smoke tests: agreed to first, then each kind once as it comes and once more warm, one job at a time.

One that fails does not hide the others. What no job can get past (a refused key, a budget, books or store that are
away) ends the matter, and the rest is told as unsent with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType

from assetmill.batch.budget import bounds_at, limits_for
from assetmill.batch.desk import Desk
from assetmill.batch.errand import open_desk
from assetmill.batch.interrupt import on_signals
from assetmill.clock import Clock
from assetmill.errors import AssetmillError, AttemptError, Stopped, UsageError, WorkflowError
from assetmill.ledger import Run
from assetmill.planning.choices import BatchEstimate
from assetmill.planning.fingerprint import SEED_SPACE
from assetmill.planning.history import History, read_history
from assetmill.planning.plan import PlanItem, Road
from assetmill.planning.plan import State as Planned
from assetmill.planning.pricing import priced
from assetmill.providers.endpoint import Endpoint
from assetmill.settings import Settings
from assetmill.smoke.kinds import ALONE, FULL, GAME, KINDS, PACK, PROMPT, Picture, Subject, subject_of, takes_picture
from assetmill.smoke.pictures import picture_of, read_picture
from assetmill.smoke.shooting import Order, Studio
from assetmill.smoke.values import Report, Shot, State
from assetmill.workflows.library import Library, load_library

FIRST, WARM = "first", "warm"
SOURCES: Mapping[str, str] = MappingProxyType({"img2img": "txt2img", "remove-background": "img2img"})
"""In `full`: kind -> whose picture it takes."""
HOPELESS = frozenset({State.FAILED, State.OPEN, State.UNSENT})
"""After these a second job of the kind would fail alike, and be paid for."""

Agree = Callable[[Endpoint, BatchEstimate], None]
"""Told what the jobs are going to cost, before anything is sent; raises where nobody agrees."""
Tell = Callable[[Shot], None]
"""Told of each job as soon as it has ended."""


@dataclass(frozen=True)
class Wanted:
    """What is tested.

    Args:
        kind: one of `KINDS`, or `full`.
        prompt: the words; None for words of our own.
        image: a picture to start from; None for a guide, or in `full` the picture of the kind before.
        folder: where pictures are saved; None for a folder of the run's own under `settings.home`.
        once: each kind once, and not a second time warm.
        budget_usd: the most that all of it may cost.
    """

    kind: str
    prompt: str | None = None
    image: Path | None = None
    folder: Path | None = None
    once: bool = False
    budget_usd: Decimal | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are tested, in their order.

        Raises:
            UsageError: there is no such kind, or it takes no picture and one was given.
        """
        if self.kind not in (*KINDS, FULL):
            raise UsageError(f"no smoke test is called {self.kind!r}", hint=f"one of {', '.join(KINDS)}, {FULL}")
        kinds = KINDS if self.kind == FULL else (self.kind,)
        if self.image is not None and not any(takes_picture(kind) for kind in kinds):
            able = ", ".join(kind for kind in KINDS if takes_picture(kind))
            raise UsageError(f"{self.kind} draws from words and takes no IMAGE", hint=f"these take one: {able}")
        return kinds

    @property
    def turns(self) -> tuple[str, ...]:
        """How often each is sent."""
        return (FIRST,) if self.once else (FIRST, WARM)


@dataclass
class _Session:
    """One command, while it goes on."""

    wanted: Wanted
    studio: Studio
    library: Library
    history: History
    image: Picture | None
    tell: Tell
    shots: list[Shot] = field(default_factory=list)
    stopped: AssetmillError | None = None
    leave: Callable[[], object] = bool

    async def all(self) -> None:
        """Every kind, one after the other."""
        for kind in self.wanted.kinds:
            await self._kind(kind)

    async def _kind(self, kind: str) -> None:
        for number, turn in enumerate(self.wanted.turns, 1):
            if self.stopped is not None:
                self._note(_unsent(kind, turn, self.stopped))
                continue
            self.studio.desk.progress.phase(f"{kind}, {turn}")
            shot = await self._shot(kind, turn, number)
            self._note(shot)
            if shot.state in HOPELESS and self.stopped is None:
                return

    async def _shot(self, kind: str, turn: str, number: int) -> Shot:
        studio = self.studio
        try:
            subject = self._subject(kind)
            (item,), _ = await asyncio.to_thread(_planned, studio.desk.endpoint, [subject], self.history)
            shot = await studio.shoot(Order(subject, item, turn, number))
        except AssetmillError as error:
            if not isinstance(error, AttemptError | WorkflowError | UsageError):
                self.stopped = error
            return _unsent(kind, turn, error)
        self.stopped = self.stopped or studio.stopped
        return shot

    def _subject(self, kind: str) -> Subject:
        desk, wanted = self.studio.desk, self.wanted
        seed = desk.clock.random.randrange(SEED_SPACE)
        alone = ALONE if wanted.kind == FULL and kind in SOURCES.values() else ""
        prompt, picture = f"{wanted.prompt or PROMPT}{alone}", self._picture(kind)
        return subject_of(kind, desk.endpoint, self.library, prompt=prompt, seed=seed, picture=picture)

    def _picture(self, kind: str) -> Picture | None:
        """What a job draws from; in `full` only bare graphs take the caller's picture, or that of the one before."""
        if self.wanted.kind != FULL:
            return self.image
        source = SOURCES.get(kind)
        if source is None or self.image is not None:
            return self.image if source is not None else None
        made = self.studio.latest.get(source)
        return picture_of(made["image"], f"the picture of {source}") if made else None

    def _note(self, shot: Shot) -> None:
        self.shots.append(shot)
        progress = self.studio.desk.progress
        progress.charged(shot.cost)
        progress.done(shot.job_id, kept=shot.state is State.PASSED)
        self.tell(shot)

    def end(self) -> None:
        """Somebody wants it to end: send nothing more and bring in what is out; asked again, leave that to settling."""
        progress = self.studio.desk.progress
        if isinstance(self.stopped, Stopped):
            progress.say("the job that is out is cancelled if nobody has begun it")
            self.leave()
            return
        self.stopped = Stopped("interrupted", hint="run it again")
        progress.say("nothing more is sent; a job that is out is brought in. Once more to leave it")


async def smoke(
    settings: Settings, endpoint: Endpoint, clock: Clock, wanted: Wanted, agree: Agree, tell: Tell
) -> Report:
    """Run smoke tests at an endpoint.

    Args:
        settings: the environment.
        endpoint: where; a draft endpoint without an address is started for the time.
        clock: time, chance and ids.
        wanted: what is tested.
        agree: told what it is going to cost, before anything is sent.
        tell: told of each job when it has ended.

    Returns:
        What was found; jobs that went wrong are part of it.

    Raises:
        UsageError: a kind, a picture or a folder that cannot be.
        ConsentMissing: whatever `agree` raises.
        LedgerError, StorageError, ProviderRefused: books, store or endpoint could not be opened.
    """
    kinds, library, run_id = wanted.kinds, load_library(), f"smoke-{clock.new_id()[:24]}"
    image = read_picture(wanted.image) if wanted.image else None
    folder = wanted.folder or settings.home / "smoke" / run_id
    async with open_desk(settings, endpoint, clock, run_id) as desk:
        history = await asyncio.to_thread(_history, desk)
        jobs = tuple(_estimated(wanted, desk.endpoint, library, image))
        agree(desk.endpoint, (await asyncio.to_thread(_planned, desk.endpoint, jobs, history))[1])
        await asyncio.to_thread(_ready, folder)
        limits = limits_for(settings, PACK, wanted.budget_usd)
        bounds = bounds_at(desk.endpoint, settings, limits, await desk.roster.settings())
        studio = Studio(desk, run_id, limits, bounds, library.contract, folder, settings.job_ttl_s * 1000)
        session = _Session(wanted, studio, library, history, image, tell)
        desk.progress.total = len(kinds) * len(wanted.turns)
        async with _in_the_books(session):
            await session.all()
        return _report(session, desk, folder)


@asynccontextmanager
async def _in_the_books(session: _Session) -> AsyncIterator[None]:
    """A run around the jobs, which ends however they end; Ctrl-C and SIGTERM are taken as requests to end."""
    desk, run_id = session.studio.desk, session.studio.run_id
    endpoint, command, task = desk.endpoint, f"assetmill smoke {session.wanted.kind}", asyncio.current_task()
    run = Run(run_id, GAME, GAME, command, endpoint.kind, endpoint.name, endpoint.draft, desk.clock.now())
    await asyncio.to_thread(desk.ledger.begin_run, run)
    session.leave = task.cancel if task is not None else bool
    state = "interrupted"
    try:
        with on_signals(session.end):
            yield
        state = "finished" if session.stopped is None else _ended(session.stopped)
    finally:
        kept = sum(shot.state is State.PASSED for shot in session.shots)
        failed = sum(shot.attempt_id is not None for shot in session.shots) - kept
        end = partial(desk.ledger.end_run, run_id, state=state, ended_at=desk.clock.now())
        await asyncio.to_thread(end, kept=kept, failed=failed, cached=0)


def _ended(stopped: AssetmillError) -> str:
    return "interrupted" if isinstance(stopped, Stopped) else "stopped"


def _estimated(wanted: Wanted, endpoint: Endpoint, library: Library, image: Picture | None) -> Iterable[Subject]:
    """What is going to be sent, as far as it is known beforehand; a kind that cannot be made costs nothing."""
    for kind in wanted.kinds:
        try:
            subject = subject_of(kind, endpoint, library, prompt=wanted.prompt or PROMPT, seed=0, picture=image)
        except WorkflowError:
            continue
        yield from (subject for _ in wanted.turns)


def _planned(
    endpoint: Endpoint, subjects: Sequence[Subject], history: History
) -> tuple[tuple[PlanItem, ...], BatchEstimate]:
    """The same jobs as plans see them, with times and money: one after the other, so on one worker."""
    alone = replace(endpoint, max_workers=1)
    items = [PlanItem(one.asset, 0, "", Planned.NEW, road=Road(alone, one.made)) for one in subjects]
    done, total, _ = priced(items, history, alone)
    return done, total


def _history(desk: Desk) -> History:
    return read_history(desk.ledger, GAME, draft=desk.endpoint.draft, at=desk.clock.now())


def _ready(folder: Path) -> None:
    """Make the folder, and make sure that pictures can be saved there before any is paid for.

    Raises:
        UsageError: they cannot be.
    """
    probe = folder / ".assetmill-smoke"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UsageError(f"cannot save pictures in {folder}: {error.strerror}", hint="--out names a folder") from None


def _unsent(kind: str, turn: str, error: AssetmillError) -> Shot:
    return Shot(kind, turn, State.UNSENT, problems=(error.message,), hint=error.hint, error=error.code)


def _report(session: _Session, desk: Desk, folder: Path) -> Report:
    endpoint, stopped = desk.endpoint, session.stopped
    return Report(
        run_id=session.studio.run_id,
        endpoint=endpoint.name,
        kind=endpoint.kind,
        url=endpoint.url,
        draft=endpoint.draft,
        prompt=session.wanted.prompt or PROMPT,
        folder=str(folder),
        store=desk.store.url,
        shots=tuple(session.shots),
        stopped="" if stopped is None else str(stopped),
        stop_code=0 if stopped is None else stopped.exit_code,
    )
