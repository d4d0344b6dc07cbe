"""Whether everything that a run needs stands (settings, books, store, Prefect, endpoints), and what is next.

It sends no job and costs nothing: of an endpoint that only a job could ask, it tells what was found out before. One
part that is broken is told and keeps no other from being looked at. No secret is ever in what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from assetmill.clock import Clock
from assetmill.doctor.examine import examine
from assetmill.doctor.findings import Check, Examination, State
from assetmill.doctor.migration import migration
from assetmill.doctor.phases import Phase
from assetmill.errors import AssetmillError, ProviderRefused, StorageError
from assetmill.ledger import Ledger
from assetmill.providers.endpoint import DRAFT
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.providers.routing import read_routes
from assetmill.settings import Settings
from assetmill.storage import open_store

REACH_S = 10.0
BOOKS = frozenset({"books", "store"})


@dataclass(frozen=True, slots=True)
class Status:
    """How everything stands.

    Args:
        checks: what is not an endpoint.
        endpoints: those that are configured.
        phases: the migration, in its order; one that is not done is no fault, and changes no exit code.
    """

    checks: tuple[Check, ...]
    endpoints: tuple[Examination, ...]
    phases: tuple[Phase, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all is well, 5 books or store are away, 4 an endpoint refuses us, 1 anything else is amiss."""
        bad = {check.name for check in self.checks if check.state is State.BAD}
        if bad & BOOKS:
            return StorageError.exit_code
        if any(one.refused for one in self.endpoints):
            return ProviderRefused.exit_code
        amiss = (check.state is State.BAD for one in self.endpoints for check in one.checks)
        unable = (ability.able is False for one in self.endpoints for ability in one.abilities)
        return 1 if bad or any(amiss) or any(unable) else 0

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        checks = [{"name": one.name, "state": one.state, "words": one.words, "hint": one.hint} for one in self.checks]
        endpoints = [one.as_json() for one in self.endpoints]
        phases = [phase.as_json() for phase in self.phases]
        return {"checks": checks, "phases": phases, "endpoints": endpoints, "exit_code": self.exit_code}


async def status(settings: Settings, clock: Clock) -> Status:
    """Look at everything that is configured; never raises for what it looks at."""
    endpoints = asyncio.gather(*(_endpoint(settings, name, clock) for name in _names(settings)))
    looks = (_books(settings), _store(settings, clock), _prefect(settings), migration(settings, clock))
    books, store, prefect, phases, found = await asyncio.gather(*looks, endpoints)
    return Status((_settings(settings), books, store, prefect), tuple(found), phases)


def _settings(settings: Settings) -> Check:
    try:
        routes = read_routes(settings.routes)
    except AssetmillError as error:
        return _bad("settings", error)
    routed = f"; routes: {_routed(routes)}" if routes else ""
    return Check("settings", State.OK, f"images come from {settings.provider}{routed}; home is {settings.home}")


def _routed(routes: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{name} {' > '.join(chain)}" for name, chain in routes.items())


async def _books(settings: Settings) -> Check:
    def work() -> Check:
        with Ledger.open(settings.ledger_url) as ledger:
            still_open = len(ledger.open_attempts())
            url = ledger.url
        if still_open:
            jobs = "1 attempt is" if still_open == 1 else f"{still_open} attempts are"
            return Check("books", State.WARN, f"{url}; {jobs} open", "a run is under way, or `assetmill settle`")
        return Check("books", State.OK, f"{url}; no attempt is open")

    return await _checked("books", work)


async def _store(settings: Settings, clock: Clock) -> Check:
    def work() -> Check:
        store = open_store(settings.store_url, settings.store_access)
        key = f"probes/doctor-{clock.new_id()}"
        store.put(key, b"", content_type="text/plain")
        store.delete(key)
        return Check("store", State.OK, f"{store.url} can be written")

    return await _checked("store", work)


async def _prefect(settings: Settings) -> Check:
    url = settings.prefect_api_url
    if url is None:
        return Check("prefect", State.OK, "no server is configured: each run starts one of its own")
    shown = url.rpartition("@")[2]  # before it, a password may stand
    try:
        async with httpx.AsyncClient(timeout=REACH_S) as client:
            answer = await client.get(f"{url.rstrip('/')}/health")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        hint = "start that server, or unset PREFECT_API_URL: a run then starts one of its own"
        return Check("prefect", State.BAD, f"no Prefect API answers at {shown}: {type(error).__name__}", hint)
    return Check("prefect", State.OK, f"{shown} answers (HTTP {answer.status_code})")


def _names(settings: Settings) -> Iterator[str]:
    """Endpoints that are configured, each once: what a run takes by itself first."""
    configured = {
        "runpod": settings.runpod_endpoint_id,
        "custom": settings.runpod_custom_endpoint_id,
        "scenario": settings.scenario_api_key,
        "comfyui": settings.comfyui_url,
    }
    try:
        routed = [name for chain in read_routes(settings.routes).values() for name in chain]
    except AssetmillError:  # the settings have said so
        routed = []
    wanted = [settings.provider, *(name for name, value in configured.items() if value), *routed]
    yield from (name for name in dict.fromkeys(wanted) if name != DRAFT)


async def _endpoint(settings: Settings, name: str, clock: Clock) -> Examination:
    try:
        return await examine(settings, resolve_endpoint(settings, name), clock, ask=False)
    except AssetmillError as error:
        refused = isinstance(error, ProviderRefused)
        return Examination(name, "", "", draft=False, checks=(_bad("endpoint", error),), refused=refused)


async def _checked(name: str, work: Callable[[], Check]) -> Check:
    try:
        return await asyncio.to_thread(work)
    except AssetmillError as error:
        return _bad(name, error)


def _bad(name: str, error: AssetmillError) -> Check:
    return Check(name, State.BAD, error.message, error.hint)
