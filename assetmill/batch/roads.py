"""The way of one picture along its chain of endpoints: who is asked now, and whether the next one takes over.

Nobody takes over but who is written down. What may still come back paid, an endpoint's own fault only, and one that is
out of reach: these go on elsewhere; a fault of the asset, a budget that is spent and a cancelled job do not. An
endpoint that has closed is left alone for a while and then asked again, before whoever took over (ADR 0019).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from assetmill.batch.admission import Pass
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.sharing import BACKFILL
from assetmill.errors import (
    AssetmillError,
    AttemptError,
    LedgerError,
    OutcomeUnknown,
    OutOfSight,
    ProviderRefused,
    QueueStalled,
    WorkflowError,
)
from assetmill.ledger import Outage
from assetmill.planning.fingerprint import with_reference
from assetmill.planning.plan import PlanItem, Road, State
from assetmill.providers.retry import Blame, rule_for

OPEN = "its job may still come back from there, and be charged"
LOOK_EVERY_S = 1.0  # whether an endpoint that comes before another one may be asked again


@dataclass
class Way:
    """One picture on its way.

    Args:
        batch: the run.
        item: as it is planned.
        why: why endpoints were given up for this picture, by their address.
        heir: who takes over next, even if one that comes before it has rested meanwhile.
        unknown: how often it went on elsewhere in this run although it may have been charged for.
    """

    batch: Batch
    item: PlanItem
    why: dict[str, str] = field(default_factory=dict)
    heir: Road | None = None
    unknown: int = 0

    @property
    def roads(self) -> tuple[Road, ...]:
        """All of its roads, in the order of the chain."""
        return () if self.item.road is None else (self.item.road, *self.item.fallbacks)

    def now(self) -> tuple[Batch, PlanItem]:
        """The endpoint that is to be asked, and the picture as it is made there.

        An endpoint that has closed and has rested long enough is open again; where all are closed it is the last one
        that was not given up, whose error says why.
        """
        left = [road for road in self.roads if road.endpoint.url not in self.why]
        road = self.heir or next((one for one in left if self._may_ask(one)), left[-1])
        self.heir = None
        passed = left[: left.index(road)]
        notes = {**self.why, **{one.endpoint.url: _closed(self.batch.lane(one.endpoint)) for one in passed}}
        return self.batch.lane(road.endpoint), self._on(road, notes)

    def _on(self, road: Road, notes: dict[str, str]) -> PlanItem:
        place = self.roads.index(road)
        before = self.roads[:place]
        whys = [notes[one.endpoint.url] for one in before if one.endpoint.url in notes]
        heirs = tuple(one for one in self.roads[place + 1 :] if one.endpoint.url not in self.why)
        item = replace(self.item, road=self._drawn_from(road), fallbacks=heirs)
        first = self.item.instead_of or self.roads[0].endpoint.name
        if road.endpoint.name == first:
            return replace(item, instead_of=None, instead_why="")
        if not before:
            return item
        said = "; ".join(part for part in (self.item.instead_why, *whys) if part)
        return replace(item, instead_of=first, instead_why=said)

    def _may_ask(self, road: Road) -> bool:
        """Whether an endpoint takes jobs; one that has rested long enough is asked again, by one picture first."""
        lane, key = self.batch.lane(road.endpoint), self.item.key
        if road is not self.item.road and not self._may_cost(lane, road):
            return False
        if lane.closed is not None and _may_recover(lane.closed) and _rest_s(lane) <= 0:
            lane.progress.say(f"{lane.endpoint.name} is asked again")
            lane.reopen(key)
        return lane.closed is None and lane.probe in (None, key)

    def _may_cost(self, lane: Batch, road: Road) -> bool:
        """Whether somebody who would take over has a price; under a budget nobody is asked who has none."""
        return not lane.purse.limits or lane.purse.bounds.reservation(replace(self.item, road=road)) is not None

    def answered(self, lane: Batch) -> None:
        """Its job at an endpoint has ended: if it was the first after a rest, the others may follow."""
        if lane.probe == self.item.key:
            lane.probe = None

    def _drawn_from(self, road: Road) -> Road:
        """The road with the picture that it is drawn from as it was made: another endpoint may have taken over."""
        for name in self.item.asset.references:
            source = self.batch.raws.made_as(name)
            if source is not None and road.made.reference is not None:
                return replace(road, made=with_reference(road.made, source))
        return road

    async def enter(self, lane: Batch, item: PlanItem) -> Pass | None:
        """Wait for the right to send; None when an endpoint that comes before this one is to be asked again.

        Raises:
            AssetmillError: nothing of this workflow, or nothing at all, is sent to this endpoint any more.
        """
        workflow = item.made.workflow if item.made else ""
        entering = asyncio.ensure_future(lane.admission.enter(workflow))
        waits: set[asyncio.Future[Any]] = {entering}
        rest_s = self._until_sooner(lane)
        if rest_s is not None:
            waits.add(asyncio.ensure_future(lane.clock.sleep(rest_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()  # of what has ended it changes nothing; a pass that came meanwhile is given back
            await asyncio.gather(*waits, return_exceptions=True)
        return None if entering.cancelled() else entering.result()

    def _until_sooner(self, lane: Batch) -> float | None:
        """Seconds until an endpoint that comes before this one has rested long enough; None if none is resting."""
        before = self.roads[: [road.endpoint.url for road in self.roads].index(lane.endpoint.url)]
        resting = [self.batch.lane(road.endpoint) for road in before if road.endpoint.url not in self.why]
        rests = [_rest_s(one) for one in resting if one.closed is None or _may_recover(one.closed)]
        return max(LOOK_EVERY_S, min(rests)) if rests else None

    def takes_over(self, lane: Batch, outcome: Outcome) -> bool:
        """Whether another endpoint takes the picture over; notes why, and that the endpoint has failed."""
        error, here = outcome.error, lane.endpoint.url
        if outcome.good or error is None or lane.common.ended is not None:
            return False
        if not _goes_elsewhere(outcome, error, lane.resend_unknown - self._unknown_before()):
            return False
        left = [road for road in self.roads if road.endpoint.url not in {*self.why, here}]
        heir = next((road for road in left if self._may_ask(road)), None)
        if heir is None:
            return False
        closed = isinstance(error, ProviderRefused | QueueStalled) and _may_recover(error)
        words = f"{lane.endpoint.name}: {error.message}" + (f"; {OPEN}" if outcome.status == "open" else "")
        if not (closed and outcome.attempt_id is None):  # a closed endpoint may open again; this picture has not failed
            self.why[here] = words
        self.heir = heir
        self.unknown += isinstance(error, OutOfSight | OutcomeUnknown)
        lane.progress.say(f"{outcome.item.label}: {heir.endpoint.name} takes over; {words}")
        return True

    def _unknown_before(self) -> int:
        """How often it was sent to anybody of its chain without anybody knowing whether it was charged for."""
        prints = {road.made.fingerprint for road in self.roads}
        return self.unknown + sum(self.batch.common.unknowns.get(one, 0) for one in prints)


def _goes_elsewhere(outcome: Outcome, error: AssetmillError, may_resend: int) -> bool:
    """Whether an error is one after which another provider may be asked."""
    if isinstance(error, OutOfSight | OutcomeUnknown):  # the one case that can pay twice
        return may_resend > 0
    if outcome.status in ("open", "rejected"):  # rejected: the picture is there and paid for, whatever is wrong with it
        return False
    if isinstance(error, ProviderRefused | QueueStalled | WorkflowError):
        return True
    return isinstance(error, AttemptError) and rule_for(error).elsewhere


def _rest_s(lane: Batch) -> float:
    """Seconds until an endpoint may be asked again; 0 for one that may be, or is."""
    return (
        0.0
        if lane.closed is None
        else max(0.0, lane.closed_at + lane.settings.provider_rest_s - lane.clock.monotonic())
    )


def _may_recover(error: AssetmillError) -> bool:
    """Whether time can mend it: it was out of reach or failing, not told that a key or an address is wrong."""
    return isinstance(error, QueueStalled) or (isinstance(error, ProviderRefused) and error.passing)


def _closed(lane: Batch) -> str:
    return f"{lane.endpoint.name}: {lane.closed.message}" if lane.closed is not None else ""


def conclude(batch: Batch) -> None:
    """Say why the run came to no good end, where an endpoint that closed has left pictures unmade."""
    missing = {o.item.road.endpoint.url for o in batch.outcomes.values() if o.item.road is not None and _left_unmade(o)}
    closed = [lane.closed for lane in batch.lanes.values() if lane.endpoint.url in missing and lane.closed is not None]
    if batch.common.ended is None and closed:
        batch.common.ended = closed[0]


def _left_unmade(outcome: Outcome) -> bool:
    """Whether a picture may be missing because of its endpoint, and not by a fault of its own."""
    error = outcome.error
    if outcome.good or outcome.status == "rejected" or error is None:
        return False
    return not isinstance(error, AttemptError) or rule_for(error).blames is not Blame.ASSET


async def note_outages(batch: Batch) -> None:
    """Write down which endpoints have failed, so that other runs leave them alone for a while; or that they work.

    Books that are away must not hide how the run ended.
    """
    now = batch.clock.now()
    for lane in batch.lanes.values():
        try:
            if lane.closed is not None and _concerns_others(lane, lane.closed):
                rest = timedelta(seconds=_rest_s(lane))
                outage = Outage(lane.endpoint.url, now, now + rest, lane.closed.message)
                await asyncio.to_thread(batch.ledger.outages.note, outage)
            elif any(_made_at(lane, outcome) for outcome in batch.outcomes.values()):
                await asyncio.to_thread(batch.ledger.outages.over, lane.endpoint.url)
        except LedgerError as error:
            batch.progress.say(f"{lane.endpoint.name}: that it failed could not be written down: {error.message}")


def _concerns_others(lane: Batch, error: AssetmillError) -> bool:
    """Whether other runs would meet the same: jobs of a backfill start no worker, and may wait where others run."""
    return _may_recover(error) and not (lane.priority == BACKFILL and isinstance(error, QueueStalled))


def _made_at(lane: Batch, outcome: Outcome) -> bool:
    """Whether an endpoint has made a picture in this run."""
    road = outcome.item.road
    fresh = outcome.good and outcome.item.state is not State.CACHED
    return fresh and road is not None and road.endpoint.url == lane.endpoint.url
