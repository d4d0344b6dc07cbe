"""Everything that the attempts of one run share, put together once and closed once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assetmill.batch.admission import Admission
from assetmill.batch.desk import Desk
from assetmill.batch.prepare import Priority
from assetmill.batch.purse import Purse
from assetmill.errors import (
    AssetmillError,
    AttemptError,
    BlankImage,
    KeyMissing,
    ProviderRefused,
    QueueStalled,
    ResultLost,
)
from assetmill.images import decode, nothing_in
from assetmill.ledger import Finish, Output
from assetmill.manifest.models import Pack
from assetmill.money import Cost
from assetmill.packs import PackIndex
from assetmill.packs.keys import sha256_of
from assetmill.planning.plan import PlanItem, State
from assetmill.providers.breakers import Breakers
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.routing import Routes
from assetmill.settings import ScalePolicy, Settings
from assetmill.storage import Store
from assetmill.workflows.library import Library

FINISH_AT_ONCE = 4
DRAW_AT_ONCE = 2  # each takes 15 MB or more, and a tenth of a second


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one picture ended.

    Args:
        item: what was planned.
        status: kept, rejected, failed, lost or open.
        attempt_id: paid attempt, if one was sent.
        finish: finished files, if there are any.
        error: what went wrong, if something did.
        cost: what the attempt cost.
        latency_ms: from sending to the final row.
        job_id: the provider's id.
        followed: another attempt's picture: nothing was sent for this one.
    """

    item: PlanItem
    status: str
    attempt_id: str | None = None
    finish: Finish | None = None
    error: AssetmillError | None = None
    cost: Cost | None = None
    latency_ms: int | None = None
    job_id: str | None = None
    followed: bool = False

    @property
    def good(self) -> bool:
        """Whether there is a picture to publish."""
        return self.finish is not None and self.finish.rejected is None

    @property
    def note(self) -> str:
        """Why there is none, in words."""
        if self.error is not None:
            return str(self.error)
        return (self.finish.rejected or "") if self.finish else ""


@dataclass
class Tries:
    """What has been tried in this run for one wish; several assets may have the very same.

    Args:
        seed_no: number of the seed, 1 the planned one.
        failures: how the tries ended that were replaced.
        last: the attempt that the next one replaces.
        given_up: how it ended when no other try was allowed.
        turn: one asset at a time tries; the others have its picture, or its failure.
    """

    seed_no: int = 1
    failures: list[type[AttemptError]] = field(default_factory=list)
    last: str | None = None
    given_up: Outcome | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class RawImages:
    """Raw pictures by (asset id, candidate), as they become available; drawn-from assets wait here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ready: dict[tuple[str, int], asyncio.Future[Output | None]] = {}
        self._prints: dict[tuple[str, int], str] = {}

    def _slot(self, key: tuple[str, int]) -> asyncio.Future[Output | None]:
        return self._ready.setdefault(key, asyncio.get_running_loop().create_future())

    def offer(self, key: tuple[str, int], outputs: Mapping[str, Output] | None, fingerprint: str | None = None) -> None:
        """Say that a picture is stored, made in this run if with a fingerprint, or (None) that there will be none."""
        slot = self._slot(key)
        if slot.done():
            return
        if outputs and fingerprint is not None:
            self._prints[key] = fingerprint
        slot.set_result(next(iter(outputs.values())) if outputs else None)

    def made_as(self, asset_id: str) -> str | None:
        """Generation fingerprint of an asset's first picture, as it was made in this run; None if it was not."""
        return self._prints.get((asset_id, 0))

    async def settled(self, asset_id: str) -> None:
        """Wait until it is known whether an asset's first picture is there."""
        await self._slot((asset_id, 0))

    async def of(self, asset_id: str) -> bytes:
        """Bytes of an asset's first picture; waits until it is made.

        Raises:
            ResultLost: it could not be made, or its raw picture is gone.
            BlankImage: there is nothing on it to draw from.
        """
        output = await self._slot((asset_id, 0))
        if output is None:
            raise ResultLost(f"{asset_id}, which this is drawn from, could not be made")
        try:
            data = await asyncio.to_thread(self._store.get, output.key)
        except KeyMissing as error:
            raise ResultLost(f"the raw picture of {asset_id} is gone from the store") from error
        nothing = nothing_in(await asyncio.to_thread(decode, data))
        if nothing:
            raise BlankImage(f"{asset_id}, which this is drawn from, is blank: {nothing}", hint="give it another seed")
        return data


