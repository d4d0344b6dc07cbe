"""What the endpoint file would change at RunPod: found by name, compared field by field, priced. It only looks.

A name is not unique there, so several endpoints of one name are refused and never chosen among; an id says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from assetmill.clock import Clock
from assetmill.errors import Refused, UsageError
from assetmill.money import Price, PriceList
from assetmill.money.prices import SECONDS_AN_HOUR
from assetmill.providers.runpod.manage import ManagementApi
from assetmill.provisioning.access import managing, prices_there
from assetmill.provisioning.fields import ENV, UNORDERED, Effect, change_body, create_body, effect_of, found, wanted
from assetmill.provisioning.flaws import SECRET_NAME, SECRET_REFERENCE
from assetmill.provisioning.loading import load_spec
from assetmill.provisioning.spec import FLASHBOOT_SUFFIX, EndpointSpec
from assetmill.settings import Settings

HIDDEN: Final = "(hidden)"

_ID: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Change:
    """One field that is not as the file says.

    Args:
        field: its name in the file, such as `workers.max`.
        old: what is there, in words; None where there is nothing.
        new: what the file says, in words; None where it says that there is to be nothing.
        effect: what changing it causes.
        note: why it may have changed by itself; empty otherwise.
    """

    field: str
    old: str | None
    new: str | None
    effect: Effect
    note: str = ""


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """What would be done.

    Args:
        spec: the file.
        endpoint_id: the endpoint that is there; None where one would be made.
        changes: what differs; empty where nothing is to be done.
        prices: price of a second of each pool, in the file's order.
        notes: what somebody should know.
        body: what would be sent.
    """

    spec: EndpointSpec
    endpoint_id: str | None
    changes: tuple[Change, ...]
    prices: tuple[Price, ...]
    notes: tuple[str, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def usd_per_s(self) -> tuple[Decimal | None, Decimal | None]:
        """What a second of one worker costs, from the cheapest to the dearest pool; None where one has no price."""
        known = [price.usd_per_s for price in self.prices if price.usd_per_s is not None]
        return min(known, default=None), max(known, default=None) if len(known) == len(self.prices) else None

    @property
    def most_usd_per_hour(self) -> Decimal | None:
        """What an hour costs at most, with all workers on the dearest pool; None where a price is unknown."""
        dearest = self.usd_per_s[1]
        return None if dearest is None else dearest * SECONDS_AN_HOUR * self.spec.workers.max

    @property
    def always_usd_per_day(self) -> Decimal | None:
        """What the workers that are always on cost a day at most; None where a price is unknown."""
        dearest = self.usd_per_s[1]
        return None if dearest is None else dearest * SECONDS_AN_HOUR * 24 * self.spec.workers.min


async def plan(
    settings: Settings, clock: Clock, path: Path | None = None, *, endpoint_id: str | None = None
) -> EndpointPlan:
    """Compare the endpoint file with what is there; changes nothing.

    Args:
        settings: the environment: where the management API is, its key, and the file.
        clock: time.
        path: the file, in place of the settings' own.
        endpoint_id: which endpoint it is, where several have its name.

    Raises:
        ManifestError: the file cannot be used.
        Refused: several endpoints have its name, or the one that has it is of another kind.
        UsageError, ProviderRefused: no key, no answer.
    """
    spec = load_spec(path or settings.endpoint_file, prices_there(settings))
    async with managing(settings, clock) as api:
        return await plan_with(api, spec, settings, endpoint_id=endpoint_id)


async def plan_with(
    api: ManagementApi, spec: EndpointSpec, settings: Settings, *, endpoint_id: str | None = None
) -> EndpointPlan:
    """The same with an API that is open already."""
    there = await look_up(api, spec.name, endpoint_id)
    return planned(spec, there, prices_there(settings), resting=settings.scale == "around")


async def look_up(api: ManagementApi, name: str, endpoint_id: str | None = None) -> Mapping[str, Any] | None:
    """The one endpoint of a name; None where there is none. An id says which, where several have it.

    Raises:
        Refused: several have it, or the one that has it takes no queued jobs; the one of the id has another name.
        UsageError: that is no id.
        NoSuchEndpoint: there is none of this id.
        ProviderRefused: no answer.
    """
    if endpoint_id is not None:
        return _queue(await _of_id(api, name, endpoint_id))
    same = [one for one in await api.endpoints() if plain_name(one) == name]
    if len(same) > 1:
        ids = ", ".join(str(one["id"]) for one in same)
        raise Refused(
            f"{len(same)} endpoints are called {name}: {ids}",
            hint="delete or rename all but one in RunPod's console, or say which with --id; nothing was changed",
        )
    return _queue(same[0]) if same else None


async def _of_id(api: ManagementApi, name: str, endpoint_id: str) -> Mapping[str, Any]:
    """The endpoint of an id, which has to be of this name: a slip of the pen must not reach another one."""
    if not _ID.fullmatch(endpoint_id):
        raise UsageError(f"{endpoint_id!r} is no endpoint id", hint="`assetmill endpoint plan` lists those of the name")
    there = await api.endpoint(endpoint_id)
    if plain_name(there) != name:
        raise Refused(
            f"{endpoint_id} is called {plain_name(there)}, and the file is about {name}; nothing was changed",
            hint="the file has to have the name of the endpoint that is meant",
        )
    return there


def planned(
    spec: EndpointSpec, there: Mapping[str, Any] | None, prices: PriceList, *, resting: bool = False
) -> EndpointPlan:
    """Compare.

    Args:
        spec: the file.
        there: the endpoint as RunPod tells it; None where there is none.
        prices: what GPUs cost.
        resting: max workers of 0 is no difference, nor is what that does to min: runs raise both, and lower them.
    """
    table = wanted(spec)
    costs = tuple(prices.of_pool(pool).times(spec.gpu.count) for pool in spec.gpu.pools)
    if there is None:
        changes = tuple(
            Change(name, None, _shown(name, value, spec), Effect.CREATE) for name, value in table.items() if value
        )
        return EndpointPlan(spec, None, changes, costs, _notes(spec), create_body(spec))
    now = found(there)
    names = [name for name in table if not _same(name, table[name], now.get(name))]
    names += [name for name in now if name.startswith(ENV) and name not in table]
    notes = _notes(spec)
    if resting and "workers.max" in names and now["workers.max"] == 0:
        names = [name for name in names if name not in ("workers.max", "workers.min")]
        notes += ("max workers is 0 between runs (ASSETMILL_SCALE=around)",)
    changes = tuple(_change(name, now, table, spec) for name in names)
    return EndpointPlan(spec, str(there["id"]), changes, costs, notes, change_body(table, dict.fromkeys(names)))


def plain_name(endpoint: Mapping[str, Any]) -> str:
    """An endpoint's name as it was given."""
    return str(endpoint.get("name", "")).removesuffix(FLASHBOOT_SUFFIX)


