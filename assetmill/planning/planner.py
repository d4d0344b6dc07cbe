"""How a plan is made: manifest and books go in, and who is asked for what; a `Plan` comes out.

Pure: it draws nothing and asks no network. A picture that any endpoint of its chain has made is there, whoever it was;
whoever comes first in the chain and can do it is asked for one that is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assetmill.errors import WorkflowError
from assetmill.finishing import finish_fields
from assetmill.manifest.models import Asset, Pack
from assetmill.planning.fingerprint import Generation, Maker, changed_fields, digest, generation
from assetmill.planning.history import History
from assetmill.planning.plan import ALL, Plan, PlanItem, Road, Selection, State
from assetmill.planning.pricing import priced
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.routing import Routes, only
from assetmill.workflows.library import Library

if TYPE_CHECKING:  # a first plan should not wait for a database library
    from assetmill.ledger import Finish

SENT_AGAIN = "an earlier request had no answer, and may have been charged"


def make_plan(
    pack: Pack,
    history: History,
    routes: Routes | Endpoint,
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
        routes: who would make what is missing; an endpoint alone makes everything.
        library: workflows.
        selection: part of the manifest; assets that it references come along.
        strip: leave provenance out of published files; part of every finish fingerprint.
        resend_unknown: how often a picture may be sent again whose request had no answer.

    Raises:
        UsageError: the selection names what is not there.
    """
    selection.check(pack)
    routes = only(routes) if isinstance(routes, Endpoint) else routes
    planner = _Planner(pack, history, routes, library, strip=strip, resend_unknown=resend_unknown)
    chosen = _with_references(pack, [asset for asset in pack.assets if asset.enabled and selection.takes(asset)])
    items = [planner.item(asset, candidate) for asset in chosen for candidate in range(asset.candidates)]
    ranks = {asset.id: (not asset.is_style_anchor, index) for index, asset in enumerate(chosen)}
    items.sort(
        key=lambda item: (ranks[item.asset.id][0], item.made.workflow if item.made else "", ranks[item.asset.id])
    )
    done, total, by_endpoint = priced(items, history, routes.main)
    return Plan(pack, routes, done, total, by_endpoint)


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


@dataclass(frozen=True, slots=True)
class _Way:
    """One endpoint of a chain, and how it would make a picture, or why it does not.

    Args:
        endpoint: who.
        made: how; None where there is no way at all.
        obstacle: why it is not asked; empty where it may be.
        resting: it is only left alone for a while.
    """

    endpoint: Endpoint
    made: Generation | None
    obstacle: str = ""
    resting: bool = False

    @property
    def words(self) -> str:
        return f"{self.endpoint.name}: {self.obstacle}"


