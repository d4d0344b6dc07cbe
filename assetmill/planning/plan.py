"""The plan, as a value: each picture of the manifest is cached, new, changed, open or blocked, and why.

How it is made of manifest, history and endpoints stands in `planner`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from assetmill.errors import UsageError
from assetmill.manifest.models import ASSET_TYPES, Asset, Pack
from assetmill.money import Cost
from assetmill.planning.choices import BatchEstimate
from assetmill.planning.fingerprint import Generation
from assetmill.planning.spans import NO_TIME, Span
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.routing import Routes

FREE_OF_CHARGE = Cost(None, None, None, "nothing to pay")


class State(StrEnum):
    """What a run would do about a picture."""

    CACHED = "cached"
    NEW = "new"
    CHANGED = "changed"
    OPEN = "open"
    BLOCKED = "blocked"

    @property
    def paid(self) -> bool:
        """Whether a run would send a job for it."""
        return self in (State.NEW, State.CHANGED)


@dataclass(frozen=True, slots=True)
class Road:
    """A way to make a picture: one endpoint of its chain, and what would be sent there.

    Args:
        endpoint: where.
        made: what.
        seconds: execution on a warm worker; a worker's first job takes the model load longer.
        time_source: `history`, `scaled` (history of another GPU by stated speeds) or `prior`.
        cost: money for this job: the estimate carries its share of the workers' starts and idle tails, the high is that
            of a job that starts a worker of its own.
    """

    endpoint: Endpoint
    made: Generation
    seconds: Span = NO_TIME
    time_source: str = ""
    cost: Cost = FREE_OF_CHARGE


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One picture (one candidate of one asset) and what a run would do about it.

    Args:
        asset: the resolved asset.
        candidate: number of the candidate, from 0.
        finish_fingerprint: SHA-256 of everything free that shapes the published file.
        state: what a run would do.
        reason: why, in words; empty where the state says it all.
        changed: fields that differ from the last picture.
        road: who makes it and how; of a picture that is there, how it was made; None when blocked.
        fallbacks: who takes over if that one cannot, in their order.
        instead_of: name of the endpoint that the picture was meant for, where `road` is another one's.
        instead_why: why that one does not make it.
        refinish: the finished file has to be made again, for free.
        finish_changed: finishing fields that differ from the last finish.
        rejected: why the checks turned the finished picture down; None when they did not.
        attempt_id: paid attempt that holds the picture, or that is open.
    """

    asset: Asset
    candidate: int
    finish_fingerprint: str
    state: State
    reason: str = ""
    changed: tuple[str, ...] = ()
    road: Road | None = None
    fallbacks: tuple[Road, ...] = ()
    instead_of: str | None = None
    instead_why: str = ""
    refinish: bool = False
    finish_changed: tuple[str, ...] = ()
    rejected: str | None = None
    attempt_id: str | None = None

    @property
    def made(self) -> Generation | None:
        """How it is made; None when blocked."""
        return self.road.made if self.road is not None else None

    @property
    def seconds(self) -> Span:
        """Execution on a warm worker."""
        return self.road.seconds if self.road is not None else NO_TIME

    @property
    def time_source(self) -> str:
        """Where that time is from."""
        return self.road.time_source if self.road is not None else ""

    @property
    def cost(self) -> Cost:
        """Money for this job."""
        return self.road.cost if self.road is not None else FREE_OF_CHARGE

    @property
    def key(self) -> tuple[str, int]:
        """(asset id, candidate)."""
        return self.asset.id, self.candidate

    @property
    def label(self) -> str:
        """`entity/slime`, or `entity/slime#1` for further candidates."""
        suffix = f"#{self.candidate}" if self.candidate else ""
        return f"{self.asset.type}/{self.asset.id}{suffix}"


@dataclass(frozen=True)
class Plan:
    """All pictures of a manifest, in the order in which a run takes them.

    Args:
        pack: resolved manifest.
        routes: who makes what.
        items: the pictures.
        total: of all jobs, each made by whoever is asked first.
        by_endpoint: the same of each endpoint that has jobs, by its name.
    """

    pack: Pack
    routes: Routes
    items: tuple[PlanItem, ...]
    total: BatchEstimate
    by_endpoint: Mapping[str, BatchEstimate] = field(default_factory=dict)

    @property
    def endpoint(self) -> Endpoint:
        """Who makes what nobody else is named for."""
        return self.routes.main

    @property
    def draft(self) -> bool:
        """Whether all pictures are placeholders."""
        return self.routes.main.draft

    @property
    def paid(self) -> bool:
        """Whether any endpoint that may get a job may cost money."""
        return any(road.endpoint.paid for item in self.items for road in _roads(item))

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Endpoints that may get a job, the main one first where it is among them."""
        found = {road.endpoint.url: road.endpoint for item in self.items for road in _roads(item)}
        return tuple(found.values()) or (self.routes.main,)

    def counts(self) -> Counter[State]:
        """Pictures by state."""
        return Counter(item.state for item in self.items)

    @property
    def to_pay(self) -> tuple[PlanItem, ...]:
        """Pictures that a run would send."""
        return tuple(item for item in self.items if item.state.paid)

    @property
    def may_pay(self) -> bool:
        """Whether a run may cost anything: an open job that turns out to be lost is sent again."""
        return any(item.state.paid or item.state is State.OPEN for item in self.items)

    @property
    def to_refinish(self) -> tuple[PlanItem, ...]:
        """Pictures that are there and whose finished file has to be made again, for free."""
        return tuple(item for item in self.items if item.refinish)


@dataclass(frozen=True, slots=True)
class Selection:
    """Part of a manifest: ids and types; empty means all."""

    only: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def check(self, pack: Pack) -> None:
        """Refuse names that the manifest does not have.

        Raises:
            UsageError: names them.
        """
        unknown = sorted(set(self.only) - {asset.id for asset in pack.assets})
        if unknown:
            raise UsageError(f"the manifest has no asset {', '.join(unknown)}", hint="`assetmill plan` lists the ids")
        wrong = sorted(set(self.types) - set(ASSET_TYPES))
        if wrong:
            raise UsageError(f"no asset type {', '.join(wrong)}", hint=f"types are {', '.join(ASSET_TYPES)}")

    def takes(self, asset: Asset) -> bool:
        """Whether the asset is part of it."""
        return (not self.only or asset.id in self.only) and (not self.types or asset.type in self.types)


ALL = Selection()


def _roads(item: PlanItem) -> tuple[Road, ...]:
    """Roads that a picture may take from here on."""
    due = item.state.paid or item.state is State.OPEN
    return ((item.road, *item.fallbacks) if item.road is not None else ()) if due else ()