def _queue(endpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    if endpoint.get("type", "QUEUE") != "QUEUE" or endpoint.get("cpu"):
        raise Refused(
            f"endpoint {endpoint['id']} is no queue with GPUs, and cannot become one",
            hint="delete it in RunPod's console, or give the file another name; nothing was changed",
        )
    return endpoint


def _change(name: str, now: Mapping[str, Any], table: Mapping[str, Any], spec: EndpointSpec) -> Change:
    old = _shown(name, now.get(name), spec)
    new = _shown(name, table[name], spec) if name in table else None
    note = ""
    if name == "workers.max" and now.get(name) in (0, 2):
        note = "RunPod lowers it by itself: to 2 after 3 days without a request, to 0 after 7"
    return Change(name, old, new, effect_of(name), note)


def _same(name: str, ours: Any, theirs: Any) -> bool:
    if name in UNORDERED:
        return sorted(ours) == sorted(theirs or ())
    return bool(ours == theirs)


def _shown(name: str, value: Any, spec: EndpointSpec) -> str | None:
    """A value in words; one of the environment only where the file shows such a value itself."""
    if value is None:
        return None
    if name.startswith(ENV):
        ours = spec.env.get(name.removeprefix(ENV))
        reference = SECRET_REFERENCE.fullmatch(str(value))
        plain = ours is not None and not SECRET_REFERENCE.fullmatch(ours) and not SECRET_NAME.search(name)
        return str(value) if reference or plain else HIDDEN
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, dict):  # the rule of scaling
        rules = {"queueDelay": "queue_delay_s", "requestCount": "jobs_per_worker"}
        return ", ".join(f"{ours}: {value[theirs]:g}" for theirs, ours in rules.items() if theirs in value) or "none"
    return str(value) or "none"


def _notes(spec: EndpointSpec) -> tuple[str, ...]:
    """What the file asks for that costs, or ties down."""
    notes: Sequence[str] = (
        f"{spec.workers.min} workers are always on, and paid for day and night" if spec.workers.min else "",
        "a network volume ties the endpoint to its data centre" if spec.network_volumes else "",
    )
    return tuple(filter(None, notes))