class _Planner:
    """Works out one picture at a time; remembers the fingerprints of referenced assets."""

    def __init__(
        self, pack: Pack, history: History, routes: Routes, library: Library, *, strip: bool, resend_unknown: int
    ) -> None:
        self._resend_unknown = resend_unknown
        self._pack = pack
        self._history = history
        self._routes = routes
        self._library = library
        self._strip = strip
        self._by_id = {asset.id: asset for asset in pack.assets}
        self._found: dict[tuple[str, int], tuple[_Way, ...]] = {}

    def item(self, asset: Asset, candidate: int) -> PlanItem:
        shape = digest(finish_fields(asset, self._pack, strip=self._strip))
        ways = self._ways(asset, candidate)
        there = self._there(ways)
        if there is not None and there.made is not None:
            kept = self._history.by_fingerprint[there.made.fingerprint]
            return self._cached(asset, candidate, shape, _road(there), kept.attempt_id, self._stood_in(ways, there))
        last = self._history.latest.get((asset.id, candidate))
        before = self._history.details[last.attempt_id].inputs if last is not None else None
        usable = tuple(way for way in ways if way.made is not None)
        if asset.locked and last is not None and before is not None and usable:
            maker = next((way for way in usable if _made_by(way, before)), usable[0])
            changed = changed_fields(before, _road(maker).made.fields)
            reason = f"locked; would change {', '.join(changed)}"
            return self._cached(asset, candidate, shape, _road(maker), last.attempt_id, reason)
        chosen = self._chosen(ways)
        if not chosen:
            return PlanItem(asset, candidate, shape, State.BLOCKED, reason=_blocked(ways))
        made = chosen[0].made
        changed = changed_fields(before, made.fields) if before is not None and made is not None else ()
        return self._due(asset, candidate, shape, ways, chosen, changed)

    def _there(self, ways: tuple[_Way, ...]) -> _Way | None:
        """Whose picture is kept. Of several the one that was finished and used: what was drawn from it stays.

        A job that was out of sight may come back after somebody else has made the picture.
        """
        kept = [way for way in ways if way.made and way.made.fingerprint in self._history.by_fingerprint]
        if len(kept) > 1:
            used = {attempt_id for attempt_id, _ in self._history.verdicts}
            kept.sort(key=lambda way: self._history.by_fingerprint[_road(way).made.fingerprint].attempt_id not in used)
        return kept[0] if kept else None

    def _due(
        self, asset: Asset, candidate: int, shape: str, ways: tuple[_Way, ...], chosen: tuple[_Way, ...],
        changed: tuple[str, ...],
    ) -> PlanItem:  # fmt: skip
        """A picture that is not there: it is out already, or to be sent, or was sent too often."""
        out = next((way for way in ways if way.made and way.made.fingerprint in self._history.open), None)
        first = out or chosen[0]
        after = tuple(way for way in chosen if way is not first)
        passed = ways[: ways.index(first)]
        road, rest = _road(first), tuple(_road(way) for way in after)
        unknown = self._unknown(ways)
        waiting = self._history.open[road.made.fingerprint] if out is not None else None
        if waiting is not None:
            state = State.OPEN
            reason = f"job {waiting.job_id or 'unknown'} was sent and is not collected yet; sent again if lost"
        elif unknown > self._resend_unknown:
            state, reason = State.BLOCKED, _too_often(unknown)
        else:
            state, reason = State.CHANGED if changed else State.NEW, SENT_AGAIN if unknown else _left_out(asset, road)
        return PlanItem(
            asset,
            candidate,
            shape,
            state,
            reason=reason,
            changed=changed if state is State.CHANGED else (),
            road=road,
            fallbacks=rest,
            instead_of=passed[0].endpoint.name if passed else None,
            instead_why="; ".join(way.obstacle for way in passed if way.obstacle),
            attempt_id=waiting.attempt_id if waiting is not None else None,
        )

    def _unknown(self, ways: tuple[_Way, ...]) -> int:
        """How often a picture was sent without an answer, to whomever of its chain: each may have charged for it."""
        prints = {way.made.fingerprint for way in ways if way.made is not None}
        return sum(self._history.unknowns.get(one, 0) for one in prints)

    def _chosen(self, ways: tuple[_Way, ...]) -> tuple[_Way, ...]:
        """Those that may be asked, in the order of the chain; where all are left alone, these all the same."""
        free = tuple(way for way in ways if not way.obstacle)
        return free or tuple(way for way in ways if way.resting)

    def _stood_in(self, ways: tuple[_Way, ...], there: _Way) -> str:
        first = ways[0].endpoint.name
        return "" if there is ways[0] else f"made by {there.endpoint.name}, in place of {first}"

    def _ways(self, asset: Asset, candidate: int) -> tuple[_Way, ...]:
        key = (asset.id, candidate)
        if key not in self._found:
            self._found[key] = tuple(self._way(asset, candidate, endpoint) for endpoint in self._routes.of(asset))
        return self._found[key]

    def _way(self, asset: Asset, candidate: int, endpoint: Endpoint) -> _Way:
        try:
            maker, reference = Maker(endpoint.kind, endpoint.model), self._reference(asset)
            made = generation(asset, self._pack, candidate, library=self._library, maker=maker, reference=reference)
        except WorkflowError as error:
            return _Way(endpoint, None, error.message)
        learned = self._history.abilities.get(endpoint.url, {}).get(made.workflow)
        if learned and learned.ability.able is False and learned.workflow_hash == made.origin["workflow_hash"]:
            return _Way(endpoint, made, f"it cannot run workflow {made.workflow}: {learned.ability.why}")
        outage = self._history.outages.get(endpoint.url)
        if outage is not None:
            return _Way(endpoint, made, f"left alone until {outage.until:%H:%M} UTC: {outage.why}", resting=True)
        return _Way(endpoint, made)

    def _reference(self, asset: Asset) -> str | None:
        """Fingerprint of the picture that it is drawn from: the one that is there, or that would be made first."""
        if not asset.references:
            return None
        source = self._by_id[asset.references[0]]
        if not source.enabled:
            raise WorkflowError(f"it is drawn from {source.id}, which is disabled")
        ways = self._ways(source, 0)
        there = self._there(ways)
        if there is not None:
            return _road(there).made.fingerprint
        last = self._history.latest.get((source.id, 0)) if source.locked else None
        if last is not None:
            return last.fingerprint
        chosen = self._chosen(ways) or tuple(way for way in ways if way.made is not None)
        if not chosen:
            raise WorkflowError(_blocked(ways))
        return _road(chosen[0]).made.fingerprint

    def _cached(
        self, asset: Asset, candidate: int, shape: str, road: Road, attempt_id: str, reason: str = ""
    ) -> PlanItem:
        key = (attempt_id, shape)
        done = key in self._history.verdicts
        last = None if done else self._history.last_finish.get(attempt_id)
        first = self._routes.of(asset)[0]
        return PlanItem(
            asset,
            candidate,
            shape,
            State.CACHED,
            reason=reason,
            road=road,
            instead_of=first.name if road.endpoint.url != first.url else None,
            refinish=not done,
            finish_changed=self._refinish_reasons(asset, last),
            rejected=self._history.verdicts[key] if done else None,
            attempt_id=attempt_id,
        )

    def _refinish_reasons(self, asset: Asset, last: Finish | None) -> tuple[str, ...]:
        if last is None:
            return ()
        return changed_fields(last.inputs, finish_fields(asset, self._pack, strip=self._strip))


def _left_out(asset: Asset, road: Road) -> str:
    """What the asset asks for and its maker cannot take."""
    if asset.negative_prompt and "negative_prompt" not in road.made.parameters:
        return f"its negative prompt is left out: {road.endpoint.model} takes none"
    return ""


def _road(way: _Way) -> Road:
    if way.made is None:
        raise WorkflowError(way.words)
    return Road(way.endpoint, way.made)


def _made_by(way: _Way, inputs: Mapping[str, Any]) -> bool:
    """Whether a picture of these inputs came from an endpoint like that one."""
    origin = way.made.origin if way.made is not None else {}
    return all(inputs.get(name) == origin.get(name) for name in ("provider", "model"))


def _blocked(ways: tuple[_Way, ...]) -> str:
    """Why nobody of a chain makes it; a chain of one needs no name."""
    return ways[0].obstacle if len(ways) == 1 else "; ".join(way.words for way in ways)
