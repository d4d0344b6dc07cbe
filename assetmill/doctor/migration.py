"""The migration's status page: what is built, where it runs, what was tested, who makes the pictures.

It looks at files, settings, books, the image's registry and RunPod's management API, all at once, and hands what it
found to the rules in `phases`. It sends no job, changes nothing, and one thing that cannot be looked at keeps nothing
else from being told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from assetmill.clock import Clock
from assetmill.doctor import phases
from assetmill.doctor.history import Made, Smoked, made_since, month_of, smoked
from assetmill.doctor.phases import Phase, Stands
from assetmill.doctor.planned import look
from assetmill.errors import AssetmillError
from assetmill.ledger import Ledger
from assetmill.manifest.models import ASSET_TYPES
from assetmill.providers.endpoint import COMFYUI, RUNPOD, SCENARIO, Endpoint
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.providers.routing import ALL_OTHERS, read_routes
from assetmill.settings import Settings
from assetmill.smoke.kinds import KINDS
from assetmill.workflows.library import load_library


@dataclass(frozen=True, slots=True)
class _Past:
    """What the books remember.

    Args:
        smoked: kind -> its newest smoke test at the endpoint.
        made: endpoint's name -> pictures of this month.
        trouble: why nobody knows, where the books could not be read.
    """

    smoked: Mapping[str, Smoked] = field(default_factory=dict)
    made: Mapping[str, Made] = field(default_factory=dict)
    trouble: str = ""


async def migration(settings: Settings, clock: Clock) -> tuple[Phase, ...]:
    """How far the way to workers of our own has been gone; never raises for what it looks at."""
    ids = {
        name: value
        for name, value in (("custom", settings.runpod_custom_endpoint_id), ("runpod", settings.runpod_endpoint_id))
        if value
    }
    looked = await look(settings, clock)
    made, key = looked.endpoint_id, settings.runpod_api_key is not None
    target = _target(settings, ids, made)
    past = await asyncio.to_thread(_past, settings, clock, target)
    there = looked.released_at if made in ids.values() else None
    image = phases.drawn(looked.image, there, past.smoked)
    environment = phases.environment(ids, key=key, made=made, pool=settings.gpu_pool)
    return image, looked.endpoint, environment, *_tested(settings, clock, target, past)


def _tested(settings: Settings, clock: Clock, target: Endpoint | None, past: _Past) -> tuple[Phase, Phase]:
    if past.trouble:
        unread = f"the books cannot be read: {past.trouble}"
        return Phase("smoke", Stands.UNKNOWN, unread), Phase("switch", Stands.UNKNOWN, unread)
    tested = phases.smoke(target, KINDS, past.smoked, clock.now())
    return tested, _switched(settings, past.made, target.name if target else RUNPOD)


def _target(settings: Settings, ids: Mapping[str, str], made: str | None) -> Endpoint | None:
    """The endpoint that is being moved to: the file's own if it is configured, else the first that is."""
    names = [name for name, value in ids.items() if value == made] or list(ids)
    try:
        return resolve_endpoint(settings, names[0]) if names else None
    except AssetmillError:  # a key is missing, which the environment's phase says
        return None


def _past(settings: Settings, clock: Clock, target: Endpoint | None) -> _Past:
    try:
        with Ledger.open(settings.ledger_url) as ledger:
            hashes = {workflow.name: workflow.template_hash for workflow in load_library()}
            tested = smoked(ledger, target.url, hashes) if target else {}
            return _Past(tested, made_since(ledger, month_of(clock.now())))
    except AssetmillError as error:
        return _Past(trouble=error.message)


def _switched(settings: Settings, made: Mapping[str, Made], target: str) -> Phase:
    try:
        routes = read_routes(settings.routes)
    except AssetmillError as error:
        return Phase("switch", Stands.UNKNOWN, error.message, error.hint)
    default = (settings.provider,)
    chains = {kind: routes.get(kind) or routes.get(ALL_OTHERS) or default for kind in ASSET_TYPES}
    first = {kind: chain[0] for kind, chain in chains.items()}
    ours = [name for name in set(first.values()) if _is_ours(settings, name)]
    fallback = SCENARIO if settings.scenario_api_key and settings.scenario_secret else ""
    return phases.switch(first, ours, made, target=target, fallback=fallback)


def _is_ours(settings: Settings, name: str) -> bool:
    """Whether a name means workers of our own: an endpoint of RunPod's protocol, or a ComfyUI server."""
    try:
        endpoint = resolve_endpoint(settings, name)
    except AssetmillError:  # not set up yet; the name says what was meant
        return name in (RUNPOD, COMFYUI, "custom")
    return not endpoint.draft and endpoint.kind in (RUNPOD, COMFYUI)
