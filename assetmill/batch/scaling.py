"""The most workers of an endpoint around a run: raised before its first job, and set to 0 after its last, if wanted.

RunPod lowers the figure by itself, to 2 after 3 days without a request and to 0 after 7, so that a studio that draws
once a week meets an endpoint that begins no job. Whatever goes wrong here is told with a hint, and no run ends by it.
Nobody's jobs are left without workers: the figure is set to 0 only where the books know of no job at the endpoint, no
other run has a seat there and the endpoint itself counts no job; that is looked at once more afterwards, because a run
may have begun in between. See ADR 0023.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx

from assetmill.batch.context import Batch
from assetmill.batch.sharing import limit_name
from assetmill.errors import AssetmillError
from assetmill.ledger import Status
from assetmill.planning.plan import Plan, State
from assetmill.providers.endpoint import RUNPOD
from assetmill.providers.runpod.api import JobApi
from assetmill.providers.runpod.manage import ManagementApi
from assetmill.providers.runpod.management import count, part
from assetmill.provisioning import load_spec
from assetmill.provisioning.access import managing_at
from assetmill.provisioning.apply import scale
from assetmill.provisioning.plan import plain_name
from assetmill.settings import Settings

LAG_S = 2.0  # its counts may lag behind the job that has just ended
MOST_S = 90.0  # a run does not wait longer for an API that is away
BACK_S = 20.0  # nor for the figure to be raised again, once somebody wants it to end
AT_ENDPOINT = (Status.SUBMITTING, Status.SUBMITTED)
BY_HAND = "`assetmill endpoint scale file` does it by hand"


async def before_jobs(batch: Batch, plan: Plan) -> None:
    """Raise the most workers of each endpoint to what the endpoint file says, if the run is to do so."""
    if batch.scale == "keep" or not (plan.to_pay or plan.counts()[State.OPEN]):
        return
    for lane in batch.lanes.values():
        if lane.endpoint.kind == RUNPOD and lane.endpoint.management_url and not lane.endpoint.standing:
            await _trying(lane, "raised", _raise)


async def after_jobs(batch: Batch) -> None:
    """Set the most workers of each endpoint to 0, where the run has been told to and nobody else has jobs there."""
    if batch.scale != "around":
        return
    for lane in batch.lanes.values():
        if lane.endpoint.url in batch.common.scaled:
            await _trying(lane, "set to 0", _lower)


def name_looked_after(settings: Settings) -> str | None:
    """Name of the endpoint whose most workers runs raise themselves; None where they do not, or nobody can tell."""
    if settings.scale == "keep":
        return None
    try:
        return load_spec(settings.endpoint_file, to_deploy=False).name
    except AssetmillError:
        return None


async def _trying(lane: Batch, done: str, work: Callable[[Batch, ManagementApi], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(MOST_S), managing_at(lane.endpoint, lane.settings, lane.clock) as api:
            await work(lane, api)
    except AssetmillError as error:
        _tell(lane, f"max workers of {lane.endpoint.name} was not {done}: {error.message} ({error.hint or BY_HAND})")
    except TimeoutError:
        _tell(lane, f"max workers of {lane.endpoint.name} was not {done}: no answer in {MOST_S:.0f} s ({BY_HAND})")


async def _raise(lane: Batch, api: ManagementApi) -> None:
    spec = await asyncio.to_thread(load_spec, lane.settings.endpoint_file, to_deploy=False)
    there = await api.endpoint(lane.endpoint.id)
    if plain_name(there) != spec.name:
        words = f"{lane.settings.endpoint_file} is about {spec.name}, and this is {plain_name(there)}"
        _tell(lane, f"max workers of {lane.endpoint.name} is left as it is: {words}")
        return
    lane.common.scaled.add(lane.endpoint.url)
    now = count(part(there, "workers").get("max"))
    if now is None or now < spec.workers.max:
        await scale(api, lane.endpoint.id, spec.workers.max)
        _tell(lane, f"max workers of {lane.endpoint.name} was {now}, and is {spec.workers.max} now")


async def _lower(lane: Batch, api: ManagementApi) -> None:
    name = lane.endpoint.name
    if why := await _in_use(lane):
        _tell(lane, f"max workers of {name} is left as it is: {why}")
        return
    before = part(await api.endpoint(lane.endpoint.id), "workers")
    try:
        await scale(api, lane.endpoint.id, 0)
        why = await _in_use_by_now(lane)
    except asyncio.CancelledError:
        await _raise_again(lane, api, before, "the run was ended at once")
        raise
    if why and before.get("max"):
        await _raise_again(lane, api, before, why)
        return
    _tell(lane, f"max workers of {name} was {before.get('max')}, and is 0 until the next run")


async def _in_use_by_now(lane: Batch) -> str:
    """The same once it is closed; where nobody can tell, somebody may be in need of it."""
    try:
        return await _in_use(lane)
    except AssetmillError as error:
        return f"nobody can tell whether it is in use: {error.message}"


async def _raise_again(lane: Batch, api: ManagementApi, before: Mapping[str, Any], why: str) -> None:
    """Give an endpoint its workers back; it is told if that fails, for it may have jobs that nothing would begin."""
    name, workers = lane.endpoint.name, {one: before[one] for one in ("min", "max") if before.get(one) is not None}
    try:
        async with asyncio.timeout(BACK_S):
            await api.update(lane.endpoint.id, {"workers": workers})
    except (AssetmillError, TimeoutError) as error:
        told = error.message if isinstance(error, AssetmillError) else f"no answer in {BACK_S:.0f} s"
        _tell(lane, f"max workers of {name} is 0, and could not be raised again ({why}): {told} ({BY_HAND})")
        return
    _tell(lane, f"max workers of {name} is {before.get('max')} again: {why}")


async def _in_use(lane: Batch) -> str:
    """Why the endpoint may not be closed, or "" where nobody has jobs there.

    Raises:
        LedgerError: the books cannot be read.
        ProviderRefused, NotDelivered: the endpoint does not tell.
    """
    if told := await asyncio.to_thread(_by_the_books, lane):
        return told
    key = lane.endpoint.key.get_secret_value() if lane.endpoint.key else None
    async with httpx.AsyncClient() as client:
        api = JobApi(client, lane.endpoint.address, key, lane.clock, lane.settings.secrets)
        told = _by_its_health(await api.health())
        if told:
            await lane.clock.sleep(LAG_S)
            told = _by_its_health(await api.health())
    return told


def _by_its_health(health: Mapping[str, Any]) -> str:
    """What the endpoint says of its jobs; one that says nothing may have some."""
    counts = [count(part(health, "jobs").get(name)) for name in ("inQueue", "inProgress")]
    known = [number for number in counts if number is not None]
    if len(known) < len(counts):
        return "it does not tell whether it has jobs"
    return f"it has {sum(known)} jobs that are not of these books" if sum(known) else ""


def _by_the_books(lane: Batch) -> str:
    """What books and seats know of jobs and runs at the endpoint."""
    now = lane.clock.now()
    since = now - timedelta(seconds=lane.settings.job_ttl_s)
    out = [
        one
        for one in lane.ledger.open_attempts()
        if one.endpoint_url == lane.endpoint.url and one.status in AT_ENDPOINT and one.intended_at > since
    ]
    if out:
        return f"{len(out)} of its jobs are open in the books"
    seats = lane.ledger.seats.at(limit_name(lane.endpoint))
    others = {seat.owner for seat in seats if seat.until > now} - {lane.run_id}
    return f"{len(others)} other run{'s' if len(others) > 1 else ''} may send jobs to it" if others else ""


def _tell(lane: Batch, words: str) -> None:
    lane.common.scaling.append(words)
    lane.progress.say(words)
