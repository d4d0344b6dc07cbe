"""The plan: each picture of the manifest is cached, new, changed, open or blocked, and why.

Pure: manifest, history and endpoint go in, a `Plan` comes out. It draws nothing and asks no network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from assetmill.errors import UsageError, WorkflowError
from assetmill.finishing import finish_fields
from assetmill.manifest.models import ASSET_TYPES, Asset, Pack
from assetmill.money import Cost
from assetmill.planning.cards import Pools
from assetmill.planning.choices import Batch, BatchEstimate
from assetmill.planning.estimate import Estimator, cost_of, job_seconds
from assetmill.planning.fingerprint import Generation, Maker, changed_fields, digest, generation
from assetmill.planning.history import History
from assetmill.planning.spans import NO_TIME, Span
from assetmill.planning.timings import Kind, kind_of
from assetmill.providers.endpoint import Endpoint
from assetmill.workflows.library import Library

if TYPE_CHECKING:  # a first plan should not wait for a database library
    from assetmill.ledger import Finish

SENT_AGAIN = "an earlier request had no answer, and may have been charged"
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
class PlanItem:
    """One picture (one candidate of one asset) and what a run would do about it.

    Args:
        asset: the resolved asset.
        candidate: number of the candidate, from 0.
        finish_fingerprint: SHA-256 of everything free that shapes the published file.
        state: what a run would do.
        reason: why, in words; empty where the state says it all.
        changed: fields that differ from the last picture.
        made: how it is made; None when blocked.
        refinish: the finished file has to be made again, for free.
        finish_changed: finishing fields that differ from the last finish.
        rejected: why the checks turned the finished picture down; None when they did not.
        attempt_id: paid attempt that holds the picture, or that is open.
        seconds: execution on a warm worker; a worker's first job takes the model load longer.
        time_source: `history`, `scaled` (history of another GPU by stated speeds) or `prior`.
        cost: money for this job: the estimate carries its share of the workers' starts and idle tails, the high is that
            of a job that starts a worker of its own.
    """

    asset: Asset
    candidate: int
    finish_fingerprint: str
    state: State
    reason: str = ""
    changed: tuple[str, ...] = ()
    made: Generation | None = None
    refinish: bool = False
    finish_changed: tuple[str, ...] = ()
    rejected: str | None = None
    attempt_id: str | None = None
    seconds: Span = NO_TIME
    time_source: str = ""
    cost: Cost = FREE_OF_CHARGE

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
    """All pictures of a manifest, in the order in which a run takes them."""

    pack: Pack
    endpoint: Endpoint
    items: tuple[PlanItem, ...]
    total: BatchEstimate

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


def make_plan(
    pack: Pack,
    history: History,
    endpoint: Endpoint,
    library: Library,
    *,
    selection: Selection = ALL,
    strip: bool = False,
    resend_unknown: int = 1,
) -> Plan:
    """Compare a manifest with the books.

    Args:
        pack: resolved manifest.
        history: what is paid for already.
        endpoint: who would make what is missing.
        library: workflows.
        selection: part of the manifest; assets that it references come along.
        strip: leave provenance out of published files; part of every finish fingerprint.
        resend_unknown: how often a picture may be sent again whose request had no answer.

    Raises:
        UsageError: the selection names what is not there.
    """
    selection.check(pack)
    planner = _Planner(pack, history, endpoint, library, strip=strip, resend_unknown=resend_unknown)
    chosen = _with_references(pack, [asset for asset in pack.assets if asset.enabled and selection.takes(asset)])
    items = [planner.item(asset, candidate) for asset in chosen for candidate in range(asset.candidates)]
    ranks = {asset.id: (not asset.is_style_anchor, index) for index, asset in enumerate(chosen)}
    items.sort(
        key=lambda item: (ranks[item.asset.id][0], item.made.workflow if item.made else "", ranks[item.asset.id])
    )
    estimator = Estimator(
        history.timings, history.starts, model=endpoint.model, pools=Pools(endpoint.prices), draft=endpoint.draft
    )
    priced, total = _priced(items, estimator, endpoint)
    return Plan(pack, endpoint, priced, total)


def _priced(
    items: Sequence[PlanItem], estimator: Estimator, endpoint: Endpoint
) -> tuple[tuple[PlanItem, ...], BatchEstimate]:
    """The same items with times and costs, and their total.

    A picture that is out already is no part of the total: it has times and a cost should it be lost and sent again.
    """
    kinds = [_kind(item) for item in items]
    paid = Counter(kind for item, kind in zip(items, kinds, strict=True) if kind is not None and item.state.paid)
    batch = Batch(paid, estimator, endpoint)
    figures = {kind: _figures(kind, batch, estimator, endpoint) for kind in dict.fromkeys(kinds) if kind is not None}
    done = (_with_figures(item, figures[kind]) if kind else item for item, kind in zip(items, kinds, strict=True))
    return tuple(done), batch.estimate()


def _figures(kind: Kind, batch: Batch, estimator: Estimator, endpoint: Endpoint) -> tuple[Span, str, Cost]:
    """Seconds on a warm worker, their source, and the cost of one job of a kind."""
    warm = estimator.expected(kind, endpoint.gpu)
    cost = cost_of(job_seconds(warm.seconds, batch.life, batch.share), endpoint.usd_per_s)
    return warm.seconds, warm.source, cost


def _with_figures(item: PlanItem, figures: tuple[Span, str, Cost]) -> PlanItem:
    seconds, source, cost = figures
    return replace(item, seconds=seconds, time_source=source, cost=cost)


def _kind(item: PlanItem) -> Kind | None:
    """What kind of job a picture is; None where none would be sent."""
    made = item.made
    if made is None or not (item.state.paid or item.state is State.OPEN):
        return None
    return kind_of(made.workflow, made.size, made.parameters)


def _with_references(pack: Pack, chosen: list[Asset]) -> list[Asset]:
    """The chosen assets and all enabled ones that they are drawn from, in the order of the manifest."""
    by_id = {asset.id: asset for asset in pack.assets}
    wanted: set[str] = set()
    stack = [asset.id for asset in chosen]
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(source for source in by_id[name].references if by_id[source].enabled)
    return [asset for asset in pack.assets if asset.id in wanted]


def _too_often(unknown: int) -> str:
    times = "once" if unknown == 1 else f"{unknown} times"
    return (
        f"it was sent {times} without an answer, and may have been charged each time; "
        f"ASSETMILL_RESEND_UNKNOWN={unknown} sends it again"
    )


class _Planner:
    """Works out one picture at a time; remembers the fingerprints of referenced assets."""

    def __init__(
        self, pack: Pack, history: History, endpoint: Endpoint, library: Library, *, strip: bool, resend_unknown: int
    ) -> None:
        self._resend_unknown = resend_unknown
        self._pack = pack
        self._history = history
        self._endpoint = endpoint
        self._library = library
        self._strip = strip
        self._maker = Maker(endpoint.kind, endpoint.model)
        self._by_id = {asset.id: asset for asset in pack.assets}
        self._made: dict[tuple[str, int], Generation] = {}

    def item(self, asset: Asset, candidate: int) -> PlanItem:
        shape = digest(finish_fields(asset, self._pack, strip=self._strip))
        try:
            self._check_provider(asset)
            made = self._generation(asset, candidate)
        except WorkflowError as error:
            return PlanItem(asset, candidate, shape, State.BLOCKED, reason=error.message)
        kept = self._history.by_fingerprint.get(made.fingerprint)
        if kept is not None:
            return self._cached(asset, candidate, shape, made, kept.attempt_id)
        last = self._history.latest.get((asset.id, candidate))
        before = self._history.details[last.attempt_id].inputs if last is not None else None
        changed = changed_fields(before, made.fields) if before is not None else ()
        if asset.locked and last is not None:
            reason = f"locked; would change {', '.join(changed)}"
            return self._cached(asset, candidate, shape, made, last.attempt_id, reason)
        waiting = self._history.open.get(made.fingerprint)
        if waiting is not None:
            reason = f"job {waiting.job_id or 'unknown'} was sent and is not collected yet; sent again if lost"
            return PlanItem(
                asset, candidate, shape, State.OPEN, reason=reason, made=made, attempt_id=waiting.attempt_id
            )
        unknown = self._history.unknowns.get(made.fingerprint, 0)
        if unknown > self._resend_unknown:
            return PlanItem(asset, candidate, shape, State.BLOCKED, reason=_too_often(unknown), made=made)
        return self._to_pay(asset, candidate, shape, made, changed)

    def _check_provider(self, asset: Asset) -> None:
        if asset.provider == "scenario":
            raise WorkflowError("provider scenario is not available in this version")

    def _generation(self, asset: Asset, candidate: int) -> Generation:
        key = (asset.id, candidate)
        if key not in self._made:
            reference = self._reference(asset)
            self._made[key] = generation(
                asset, self._pack, candidate, library=self._library, maker=self._maker, reference=reference
            )
        return self._made[key]

    def _reference(self, asset: Asset) -> str | None:
        """Fingerprint of the picture that it is drawn from: of a locked asset the one that is there."""
        if not asset.references:
            return None
        source = self._by_id[asset.references[0]]
        if not source.enabled:
            raise WorkflowError(f"it is drawn from {source.id}, which is disabled")
        made = self._generation(source, 0).fingerprint
        if source.locked and made not in self._history.by_fingerprint:
            last = self._history.latest.get((source.id, 0))
            return last.fingerprint if last is not None else made
        return made

    def _cached(
        self, asset: Asset, candidate: int, shape: str, made: Generation, attempt_id: str, reason: str = ""
    ) -> PlanItem:
        key = (attempt_id, shape)
        done = key in self._history.verdicts
        last = None if done else self._history.last_finish.get(attempt_id)
        return PlanItem(
            asset,
            candidate,
            shape,
            State.CACHED,
            reason=reason,
            made=made,
            refinish=not done,
            finish_changed=self._refinish_reasons(asset, last),
            rejected=self._history.verdicts[key] if done else None,
            attempt_id=attempt_id,
        )

    def _refinish_reasons(self, asset: Asset, last: Finish | None) -> tuple[str, ...]:
        if last is None:
            return ()
        return changed_fields(last.inputs, finish_fields(asset, self._pack, strip=self._strip))

    def _to_pay(self, asset: Asset, candidate: int, shape: str, made: Generation, changed: tuple[str, ...]) -> PlanItem:
        return PlanItem(
            asset,
            candidate,
            shape,
            State.CHANGED if changed else State.NEW,
            reason=SENT_AGAIN if self._history.unknowns.get(made.fingerprint) else "",
            changed=changed,
            made=made,
        )