@dataclass(kw_only=True)
class Common:
    """What all endpoints of a run share and change.

    Args:
        outcomes: how each picture ended, by (asset id, candidate).
        tries: what has been tried so far, by endpoint and generation fingerprint.
        unknowns: how often a picture was sent whose request had no answer, by generation fingerprint.
        in_hand: attempts that a task of this run is carrying to their end; its other tasks leave them alone.
        retried: attempts that were replaced by another one in this run.
        scaled: addresses of endpoints whose most workers this run looks after.
        scaling: what it did to them, or could not, in words.
        before: the pack as it was published when the run began; None if there was none.
        told: hears of each picture's end, as soon as it is known.
        ended: why nothing more is sent anywhere.
    """

    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    tries: dict[tuple[str, str], Tries] = field(default_factory=dict)
    unknowns: Mapping[str, int] = field(default_factory=dict)
    in_hand: set[str] = field(default_factory=set)
    retried: int = 0
    scaled: set[str] = field(default_factory=set)
    scaling: list[str] = field(default_factory=list)
    before: PackIndex | None = None
    told: Callable[[Outcome], None] | None = None
    ended: AssetmillError | None = None


@dataclass(kw_only=True)
class Batch(Desk):
    """One run, as it stands to one of its endpoints: what it needs, and how far it is.

    A run that uses several endpoints has one such view of itself for each (`lanes`), with its own provider, window and
    breakers; everything else is the same for all.

    Args:
        run_id: id of the run.
        pack: resolved manifest.
        settings: the environment.
        library: workflows and their contract.
        routes: who makes what.
        admission: who may send to this endpoint.
        limits: execution timeout and time to live of a job, milliseconds.
        strip: leave provenance out of published files.
        priority: how this run stands to others at the same endpoint.
        scale: what it does to the most workers of its endpoints.
        purse: its budgets.
        shared: other runs may use the endpoint too; false where this run has started it for itself.
        resend_unknown: how often a picture is sent again whose request had no answer.
        finishing: lets a few pictures be finished at once, so that the books never wait behind many.
        drawing: lets a few guides be drawn at once, for the same reason and for their memory.
        common: what all endpoints share and change.
        lanes: the run at each of its endpoints, by address.
        closed: why nothing more is sent to this endpoint; None while something may be.
        closed_at: when that was, in seconds of the clock that never jumps.
        probe: the picture that tries it out after it was closed, as (asset id, candidate); None when none does.
    """

    run_id: str
    pack: Pack
    settings: Settings
    library: Library
    routes: Routes
    admission: Admission
    limits: tuple[int, int]
    strip: bool
    raws: RawImages
    purse: Purse
    priority: Priority = "normal"
    scale: ScalePolicy = "keep"
    shared: bool = False
    resend_unknown: int = 1
    finishing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FINISH_AT_ONCE))
    drawing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DRAW_AT_ONCE))
    common: Common = field(default_factory=Common)
    lanes: dict[str, Batch] = field(default_factory=dict)
    closed: AssetmillError | None = None
    closed_at: float = 0.0
    probe: tuple[str, int] | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.lanes.setdefault(self.endpoint.url, self)

    @property
    def outcomes(self) -> dict[tuple[str, int], Outcome]:
        """How each picture ended, by (asset id, candidate)."""
        return self.common.outcomes

    @property
    def in_hand(self) -> set[str]:
        """Attempts that a task of this run is carrying to their end."""
        return self.common.in_hand

    @property
    def ended(self) -> AssetmillError | None:
        """Why nothing more is sent here; None while something may be."""
        return self.common.ended or self.closed

    @property
    def seat(self) -> str:
        """Name of the run among those that share the endpoint; a run has a seat at each of its endpoints."""
        first = next(iter(self.lanes.values()))
        return self.run_id if first is self else f"{self.run_id}@{sha256_of(self.endpoint.url.encode())[:8]}"

    def lane(self, endpoint: Endpoint) -> Batch:
        """The run at one of its endpoints."""
        return self.lanes[endpoint.url]

    def end(self, error: AssetmillError) -> None:
        """Send nothing more: to this endpoint, where it alone is to blame, else to nobody.

        The first error of this weight is the reason that the run gives.
        """
        if not isinstance(error, ProviderRefused | QueueStalled):
            self._end_all(error)
            return
        if self.closed is None:
            self.closed, self.closed_at = error, self.clock.monotonic()
            self.stopping.set()
            self.admission.close(error)
        if all(lane.closed is not None for lane in self.lanes.values()):
            self._end_all(error)

    def _end_all(self, error: AssetmillError) -> None:
        if self.common.ended is None:
            self.common.ended = error
        for lane in self.lanes.values():
            lane.stopping.set()
            lane.admission.close(error)

    def reopen(self, probe: tuple[str, int]) -> None:
        """Let a picture go to this endpoint again; the others follow when it is back."""
        if self.closed is not None and self.common.ended is None:
            self.closed, self.probe = None, probe
            self.stopping.clear()
            self.admission.reopen(Breakers(self.clock.monotonic, self.settings.worker_idle_s))

    async def stopped_within(self, seconds: float) -> bool:
        """Wait, but no longer than until nothing more is sent here; says whether it is so."""
        stopping = asyncio.ensure_future(self.stopping.wait())
        sleeping = asyncio.ensure_future(self.clock.sleep(seconds))
        await asyncio.wait({stopping, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, sleeping):
            task.cancel()
        await asyncio.gather(stopping, sleeping, return_exceptions=True)
        return self.ended is not None

    def tries_of(self, item: PlanItem) -> Tries:
        """What has been tried here for the wish of a picture."""
        wish = (self.endpoint.url, item.made.fingerprint if item.made else "")
        return self.common.tries.setdefault(wish, Tries())

    def report(self, outcome: Outcome) -> Outcome:
        """Keep an outcome, and tell whoever watches."""
        self.outcomes[outcome.item.key] = outcome
        self.purse.moved.set()
        if self.common.told is not None:
            self.common.told(outcome)
        if not outcome.good:  # what is drawn from it need not wait; a raw picture that was offered before stands
            self.raws.offer(outcome.item.key, None)
        if outcome.item.state is State.CACHED:  # finished again: not among the pictures that the progress counts
            return outcome
        self.progress.charged(outcome.cost)
        self.progress.done(outcome.job_id, kept=outcome.good)
        return outcome

    def spent(self, outcome: Outcome) -> None:
        """Count an attempt that is about to be replaced."""
        self.common.retried += 1
        self.purse.moved.set()
        self.progress.charged(outcome.cost)
        self.progress.forget(outcome.job_id)


def provenance(batch: Batch, item: PlanItem, attempt_id: str, *, draft: bool) -> dict[str, str] | None:
    """Text chunks for a published PNG; None when they are to be left out. Reads the books."""
    if batch.strip or item.made is None:
        return None
    made = item.made
    text: dict[str, Any] = {
        "asset": item.asset.id,
        "prompt": made.parameters.get("prompt", ""),
        "seed": batch.ledger.attempt(attempt_id)["seed"],  # a retry may have had to take another than the planned one
        "workflow": f"{made.workflow} {made.origin['workflow_hash']}",
        "model": made.origin["model"],
        "attempt": attempt_id,
    }
    if draft:
        text["draft"] = "1"
    return {f"assetmill:{key}": str(value) for key, value in text.items()}
